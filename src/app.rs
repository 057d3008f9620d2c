//! The composition root: builds each part once from the configuration, hands each only what it needs, and stops them in
//! order.

mod background;
mod check;
mod commands;
mod health;
pub mod jobs;
mod rooms;
mod seed;
mod traces;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use self::check::{Finding, Verdict, check};
pub use self::commands::{
    accounts, backup, migration, pictures, purger, restore, source, sweep, tell_servers, uploads,
};
pub use self::health::{HealthError, health, health_url};
pub use self::rooms::{codec_limits, keys, logging, presets};
pub use self::seed::seed;

use self::background::{StopSignal, keep_together, sweep_limits, sweep_uploads, write_down, written_down};
use self::rooms::{
    accounts_over, admin_over, bans, cache_config, cache_dir, database, derivatives, dialects, fetching,
    first_accounts, hotlink, library_over, part, secret, server_config, shared_limits, sources, uploads_into,
    worker_config,
};
use crate::accounts::{Accounts, Token, Who};
use crate::admin::Addresses;
use crate::auth::{BearerKey, RemovalKey, UnlockKey};
use crate::cache::Cache;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::db::Db;
use crate::delivery::cors::Cors;
use crate::delivery::derive::Derivatives;
use crate::delivery::door::Door;
use crate::delivery::respond::Freshness;
use crate::delivery::{Delivery, Policies};
use crate::http::api::{Api, Schemas};
use crate::http::page::Page;
use crate::http::purge::Operator;
use crate::http::ready::Readiness;
use crate::http::router::{self, Router};
use crate::http::server::{Server, Stop};
use crate::http::visitor::Visitors;
use crate::library::Library;
use crate::limit::Limiter;
use crate::source::{CacheControl, Sources};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
use crate::transform::{Ladder, Presets};
use crate::units::Policy;
use crate::workers::Workers;

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
    cluster: Cluster,
    accounts: Accounts,
    addresses: Addresses,
    /// Whom requests without credentials act as, where no account is needed.
    nobody: Option<Who>,
    /// The secret of the link that makes the first account, while there is none.
    set_up: Option<Token>,
    presets: Presets,
    derivatives: Derivatives,
    demo: bool,
}

/// A server that has its sockets and answers once [`Listening::run`] is awaited.
pub struct Listening {
    app: App,
    public: TcpListener,
    admin: Option<TcpListener>,
    address: SocketAddr,
    public_url: String,
    /// Listened for before anybody is told that the server is there.
    signal: StopSignal,
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
        let derivatives = derivatives(&config, &presets)?;
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
        let (cluster, limiter) = shared_limits(&config, &metrics);
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
            cluster,
            accounts,
            addresses,
            nobody,
            set_up,
            presets,
            derivatives,
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
        Ok(Listening { app: self, public, admin, address, public_url, signal: StopSignal::new() })
    }

    /// Who looks, by what requests carry.
    fn visitors(&self, public_url: &str) -> Result<Arc<Visitors>, AppError> {
        let unlock = UnlockKey::new(&secret(&self.config)?);
        Ok(Arc::new(Visitors::new(self.accounts.clone(), unlock, public_url)))
    }

    fn delivery(&self, public_url: &str, door: Arc<dyn Door>) -> Result<Delivery, AppError> {
        let Config { http, images, ipx, library, .. } = &self.config;
        let CacheControl { max_age, stale_while_revalidate, .. } = CacheControl::default();
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
            derivatives: self.derivatives.clone(),
            keys: keys(&self.config).with_own(&secret(&self.config)?),
            door,
            hotlink: hotlink(&self.config, public_url),
            policies: Policies { library: library.unsigned, ladder: Ladder::new(&images.ladder) },
            ipx_source: ipx.source.clone(),
            ignored_query: http.ignore_query.clone(),
            cors: Cors::new(&http.cors).map_err(|text| AppError::Part { part: "http", text })?,
            public_url: public_url.to_owned(),
            library_freshness: Freshness::new(max_age.0, stale_while_revalidate.0),
            tells_timing: http.server_timing,
        }))
    }

    /// From here on this process hears of the others, and they of it.
    fn keep_together(&self) {
        keep_together(&self.cluster, &self.db, &self.library, &self.addresses, &self.limiter);
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
            removal: RemovalKey::new(&secret(&self.config)?),
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
        let Self { app, public, admin, public_url, signal, .. } = self;
        let stop = Stop::new();
        let visitors = app.visitors(&public_url)?;
        let door: Arc<dyn Door> = Arc::clone(&visitors) as _;
        let delivery = Arc::new(app.delivery(&public_url, door)?);
        let parts = Arc::new(router::Parts {
            delivery: Arc::clone(&delivery),
            visitors,
            addresses: app.addresses.clone(),
            bans: bans(&app.config),
            metrics: Arc::clone(&app.metrics),
            page: Page::new(&public_url),
            demo: app.demo,
            stop: stop.clone(),
            ready: app.readiness(),
            operator: app.operator(),
            api: app.api()?,
            dialects: dialects(&app.config),
            trusted_proxies: app.config.http.trusted_proxies.clone(),
            traces: traces::traces(&app.config)?,
        });
        app.keep_together();
        tokio::spawn(write_down(app.library.clone(), app.accounts.clone()));
        let parts_of_jobs = jobs::Parts {
            db: app.db.clone(),
            library: app.library.clone(),
            accounts: app.accounts.clone(),
            metrics: Arc::clone(&app.metrics),
            delivery: Some(delivery),
            results: jobs::Results::Here,
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
                signal.asked().await;
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
        if parts.traces.is_some() {
            // It waits for a thread that needs this runtime.
            let parts = Arc::clone(&parts);
            let (told, closed) = oneshot::channel();
            std::thread::spawn(move || told.send(parts.traces.as_ref().map(Traces::close)));
            let _ = tokio::time::timeout(Duration::from_secs(6), closed).await;
        }
        app.cache.close().await;
        written_down(&app.library, &app.accounts).await;
        tracing::info!("stopped");
        Ok(())
    }
}
