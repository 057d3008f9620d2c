//! Purging: results that were made before are never served again. Nothing is searched for; a counter in every cache key
//! is raised, so it works for entries on disk that nobody can list, and old ones age out.

use serde::{Deserialize, Serialize};

use crate::admin::{Admin, AdminError};
use crate::db::now_ms;
use crate::db::queue::NewJob;
use crate::library::Scope;

/// What to purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// One image of the library, by its id.
    Image(String),
    /// What carries this word in `Cache-Tag`; also `image:<id>` and `source:<name>`.
    Tag(String),
    /// Everything of a named source.
    Source(String),
    /// `<source>/<path>`: this object and everything below it, decoded.
    Prefix(String),
    All,
}

/// What was purged.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Purged {
    /// `image`, `tag`, `source`, `prefix` or `all`.
    pub purged: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How often this was purged, with this time.
    pub generation: u64,
}

/// What a cache in front is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeOrder {
    /// Whom, by the name of the configuration.
    pub hook: String,
    pub scope: String,
    pub name: String,
    pub generation: u64,
}

/// No object store takes longer keys.
const LONGEST: usize = 1024;

impl Purge {
    /// The fields of a request, of which exactly one is given.
    pub const FIELDS: [&str; 5] = ["image", "tag", "source", "prefix", "all"];

    /// One of [`Self::FIELDS`] but `all`, and its value.
    pub fn named(field: &str, name: String) -> Result<Self, AdminError> {
        Ok(match field {
            "image" => Self::Image(name),
            "tag" => Self::Tag(name),
            "source" => Self::Source(name),
            "prefix" => Self::Prefix(name),
            _ => {
                return Err(AdminError::bad(
                    field,
                    "is not one of `image`, `tag`, `source`, `prefix`, `all`",
                ));
            }
        })
    }
}

impl PurgeOrder {
    /// The kind of the job.
    pub const KIND: &str = "purge-hook";

    /// The words of `Cache-Tag` under which the copies lie; none for what has no word.
    pub fn cache_tags(&self) -> Vec<&str> {
        match self.scope.parse() {
            Ok(Scope::Image | Scope::Tag | Scope::Source) => vec![&self.name],
            Ok(Scope::Prefix | Scope::All) | Err(_) => Vec::new(),
        }
    }
}

impl Admin {
    /// This process sees it at once, every other within a second.
    pub async fn purge(&self, what: &Purge) -> Result<Purged, AdminError> {
        let (scope, name) = match what {
            Purge::All => (Scope::All, String::new()),
            Purge::Image(id) => self.image(id).await?,
            Purge::Source(name) => self.source(name)?,
            Purge::Prefix(prefix) => self.prefix(prefix)?,
            Purge::Tag(tag) => match tag.split_once(':') {
                Some(("image", id)) => self.image(id).await?,
                Some(("source", name)) => self.source(name)?,
                Some(_) => {
                    return Err(AdminError::bad(
                        "tag",
                        "is `image:<id>`, `source:<name>` or a word of `Cache-Tag`",
                    ));
                }
                None if self.sources.contains(tag) => (Scope::Tag, tag.clone()),
                None => (Scope::Tag, self.image(tag).await?.1),
            },
        };
        let orders = |generation| self.orders(scope, &name, generation);
        let generation = self.library.purge_and_leave(scope, &name, orders).await?;
        tracing::info!(scope = scope.as_str(), name, generation, "purged");
        Ok(Purged { purged: scope.as_str(), name, generation })
    }

    /// A job for each cache in front. While one waits, another for the same thing is not made.
    fn orders(&self, scope: Scope, name: &str, generation: u64) -> Vec<NewJob> {
        let job = |hook: &String| {
            let subject = format!("{hook}\n{scope}\n{name}");
            let order = PurgeOrder {
                hook: hook.clone(),
                scope: scope.as_str().to_owned(),
                name: name.to_owned(),
                generation,
            };
            NewJob {
                kind: PurgeOrder::KIND,
                payload: serde_json::to_value(order).unwrap_or_default(),
                owner: None,
                unique: Some(format!("{}:{}", PurgeOrder::KIND, blake3::hash(subject.as_bytes()).to_hex())),
                run_at: now_ms(),
                max_attempts: 12,
            }
        };
        self.hooks.iter().map(job).collect()
    }

    async fn image(&self, id: &str) -> Result<(Scope, String), AdminError> {
        let missing = || AdminError::NoImage(id.chars().take(64).collect());
        let id = id.parse().map_err(|_| missing())?;
        match self.library.find_any(&id).await? {
            Some(image) => Ok((Scope::Image, image.id.to_string())),
            None => Err(missing()),
        }
    }

    fn source(&self, name: &str) -> Result<(Scope, String), AdminError> {
        if self.sources.contains(name) {
            return Ok((Scope::Source, name.to_owned()));
        }
        let known: Vec<&str> = self.sources.iter().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(AdminError::NoSource { name: name.chars().take(64).collect(), known })
    }

    fn prefix(&self, prefix: &str) -> Result<(Scope, String), AdminError> {
        if prefix.len() > LONGEST {
            return Err(AdminError::bad("prefix", format!("is longer than {LONGEST} bytes")));
        }
        let (source, path) = prefix.split_once('/').unwrap_or((prefix, ""));
        self.source(source)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok((Scope::Source, source.to_owned()));
        }
        // An address elsewhere, as an http source has them, has an empty segment behind its scheme.
        let is_address = path.starts_with("http://") || path.starts_with("https://");
        if !is_address && path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            let reason = "is `<source>/<path>/` as the source knows it; a segment is empty, `.` or `..`";
            return Err(AdminError::bad("prefix", reason));
        }
        Ok((Scope::Prefix, format!("{source}/{path}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::accounts::Accounts;
    use crate::error::Fault as _;
    use crate::library::Library;
    use crate::storage::{LOCAL, Storages};

    #[tokio::test]
    async fn only_what_there_is_can_be_purged() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::db::testing::open(dir.path()).await;
        let storages = Storages::open(&BTreeMap::new(), LOCAL, dir.path(), dir.path()).await.unwrap();
        let library = Library::new(db.clone(), storages).await.unwrap();
        let admin = Admin::new(db.clone(), Accounts::for_tests(db), library, ["photos".to_owned()]);
        let rows = [
            ("source", "photos", "source photos"),
            ("source", "other", "not_found"),
            ("tag", "photos", "tag photos"),
            ("tag", "source:photos", "source photos"),
            ("tag", "source:other", "not_found"),
            ("tag", "user:ana", "bad_value tag"),
            ("tag", "nothing", "not_found"),
            ("image", "nothing", "not_found"),
            ("image", "../etc", "not_found"),
            ("prefix", "photos/2026/", "prefix photos/2026"),
            ("prefix", "photos/2026/a b.jpg", "prefix photos/2026/a b.jpg"),
            ("prefix", "photos/", "source photos"),
            ("prefix", "photos", "source photos"),
            ("prefix", "photos/https://host/dir/", "prefix photos/https://host/dir"),
            ("prefix", "other/2026/", "not_found"),
            ("prefix", "/photos", "not_found"),
            ("prefix", "photos/a/../b", "bad_value prefix"),
            ("prefix", "photos/a//", "bad_value prefix"),
        ];
        for (field, name, expected) in rows {
            let what = Purge::named(field, name.to_owned()).unwrap();
            let said = match admin.purge(&what).await {
                Ok(done) => format!("{} {}", done.purged, done.name),
                Err(error) => format!("{} {}", error.code(), error.detail().option.unwrap_or_default()),
            };
            assert_eq!(said.trim_end(), expected, "{field} {name}");
        }
        let all = admin.purge(&Purge::All).await.unwrap();
        assert_eq!(all, Purged { purged: "all", name: String::new(), generation: 1 });
    }
}
