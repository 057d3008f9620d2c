//! One request as a handler sees it: who asks, the parts it may use, and its path, query and body, checked.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts as Head;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Api, schema};
use crate::accounts::Who;
use crate::delivery::body::Body;
use crate::error::{Fault, Kind};
use crate::http::body::json_object;
use crate::http::router::Parts;

/// One request. Who asks has been authenticated and has the scope that the endpoint needs.
pub(in crate::http) struct Call {
    pub(in crate::http) parts: Arc<Parts>,
    pub(in crate::http) head: Head,
    pub(in crate::http) body: Body,
    pub(in crate::http) values: Vec<(&'static str, String)>,
    pub(in crate::http) client: IpAddr,
    /// `None` where the endpoint needs nothing.
    pub(in crate::http) who: Option<Who>,
    pub(in crate::http) now: i64,
}

/// Any room's fault; `?` turns them into it.
pub(in crate::http) struct Refused(pub(in crate::http) Box<dyn Fault>);

impl<F: Fault> From<F> for Refused {
    fn from(fault: F) -> Self {
        Self(Box::new(fault))
    }
}

/// Nothing says who asks.
#[derive(Debug, thiserror::Error)]
#[error("send an access token or an API key as `Authorization: Bearer …`")]
pub(in crate::http) struct NoCredentials;

impl Fault for NoCredentials {
    fn kind(&self) -> Kind {
        Kind::Unauthorized
    }

    fn code(&self) -> &'static str {
        "unauthorized"
    }
}

impl Call {
    pub(in crate::http) fn api(&self) -> &Api {
        &self.parts.api
    }

    /// Who asks, for endpoints that need an account.
    pub(in crate::http) fn who(&self) -> Result<&Who, NoCredentials> {
        self.who.as_ref().ok_or(NoCredentials)
    }

    /// A value of the path.
    pub(in crate::http) fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// A header as text, if it is there and is text.
    pub(in crate::http) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The body, which is a JSON object that fits `T`; everything that does not fit is named at once.
    pub(in crate::http) async fn json<T>(&mut self) -> Result<T, Refused>
    where
        T: DeserializeOwned + JsonSchema + 'static,
    {
        let body = std::mem::replace(&mut self.body, Body::empty());
        let fields = json_object(&self.head.headers, body).await?;
        Ok(self.api().schemas.read(Value::Object(fields))?)
    }

    /// The query. Numbers and truth values are taken from their texts; a key that stands twice is wrong.
    pub(in crate::http) fn query<T>(&self) -> Result<T, Refused>
    where
        T: DeserializeOwned + JsonSchema + 'static,
    {
        let mut fields = Map::new();
        let query = self.head.uri.query().unwrap_or_default();
        for (key, value) in form_pairs(query) {
            let value = self.api().schemas.typed_text::<T>(&key, &value);
            if fields.insert(key.clone(), value).is_some() {
                return Err(schema::Invalid::one(&key, "stands twice").into());
            }
        }
        Ok(self.api().schemas.read(Value::Object(fields))?)
    }
}

fn form_pairs(query: &str) -> Vec<(String, String)> {
    // What is no pair at all cannot be read by anybody, so the parser takes every text.
    serde_urlencoded::from_str(query).unwrap_or_default()
}
