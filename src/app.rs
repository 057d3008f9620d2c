//! The composition root: builds each part once from the configuration, hands each only what it needs, and stops them in
//! order.

pub mod jobs;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::accounts::{self, Accounts, Configured, Role, Token, Who};
use crate::admin::{Addresses, Admin};
use crate::auth::{BearerKey, Keys, UnlockKey};
use crate::cache::Cache;
use crate::codec::Limits;
use crate::config::Config;
use crate::db::{Db, backup};
use crate::delivery::cors::Cors;
use crate::delivery::door::Door;
use crate::delivery::hotlink::Hotlink;
use crate::delivery::respond::Freshness;
use crate::delivery::{Delivery, Policies};
use crate::error::with_causes;
use crate::http::api::{Api, Schemas};
use crate::http::page::Page;
use crate::http::purge::Operator;
use crate::http::ready::Readiness;
use crate::http::router::{self, Router};
use crate::http::server::{Server, Stop};
use crate::http::visitor::Visitors;
use crate::library::{Library, SweepPlan, Swept, Visibility};
use crate::limit::Limiter;
use crate::net::{Client, Rules};
use crate::source::{CacheControl, Sources};
use crate::storage::Storages;
use crate::telemetry::logging;
use crate::telemetry::metrics::Metrics;
use crate::transform::{Ladder, Presets};
use crate::units::{Policy, Secret};
use crate::upload::Uploads;
use crate::workers::Workers;
use crate::{limit, source, storage, workers};

/// Why a server or a command could not be put together. Each text names the part.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("data_dir {path}: {error}")]
    DataDir { path: String, error: io::Error },
    #[error("{part}: {text}")]
    Part { part: &'static str, text: String },
    #[error("http.listen {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
}

/// A server whose parts are built, and which listens nowhere yet.
pub struct App {
    config: Config,
    metrics: Arc<Metrics>,
    db: Db,
    library: Library,
    sources: Sources,
    cache: Arc<Cache<crate::delivery::DeliveryError>>,
    workers: Workers,
    limiter: Arc<Limiter>,
    accounts: Accounts,
    addresses: Addresses,
    /// Whom requests without credentials act as, where no account is needed.
    nobody: Option<Who>,
    /// The secret of the link that makes the first account, while there is none.
    set_up: Option<Token>,
    presets: Presets,
    demo: bool,
}

/// A server that has its sockets and answers once [`Listening::run`] is awaited.
pub struct Listening {
    app: App,
    public: TcpListener,
    admin: Option<TcpListener>,
    address: SocketAddr,
    public_url: String,
}

/// What `--demo` puts into the library.
const DEMO: [(&str, &str, &[u8]); 4] = [
    ("demo", "demo.jpg", include_bytes!("../fixtures/demo/demo.jpg")),
    ("demo-portrait", "demo-portrait.jpg", include_bytes!("../fixtures/demo/demo-portrait.jpg")),
    ("demo-alpha", "demo-alpha.png", include_bytes!("../fixtures/demo/demo-alpha.png")),
    ("demo-parrots", "demo-parrots.jpg", include_bytes!("../fixtures/demo/demo-parrots.jpg")),
];

impl App {
    pub async fn build(mut config: Config, demo: bool) -> Result<Self, AppError> {
        if demo {
            config.library.unsigned = Policy::Open;
        }
        crate::net::install_crypto();
        let metrics = Arc::new(Metrics::new());
        let presets = presets(&config)?;
        let db = database(&config).await?;
        let library = library_over(&config, db.clone()).await?;
        if demo {
            let pictures = DEMO.map(|(id, name, bytes)| (id, name, Bytes::from_static(bytes)));
            uploads_into(&config, library.clone())?
                .ensure_demo(&pictures)
                .await
                .map_err(|error| part("demo pictures", error))?;
        }
        let sources = sources(&config)?;
        let cache = Cache::open(&cache_config(&config), cache_dir(&config), Arc::clone(&metrics)).await;
        let workers = Workers::start(&worker_config(&config), Arc::clone(&metrics))
            .map_err(|error| part("worker threads", error))?;
        let limiter = Arc::new(Limiter::new(&limit_config(&config)));
        let cache = Arc::new(cache);
        let addresses = Addresses::new(db.clone(), &config.http.allow, &config.http.deny)
            .await
            .map_err(|error| part("http.allow", error))?;
        let accounts = accounts_over(&config, db.clone(), workers.clone())?;
        let (nobody, set_up) = first_accounts(&config, &accounts).await?;
        Ok(Self {
            config,
            metrics,
            db,
            library,
            sources,
            cache,
            workers,
            limiter,
            accounts,
            addresses,
            nobody,
            set_up,
            presets,
            demo,
        })
    }

    /// Takes the sockets, so that an address that is in use is an error before anything is served.
    pub async fn listen(self) -> Result<Listening, AppError> {
        let bind = async |address| {
            TcpListener::bind(address).await.map_err(|error| AppError::Listen { address, error })
        };
        let public = bind(self.config.http.listen).await?;
        let admin = match self.config.http.admin_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let address = public.local_addr().map_err(|error| part("http.listen", error))?;
        // With port 0 the configuration cannot know the URL.
        let configured = self.config.http.public_url.clone().unwrap_or_default();
        let public_url =
            if self.config.http.listen.port() == 0 { format!("http://{address}") } else { configured };
        Ok(Listening { app: self, public, admin, address, public_url })
    }

    /// Who looks, by what requests carry.
    fn visitors(&self, public_url: &str) -> Result<Arc<Visitors>, AppError> {
        let unlock = UnlockKey::new(&secret(&self.config)?);
        Ok(Arc::new(Visitors::new(self.accounts.clone(), unlock, public_url)))
    }

    fn delivery(&self, public_url: &str, door: Arc<dyn Door>) -> Result<Delivery, AppError> {
        let Config { http, images, ipx, library, .. } = &self.config;
        let CacheControl { max_age, stale_while_revalidate } = CacheControl::default();
        Ok(Delivery::new(crate::delivery::Parts {
            library: self.library.clone(),
            sources: self.sources.clone(),
            cache: Arc::clone(&self.cache),
            workers: self.workers.clone(),
            metrics: Arc::clone(&self.metrics),
            limiter: Arc::clone(&self.limiter),
            limits: codec_limits(&self.config),
            max_result_side: images.max_result_side,
            bitmap_cache: usize::try_from(images.bitmap_cache.0).unwrap_or(usize::MAX),
            presets: self.presets.clone(),
            keys: keys(&self.config).with_own(&secret(&self.config)?),
            door,
            hotlink: hotlink(&self.config, public_url),
            policies: Policies { library: library.unsigned, ladder: Ladder::new(&images.ladder) },
            ipx_source: ipx.source.clone(),
            ignored_query: http.ignore_query.clone(),
            cors: Cors::new(&http.cors).map_err(|text| AppError::Part { part: "http", text })?,
            public_url: public_url.to_owned(),
            library_freshness: Freshness::new(max_age.0, stale_while_revalidate.0),
        }))
    }

    fn operator(&self) -> Operator {
        let key = self.config.auth.admin_key.as_ref().map(BearerKey::new);
        let admin = admin_over(&self.config, self.db.clone(), self.accounts.clone(), self.library.clone());
        Operator { admin, accounts: self.accounts.clone(), key }
    }

    fn api(&self) -> Result<Api, AppError> {
        Ok(Api {
            accounts: self.accounts.clone(),
            library: self.library.clone(),
            uploads: uploads_into(&self.config, self.library.clone())?.fetching_by(fetching(&self.config)?),
            cors: Cors::new(&self.config.http.api_cors)
                .map_err(|text| AppError::Part { part: "http.api_cors", text })?,
            nobody: self.nobody.clone(),
            schemas: Schemas::default(),
            clock: crate::db::now_ms,
        })
    }

    /// Database, storage and sockets are what a server cannot do without; a cache it can.
    fn readiness(&self) -> Readiness {
        let library = self.library.clone();
        Readiness::new(Arc::new(move || {
            let library = library.clone();
            async move {
                library.check().await.map_err(|error| format!("database: {error}"))?;
                library.storages().default().check().await.map_err(|error| format!("storage: {error}"))
            }
            .boxed()
        }))
    }
}

impl Listening {
    /// Where it can be reached from this machine.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                [0, 0, 0, 0, 0, 0, 0, 1].into()
            });
        }
        format!("http://{address}")
    }

    /// What to open first.
    pub fn hints(&self) -> Vec<String> {
        let url = self.url();
        if self.app.demo {
            let mut hints = vec![
                format!("{url}/                                   a page with examples"),
                format!("{url}/i/demo/w_300,fmt_webp              300 px wide, as WebP"),
                format!("{url}/i/demo/w_400,h_400,c_fill,g_n      a square, keeping the top"),
                format!("{url}/explain/i/demo/w_5000              what a URL means"),
            ];
            hints.extend(self.set_up_hint());
            return hints;
        }
        let mut hints = vec![format!(
            "{url}/   start page; `pixedge import DIR` adds pictures, `--demo` brings some along"
        )];
        hints.extend(self.set_up_hint());
        hints
    }

    fn set_up_hint(&self) -> Option<String> {
        let token = self.app.set_up.as_ref()?;
        Some(format!(
            "{}/setup/{}   makes the first account; works once, for a day",
            self.url(),
            token.expose()
        ))
    }

    /// Serves until SIGTERM or Ctrl-C, answers what is under way, and keeps the cache.
    pub async fn run(self) -> Result<(), AppError> {
        let Self { app, public, admin, public_url, .. } = self;
        let stop = Stop::new();
        let visitors = app.visitors(&public_url)?;
        let door: Arc<dyn Door> = Arc::clone(&visitors) as _;
        let delivery = Arc::new(app.delivery(&public_url, door)?);
        let parts = Arc::new(router::Parts {
            delivery: Arc::clone(&delivery),
            visitors,
            addresses: app.addresses.clone(),
            metrics: Arc::clone(&app.metrics),
            page: Page::new(&public_url),
            demo: app.demo,
            stop: stop.clone(),
            ready: app.readiness(),
            operator: app.operator(),
            api: app.api()?,
            trusted_proxies: app.config.http.trusted_proxies.clone(),
        });
        tokio::spawn(watch_changes(app.library.clone(), app.addresses.clone()));
        tokio::spawn(write_down(app.library.clone(), app.accounts.clone()));
        let parts_of_jobs = jobs::Parts {
            db: app.db.clone(),
            library: app.library.clone(),
            accounts: app.accounts.clone(),
            metrics: Arc::clone(&app.metrics),
            delivery: Some(delivery),
            public_url: public_url.clone(),
        };
        let runner = jobs::runner(&app.config, parts_of_jobs)?;
        let runner = tokio::spawn({
            let stop = stop.clone();
            runner.run(async move { stop.asked().await })
        });
        tokio::spawn(sweep_uploads(parts.api.uploads.clone()));
        tokio::spawn(sweep_limits(Arc::clone(&app.limiter)));
        tokio::spawn({
            let stop = stop.clone();
            async move {
                stop_signal().await;
                tracing::info!("stopping");
                stop.ask();
            }
        });
        let server = Server::new(server_config(&app.config), logging(&app.config).access, stop);
        let service = |admin| TowerToHyperService::new(Router::new(Arc::clone(&parts), admin));
        let serve_admin = async {
            if let Some(listener) = admin {
                server.serve(listener, service(true)).await;
            }
        };
        tokio::join!(server.serve(public, service(false)), serve_admin);
        // What is in work is finished or given back before its threads go.
        if runner.await.is_err() {
            tracing::error!("the runner of jobs panicked");
        }
        app.workers.drain(Duration::from_secs(5)).await;
        app.cache.close().await;
        written_down(&app.library, &app.accounts).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Every part by its name, and whether it works. For `pixedge check`.
pub async fn check(config: &Config) -> Vec<(String, Result<String, String>)> {
    let mut results = Vec::new();
    let mut note = |part: String, result: Result<String, String>| results.push((part, result));
    let file = config.file.as_ref().map_or("built-in defaults".to_owned(), |file| file.display().to_string());
    note("configuration".into(), presets(config).map(|_| file).map_err(|error| error.to_string()));
    match library(config).await {
        Ok(library) => {
            let count = library.count().await.map(|count| format!("{count} images"));
            note("database".into(), count.map_err(|error| error.to_string()));
            for storage in library.storages().iter() {
                let result = storage.check().await.map(|()| "reachable".to_owned());
                note(format!("storage {}", storage.name()), result.map_err(|error| with_causes(&error)));
            }
        }
        Err(error) => note("library".into(), Err(error.to_string())),
    }
    match sources(config) {
        Ok(sources) => {
            for source in sources.iter() {
                let result = source.check().await.map(|()| "reachable".to_owned());
                note(format!("source {}", source.name()), result.map_err(|error| with_causes(&error)));
            }
        }
        Err(error) => note("sources".into(), Err(error.to_string())),
    }
    note("cache".into(), check_cache(&cache_dir(config)));
    let log = config.log.file.as_ref().map_or(Ok("standard error".to_owned()), |file| {
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        opened.map(|_| file.display().to_string()).map_err(|error| format!("{}: {error}", file.display()))
    });
    note("log".into(), log);
    results
}

fn check_cache(path: &Path) -> Result<String, String> {
    let probe = path.join(".check");
    std::fs::create_dir_all(path)
        .and_then(|()| std::fs::write(&probe, b"pixedge"))
        .and_then(|()| std::fs::remove_file(&probe))
        .map(|()| format!("{} is writable", path.display()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// The use cases of taking pictures in, for commands.
pub async fn uploads(config: &Config) -> Result<Uploads, AppError> {
    uploads_into(config, library(config).await?)
}

/// Puts right what crashes left, for commands.
pub async fn sweep(config: &Config, plan: &SweepPlan) -> Result<Swept, AppError> {
    let library = library(config).await?;
    library.sweep(plan, crate::db::now_ms()).await.map_err(|error| part("sweep", error))
}

/// The pictures and where they lie, for commands.
pub async fn pictures(config: &Config) -> Result<Library, AppError> {
    library(config).await
}

/// The operator's use cases, for commands.
pub async fn admin(config: &Config) -> Result<Admin, AppError> {
    let db = database(config).await?;
    let workers = Workers::start(&worker_config(config), Arc::new(Metrics::new()))
        .map_err(|error| part("worker threads", error))?;
    let accounts = accounts_over(config, db.clone(), workers)?;
    let library = library_over(config, db.clone()).await?;
    Ok(admin_over(config, db, accounts, library))
}

/// The use cases of accounts, for commands.
pub async fn accounts(config: &Config) -> Result<Accounts, AppError> {
    let workers = Workers::start(&worker_config(config), Arc::new(Metrics::new()))
        .map_err(|error| part("worker threads", error))?;
    accounts_over(config, database(config).await?, workers)
}

/// The server's own secret, of which every part that needs one derives its own.
fn secret(config: &Config) -> Result<Secret, AppError> {
    match &config.auth.secret {
        Some(secret) => Ok(secret.clone()),
        None => crate::accounts::load_or_make(&config.data_dir.join("secret.key"))
            .map_err(|error| part("auth.secret", error)),
    }
}

fn accounts_over(config: &Config, db: Db, workers: Workers) -> Result<Accounts, AppError> {
    use crate::accounts::{Config as Room, Registration};
    let auth = &config.auth;
    let registration = match auth.registration {
        crate::config::Registration::Open => Registration::Open,
        crate::config::Registration::Invite => Registration::Invite,
        crate::config::Registration::Closed => Registration::Closed,
    };
    let room = Room { registration, access_token: auth.access_token.0, ..Room::default() };
    Accounts::new(db, workers, &secret(config)?, &room).map_err(|error| part("accounts", error))
}

/// The accounts of the configuration, and either the one that everybody acts as or the link to the first one.
async fn first_accounts(
    config: &Config,
    accounts: &Accounts,
) -> Result<(Option<Who>, Option<Token>), AppError> {
    let failed = |error| part("accounts", error);
    let configured: Vec<Configured<'_>> = config.auth.users.iter().map(configured_user).collect();
    let now = crate::db::now_ms();
    for user in accounts.ensure(&configured, now).await.map_err(failed)? {
        tracing::info!(user = user.name, role = %user.role, "made the account that the configuration names");
    }
    if !config.auth.required {
        let nobody = accounts.anyone(now).await.map_err(failed)?;
        tracing::warn!("auth.required is false: whoever reaches this server may upload and delete");
        return Ok((Some(nobody), None));
    }
    Ok((None, accounts.set_up_token(now).await.map_err(failed)?))
}

fn configured_user(user: &crate::config::User) -> Configured<'_> {
    let role = match user.role {
        crate::config::Role::Admin => Role::Admin,
        crate::config::Role::User => Role::User,
        crate::config::Role::Guest => Role::Guest,
    };
    Configured {
        name: &user.name,
        email: user.email.as_deref(),
        role,
        password: user.password.as_ref().map(crate::units::Secret::expose),
        hash: user.password_hash.as_ref().map(crate::units::Secret::expose),
    }
}

fn admin_over(config: &Config, db: Db, accounts: Accounts, library: Library) -> Admin {
    Admin::new(db, accounts, library, config.sources.keys().cloned())
}

fn uploads_into(config: &Config, library: Library) -> Result<Uploads, AppError> {
    let wrong = |text| AppError::Part { part: "uploads", text };
    let day = Duration::from_secs(86_400);
    let room = crate::upload::Config {
        limits: codec_limits(config),
        max_bytes: config.uploads.max_bytes.0,
        types: config.uploads.types().map_err(wrong)?,
        naming: config.uploads.naming().map_err(wrong)?,
        visibility: match config.library.visibility {
            crate::config::Visibility::Public => Visibility::Public,
            crate::config::Visibility::Private => Visibility::Private,
        },
        expire_after: config.cleanup.enable.then(|| day * config.cleanup.expire_days),
    };
    Ok(Uploads::new(library, room))
}

/// The way out for pictures by URL.
fn fetching(config: &Config) -> Result<Client, AppError> {
    Ok(Client::new(Rules {
        hosts: config.uploads.hosts().map_err(|text| AppError::Part { part: "uploads", text })?,
        allow_addresses: config.uploads.allow_addresses.clone(),
        max_bytes: config.uploads.max_bytes.0,
        ..Rules::default()
    }))
}

/// The configured presets, each checked by the grammar.
pub fn presets(config: &Config) -> Result<Presets, AppError> {
    Presets::new(&config.presets).map_err(|text| AppError::Part { part: "presets", text })
}

/// Which pages may embed pictures; `None`: everybody's.
fn hotlink(config: &Config, public_url: &str) -> Option<Hotlink> {
    use crate::config::{EmptyReferer, HotlinkAnswer};
    let crate::config::Hotlink { allow, empty_referer, answer } = &config.hotlink;
    let answer = match answer {
        HotlinkAnswer::Forbidden => None,
        HotlinkAnswer::Image(id) => Some(id.clone()),
    };
    let empty = *empty_referer == EmptyReferer::Allow;
    (!allow.is_empty()).then(|| Hotlink::new(allow, public_url, empty, answer))
}

/// The keys that URLs are signed with.
pub fn keys(config: &Config) -> Keys {
    Keys::new(config.keys.iter().map(crate::config::Key::to_room))
}

/// What originals may be, as the decoders want to know it.
pub fn codec_limits(config: &Config) -> Limits {
    let pixels = config.images.max_pixels.0;
    Limits {
        max_pixels: pixels,
        max_pixels_summed: config.images.max_pixels_summed.0,
        max_pixels_progressive: pixels / 2,
        // What may come in must also be read again.
        max_bytes: config.uploads.max_bytes.0.max(Limits::default().max_bytes),
        ..Limits::default()
    }
}

fn worker_config(config: &Config) -> workers::Config {
    let images = &config.images;
    workers::Config {
        workers: images.workers,
        memory_budget: images.memory_budget,
        queue: images.queue,
        timeout: images.timeout,
    }
}

fn server_config(config: &Config) -> crate::http::server::Config {
    crate::http::server::Config {
        max_connections: config.http.max_connections,
        max_connections_per_address: config.http.max_connections_per_address,
        proxies: config.http.trusted_proxies.clone(),
        ..crate::http::server::Config::default()
    }
}

fn limit_config(config: &Config) -> limit::Config {
    let limit = |limit: crate::config::Limit| limit::Limit { rate: limit.rate, burst: limit.burst };
    limit::Config {
        per_address: config.limits.per_address.map(limit),
        per_key: config.limits.per_key.map(limit),
    }
}

fn cache_config(config: &Config) -> crate::cache::Config {
    crate::cache::Config {
        memory: config.cache.memory,
        disk: config.cache.disk,
        path: config.cache.path.clone(),
    }
}

/// The log section as `telemetry` takes it.
pub fn logging(config: &Config) -> logging::Config {
    use crate::config::{Access, Format};
    let log = &config.log;
    logging::Config {
        level: format!("{:?}", log.level).to_ascii_lowercase(),
        format: match log.format {
            Format::Text => logging::Format::Text,
            Format::Json => logging::Format::Json,
        },
        access: match log.access {
            Access::Off => logging::Access::Off,
            Access::Sampled => logging::Access::Sampled,
            Access::All => logging::Access::All,
        },
        file: log.file.clone(),
    }
}

fn cache_dir(config: &Config) -> std::path::PathBuf {
    config.cache.path.clone().unwrap_or_else(|| config.data_dir.join("cache"))
}

/// Writes the database into a new file.
pub async fn backup(
    config: &Config,
    file: &Path,
    without_secrets: bool,
    progress: &mut (dyn FnMut(backup::Progress) + Send),
) -> Result<(), AppError> {
    let db = database(config).await?;
    let blank: &[&str] = if without_secrets { &accounts::BLANK } else { &[] };
    backup::write(&db, file, blank, progress).await.map_err(|error| part("backup", error))
}

/// Fills the database from a file.
pub async fn restore(
    config: &Config,
    file: &Path,
    replace: bool,
    progress: &mut (dyn FnMut(backup::Progress) + Send),
) -> Result<(), AppError> {
    let db = database(config).await?;
    let done = backup::restore(&db, file, &config.data_dir, replace, progress).await;
    done.map_err(|error| part("restore", error))
}

async fn database(config: &Config) -> Result<Db, AppError> {
    let data_dir = &config.data_dir;
    std::fs::create_dir_all(data_dir)
        .map_err(|error| AppError::DataDir { path: data_dir.display().to_string(), error })?;
    let db = crate::db::Config { url: config.database.url.as_ref().map(|url| url.expose().to_owned()) };
    Db::open(&db, data_dir).await.map_err(|error| part("database", error))
}

async fn library(config: &Config) -> Result<Library, AppError> {
    library_over(config, database(config).await?).await
}

async fn library_over(config: &Config, db: Db) -> Result<Library, AppError> {
    let data_dir = &config.data_dir;
    let storages: BTreeMap<String, storage::Config> =
        config.storages.iter().map(|(name, storage)| (name.clone(), storage.to_room())).collect();
    let storages = Storages::open(&storages, &config.storage_default, data_dir, data_dir)
        .await
        .map_err(|error| part("storages", error))?;
    let storages = match &config.crash_at {
        Some(at) => storages.dying_at(&storage::CrashPoint::parse(at)),
        None => storages,
    };
    let library = Library::new(db, storages).await.map_err(|error| part("library", error))?;
    let owned = config.user_storages.to_room();
    Ok(library.with_config(library_config(config)).with_owned(storage::Seal::new(&secret(config)?), owned))
}

fn library_config(config: &Config) -> crate::library::Config {
    let expire_after = Duration::from_secs(u64::from(config.cleanup.expire_days) * 86_400);
    crate::library::Config {
        trash: config.library.trash,
        expire_after: config.cleanup.enable.then_some(expire_after),
        ..crate::library::Config::default()
    }
}

fn sources(config: &Config) -> Result<Sources, AppError> {
    let configs: BTreeMap<String, source::Config> =
        config.sources.iter().map(|(name, source)| (name.clone(), source.to_room())).collect();
    Sources::new(&configs, &config.data_dir).map_err(|error| part("sources", error))
}

/// An error with its causes, under the name of the part it came from.
fn part(part: &'static str, error: impl std::error::Error + 'static) -> AppError {
    AppError::Part { part, text: with_causes(&error) }
}

/// Purges and changes by other processes are seen within a second.
async fn watch_changes(library: Library, addresses: Addresses) {
    // Twice as often as promised, so that an answer that takes its time is in time.
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = library.poll().await {
            tracing::warn!(%error, "purges and changes cannot be read");
        }
        if let Err(error) = addresses.poll().await {
            tracing::warn!(%error, "the lists of addresses cannot be read");
        }
    }
}

/// What is counted in memory is written down often enough that a crash loses little.
async fn write_down(library: Library, accounts: Accounts) {
    let mut ticks = tokio::time::interval(Duration::from_secs(3));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        written_down(&library, &accounts).await;
    }
}

async fn written_down(library: &Library, accounts: &Accounts) {
    if let Err(error) = library.flush_views(crate::db::now_ms()).await {
        tracing::warn!(error = with_causes(&error), "views cannot be written down");
    }
    if let Err(error) = accounts.flush().await {
        tracing::warn!(error = with_causes(&error), "uses of keys cannot be written down");
    }
}

/// What uploads leave that did not come to their end. Storages are not listed: that is for `pixedge sweep`.
async fn sweep_uploads(uploads: Uploads) {
    let mut ticks = tokio::time::interval(Duration::from_secs(600));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let plan = SweepPlan { grace: Duration::from_secs(3600), list: false, dry_run: false };
    loop {
        ticks.tick().await;
        let now = crate::db::now_ms();
        if let Err(error) = uploads.library().sweep(&plan, now).await {
            tracing::warn!(%error, "what uploads left was not swept");
        }
        if let Err(error) = uploads.sweep(now).await {
            tracing::warn!(%error, "ended upload tickets were not swept");
        }
    }
}

/// Callers that have not asked for a while need no bucket.
async fn sweep_limits(limiter: Arc<Limiter>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        limiter.sweep();
    }
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be awaited; Ctrl-C still stops");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
