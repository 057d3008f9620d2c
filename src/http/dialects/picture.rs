//! What the hosts' dialects have in common: a picture as all of them tell of it, before each gives it names of its own,
//! and what one of them may say of a picture that comes.

use http::StatusCode;
use jiff::Timestamp;

use crate::accounts::{Scope, Who};
use crate::delivery::words_of;
use crate::error::{Fault, Kind};
use crate::http::api::call::{Call, Refused};
use crate::http::api::image::Links;
use crate::http::api::uploads::filing;
use crate::http::form::Received;
use crate::http::router::Parts;
use crate::library::{Image, Visibility};
use crate::upload::{Expires, Uploaded, Wish};

/// A picture, with what is said of it outside.
pub(super) struct Picture {
    pub(super) image: Image,
    pub(super) links: Links,
    /// The page that deletes it; `None` for who may not.
    pub(super) delete: Option<String>,
    /// Its id and what its bytes are: `k3Jd9s.jpg`.
    pub(super) file: String,
    pub(super) mime: String,
}

/// What is to be recorded of an upload, as far as the dialect says something of it.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    pub(super) name: Option<String>,
    pub(super) visibility: Option<Visibility>,
    pub(super) expires: Expires,
    /// An id.
    pub(super) album: Option<String>,
    pub(super) tags: Vec<String>,
}

/// What is wrong with a request that no room could know of.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostFault {
    #[error("no file was sent")]
    NoFile,
    #[error("`{field}` {why}")]
    Field { field: &'static str, why: &'static str },
    #[error("this server opens no files of its own: send the picture itself, as a form or by its URL")]
    LocalPath,
    #[error("there is no clipboard on this server: send the picture itself, as a form or by its URL")]
    Clipboard,
}

impl Fault for HostFault {
    fn kind(&self) -> Kind {
        Kind::BadRequest
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoFile => "no_file",
            Self::Field { .. } => "bad_value",
            Self::LocalPath => "local_path",
            Self::Clipboard => "no_file",
        }
    }
}

impl Picture {
    /// Right after an upload: whoever brought it may take it back. What was there may be known to somebody by its bytes
    /// alone, who has come by a key that uploads and nothing else.
    pub(super) fn uploaded(parts: &Parts, uploaded: Uploaded, who: &Who) -> Result<Self, Refused> {
        Self::new(parts, uploaded.image, !uploaded.duplicate || who.scopes.has(Scope::Manage))
    }

    /// In a list, for `who`.
    pub(super) fn listed(parts: &Parts, image: Image, who: &Who) -> Result<Self, Refused> {
        Self::new(parts, image, who.scopes.has(Scope::Manage))
    }

    fn new(parts: &Parts, image: Image, deletable: bool) -> Result<Self, Refused> {
        let links = Links::of(&image, &parts.delivery)?;
        let (_, mime) = words_of(&image.shape.format);
        let delete = image.owner.filter(|_| deletable).map(|owner| {
            let token = parts.api.removal.token(image.id.as_str(), image.pk, owner);
            format!("{}{}{token}", parts.delivery.public_url(), crate::http::links::DELETE)
        });
        let file = format!("{}.{}", image.id, image.shape.format);
        Ok(Self { image, links, delete, file, mime })
    }

    /// Kilobytes with two decimals, as those count who store them so.
    pub(super) fn kilobytes(&self) -> f64 {
        (self.image.bytes as f64 / 1024.0 * 100.0).round() / 100.0
    }
}

/// Keeps the first file that came.
pub(super) async fn keep_one(call: &Call, files: Vec<Received>, about: About) -> Result<Uploaded, Refused> {
    let mut file = files.into_iter().next().ok_or(HostFault::NoFile)?;
    if let Ok(session) = &mut file.session {
        let owner = call.who()?.user.pk;
        let library = call.api().uploads.library();
        let tags = about.tags.iter().map(String::as_str);
        let filing = filing(library, owner, about.album.clone(), tags).await?;
        let own = session.wish_mut();
        if let Some(name) = &about.name {
            own.name = Wish::named(name).name;
        }
        own.visibility = about.visibility.or(own.visibility);
        own.expires = about.expires;
        own.filing = filing;
    }
    Ok(file.session?.finish().await?)
}

/// The first text under one of these names that says something.
pub(super) fn said<'t>(texts: &'t [(String, String)], names: &[&str]) -> Option<&'t str> {
    let found = |name: &&str| {
        let text = texts.iter().find(|(key, text)| key == *name && !text.trim().is_empty());
        text.map(|(_, text)| text.trim())
    };
    names.iter().find_map(found)
}

/// `2026-11-21 01:00:00` in UTC.
pub(super) fn date(ms: i64) -> String {
    let time = Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(Timestamp::MAX);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time to come, as people write it: RFC 3339, or `2026-11-21 01:00:00` in UTC.
pub(super) fn later(text: &str, now: i64) -> Option<i64> {
    let spelt = format!("{}Z", text.replacen(' ', "T", 1));
    let time: Timestamp = text.parse().or_else(|_| spelt.parse()).ok()?;
    Some(time.as_millisecond()).filter(|at| *at > now)
}

/// `OK`, `Bad Request`, …
pub(super) fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(1_795_222_800_999), "2026-11-21 01:00:00");
        for text in ["2026-11-21 01:00:00", "2026-11-21T01:00:00Z", "2026-11-21T02:00:00+01:00"] {
            assert_eq!(later(text, 0), Some(1_795_222_800_000), "{text}");
        }
        assert_eq!(later("2026-11-21 01:00:00", 1_795_222_800_000), None);
        assert_eq!(later("tomorrow", 0), None);
    }
}
