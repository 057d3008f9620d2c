//! The HTTP client on top of the guarded connector. Redirects are followed here, because each must pass the same rules
//! as the first request; there is no proxy, whatever the environment says, no cookie and no decompression.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, InvalidHeaderValue, LOCATION,
    PROXY_AUTHORIZATION, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsConnector;
use url::Url;

use super::dial::{Dialer, Resolve, System};
use super::error::{NetError, Refusal};
use super::rules::Rules;

/// A connection inside TLS.
pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// What a request carries.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One user's way out, with its own rules and its own connections; cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<HttpsConnector<Dialer>, Body>,
    rules: Arc<Rules>,
    connects: Arc<AtomicU64>,
}

/// An answer whose body has not been read.
pub struct Answer {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    /// Where it came from in the end.
    pub url: Url,
    body: Pieces,
}

/// A body as it arrives. It ends with an error where it is cut off, too long, or silent for too long.
pub struct Pieces {
    body: Incoming,
    host: Box<str>,
    left: u64,
    limit: u64,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Client {
    pub fn new(rules: Rules) -> Self {
        Self::with_resolver(rules, Arc::new(System))
    }

    pub fn with_resolver(rules: Rules, resolver: Arc<dyn Resolve>) -> Self {
        let (rules, connects) = (Arc::new(rules), Arc::default());
        let dialer = Dialer { rules: Arc::clone(&rules), resolver, connects: Arc::clone(&connects) };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dialer);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(16)
            .build(connector);
        Self { http, rules, connects }
    }

    /// A request without a body, following up to three redirects.
    pub async fn ask(
        &self,
        method: Method,
        mut url: Url,
        mut headers: HeaderMap,
    ) -> Result<Answer, NetError> {
        url.set_fragment(None);
        for _ in 0..=MOST_REDIRECTS {
            let request = self.send(method.clone(), url.clone(), headers.clone(), no_body());
            let answered = tokio::time::timeout(self.rules.idle_timeout, request).await;
            let answer = answered.unwrap_or_else(|_| Err(NetError::Timeout { host: host_of(&url) }))?;
            let Some(next) = answer.redirect() else { return Ok(answer) };
            if url.scheme() == "https" && next.scheme() == "http" {
                let host = host_of(&next);
                return Err(NetError::Refused { host, refusal: Refusal::Downgrade });
            }
            if next.origin() != url.origin() {
                SENSITIVE.iter().for_each(|name| drop(headers.remove(name)));
            }
            url = next;
        }
        Err(NetError::Redirects { host: host_of(&url) })
    }

    /// One request as it is; a redirect is an answer like others. How long the body may take to be sent is the
    /// caller's to say.
    pub async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Answer, NetError> {
        self.rules.check(&url)?;
        let uri: http::Uri = url.as_str().parse().map_err(|_| NetError::BadUrl(url.to_string()))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        match self.http.request(request).await {
            Ok(response) => Ok(self.answer(url, response)),
            Err(error) => Err(match NetError::within(&error) {
                Some(ours) => ours.clone(),
                None => NetError::Broken { host: host_of(&url), source: Arc::new(error) },
            }),
        }
    }

    /// How many sockets were told to connect, since the start.
    pub fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }

    fn answer(&self, url: Url, response: Response<Incoming>) -> Answer {
        let (parts, body) = response.into_parts();
        let idle = self.rules.idle_timeout;
        let limit = self.rules.max_bytes;
        let silence = Box::pin(tokio::time::sleep(idle));
        let body = Pieces { body, host: host_of(&url).into(), left: limit, limit, idle, silence };
        Answer { status: parts.status, version: parts.version, headers: parts.headers, url, body }
    }
}

impl Answer {
    pub fn into_pieces(self) -> Pieces {
        self.body
    }

    /// What the head says of the body's length.
    pub fn content_length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Whether a body that is cut off can be told from one that is whole.
    pub fn has_marked_end(&self) -> bool {
        self.version >= Version::HTTP_2
            || self.headers.contains_key(CONTENT_LENGTH)
            || self.headers.contains_key(TRANSFER_ENCODING)
    }

    fn redirect(&self) -> Option<Url> {
        if !matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let mut next = self.url.join(self.headers.get(LOCATION)?.to_str().ok()?).ok()?;
        next.set_fragment(None);
        Some(next)
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, NetError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
                ready!(this.silence.as_mut().poll(context));
                return Poll::Ready(Some(Err(NetError::Timeout { host: this.host.to_string() })));
            };
            this.silence.as_mut().reset(Instant::now() + this.idle);
            let piece = match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    let (host, source) = (this.host.to_string(), Arc::new(error));
                    return Poll::Ready(Some(Err(NetError::Broken { host, source })));
                }
                Some(Ok(frame)) => frame.into_data(),
            };
            // Trailers are nobody's business here, and an empty piece would look like the end to some readers.
            let Ok(piece) = piece else { continue };
            if piece.is_empty() {
                continue;
            }
            let Some(left) = this.left.checked_sub(piece.len() as u64) else {
                let (host, limit) = (this.host.to_string(), this.limit);
                return Poll::Ready(Some(Err(NetError::TooManyBytes { host, limit })));
            };
            this.left = left;
            return Poll::Ready(Some(Ok(piece)));
        }
    }
}

/// A login as the value of `Authorization`, which is printed nowhere.
pub fn credentials(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

const MOST_REDIRECTS: usize = 3;
const AGENT: &str = concat!("pixedge/", env!("CARGO_PKG_VERSION"));

/// What must not be shown to another server than the one it was meant for.
const SENSITIVE: [HeaderName; 4] =
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, HeaderName::from_static("x-amz-security-token")];

fn no_body() -> Body {
    Empty::new().boxed_unsync()
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// TLS over a connection, to the host of this name.
pub async fn secure(stream: TcpStream, host: &str) -> Result<TlsStream, NetError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| NetError::BadUrl(host.to_owned()))?;
    let connected = TlsConnector::from(Arc::new(tls())).connect(name, stream).await;
    connected.map_err(|error| NetError::Broken { host: host.to_owned(), source: Arc::new(error) })
}

/// The system's roots. Without any, plain http still works and https says that the issuer is unknown.
fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        tracing::warn!("the system has no root certificates (package ca-certificates): https cannot go out");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what TLS 1.2 and 1.3 need")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
