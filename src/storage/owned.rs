//! A storage that belongs to a user: S3 or WebDAV of his own, with his own keys. Nothing of the server's is lent to it,
//! neither credentials nor a way into its network.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::config::{Config, Scheme};
use super::remote::Remote;
use crate::units::{Secret, Span};

/// How names of users' storages begin in rows of images; names from the configuration hold no such letter.
pub const OWNED: char = '~';

/// What a user says of a storage, without what is secret. Serializes as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub scheme: OwnedScheme,
    pub endpoint: String,
    /// What every object's path begins with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// S3.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bucket: String,
    /// S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// S3: `bucket.host/…` instead of `host/bucket/…`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub virtual_host: bool,
    /// S3; the half of the keys that is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// WebDAV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The kinds of storage that a user may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnedScheme {
    S3,
    Webdav,
}

/// What opens the storage: S3's secret key, WebDAV's password or bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential(pub Secret);

/// A field that is not right, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {fix}")]
pub struct SettingsError {
    pub field: &'static str,
    pub fix: &'static str,
}

impl Settings {
    pub fn validate(&self, credential: &Credential) -> Result<(), SettingsError> {
        let wrong = |field, fix| Err(SettingsError { field, fix });
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        if self.endpoint.len() > 500 || !Url::parse(&self.endpoint).is_ok_and(|url| plain(&url)) {
            return wrong("endpoint", "must be a URL like `https://s3.example.com`, without query and login");
        }
        let is_path = |path: &str| {
            path.len() <= 200
                && !path.split('/').any(|part| matches!(part, "." | ".."))
                && !path.contains(['\\', '\0'])
        };
        if !is_path(&self.root) {
            return wrong("root", "must be a path of at most 200 bytes without `.` and `..`");
        }
        let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        let too_long =
            |text: &Option<String>| text.as_deref().is_some_and(|text| text.len() > 200 || !header(text));
        for (field, text) in
            [("region", &self.region), ("access_key_id", &self.access_key_id), ("username", &self.username)]
        {
            if too_long(text) {
                return wrong(field, "must be at most 200 printable letters");
            }
        }
        if credential.0.expose().is_empty() || credential.0.expose().len() > 4000 {
            return wrong("secret", "is needed: the secret key, password or token (at most 4,000 bytes)");
        }
        match self.scheme {
            OwnedScheme::S3 if !is_bucket(&self.bucket) => {
                wrong("bucket", "is needed: 3–63 small letters, digits, dots and hyphens")
            }
            OwnedScheme::S3 if !given(&self.access_key_id) => {
                wrong("access_key_id", "is needed: a storage of yours is opened with keys of yours")
            }
            OwnedScheme::S3 if self.username.is_some() => {
                wrong("username", "has no meaning for s3; leave it out")
            }
            OwnedScheme::Webdav if !self.bucket.is_empty() => {
                wrong("bucket", "has no meaning for webdav; leave it out")
            }
            OwnedScheme::Webdav if self.access_key_id.is_some() => {
                wrong("access_key_id", "has no meaning for webdav; leave it out")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn to_config(&self, credential: &Credential, timeout: Duration) -> Config {
        let secret = Some(credential.0.clone());
        let mut remote = Remote { endpoint: self.endpoint.clone(), ..Remote::default() };
        match self.scheme {
            OwnedScheme::S3 => {
                remote.bucket.clone_from(&self.bucket);
                remote.region.clone_from(&self.region);
                remote.access_key_id.clone_from(&self.access_key_id);
                remote.secret_access_key = secret;
                remote.enable_virtual_host_style = self.virtual_host;
            }
            // Without a name it is a bearer token.
            OwnedScheme::Webdav if self.username.is_none() => remote.token = secret,
            OwnedScheme::Webdav => {
                remote.username.clone_from(&self.username);
                remote.password = secret;
            }
        }
        Config {
            scheme: self.scheme.to_scheme(),
            root: Some(self.root.clone().into()),
            remote,
            timeout: Span(timeout),
            ..Config::default()
        }
    }
}

impl OwnedScheme {
    pub fn name(self) -> &'static str {
        self.to_scheme().name()
    }

    fn to_scheme(self) -> Scheme {
        match self {
            Self::S3 => Scheme::S3,
            Self::Webdav => Scheme::Webdav,
        }
    }
}

/// Amazon's rule; `--x-s3` would be another protocol with an endpoint of its own.
fn is_bucket(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-');
    (3..=63).contains(&text.len())
        && text.bytes().all(plain)
        && !text.ends_with("--x-s3")
        && !text.contains("..")
}

fn header(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3() -> Settings {
        serde_json::from_str(
            r#"{"scheme":"s3","endpoint":"https://s3.example.com","bucket":"pictures","access_key_id":"id"}"#,
        )
        .unwrap()
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        let secret = Credential(Secret::new("secret"));
        s3().validate(&secret).unwrap();
        assert_eq!(s3().validate(&Credential(Secret::new(""))).unwrap_err().field, "secret");
        let changed = |change: &dyn Fn(&mut Settings)| {
            let mut settings = s3();
            change(&mut settings);
            settings.validate(&secret).unwrap_err().field
        };
        assert_eq!(changed(&|s| s.access_key_id = None), "access_key_id");
        assert_eq!(changed(&|s| s.access_key_id = Some(" ".into())), "access_key_id");
        assert_eq!(changed(&|s| s.bucket = "pictures--x-s3".into()), "bucket");
        assert_eq!(changed(&|s| s.bucket = "../other".into()), "bucket");
        assert_eq!(changed(&|s| s.root = "a/../b".into()), "root");
        assert_eq!(changed(&|s| s.username = Some("u".into())), "username");
        assert_eq!(changed(&|s| s.scheme = OwnedScheme::Webdav), "bucket");
        for endpoint in ["", "ftp://a", "https://u:p@a", "https://a/?b", "file:///etc", "a.example"] {
            assert_eq!(changed(&|s| s.endpoint = endpoint.into()), "endpoint", "{endpoint}");
        }
    }
}
