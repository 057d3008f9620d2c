//! The configuration as each room wants to know it, and the rooms that servers and commands build alike.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::AppError;
use crate::accounts::{Accounts, Configured, Role, Token, Who};
use crate::admin::{Admin, Backups};
use crate::auth::Keys;
use crate::cluster::Cluster;
use crate::codec::Limits;
use crate::config::Config;
use crate::db::Db;
use crate::delivery::derive::Derivatives;
use crate::delivery::hotlink::Hotlink;
use crate::error::with_causes;
use crate::http::dialects::{Dialect, Dialects, Setting};
use crate::library::{Library, Visibility};
use crate::limit::Limiter;
use crate::net::{Client, Rules};
use crate::source::Sources;
use crate::storage::Storages;
use crate::telemetry::logging;
use crate::telemetry::metrics::Metrics;
use crate::transform::Presets;
use crate::units::Secret;
use crate::upload::Uploads;
use crate::workers::Workers;
use crate::{limit, source, storage, workers};

/// The server's own secret, of which every part that needs one derives its own.
pub(super) fn secret(config: &Config) -> Result<Secret, AppError> {
    match &config.auth.secret {
        Some(secret) => Ok(secret.clone()),
        None => crate::accounts::load_or_make(&config.data_dir.join("secret.key"))
            .map_err(|error| part("auth.secret", error)),
    }
}

pub(super) fn accounts_over(config: &Config, db: Db, workers: Workers) -> Result<Accounts, AppError> {
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
pub(super) async fn first_accounts(
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

pub(super) fn configured_user(user: &crate::config::User) -> Configured<'_> {
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

pub(super) fn admin_over(config: &Config, db: Db, accounts: Accounts, library: Library) -> Admin {
    // On the file system of the data and not of the system, which may be small.
    let folder = config.data_dir.join("backups");
    let backups = Backups { folder, blank: &crate::accounts::BLANK };
    Admin::new(db, accounts, library, config.sources.keys().cloned(), backups)
        .with_hooks(config.purge_hooks.keys().cloned())
}

pub(super) fn uploads_into(config: &Config, library: Library) -> Result<Uploads, AppError> {
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
        unfinished_for: config.uploads.unfinished_for.0,
    };
    Ok(Uploads::new(library, room))
}

/// The way out for pictures by URL.
pub(super) fn fetching(config: &Config) -> Result<Client, AppError> {
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

/// What is made of every new picture, each checked by the grammar.
pub(super) fn derivatives(config: &Config, presets: &Presets) -> Result<Derivatives, AppError> {
    Derivatives::new(&config.uploads.derivatives, presets)
        .map_err(|text| AppError::Part { part: "configuration", text })
}

/// Which pages may embed pictures; `None`: everybody's.
pub(super) fn hotlink(config: &Config, public_url: &str) -> Option<Hotlink> {
    use crate::config::{EmptyReferer, HotlinkAnswer};
    let crate::config::Hotlink { allow, empty_referer, answer } = &config.hotlink;
    let answer = match answer {
        HotlinkAnswer::Forbidden => None,
        HotlinkAnswer::Image(id) => Some(id.clone()),
    };
    let empty = *empty_referer == EmptyReferer::Allow;
    (!allow.is_empty()).then(|| Hotlink::new(allow, public_url, empty, answer))
}

/// Whose clients are spoken with.
pub(super) fn dialects(config: &Config) -> Dialects {
    let settings = config.dialects.settings();
    let of = |dialect: Dialect| {
        let found = settings.iter().find(|(name, ..)| *name == dialect.name());
        found.map_or(Setting { enabled: false, max_bytes: None }, |(_, enabled, max_bytes)| Setting {
            enabled: *enabled,
            max_bytes: *max_bytes,
        })
    };
    Dialects::new(of, config.mail.smtp.is_some())
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

pub(super) fn worker_config(config: &Config) -> workers::Config {
    let images = &config.images;
    workers::Config {
        workers: images.workers,
        memory_budget: images.memory_budget,
        queue: images.queue,
        timeout: images.timeout,
    }
}

pub(super) fn server_config(config: &Config) -> crate::http::server::Config {
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

/// Who is kept out for a while; `None`: nobody.
pub(super) fn bans(config: &Config) -> Option<limit::Bans> {
    use crate::config::Counted;
    let crate::config::Ban { requests, within, lasts, count } = config.http.ban?;
    let counts = match count {
        Counted::Misuse => limit::Counts::Misuse,
        Counted::All => limit::Counts::All,
    };
    let rule = limit::BanRule { requests, within: within.0, lasts: lasts.0, counts };
    Some(limit::Bans::new(rule, config.http.trusted_proxies.clone()))
}

pub(super) fn cache_config(config: &Config) -> crate::cache::Config {
    crate::cache::Config {
        memory: config.cache.memory,
        disk: config.cache.disk,
        originals: config.cache.originals,
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

pub(super) fn cache_dir(config: &Config) -> std::path::PathBuf {
    config.cache.path.clone().unwrap_or_else(|| config.data_dir.join("cache"))
}

pub(super) async fn database(config: &Config) -> Result<Db, AppError> {
    let data_dir = &config.data_dir;
    std::fs::create_dir_all(data_dir)
        .map_err(|error| AppError::DataDir { path: data_dir.display().to_string(), error })?;
    let db = crate::db::Config { url: config.database.url.as_ref().map(|url| url.expose().to_owned()) };
    Db::open(&db, data_dir).await.map_err(|error| part("database", error))
}

pub(super) async fn library(config: &Config) -> Result<Library, AppError> {
    library_over(config, database(config).await?).await
}

pub(super) async fn library_over(config: &Config, db: Db) -> Result<Library, AppError> {
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

pub(super) fn library_config(config: &Config) -> crate::library::Config {
    let expire_after = Duration::from_secs(u64::from(config.cleanup.expire_days) * 86_400);
    crate::library::Config {
        trash: config.library.trash,
        expire_after: config.cleanup.enable.then_some(expire_after),
        derive: !config.uploads.derivatives.is_empty(),
        ..crate::library::Config::default()
    }
}

pub(super) fn sources(config: &Config) -> Result<Sources, AppError> {
    let configs: BTreeMap<String, source::Config> =
        config.sources.iter().map(|(name, source)| (name.clone(), source.to_room())).collect();
    Sources::new(&configs, &config.data_dir).map_err(|error| part("sources", error))
}

/// An error with its causes, under the name of the part it came from.
pub(super) fn part(part: &'static str, error: impl std::error::Error + 'static) -> AppError {
    AppError::Part { part, text: with_causes(&error) }
}

/// The other nodes, and the buckets that are shared with them.
pub(super) fn shared_limits(config: &Config, metrics: &Arc<Metrics>) -> (Cluster, Arc<Limiter>) {
    let limiter = Limiter::new(&limit_config(config));
    match config.redis.to_room() {
        Some(redis) => (Cluster::new(redis, Arc::clone(metrics)), Arc::new(limiter.shared())),
        None => (Cluster::alone(), Arc::new(limiter)),
    }
}
