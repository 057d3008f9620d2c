//! Traces by OpenTelemetry, for one request in so many: what it was, how it ended, and where its time went. Spans are made
//! when the answer is there, so that a request that is not traced costs one comparison.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HttpClient};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

/// Where traces go, and how many.
#[derive(Debug, Clone)]
pub struct Config {
    /// The collector's URL for traces, `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// The part of requests that is traced, 0 to 1.
    pub sample: f64,
    pub service: String,
    /// How long the collector may take for a batch.
    pub timeout: Duration,
}

/// Makes spans and hands them to a thread that sends them.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// One request in so many; 0: none but those that a proxy of ours traces.
    every: f64,
    seen: AtomicU64,
}

/// A request that is traced.
pub struct Begun {
    parent: Context,
    at: SystemTime,
}

/// What came of it.
pub struct Ended<'a> {
    pub method: &'a str,
    /// The pattern of the route table.
    pub route: &'static str,
    /// Without the query, which may hold secrets.
    pub path: &'a str,
    pub status: u16,
    pub request_id: String,
    pub cache: Option<&'static str>,
    /// One after the other, to the end of the request.
    pub stages: [(&'static str, Option<Duration>); 5],
}

impl Traces {
    /// `client` sends. Must be called on a tokio runtime where the client needs one.
    pub fn new(config: &Config, client: impl HttpClient + 'static) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(&config.endpoint)
            .with_timeout(config.timeout)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder_empty()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            // Which requests are traced is decided before there is a span.
            .with_sampler(Sampler::AlwaysOn)
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("pixedge");
        let every = if config.sample > 0.0 { 1.0 / config.sample } else { 0.0 };
        Ok(Self { provider, tracer, every, seen: AtomicU64::new(0) })
    }

    /// Whether a request is traced. Only a proxy of ours decides that for us (`traceparent`): a stranger's word would
    /// let him fill the collector.
    pub fn begin(&self, headers: &HeaderMap, by_own_proxy: bool) -> Option<Begun> {
        if by_own_proxy {
            let parent = TraceContextPropagator::new()
                .extract_with_context(&Context::new(), &HeaderExtractor(headers));
            let said = parent.span().span_context().clone();
            if said.is_valid() {
                return said.is_sampled().then(|| Begun { parent, at: SystemTime::now() });
            }
        }
        (self.every > 0.0 && self.is_next()).then(|| Begun { parent: Context::new(), at: SystemTime::now() })
    }

    pub fn end(&self, begun: Begun, ended: Ended<'_>) {
        let now = SystemTime::now();
        let Begun { parent, at } = begun;
        let mut attributes = vec![
            KeyValue::new("http.request.method", ended.method.to_owned()),
            KeyValue::new("http.route", ended.route),
            KeyValue::new("url.path", ended.path.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(ended.status)),
            KeyValue::new("pixedge.request_id", ended.request_id),
        ];
        attributes.extend(ended.cache.map(|cache| KeyValue::new("pixedge.cache", cache)));
        let span = self
            .tracer
            .span_builder(format!("{} {}", ended.method, ended.route))
            .with_kind(SpanKind::Server)
            .with_start_time(at)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, &parent);
        let request = parent.with_span(span);
        let spent: Duration = ended.stages.iter().filter_map(|(_, spent)| *spent).sum();
        let mut from = now.checked_sub(spent).unwrap_or(at).max(at);
        for (name, spent) in ended.stages {
            let Some(spent) = spent else { continue };
            let mut stage = self
                .tracer
                .span_builder(name)
                .with_start_time(from)
                .start_with_context(&self.tracer, &request);
            from += spent;
            stage.end_with_timestamp(from.min(now));
        }
        let span = request.span();
        // RFC 9110's 4xx is the caller's doing and no error of this span.
        if ended.status >= 500 {
            span.set_status(Status::error(ended.status.to_string()));
        }
        span.end_with_timestamp(now);
    }

    /// Sends what has been gathered. Blocks for as long as that takes, at most the timeout of the configuration.
    pub fn close(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }

    /// Evenly spread, and exactly as many as were asked for.
    fn is_next(&self) -> bool {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        (number as f64 / self.every).fract() * self.every < 1.0
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("every", &self.every).finish_non_exhaustive()
    }
}
