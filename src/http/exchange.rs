//! One request on its way through the server: handed to the service with its context, panics turned into answers, the
//! request id, the access log, and the body tracked until the client has it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;

use super::connection::Connection;
use super::context::{Asked, Context, RequestId, X_REQUEST_ID};
use super::problem::{ShellFault, problem};
use super::server::Shared;
use super::watch::{Busy, PROGRESS, Received, Watch};
use crate::delivery::body::{Body, BoxError};
use crate::delivery::cors::AllowOrigin;
use crate::delivery::respond::{CACHE_STATUS, Vary};
use crate::telemetry::logging::{ACCESS, Access};
use crate::telemetry::mask;

/// One request: handed to the service with its context, its panics caught, its answer tracked to the end.
///
/// `stream` watches the transfers where the connection carries several; else the connection's own watch does.
pub(super) async fn answer<S>(
    conn: Arc<Connection<S>>,
    stream: Option<Arc<Watch>>,
    request: Request<Incoming>,
) -> Result<Response<Tracked>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Connection { shared, watch, peer, service } = &*conn;
    let mut busy = watch.begin();
    let id = shared.ids.of(request.headers());
    let mut entry = shared.entry(&request, *peer, &id);
    let asked = Asked {
        id: id.clone(),
        head: request.method() == Method::HEAD,
        allow_origin: AllowOrigin::default(),
        vary: Vary::default(),
        spoken: None,
    };
    let (mut parts, incoming) = request.into_parts();
    parts.extensions.insert(Context { peer: *peer, id });
    let body = if incoming.is_end_stream() {
        Body::empty()
    } else {
        Body::boxed(Received { body: incoming, watch: stream.as_ref().unwrap_or(watch).clone() })
    };
    // A handler holds no locks of the shell, and what it leaves behind in its own rooms undoes itself on drop.
    let call = AssertUnwindSafe(async { service.call(Request::from_parts(parts, body)).await });
    let mut response = match call.catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => problem(&ShellFault::Panicked, &asked),
    };
    let status = response.status();
    if asked.id.is_given() || status.is_client_error() || status.is_server_error() {
        response.headers_mut().entry(X_REQUEST_ID).or_insert_with(|| asked.id.header());
    }
    // hyper leaves the body of an answer to HEAD out on HTTP/1 only.
    if stream.is_some() && asked.head {
        let body = std::mem::take(response.body_mut());
        if let Some(len) = body.size_hint().exact().filter(|len| *len > 0) {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(len));
        }
    }
    // HTTP/2 says it to the whole connection, once.
    if stream.is_none() && shared.stop.is_asked() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(entry) = &mut entry {
        entry.status = status;
        entry.cache = response.headers().get(CACHE_STATUS).cloned();
    }
    busy.answered();
    Ok(response.map(|body| Tracked { body, pieces: stream.map(Pieces::new), entry, _busy: busy }))
}

/// The body of an answer on its way out. hyper drops it when its last byte is handed over.
pub(super) struct Tracked {
    body: Body,
    /// On a stream of HTTP/2.
    pieces: Option<Pieces>,
    _busy: Busy,
    entry: Option<Box<AccessEntry>>,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let polled = match &mut this.pieces {
            None => Pin::new(&mut this.body).poll_frame(cx),
            Some(pieces) => pieces.poll(&mut this.body, cx),
        };
        if let (Some(entry), Poll::Ready(Some(Ok(frame)))) = (&mut self.entry, &polled) {
            entry.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.pieces.as_ref().is_none_or(|pieces| pieces.rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Hands a body out in pieces as large as a client has to take in each write timeout. That the next one is asked for is
/// the only sign that it took one, because the connection's socket is shared with other streams.
struct Pieces {
    watch: Arc<Watch>,
    rest: Bytes,
    /// Bytes of the piece that the client has been handed.
    handed: usize,
}

impl Pieces {
    fn new(watch: Arc<Watch>) -> Self {
        Self { watch, rest: Bytes::new(), handed: 0 }
    }

    fn poll(
        &mut self,
        body: &mut Body,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.watch.taken(std::mem::take(&mut self.handed));
        if self.rest.is_empty() {
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        self.handed = piece.len();
        self.watch.handed();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

const PIECE: usize = PROGRESS as usize;

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            entry.write();
        }
    }
}

/// One line of the access log.
struct AccessEntry {
    begun: Instant,
    method: Method,
    uri: Uri,
    peer: SocketAddr,
    id: RequestId,
    status: StatusCode,
    cache: Option<HeaderValue>,
    bytes: u64,
    /// Written whatever the status; others only if the server failed.
    chosen: bool,
}

impl Shared {
    fn entry(
        &self,
        request: &Request<Incoming>,
        peer: SocketAddr,
        id: &RequestId,
    ) -> Option<Box<AccessEntry>> {
        const ONE_IN: u64 = 100;
        let chosen = match self.access {
            Access::Off => return None,
            Access::Sampled => self.requests.fetch_add(1, Relaxed).is_multiple_of(ONE_IN),
            Access::All => true,
        };
        Some(Box::new(AccessEntry {
            begun: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer,
            id: id.clone(),
            status: StatusCode::OK,
            cache: None,
            bytes: 0,
            chosen,
        }))
    }
}

impl AccessEntry {
    fn write(&self) {
        if !self.chosen && !self.status.is_server_error() {
            return;
        }
        tracing::info!(
            target: ACCESS,
            method = %self.method,
            path = %mask::target(self.uri.path(), self.uri.query()),
            status = self.status.as_u16(),
            bytes = self.bytes,
            ms = self.begun.elapsed().as_secs_f64() * 1e3,
            cache = self.cache.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("-"),
            request_id = %self.id,
            peer = %self.peer,
            "request"
        );
    }
}
