//! The way of traces to their collector: over our own way out, on this runtime, from whatever thread sends them.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;
use url::Url;

use super::rooms::part;
use super::{AppError, Config};
use crate::net::{Client, HostPattern, Rules, Server, credentials};
use crate::telemetry::traces::{self, Traces};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Of the collector's answer, which says little.
const MOST: u64 = 64 << 10;

/// `None` where no collector is configured.
pub(super) fn traces(config: &Config) -> Result<Option<Traces>, AppError> {
    let section = &config.traces;
    let Some(endpoint) = &section.otlp else { return Ok(None) };
    let wrong = |text: String| AppError::Part { part: "traces.otlp", text };
    let url = Url::parse(endpoint).map_err(|error| part("traces.otlp", error))?;
    let server = Server::of(&url).ok_or_else(|| wrong("a URL with a host is needed".to_owned()))?;
    let rules = Rules {
        hosts: Some(vec![HostPattern::exactly(&server)]),
        // The operator's own word, and mostly a neighbour.
        trusted: vec![server],
        idle_timeout: TIMEOUT,
        max_bytes: MOST,
        ..Rules::default()
    };
    let token = section.token.as_ref().map(|token| credentials(&format!("Bearer {}", token.expose())));
    let authorization = token.transpose().map_err(|error| part("traces.token", error))?;
    let way = Way { client: Client::new(rules), authorization, runtime: Handle::current() };
    let room = traces::Config {
        endpoint: endpoint.clone(),
        sample: section.sample,
        service: section.service.clone(),
        timeout: TIMEOUT,
    };
    Traces::new(&room, way).map(Some).map_err(wrong)
}

struct Way {
    client: Client,
    authorization: Option<HeaderValue>,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Way {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let (client, mut headers) = (self.client.clone(), parts.headers);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let send = async move {
            let url = Url::parse(&parts.uri.to_string())?;
            let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
            let answer = client.send(parts.method, url, headers, body).await?;
            let status = answer.status;
            let bytes: Vec<Bytes> = answer.into_pieces().try_collect().await?;
            let mut response = Response::new(bytes.concat().into());
            *response.status_mut() = status;
            Ok::<_, HttpError>(response)
        };
        // The clock too is this runtime's, and whoever calls has none.
        let sent = self.runtime.spawn(async move { tokio::time::timeout(TIMEOUT, send).await });
        sent.await??
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}
