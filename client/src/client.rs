//! What one does with pictures that are on the server, and with the server itself.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::answers::{Image, Listed, MadeKey, Me, Share, Version};
use crate::api::{Api, Ask};
use crate::cache::{Cache, Known};
use crate::config::{Stored, private_file};
use crate::local::Local;
use crate::once::Turns;
use crate::rfc3339;
use crate::{Config, Credential, Failure, Stop, escape};

/// One account on one server. It may be shared between threads.
pub struct Client {
    pub(crate) api: Api,
    cache: Option<Cache>,
    pub(crate) revalidate: Duration,
    pub(crate) turns: Turns,
    /// Why there is no cache although one was wanted.
    trouble: Option<String>,
}

/// Which pictures are listed.
#[derive(Debug, Clone, Default)]
pub struct ListWish {
    pub search: Option<String>,
    pub album: Option<String>,
    pub tag: Option<String>,
    pub sort: Option<String>,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
    /// What was deleted and can still be restored.
    pub trash: bool,
}

/// What a link is to allow.
#[derive(Debug, Clone, Default)]
pub struct ShareWish {
    pub expires_in: Option<Duration>,
    pub max_views: Option<u64>,
    pub password: Option<String>,
}

/// What is to be made of a picture.
#[derive(Debug, Clone)]
pub enum Spec {
    /// As in a URL: `w_300,f_webp`.
    Text(String),
    /// The object or array of `transformations`.
    Json(Value),
}

impl Client {
    pub fn new(config: &Config, stop: &Stop) -> Result<Self, Failure> {
        let opened = config.cache.as_deref().map(|path| (path, Cache::open(path, config.account())));
        let (cache, trouble) = match opened {
            Some((_, Ok(cache))) => (Some(cache), None),
            Some((path, Err(error))) => (None, Some(format!("{}: no cache: {error}", path.display()))),
            None => (None, None),
        };
        Ok(Self {
            api: Api::new(config, stop),
            cache,
            revalidate: config.revalidate,
            turns: Turns::default(),
            trouble,
        })
    }

    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Why there is no cache although one was wanted.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// A page of one's pictures.
    pub fn list(&self, wish: &ListWish) -> Result<Listed, Failure> {
        let mut path = if wish.trash { "/v1/trash?" } else { "/v1/images?" }.to_owned();
        let limit = wish.limit.map(|limit| limit.to_string());
        for (name, value) in [
            ("q", &wish.search),
            ("album", &wish.album),
            ("tag", &wish.tag),
            ("sort", &wish.sort),
            ("limit", &limit),
            ("cursor", &wish.cursor),
        ] {
            if let Some(value) = value {
                let _ = write!(path, "{name}={}&", escape::segment(value));
            }
        }
        path.pop();
        self.api.json(&Ask::new("GET", path))
    }

    /// The id that is meant: an id, the URL of a picture, or a file that was uploaded.
    pub fn id_of(&self, what: &str) -> Result<String, Failure> {
        if let Some((_, rest)) = what.split_once("/i/").filter(|_| what.contains("://")) {
            let id = rest.split(['/', '?', '.']).next().unwrap_or_default();
            return Ok(id.to_owned());
        }
        let path = Path::new(what);
        if !path.is_file() {
            return Ok(what.to_owned());
        }
        let file = Local::read(path, &self.api.stop)?;
        let found = self.by_hash(&file.sha256)?;
        let detail = || "the server has no picture with this content".to_owned();
        found
            .map(|image| image.id)
            .ok_or_else(|| Failure::NotFound { what: what.to_owned(), detail: detail() })
    }

    /// The picture with this MD5 or SHA-256, if one has it.
    pub fn by_hash(&self, hash: &str) -> Result<Option<Image>, Failure> {
        match self.api.json(&Ask::new("GET", format!("/v1/images/by-hash/{}", escape::segment(hash)))) {
            Ok(image) => Ok(Some(image)),
            // Of another server, which knows no such route.
            Err(Failure::NotFound { what, .. }) if what.starts_with("http_") => {
                let reason = "it has no `/v1/images/by-hash`".to_owned();
                Err(Failure::Strange { server: self.api.server.clone(), reason })
            }
            Err(Failure::NotFound { .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Puts a picture into the trash.
    pub fn delete(&self, id: &str) -> Result<(), Failure> {
        let deleted = self.api.call(&Ask::new("DELETE", format!("/v1/images/{}", escape::segment(id))));
        self.cached(|cache| cache.forget_id(id));
        deleted.map(drop).map_err(|failure| named(failure, id))
    }

    /// Makes a link that shows a picture to whoever has it.
    pub fn share(&self, id: &str, wish: &ShareWish) -> Result<Share, Failure> {
        let mut body = Map::new();
        if let Some(span) = wish.expires_in {
            let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            let then = rfc3339::text(rfc3339::now().saturating_add(span));
            body.insert("expires_at".to_owned(), then.into());
        }
        if let Some(most) = wish.max_views {
            body.insert("max_views".to_owned(), most.into());
        }
        if let Some(password) = &wish.password {
            body.insert("password".to_owned(), password.as_str().into());
        }
        let path = format!("/v1/images/{}/shares", escape::segment(id));
        self.api.send_json("POST", path, &Value::Object(body)).map_err(|failure| named(failure, id))
    }

    /// Makes a result of a picture and keeps it.
    pub fn transform(&self, id: &str, spec: &Spec) -> Result<Version, Failure> {
        let body = match spec {
            Spec::Text(spec) => json!({"spec": spec}),
            Spec::Json(transformations) => json!({"transformations": transformations}),
        };
        let path = format!("/v1/images/{}/transform", escape::segment(id));
        self.api.send_json("POST", path, &body).map_err(|failure| named(failure, id))
    }

    /// The server's database as an SQLite file, whole or not at all. `full` has the secrets in it that a restored
    /// server needs.
    pub fn backup(&self, path: &Path, full: bool) -> Result<u64, Failure> {
        let query = if full { "?full=true" } else { "" };
        let response = self.api.open(&Ask::new("GET", format!("/v1/admin/backup{query}")))?;
        let announced = response.headers().get("content-length");
        let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let beside = path.with_extension(format!("{}.part", std::process::id()));
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let written = self.copy(&mut body, &beside, announced);
        let moved = written.and_then(|bytes| {
            fs::rename(&beside, path).map_err(|error| Failure::file(path, &error))?;
            Ok(bytes)
        });
        moved.inspect_err(|_| drop(fs::remove_file(&beside)))
    }

    fn copy(&self, from: &mut dyn Read, path: &Path, announced: Option<u64>) -> Result<u64, Failure> {
        let failed = |error: std::io::Error| Failure::file(path, &error);
        let torn = |reason: String| Failure::Unreachable { server: self.api.server.clone(), reason };
        // Of a process that had the same number and was killed.
        let _ = fs::remove_file(path);
        let mut file = private_file(path).map_err(failed)?;
        let (mut buffer, mut bytes) = (vec![0; 256 * 1024], 0);
        loop {
            self.api.stop.check()?;
            let read = from.read(&mut buffer).map_err(|error| torn(error.to_string()))?;
            if read == 0 {
                break;
            }
            if bytes == 0 && !buffer[..read].starts_with(b"SQLite format 3\0") {
                let reason = "what it sends as a backup is no SQLite file".to_owned();
                return Err(Failure::Strange { server: self.api.server.clone(), reason });
            }
            file.write_all(&buffer[..read]).map_err(failed)?;
            bytes += read as u64;
        }
        if bytes == 0 || announced.is_some_and(|announced| announced != bytes) {
            return Err(torn("the backup ended early".to_owned()));
        }
        file.sync_all().map_err(failed)?;
        Ok(bytes)
    }

    pub(crate) fn recall(&self, md5: &str) -> Option<Known> {
        self.cached_value(|cache| cache.find(md5))
    }

    pub(crate) fn remember(&self, image: &Image) {
        self.cached(|cache| cache.put(image, rfc3339::now()));
    }

    /// A cache that fails costs a request and nothing else.
    pub(crate) fn cached(&self, act: impl FnOnce(&Cache) -> rusqlite::Result<()>) {
        if let Some(cache) = &self.cache {
            let _ = act(cache);
        }
    }

    pub(crate) fn cached_value<T>(
        &self,
        ask: impl FnOnce(&Cache) -> rusqlite::Result<Option<T>>,
    ) -> Option<T> {
        ask(self.cache.as_ref()?).ok().flatten()
    }
}

/// Keeping credentials.
impl Client {
    /// Checks a key, or makes one with a password, and keeps it in the configuration. Gives the account's name.
    pub fn log_in(
        path: Option<&Path>,
        server: &str,
        credential: Credential,
        with_admin: bool,
        stop: &Stop,
    ) -> Result<String, Failure> {
        let (path, mut stored) = Stored::open(path)?;
        let config = Config::of(server, credential.clone())?;
        let api = Api::new(&config, stop);
        let me: Me = api.json(&Ask::new("GET", "/v1/me"))?;
        (stored.key, stored.key_id) = match credential {
            Credential::None => (None, None),
            Credential::Key(key) => (Some(key), None),
            Credential::Password { .. } => {
                let wanted = ["read", "upload", "manage", "admin"];
                let scopes: Vec<&str> = wanted
                    .into_iter()
                    .filter(|scope| me.scopes.iter().any(|has| has == scope))
                    .filter(|scope| with_admin || *scope != "admin")
                    .collect();
                let wish = json!({"name": "pixedge-client", "scopes": scopes});
                let made: MadeKey = api.send_json("POST", "/v1/keys", &wish)?;
                (Some(made.key), Some(made.id))
            }
        };
        stored.server = config.server;
        (stored.username, stored.password) = (None, None);
        stored.save(&path)?;
        Ok(me.username)
    }

    /// Ends the key that was made at the log-in, and forgets the credentials. Tells whether there were any.
    pub fn log_out(path: Option<&Path>, stop: &Stop) -> Result<bool, Failure> {
        let (path, mut stored) = Stored::open(path)?;
        let had = stored.key.is_some() || stored.password.is_some();
        let revoked = match (stored.key.take(), stored.key_id.take()) {
            (Some(key), Some(id)) => {
                let config = Config::of(&stored.server, Credential::Key(key))?;
                let api = Api::new(&config, stop);
                api.call(&Ask::new("DELETE", format!("/v1/keys/{}", escape::segment(&id)))).map(drop)
            }
            _ => Ok(()),
        };
        (stored.username, stored.password) = (None, None);
        if had {
            stored.save(&path)?;
        }
        // Here they are forgotten whatever the server says; a key that is gone there has ended.
        match revoked {
            Err(failure @ (Failure::Unreachable { .. } | Failure::Busy { .. })) => Err(failure),
            _ => Ok(had),
        }
    }
}

fn named(failure: Failure, id: &str) -> Failure {
    match failure {
        Failure::NotFound { detail, .. } => Failure::NotFound { what: id.to_owned(), detail },
        other => other,
    }
}
