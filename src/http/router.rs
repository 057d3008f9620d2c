//! Every route in one table, and the service that follows it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts as Head;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Serialize;

use super::api::{self, Api};
use super::assets;
use super::client::{is_this_machine, resolved_client};
use super::context::{Asked, Context, RequestId};
use super::dialects::{self, Dialects, Found};
use super::links;
use super::page::Page;
use super::problem::{Misuse, ShellFault, is_kept, no_route, problem, wrong_method};
use super::purge::{self, Operator};
use super::ready::Readiness;
use super::server::Stop;
use super::share;
use super::viewer;
use super::visitor::Visitors;
use crate::admin::Addresses;
use crate::delivery::body::Body;
use crate::delivery::respond::{Timing, Vary};
use crate::delivery::{self, Delivery, Served, Shown};
use crate::error::Fault;
use crate::library::Moved;
use crate::limit::Bans;
use crate::telemetry::mask;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::{Ended, Traces};
use crate::units::Cidr;

/// What a path leads to. The name is the label `route` of `pixedge_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Page,
    Errors,
    Transforms,
    Frontends,
    Asset,
    DocsPicture,
    Image,
    Object,
    Ipx,
    Info,
    Explain,
    Health,
    Ready,
    Metrics,
    Signed,
    Share,
    Purge,
    Api,
    Link,
    Viewer,
}

/// How a path is compared.
enum Match {
    Exact(&'static str),
    Below(&'static str),
}

use Match::{Below, Exact};

const READ: &str = "GET, HEAD, OPTIONS";

/// The first row that fits wins.
const ROUTES: &[(Match, Route)] = &[
    (Below("/i/"), Route::Image),
    (Below("/r/"), Route::Object),
    (Below("/s/"), Route::Signed),
    (Below("/share/"), Route::Share),
    (Exact("/v1/purge"), Route::Purge),
    (Below("/v1/"), Route::Api),
    (Exact("/openapi.json"), Route::Api),
    (Below("/_ipx/"), Route::Ipx),
    (Below("/info/"), Route::Info),
    (Below("/explain/"), Route::Explain),
    (Below(links::SET_UP), Route::Link),
    (Below(links::RECOVER), Route::Link),
    (Below(links::GOODBYE), Route::Link),
    (Below(links::DELETE), Route::Link),
    (Exact("/"), Route::Page),
    (Exact("/docs/errors"), Route::Errors),
    (Exact("/docs/transforms"), Route::Transforms),
    (Exact("/docs/frontends"), Route::Frontends),
    (Below("/assets/"), Route::Asset),
    (Exact("/docs"), Route::Viewer),
    (Below("/docs/api/"), Route::Viewer),
    (Below("/docs/pictures/"), Route::DocsPicture),
    (Exact("/healthz"), Route::Health),
    (Exact("/health"), Route::Health),
    (Exact("/readyz"), Route::Ready),
    (Exact("/metrics"), Route::Metrics),
];

/// What the routes lead to.
pub struct Parts {
    pub delivery: Arc<Delivery>,
    pub metrics: Arc<Metrics>,
    pub page: Page,
    /// Whether the library has the picture `demo`.
    pub demo: bool,
    pub stop: Stop,
    pub ready: Readiness,
    pub trusted_proxies: Vec<Cidr>,
    pub operator: Operator,
    pub visitors: Arc<Visitors>,
    pub addresses: Addresses,
    /// `None`: nobody is banned.
    pub bans: Option<Bans>,
    pub api: Api,
    pub dialects: Dialects,
    /// `None`: nothing is traced.
    pub traces: Option<Traces>,
}

/// The service behind one listener; cheap to clone.
#[derive(Clone)]
pub struct Router {
    parts: Arc<Parts>,
    /// The operator's own listener answers `/metrics` to everybody who reaches it.
    admin: bool,
}

impl Parts {
    /// Counts a request that was answered, where that may lead to a ban.
    fn remember(&self, client: IpAddr, is_misuse: bool) {
        let Some(bans) = &self.bans else { return };
        if bans.count(client, is_misuse, (self.api.clock)()) {
            tracing::warn!(%client, "banned for a while");
        }
    }
}

impl Router {
    pub fn new(parts: Arc<Parts>, admin: bool) -> Self {
        Self { parts, admin }
    }

    async fn answer(self, mut request: Head, body: Body) -> Response<Body> {
        let found = native(request.uri.path());
        // Known before anything is refused, so that every refusal is in its words.
        let spoken = self.spoken(found, &request);
        if let Some(spoken) = &spoken {
            let spoken = spoken.spoken(&request);
            request.extensions.insert(spoken);
        }
        let judged = self.judged(found, &request);
        if let Some(response) = judged.and_then(|client| self.shuts_out(client, &request)) {
            let label = spoken.as_ref().map_or(found.map_or("none", Route::name), Found::route);
            self.parts.metrics.request(label, response.status().as_u16());
            return response;
        }
        let parts = self.parts.bans.is_some().then(|| Arc::clone(&self.parts));
        let response = match spoken {
            Some(spoken) if !is_nameless(&request) => Box::pin(self.speak(spoken, request, body)).await,
            _ => self.lead(found, request, body).await,
        };
        if let (Some(parts), Some(client)) = (parts, judged) {
            parts.remember(client, response.extensions().get::<Misuse>().is_some());
        }
        response
    }

    /// The dialect that the request is in. Few paths are shared with a native route.
    fn spoken(&self, found: Option<Route>, request: &Head) -> Option<Found> {
        if found.is_some_and(|route| !route.is_shared()) {
            return None;
        }
        let (uri, dialects) = (&request.uri, &self.parts.dialects);
        let spoken = dialects.find(&request.method, uri.path(), uri.query())?;
        (found.is_none() || spoken.takes_over()).then_some(spoken)
    }

    async fn speak(self, spoken: Found, request: Head, body: Body) -> Response<Body> {
        let asked = self.asked(&request);
        let label = spoken.route();
        let origin = api::Origin { client: self.client(&request), asked: asked.clone() };
        let old = self.is_old_address(&request).then(|| request.clone());
        let answered = dialects::answer(&self.parts, request, body, spoken, origin);
        let mut response = AssertUnwindSafe(answered).catch_unwind().await.unwrap_or_else(|_| {
            self.parts.metrics.panic();
            problem(&ShellFault::Panicked, &asked)
        });
        if let Some(old) = old.filter(|_| response.status().is_client_error()) {
            response = self.moved(&old, response).await;
        }
        self.parts.metrics.request(label, response.status().as_u16());
        response
    }

    async fn lead(self, found: Option<Route>, request: Head, body: Body) -> Response<Body> {
        if found == Some(Route::Api) && !is_nameless(&request) {
            return Box::pin(self.api(request, body)).await;
        }
        // A handler holds no locks of the shell, and what it leaves behind in its own rooms undoes itself on drop; so a
        // panic ends one request.
        let response = match AssertUnwindSafe(self.follow(found, &request, body)).catch_unwind().await {
            Ok(response) if self.may_have_moved(&request, &response) => {
                Box::pin(self.moved(&request, response)).await
            }
            Ok(response) => response,
            Err(_) => {
                self.parts.metrics.panic();
                problem(&ShellFault::Panicked, &self.asked(&request))
            }
        };
        self.parts.metrics.request(found.map_or("none", Route::name), response.status().as_u16());
        response
    }

    /// Whether what leads nowhere here may be an old address of a picture. Only then is it asked for, so that no route of
    /// ours is ever covered, and a path that was never an address costs a hash.
    fn may_have_moved(&self, request: &Head, response: &Response<Body>) -> bool {
        matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST)
            && self.is_old_address(request)
    }

    fn is_old_address(&self, request: &Head) -> bool {
        matches!(request.method, Method::GET | Method::HEAD)
            && !is_nameless(request)
            && self.parts.api.library.may_have_moved(request.uri.path())
    }

    /// The way to where the picture is now, or the answer as it was.
    async fn moved(&self, request: &Head, response: Response<Body>) -> Response<Body> {
        match self.parts.api.library.moved(request.uri.path()).await {
            Ok(Some(Moved { image, spec })) => {
                let slash = if spec.is_empty() { "" } else { "/" };
                let mut response = redirect(&format!("/i/{image}{slash}{spec}"));
                self.parts.delivery.cors().answer(&request.headers).write(response.headers_mut());
                response
            }
            Ok(None) => response,
            Err(error) => problem(&error, &self.asked(request)),
        }
    }

    /// The same, told to the collector if this request is one of those.
    async fn traced(self, request: Head, body: Body) -> Response<Body> {
        let parts = Arc::clone(&self.parts);
        let context = request.extensions.get::<Context>();
        let by_proxy = context.is_some_and(|context| {
            parts.trusted_proxies.iter().any(|range| range.contains(context.peer.ip().to_canonical()))
        });
        let begun = parts.traces.as_ref().and_then(|traces| traces.begin(&request.headers, by_proxy));
        let Some((traces, begun)) = parts.traces.as_ref().zip(begun) else {
            return self.answer(request, body).await;
        };
        let id = context.map_or(RequestId::NONE, |context| context.id.clone());
        let (method, path) = (request.method.clone(), request.uri.path().to_owned());
        let found = native(&path);
        let spoken = self.spoken(found, &request).map(|spoken| spoken.route());
        let response = self.answer(request, body).await;
        let timing = response.extensions().get::<Timing>().copied().unwrap_or_default();
        traces.end(
            begun,
            Ended {
                method: method.as_str(),
                route: spoken.unwrap_or(found.map_or("none", Route::name)),
                path: &mask::target(&path, None),
                status: response.status().as_u16(),
                request_id: id.to_string(),
                cache: response.extensions().get::<Served>().map(|served| served.0.text()),
                stages: timing.stages(),
            },
        );
        response
    }

    /// The address that may be one of those that are answered nothing, where there could be any. Whoever watches over the
    /// server may always ask whether it lives, and the operator's own listener is for those who reach it.
    fn judged(&self, found: Option<Route>, request: &Head) -> Option<IpAddr> {
        let Parts { addresses, bans, .. } = &*self.parts;
        let any = addresses.is_used() || bans.is_some();
        (any && !self.admin && found != Some(Route::Health)).then(|| self.client(request))
    }

    /// The answer to an address that is not answered.
    fn shuts_out(&self, client: IpAddr, request: &Head) -> Option<Response<Body>> {
        let Parts { addresses, bans, metrics, api, .. } = &*self.parts;
        if !addresses.admits(client) {
            metrics.refused("address");
            return Some(problem(&ShellFault::Address, &self.asked(request)));
        }
        let banned = bans.as_ref()?.check(client, (api.clock)()).err()?;
        metrics.refused("banned");
        Some(problem(&banned, &self.asked(request)))
    }

    /// The future of a request is moved as a whole several times before it first runs, so what a hit does not need is
    /// boxed here and below: with everything inline a hit copied 160 KB.
    async fn follow(&self, found: Option<Route>, request: &Head, body: Body) -> Response<Body> {
        let body = match found {
            Some(Route::Purge | Route::Link | Route::Share) => body,
            // Nobody reads it. HTTP/1 drains what is left of it after the answer, if nothing holds it; HTTP/2 tells only
            // who reads to its end whether the request was well-formed (RFC 9113 §8.1.1).
            _ if request.version == http::Version::HTTP_2 && !body.is_end_stream() => {
                Box::pin(drain(body)).await
            }
            _ => Body::empty(),
        };
        match (found, &request.method) {
            _ if is_nameless(request) => problem(&ShellFault::Host, &self.asked(request)),
            (None, _) => no_route(
                request.uri.path(),
                &[
                    "/i/",
                    "/r/",
                    "/_ipx/",
                    "/share/",
                    "/info/",
                    "/explain/",
                    "/v1/",
                    "/docs/errors",
                    "/docs/frontends",
                    "/docs/transforms",
                    "/healthz",
                ],
                &self.asked(request),
            ),
            (Some(Route::Purge), &Method::OPTIONS) => purge::options(),
            (Some(Route::Purge), &Method::POST) => {
                // A key that can be tried at any rate can be guessed.
                match self.parts.delivery.pay(self.client(request)) {
                    Ok(()) => {
                        Box::pin(self.parts.operator.purge(
                            request,
                            body,
                            self.asked(request),
                            (self.parts.api.clock)(),
                        ))
                        .await
                    }
                    Err(error) => problem(&error, &self.asked(request)),
                }
            }
            (Some(Route::Share), _) => Box::pin(self.share(request, body)).await,
            (Some(Route::Link), &Method::GET | &Method::HEAD | &Method::POST) => {
                let client = self.client(request);
                match self.parts.delivery.pay(client) {
                    Ok(()) => {
                        let asked = self.asked(request);
                        Box::pin(links::answer(&self.parts, request, body, &asked)).await
                    }
                    Err(error) => problem(&error, &self.asked(request)),
                }
            }
            (Some(_), &Method::OPTIONS) => self.parts.delivery.preflight(&request.headers, READ),
            (Some(route), &Method::GET | &Method::HEAD) => self.read(route, request).await,
            (Some(route), method) => wrong_method(method, route.methods(), &self.asked(request)),
        }
    }

    async fn api(self, request: Head, body: Body) -> Response<Body> {
        let asked = self.asked(&request);
        let origin = api::Origin { client: self.client(&request), asked: asked.clone() };
        let answered = AssertUnwindSafe(api::answer(&self.parts, request, body, origin)).catch_unwind().await;
        let (label, response) = answered.unwrap_or_else(|_| {
            self.parts.metrics.panic();
            ("none", problem(&ShellFault::Panicked, &asked))
        });
        self.parts.metrics.request(label, response.status().as_u16());
        response
    }

    async fn read(&self, route: Route, request: &Head) -> Response<Body> {
        let Parts { delivery, page, .. } = &*self.parts;
        let asks = asks(request, self.client(request));
        let outcome = match route {
            Route::Image | Route::Object | Route::Ipx | Route::Signed => delivery.picture(asks).await,
            Route::Explain => {
                let told = Box::pin(delivery.explain(asks)).await;
                told.map(|told| self.about(request, &told, told.is_private))
            }
            Route::Info => {
                let told = Box::pin(delivery.info(asks)).await;
                told.map(|told| self.about(request, &told, told.is_private))
            }
            Route::Page => Ok(page.answer(&request.method, &request.headers, self.parts.demo)),
            Route::Errors => Ok(page.errors(&request.method, &request.headers)),
            Route::Transforms => Ok(page.transforms(&request.method, &request.headers)),
            Route::Frontends => Ok(page.frontends(&request.method, &request.headers)),
            Route::Asset => {
                let (path, query) = (request.uri.path(), request.uri.query());
                let found = assets::answer(&request.method, &request.headers, path, query);
                Ok(found.unwrap_or_else(|| no_route(path, &["/assets/pixedge.js"], &self.asked(request))))
            }
            Route::DocsPicture => {
                let picture = page.picture(&request.method, &request.headers, request.uri.path());
                Ok(picture.unwrap_or_else(|| no_route(request.uri.path(), &[], &self.asked(request))))
            }
            Route::Viewer => {
                let found = viewer::answer(&request.method, &request.headers, request.uri.path());
                Ok(found.unwrap_or_else(|| no_route(request.uri.path(), &[], &self.asked(request))))
            }
            Route::Health => Ok(health()),
            Route::Ready | Route::Metrics if !self.is_operator(request) => {
                Ok(no_route(request.uri.path(), &[], &self.asked(request)))
            }
            Route::Ready => Ok(Box::pin(self.ready()).await),
            Route::Metrics => Ok(self.metrics()),
            Route::Purge | Route::Share | Route::Api | Route::Link => {
                Ok(wrong_method(&request.method, route.methods(), &self.asked(request)))
            }
        };
        let mut response = outcome.unwrap_or_else(|error| {
            // Who is refused for what he sent or how often must not cost a second look.
            let vary = if is_kept(error.kind()) { delivery.vary(asks) } else { Vary::default() };
            problem(&error, &Asked { vary, ..self.asked(request) })
        });
        if request.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        response
    }

    /// What is shared is for who holds the link, so no other origin is ever let in.
    async fn share(&self, request: &Head, body: Body) -> Response<Body> {
        let Parts { delivery, visitors, .. } = &*self.parts;
        let client = self.client(request);
        let outcome = match request.method {
            Method::GET | Method::HEAD => match delivery.shared(asks(request, client)).await {
                Ok(Shown::Picture(response)) => Ok(response),
                Ok(Shown::Album(album)) => Ok(share::album(&album, &request.headers)),
                Err(error) => Err(Box::new(error) as Box<dyn Fault>),
            },
            Method::POST => share::unlock(delivery, visitors, request, body, client).await,
            Method::OPTIONS => return share::options(),
            _ => return wrong_method(&request.method, share::ALLOWED, &self.asked(request)),
        };
        let mut response =
            outcome.unwrap_or_else(|fault| share::refused(&*fault, request, self.asked(request)));
        if request.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        response
    }

    /// JSON that scripts of other origins may read as they may the picture it is about.
    fn about<T: Serialize>(&self, request: &Head, value: &T, is_private: bool) -> Response<Body> {
        let mut response = json(value);
        if !is_private {
            self.parts.delivery.cors().answer(&request.headers).write(response.headers_mut());
        }
        response
    }

    async fn ready(&self) -> Response<Body> {
        let state = if self.parts.stop.is_asked() {
            Err("stopping".to_owned())
        } else {
            self.parts.ready.ask().await
        };
        match state {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(reason) => {
                tracing::warn!(reason, "not ready");
                text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }
    }

    /// Who asks, in front of the proxies that we trust.
    fn client(&self, request: &Head) -> IpAddr {
        match request.extensions.get::<Context>() {
            Some(context) => {
                resolved_client(context.peer.ip(), &request.headers, &self.parts.trusted_proxies)
            }
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// Counters tell strangers what a server is busy with, so only this machine or the operator's listener sees them.
    fn is_operator(&self, request: &Head) -> bool {
        let Some(context) = request.extensions.get::<Context>() else { return self.admin };
        self.admin || is_this_machine(context.peer.ip(), &request.headers, &self.parts.trusted_proxies)
    }

    fn metrics(&self) -> Response<Body> {
        let mut response = text(StatusCode::OK, self.parts.metrics.encode());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Metrics::CONTENT_TYPE));
        response
    }

    fn asked(&self, request: &Head) -> Asked {
        Asked::of(request, self.parts.delivery.cors())
    }
}

impl tower::Service<Request<Body>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let router = self.clone();
        let (head, body) = request.into_parts();
        if router.parts.traces.is_some() {
            return Box::pin(async move { Ok(router.traced(head, body).await) });
        }
        Box::pin(async move { Ok(router.answer(head, body).await) })
    }
}

/// The native route of a path.
fn native(path: &str) -> Option<Route> {
    ROUTES.iter().find(|(pattern, _)| pattern.fits(path)).map(|(_, route)| *route)
}

/// For the table of dialects, whose test wants to know whose a path is.
#[cfg(test)]
pub(super) fn is_native(path: &str) -> bool {
    native(path).is_some()
}

#[cfg(test)]
pub(super) fn is_shared(path: &str) -> bool {
    native(path).is_some_and(Route::is_shared)
}

/// RFC 9112 §3.2
fn is_nameless(request: &Head) -> bool {
    request.version == http::Version::HTTP_11 && request.headers.get_all(HOST).iter().count() != 1
}

fn asks(request: &Head, client: IpAddr) -> delivery::Request<'_> {
    delivery::Request {
        method: &request.method,
        path: request.uri.path(),
        query: request.uri.query(),
        headers: &request.headers,
        client,
    }
}

/// Reads a body that nobody wants, if it is a small one.
async fn drain(mut body: Body) -> Body {
    const MOST: usize = 64 * 1024;
    let mut read = 0;
    while read <= MOST
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
    Body::empty()
}

impl Match {
    fn fits(&self, path: &str) -> bool {
        match self {
            Exact(whole) => path == *whole,
            Below(prefix) => path.starts_with(prefix),
        }
    }
}

impl Route {
    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Errors | Self::Transforms | Self::Frontends | Self::DocsPicture | Self::Viewer => "docs",
            Self::Asset => "assets",
            Self::Image => "i",
            Self::Object => "r",
            Self::Ipx => "ipx",
            Self::Info => "info",
            Self::Explain => "explain",
            Self::Health => "healthz",
            Self::Ready => "readyz",
            Self::Metrics => "metrics",
            Self::Signed => "s",
            Self::Share => "share",
            Self::Purge => "purge",
            Self::Api => "api",
            Self::Link => "link",
        }
    }

    /// Whether a dialect may have requests with the same paths, told apart by a tie.
    fn is_shared(self) -> bool {
        matches!(self, Self::Info)
    }

    /// As in `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Purge => purge::ALLOWED,
            Self::Share => share::ALLOWED,
            Self::Link => links::ALLOWED,
            _ => READ,
        }
    }
}

fn health() -> Response<Body> {
    #[derive(Serialize)]
    struct Health {
        status: &'static str,
        service: &'static str,
        version: &'static str,
    }
    json(&Health { status: "healthy", service: "pixedge", version: env!("CARGO_PKG_VERSION") })
}

pub(super) fn json<T: Serialize>(value: &T) -> Response<Body> {
    // The types given here are structs of strings and numbers, which always serialise.
    let mut response = text(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Links on other people's pages are asked again now and then: what they lead to may have gone.
fn redirect(to: &str) -> Response<Body> {
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "");
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}

fn text(status: StatusCode, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let body = body.into();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    *response.body_mut() = Body::full(body);
    response
}
