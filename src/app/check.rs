//! Whether a server with this configuration would work, part by part, and how to mend what would not: `pixedge check`. It
//! changes nothing: no file is made, no table, no migration runs, so it may be asked beside a running server and before an
//! upgrade.

mod listen;
mod system;

use std::collections::BTreeMap;
use std::path::Path;

use super::jobs::mailer;
use super::rooms::{cache_dir, derivatives, presets, sources};
use crate::cluster;
use crate::config::{Config, Scheme};
use crate::db::{self, Db, State};
use crate::error::with_causes;
use crate::library::Library;
use crate::storage::{self, Storages};

/// What was found out about one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub part: String,
    pub verdict: Verdict,
    pub text: String,
    /// How to mend it.
    pub fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// It works, and not as it should.
    Doubtful,
    /// It does not work.
    Broken,
}

impl Finding {
    pub fn fine(part: impl Into<String>, text: impl Into<String>) -> Self {
        Self { part: part.into(), verdict: Verdict::Fine, text: text.into(), fix: None }
    }

    pub fn doubtful(part: impl Into<String>, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Doubtful, fix: Some(fix.into()), ..Self::fine(part, text) }
    }

    pub fn broken(part: impl Into<String>, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, fix: Some(fix.into()), ..Self::fine(part, text) }
    }

    /// What works says so, what does not says why and how to mend it.
    fn of<E: std::error::Error + 'static>(part: &str, result: Result<String, E>, fix: &str) -> Self {
        match result {
            Ok(text) => Self::fine(part, text),
            Err(error) => Self::broken(part, with_causes(&error), fix),
        }
    }
}

/// Every part by its name.
pub async fn check(config: &Config) -> Vec<Finding> {
    crate::net::install_crypto();
    let mut found = vec![configuration(config)];
    if let Some(stranger) = system::stranger(config) {
        // What root may do says nothing about the server, and what root makes the server cannot write.
        found.push(stranger);
        return found;
    }
    found.extend(system::secrets(config));
    found.extend(system::folders(config));
    let (database, clock) = check_database(config).await;
    found.extend(database);
    found.extend(check_storages(config).await);
    found.extend(check_sources(config).await);
    if let Some(redis) = config.redis.to_room() {
        let fix = "see that it runs and that host, user and password in `redis.url` are right; without it each node goes on alone";
        found.push(Finding::of("redis", cluster::check(&redis).await, fix));
    }
    found.push(check_mail(config).await);
    found.extend(listen::check(config).await);
    found.extend(system::space(config));
    found.push(system::clock(config, clock));
    found.push(check_log(config));
    found
}

fn configuration(config: &Config) -> Finding {
    let file = config.file.as_ref().map_or("built-in defaults".to_owned(), |file| file.display().to_string());
    let specs = presets(config).and_then(|presets| derivatives(config, &presets));
    Finding::of("configuration", specs.map(|_| file), "`pixedge explain SPEC` says what is wrong with a spec")
}

/// The database, and its clock where that is another machine's.
async fn check_database(config: &Config) -> (Vec<Finding>, Option<i64>) {
    let url = config.database.url.as_ref().map(|url| url.expose().to_owned());
    let look = match Db::look(&db::Config { url }, &config.data_dir).await {
        Ok(look) => look,
        Err(error) => {
            let fix = "see that it runs, and that host, user, password and name in `database.url` are right; a file must be the \
                       server's user's to write";
            return (vec![Finding::broken("database", with_causes(&error), fix)], None);
        }
    };
    let finding = match look.state {
        State::Absent => Finding::fine("database", "SQLite's file is made at the first start"),
        State::Empty => Finding::fine("database", "empty; its tables are made at the first start"),
        State::Behind(waiting) => Finding::doubtful(
            "database",
            format!("{waiting} migrations have yet to run, as they do at the next start"),
            "`pixedge backup FILE` with the version that runs now, then start this one: docs/upgrading.md",
        ),
        State::Current(db) => {
            let counted = count(config, &db).await;
            db.close().await;
            match counted {
                Ok(images) => Finding::fine("database", format!("as this version wants it, {images} images")),
                Err(text) => {
                    let fix = "the log of the server says more; `pixedge restore` fills an empty database from a backup";
                    Finding::broken("database", text, fix)
                }
            }
        }
    };
    (vec![finding], look.clock)
}

async fn count(config: &Config, db: &Db) -> Result<u64, String> {
    let storages = open_storages(config, &BTreeMap::new()).await.map_err(|error| with_causes(&error))?;
    let library = Library::new(db.clone(), storages).await.map_err(|error| with_causes(&error))?;
    library.count().await.map_err(|error| with_causes(&error))
}

/// Those and no others: what is missing is not made by opening it.
async fn open_storages(
    config: &Config,
    rooms: &BTreeMap<String, storage::Config>,
) -> Result<Storages, storage::StorageError> {
    let mut rooms = rooms.clone();
    let nowhere = storage::Config { scheme: storage::Scheme::Memory, ..storage::Config::default() };
    rooms.entry(storage::LOCAL.to_owned()).or_insert(nowhere);
    Storages::open(&rooms, storage::LOCAL, &config.data_dir, &config.data_dir).await
}

async fn check_storages(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, storage) in &config.storages {
        let part = format!("storage {name}");
        found.push(match (storage.scheme, &storage.root) {
            // Trying it would make the folder.
            (Scheme::Fs, Some(root)) if !root.exists() => system::folder(part, root),
            _ => {
                let fix = format!(
                    "see `storages.{name}` in the configuration; `pixedge storage test {name}` tries it again"
                );
                Finding::of(&part, try_storage(config, name, storage.to_room()).await, &fix)
            }
        });
    }
    found
}

/// By itself, so that one that is broken does not stand for all.
async fn try_storage(
    config: &Config,
    name: &str,
    room: storage::Config,
) -> Result<String, storage::StorageError> {
    let storages = open_storages(config, &BTreeMap::from([(name.to_owned(), room)])).await?;
    storages.get(name)?.check().await?;
    Ok("takes objects and gives them back".to_owned())
}

async fn check_sources(config: &Config) -> Vec<Finding> {
    let sources = match sources(config) {
        Ok(sources) => sources,
        Err(error) => {
            let fix = "see `sources` in the configuration";
            return vec![Finding::broken("sources", error.to_string(), fix)];
        }
    };
    let mut found = Vec::new();
    for source in sources.iter() {
        let name = source.name();
        let result = source.check().await.map(|()| "reachable".to_owned());
        let fix =
            format!("see `sources.{name}` in the configuration, and that its server or folder is there");
        found.push(Finding::of(&format!("source {name}"), result, &fix));
    }
    found
}

async fn check_mail(config: &Config) -> Finding {
    let mailer = match mailer(config) {
        Ok(Some(mailer)) => mailer,
        Ok(None) => {
            return Finding::fine("mail", "none is sent; `pixedge user passwd NAME` is for lost passwords");
        }
        Err(error) => {
            return Finding::broken("mail", error.to_string(), "see `mail` in the configuration");
        }
    };
    let fix =
        "see that host, port, user and password in `mail.smtp` are right; signs in them are percent-encoded";
    let finding = Finding::of("mail", mailer.check().await, fix);
    let public_url = config.http.public_url.as_deref().unwrap_or_default();
    if finding.verdict == Verdict::Fine && listen::is_of_this_machine(public_url) {
        let text = format!("{}, but its links would lead to {public_url}", finding.text);
        return Finding::doubtful("mail", text, "set `http.public_url` to what browsers use");
    }
    finding
}

fn check_log(config: &Config) -> Finding {
    let Some(file) = &config.log.file else { return Finding::fine("log", "standard error") };
    if !file.exists() {
        let folder = file.parent().unwrap_or(Path::new("/"));
        return system::folder("log".to_owned(), folder);
    }
    let opened = std::fs::OpenOptions::new().append(true).open(file);
    let shown = file.display().to_string();
    let fix = format!("let the server's user write {shown}, or leave `log.file` out");
    Finding::of("log", opened.map(|_| shown), &fix)
}

/// What a server keeps on the disk of this machine, by name.
fn folders(config: &Config) -> Vec<(String, std::path::PathBuf)> {
    let mut folders =
        vec![("data_dir".to_owned(), config.data_dir.clone()), ("cache".to_owned(), cache_dir(config))];
    for (name, storage) in &config.storages {
        if let (Scheme::Fs, Some(root)) = (storage.scheme, &storage.root) {
            folders.push((format!("storage {name}"), config.data_dir.join(root)));
        }
    }
    folders
}
