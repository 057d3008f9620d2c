//! Accepts connections and serves HTTP/1.1 on them: a cap on connections, time limits for slow clients, panics turned
//! into answers, request ids, the access log, and a stop that fails no request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::context::{Asked, Context, RequestId, RequestIds, X_REQUEST_ID};
use super::problem::{ShellFault, problem};
use super::watch::{Received, Timeouts, Watch, Watched, bounded};
use crate::delivery::body::{Body, BoxError};
use crate::delivery::cors::AllowOrigin;
use crate::delivery::respond::{CACHE_STATUS, Vary};
use crate::telemetry::logging::{ACCESS, Access};
use crate::telemetry::mask;

/// Limits of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Open connections; more wait in the kernel until one ends.
    pub max_connections: usize,
    /// Bytes of a request's head.
    pub max_head: usize,
    /// From the first byte of a request (of a new connection: from its beginning) to the end of its head.
    pub head_timeout: Duration,
    /// Between requests. Longer than nginx keeps its own side open (60 s), so that it never meets a closing one.
    pub idle_timeout: Duration,
    /// Without 16 KiB of a request's body.
    pub body_timeout: Duration,
    /// Without the client taking 16 KiB of an answer.
    pub write_timeout: Duration,
    /// After a stop was asked for: answering as before, but ending each connection, until the listener is closed.
    pub drain: Duration,
    /// What requests that are still being answered get after that.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_head: 32 * 1024,
            head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain: Duration::from_millis(250),
            grace: Duration::from_secs(30),
        }
    }
}

impl Config {
    pub fn validate(&self) -> Result<(), String> {
        if self.max_connections == 0 || self.max_connections > Semaphore::MAX_PERMITS {
            return Err("`max_connections` must be at least 1".to_owned());
        }
        if !(8192..=1024 * 1024).contains(&self.max_head) {
            return Err("`max_head` must be between 8KiB and 1MiB".to_owned());
        }
        let timeouts = [
            ("head_timeout", self.head_timeout),
            ("idle_timeout", self.idle_timeout),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
        ];
        match timeouts.into_iter().find(|(_, timeout)| timeout.is_zero()) {
            Some((name, _)) => Err(format!("`{name}` must be more than 0; write e.g. `30s`")),
            None => Ok(()),
        }
    }
}

/// Asks servers to stop. `/readyz` fails as soon as it was asked.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    asked: AtomicBool,
    notify: Notify,
}

impl Stop {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn ask(&self) {
        self.0.asked.store(true, Relaxed);
        self.0.notify.notify_waiters();
    }

    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Relaxed)
    }

    pub async fn asked(&self) {
        let notified = self.0.notify.notified();
        tokio::pin!(notified);
        // Listen first and look then, or a stop in between would be missed.
        notified.as_mut().enable();
        if !self.is_asked() {
            notified.await;
        }
    }
}

/// Serves any number of listeners under common limits.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    access: Access,
    stop: Stop,
    slots: Arc<Semaphore>,
    ids: RequestIds,
    requests: AtomicU64,
}

impl Server {
    pub fn new(config: Config, access: Access, stop: Stop) -> Self {
        let slots = Arc::new(Semaphore::new(config.max_connections));
        let requests = AtomicU64::new(0);
        Self { shared: Arc::new(Shared { config, access, stop, slots, ids: RequestIds::new(), requests }) }
    }

    /// Serves until a stop is asked for and returns when the last request is answered or the grace time is over.
    pub async fn serve<S>(&self, listener: TcpListener, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        let Config { drain, grace, .. } = self.shared.config;
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let stopped = async {
            self.shared.stop.asked().await;
            tokio::time::sleep(drain).await;
        };
        tokio::pin!(stopped);
        loop {
            let (stream, peer, slot) = tokio::select! {
                biased;
                () = &mut stopped => break,
                accepted = self.accept(&listener) => accepted,
            };
            while connections.try_join_next().is_some() {}
            let shared = self.shared.clone();
            connections.spawn(connection(shared, stream, peer, service.clone(), graceful.watcher(), slot));
        }
        // Clients in the kernel's queue are connected already as far as they know.
        while let (Some(Ok((stream, peer))), Ok(slot)) =
            (listener.accept().now_or_never(), self.shared.slots.clone().try_acquire_owned())
        {
            let shared = self.shared.clone();
            connections.spawn(connection(shared, stream, peer, service.clone(), graceful.watcher(), slot));
        }
        drop(listener);
        // Lets requests that are on their way be read before connections that seem idle are closed.
        tokio::time::sleep(drain.min(Duration::from_millis(100))).await;
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!(connections = connections.len(), "the grace time is over; connections are cut");
        }
        connections.shutdown().await;
    }

    /// The next connection, once there is room for one.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        const LONGEST: Duration = Duration::from_secs(1);
        let slot = loop {
            match self.shared.slots.clone().acquire_owned().await {
                Ok(slot) => break slot,
                // Nobody closes the semaphore.
                Err(_) => std::future::pending::<()>().await,
            }
        };
        let mut pause = Duration::from_millis(20);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, slot),
                Err(error) if is_clients_own(&error) => {}
                Err(error) => {
                    // Out of file descriptors or memory: others must end first, and trying again at once would
                    // only burn the CPU that they need for it.
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
    }
}

/// Errors of one client that hung up again, after which the next can be accepted at once.
fn is_clients_own(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn connection<S>(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    watcher: Watcher,
    slot: OwnedSemaphorePermit,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Config { max_head, head_timeout, idle_timeout, body_timeout, write_timeout, .. } = shared.config;
    if let Err(error) = tune(&stream, write_timeout) {
        tracing::debug!(%error, %peer, "socket options");
    }
    let watch = Watch::new(Timeouts {
        head: head_timeout,
        idle: idle_timeout,
        body: body_timeout,
        write: write_timeout,
    });
    let conn = Arc::new(Connection { shared, watch: watch.clone(), peer, service });
    let io = TokioIo::new(Watched::new(stream, watch.clone()));
    let served = http1::Builder::new()
        // The watch does this for the whole connection, cheaper.
        .header_read_timeout(None)
        .max_header_size(max_head)
        .max_buf_size(READ_BUFFER.max(max_head))
        // `pipeline_flush` stays off: with it hyper buffers a streamed body without end for a client that reads slowly.
        .serve_connection(io, service_fn(move |request| answer(conn.clone(), request)));
    match bounded(watcher.watch(served), &watch).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, %peer, "connection ended"),
        Err(lapse) => tracing::debug!(?lapse, %peer, "client too slow"),
    }
    drop(slot);
}

fn tune(stream: &TcpStream, write_timeout: Duration) -> io::Result<()> {
    // Answers are written whole; waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(stream);
        // Without it the kernel takes up to 4 MB of an answer and reports nothing until a third of that is gone: a
        // client on a slow line would look stuck for minutes, and each of them would hold that memory.
        socket.set_tcp_notsent_lowat(UNSENT)?;
        // The same limit for what the kernel holds after the last write.
        socket.set_tcp_user_timeout(Some(write_timeout * 2))?;
    }
    Ok(())
}

/// Bytes of an answer that wait in the kernel beyond what is on its way to the client.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// The most that is read ahead of a body.
const READ_BUFFER: usize = 128 * 1024;

struct Connection<S> {
    shared: Arc<Shared>,
    watch: Arc<Watch>,
    peer: SocketAddr,
    service: S,
}

/// One request: handed to the service with its context, its panics caught, its answer tracked to the end.
async fn answer<S>(
    conn: Arc<Connection<S>>,
    request: Request<Incoming>,
) -> Result<Response<Tracked>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Connection { shared, watch, peer, service } = &*conn;
    watch.busy();
    let id = shared.ids.of(request.headers());
    let mut entry = shared.entry(&request, *peer, &id);
    let asked = Asked {
        id: id.clone(),
        head: request.method() == Method::HEAD,
        allow_origin: AllowOrigin::default(),
        vary: Vary::default(),
    };
    let (mut parts, incoming) = request.into_parts();
    parts.extensions.insert(Context { peer: *peer, id });
    let body = if incoming.is_end_stream() {
        Body::empty()
    } else {
        Body::boxed(Received { body: incoming, watch: watch.clone() })
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
    if shared.stop.is_asked() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(entry) = &mut entry {
        entry.status = status;
        entry.cache = response.headers().get(CACHE_STATUS).cloned();
    }
    let watch = watch.clone();
    Ok(response.map(|body| Tracked { body, watch, entry }))
}

/// The body of an answer on its way out. hyper drops it when its last byte is handed over.
struct Tracked {
    body: Body,
    watch: Arc<Watch>,
    entry: Option<Box<AccessEntry>>,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(entry), Poll::Ready(Some(Ok(frame)))) = (&mut self.entry, &polled) {
            entry.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.watch.answered();
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

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
