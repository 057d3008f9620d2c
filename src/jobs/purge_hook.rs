//! The job `purge-hook`: tells a cache in front of a purge. It may be told twice; a purge bears that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use url::Url;

use super::{Failure, Job, Work};
use crate::admin::PurgeOrder;
use crate::error::with_causes;
use crate::net::{Client, Rules, Server, credentials};
use crate::units::Secret;

pub struct PurgeHookJob {
    /// By the names of the configuration.
    pub hooks: BTreeMap<String, Arc<Hook>>,
}

/// One cache in front.
pub struct Hook {
    client: Client,
    url: Url,
    method: Method,
    token: Option<HeaderValue>,
    timeout: Duration,
}

const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

impl Hook {
    /// `None` for what is no URL of a web server, or no method.
    pub fn new(url: &str, method: &str, token: Option<&Secret>, timeout: Duration) -> Option<Self> {
        let url: Url = url.parse().ok()?;
        // The operator named it, so it may be anywhere.
        let rules = Rules { trusted: vec![Server::of(&url)?], idle_timeout: timeout, ..Rules::default() };
        let token = token.map(|token| credentials(&format!("Bearer {}", token.expose())));
        Some(Self {
            client: Client::new(rules),
            url,
            method: method.parse().ok()?,
            token: token.transpose().ok()?,
            timeout,
        })
    }

    async fn tell(&self, order: &PurgeOrder) -> Result<StatusCode, Failure> {
        let tags = order.cache_tags();
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        headers.extend(self.token.clone().map(|token| (AUTHORIZATION, token)));
        // Where caches that are purged by headers look.
        if let Some(tag) = tags.first().and_then(|tag| HeaderValue::from_str(tag).ok()) {
            headers.insert(CACHE_TAG, tag.clone());
            headers.insert(SURROGATE_KEY, tag);
        }
        let body = json!({
            "purged": order.scope, "name": order.name, "generation": order.generation, "cache_tags": tags,
        });
        let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
        let sent = self.client.send(self.method.clone(), self.url.clone(), headers, body);
        match tokio::time::timeout(self.timeout, sent).await {
            Ok(Ok(answer)) => Ok(answer.status),
            Ok(Err(error)) => Err(Failure::again(with_causes(&error))),
            Err(_) => Err(Failure::again(format!("no answer within {:?}", self.timeout))),
        }
    }

    fn verdict(&self, status: StatusCode) -> Result<Value, Failure> {
        // Caches answer so to `PURGE` of what they do not have.
        let absent =
            self.method.as_str() == "PURGE" && matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        if status.is_success() || absent {
            return Ok(json!({ "status": status.as_u16() }));
        }
        let error = format!("the answer was {status}");
        let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        if status.is_client_error() && !later.contains(&status) {
            return Err(Failure::never(error));
        }
        Err(Failure::again(error))
    }
}

impl Job for PurgeHookJob {
    fn kind(&self) -> &'static str {
        PurgeOrder::KIND
    }

    /// Somebody wants a picture to be gone.
    fn is_urgent(&self) -> bool {
        true
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let order: Result<PurgeOrder, _> = serde_json::from_value(work.payload);
        let hook = order.as_ref().ok().and_then(|order| self.hooks.get(&order.hook).cloned());
        async move {
            let order = order.map_err(|error| Failure::never(error.to_string()))?;
            let missing =
                || Failure::never(format!("`purge_hooks.{}` is not in the configuration", order.hook));
            let hook = hook.ok_or_else(missing)?;
            hook.verdict(hook.tell(&order).await?)
        }
        .boxed()
    }
}
