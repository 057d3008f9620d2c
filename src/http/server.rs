//! Accepts connections: caps on their number, and a stop that fails no request. What happens on one is in
//! `connection`, what happens to one request in `exchange`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::service::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

use super::connection::connection;
use super::context::RequestIds;
use super::seats::{Free, Seat, Seats};
use crate::delivery::body::Body;
use crate::telemetry::logging::Access;
use crate::units::Cidr;

/// Limits of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Open connections; more wait in the kernel until one ends.
    pub max_connections: usize,
    /// Of one address (of IPv6, one /64); more are closed at once. `None`: as many as there are.
    pub max_connections_per_address: Option<usize>,
    /// Proxies, which hold connections for everybody behind them: not counted by address.
    pub proxies: Vec<Cidr>,
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
            max_connections_per_address: None,
            proxies: Vec::new(),
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

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) access: Access,
    pub(super) stop: Stop,
    pub(super) ids: RequestIds,
    pub(super) requests: AtomicU64,
    seats: Arc<Seats>,
}

impl Server {
    pub fn new(config: Config, access: Access, stop: Stop) -> Self {
        let Config { max_connections, max_connections_per_address, proxies, .. } = &config;
        let seats = Seats::new(*max_connections, *max_connections_per_address, proxies.clone());
        let requests = AtomicU64::new(0);
        Self { shared: Arc::new(Shared { config, access, stop, ids: RequestIds::new(), requests, seats }) }
    }

    /// Serves until a stop is asked for and returns when the last request is answered or the grace time is over.
    pub async fn serve<S>(&self, listener: TcpListener, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        let Config { drain, grace, .. } = self.shared.config;
        let (close, closing) = watch::channel(false);
        let mut connections = JoinSet::new();
        let serve = |(stream, peer, seat): Accepted| {
            connection(self.shared.clone(), stream, peer, service.clone(), closing.clone(), seat)
        };
        let stopped = async {
            self.shared.stop.asked().await;
            tokio::time::sleep(drain).await;
        };
        tokio::pin!(stopped);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopped => break,
                accepted = self.accept(&listener) => accepted,
            };
            while connections.try_join_next().is_some() {}
            connections.spawn(serve(accepted));
        }
        // Clients in the kernel's queue are connected already as far as they know.
        while let (Some(Ok((stream, peer))), Some(free)) =
            (listener.accept().now_or_never(), self.shared.seats.free_now())
        {
            if let Some(seat) = self.shared.seats.take(free, peer.ip()) {
                connections.spawn(serve((stream, peer, seat)));
            }
        }
        drop(listener);
        // Lets requests that are on their way be read before connections that seem idle are closed.
        tokio::time::sleep(drain.min(Duration::from_millis(100))).await;
        close.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!(connections = connections.len(), "the grace time is over; connections are cut");
        }
        connections.shutdown().await;
    }

    /// The next connection, once there is room for one.
    async fn accept(&self, listener: &TcpListener) -> Accepted {
        const LONGEST: Duration = Duration::from_secs(1);
        let mut free = self.shared.seats.free().await;
        let mut pause = Duration::from_millis(20);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match self.seat(free, peer).await {
                    Ok(seat) => return (stream, peer, seat),
                    Err(other) => free = other,
                },
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

    /// The seat for a client, or one for somebody else.
    async fn seat(&self, free: Free, peer: SocketAddr) -> Result<Seat, Free> {
        match self.shared.seats.take(free, peer.ip()) {
            Some(seat) => Ok(seat),
            None => {
                tracing::debug!(%peer, "too many connections of one address");
                Err(self.shared.seats.free().await)
            }
        }
    }
}

type Accepted = (TcpStream, SocketAddr, Seat);

/// Errors of one client that hung up again, after which the next can be accepted at once.
fn is_clients_own(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
