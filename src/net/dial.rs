//! Connecting: from a host to addresses, from those to the ones that may be connected to, and to one of them. There is
//! no other place where a socket is opened.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use super::error::{NetError, Refusal};
use super::rules::{Rules, Server};

/// Looks names up. The system's resolver, unless a test brings one that cannot be trusted.
pub trait Resolve: Send + Sync + 'static {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) }.boxed()
    }
}

/// The connector under the HTTP client.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) rules: Arc<Rules>,
    pub(super) resolver: Arc<dyn Resolve>,
    /// Sockets that were told to connect.
    pub(super) connects: Arc<AtomicU64>,
}

impl Service<http::Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = NetError;
    type Future = BoxFuture<'static, Result<Self::Response, NetError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NetError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let dialer = self.clone();
        async move {
            let server = Server::of_uri(&uri).ok_or_else(|| NetError::BadUrl(uri.to_string()))?;
            let dialled = tokio::time::timeout(dialer.rules.connect_timeout, dialer.dial(&server)).await;
            let stream =
                dialled.unwrap_or_else(|_| Err(unreachable(&server, io::ErrorKind::TimedOut.into())))?;
            Ok(TokioIo::new(stream))
        }
        .boxed()
    }
}

/// Connects to a server that the operator named himself and that speaks no HTTP, wherever it is.
pub async fn connect(host: &str, port: u16, timeout: Duration) -> Result<TcpStream, NetError> {
    let server = Server::named(host, port);
    let rules = Rules { trusted: vec![server.clone()], connect_timeout: timeout, ..Rules::default() };
    let dialer = Dialer { rules: Arc::new(rules), resolver: Arc::new(System), connects: Arc::default() };
    let dialled = tokio::time::timeout(timeout, dialer.dial(&server)).await;
    dialled.unwrap_or_else(|_| Err(unreachable(&server, io::ErrorKind::TimedOut.into())))
}

impl Dialer {
    async fn dial(&self, server: &Server) -> Result<TcpStream, NetError> {
        let mut addresses = self.addresses(server).await?;
        addresses.truncate(MOST_ADDRESSES);
        let each = self.rules.connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses {
            self.connects.fetch_add(1, Ordering::Relaxed);
            let connecting = TcpStream::connect(SocketAddr::new(address, server.port()));
            match tokio::time::timeout(each, connecting).await {
                Ok(Ok(stream)) => {
                    // A request is one write; waiting for more of it helps nobody.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(unreachable(server, failure))
    }

    /// Those that may be connected to; an error where there are none.
    async fn addresses(&self, server: &Server) -> Result<Vec<IpAddr>, NetError> {
        let mut addresses = match server.literal() {
            Some(address) => vec![address],
            None => {
                let resolved = self.resolver.resolve(server.host().to_owned()).await;
                // The system has no kind of its own for a name that it does not know.
                resolved
                    .map_err(|error| unreachable(server, io::Error::new(io::ErrorKind::NotFound, error)))?
            }
        };
        if self.rules.trusts(server) {
            return Ok(addresses);
        }
        let mut refusal: Option<Refusal> = None;
        addresses.retain(|address| match self.rules.check_address(*address) {
            Ok(()) => true,
            Err(error) => {
                refusal = Some(error);
                false
            }
        });
        match refusal {
            Some(refusal) if addresses.is_empty() => {
                Err(NetError::Refused { host: server.host().to_owned(), refusal })
            }
            _ => Ok(addresses),
        }
    }
}

/// A name with hundreds of addresses must not keep us busy.
const MOST_ADDRESSES: usize = 4;

fn unreachable(server: &Server, source: io::Error) -> NetError {
    NetError::Unreachable { host: server.host().to_owned(), source: Arc::new(source) }
}
