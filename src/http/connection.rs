//! One connection: its socket's options, which protocol the client speaks, and the codec of that protocol with its
//! limits. HTTP/1.1 and HTTP/2 without TLS (by prior knowledge) come to the same port.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::exchange::answer;
use super::seats::Seat;
use super::server::{Config, Shared};
use super::watch::{Timeouts, Watch, Watched, bounded};
use crate::delivery::body::Body;

/// What the requests of one connection have in common.
pub(super) struct Connection<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) watch: Arc<Watch>,
    pub(super) peer: SocketAddr,
    pub(super) service: S,
}

/// Serves until the client or the server has had enough.
pub(super) async fn connection<S>(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    closing: watch::Receiver<bool>,
    seat: Seat,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Send + Sync + 'static,
    S::Future: Send,
{
    if let Err(error) = tune(&stream, shared.config.write_timeout) {
        tracing::debug!(%error, %peer, "socket options");
    }
    let watch = Watch::new(timeouts(&shared.config));
    let io = Watched::new(stream, watch.clone());
    let conn = Arc::new(Connection { shared, watch: watch.clone(), peer, service });
    match bounded(converse(conn, io, closing), &watch).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, %peer, "connection ended"),
        Err(lapse) => tracing::debug!(?lapse, %peer, "client too slow"),
    }
    drop(seat);
}

fn timeouts(config: &Config) -> Timeouts {
    let Config { head_timeout, idle_timeout, body_timeout, write_timeout, .. } = *config;
    Timeouts { head: head_timeout, idle: idle_timeout, body: body_timeout, write: write_timeout }
}

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] hyper::Error),
}

async fn converse<S>(
    conn: Arc<Connection<S>>,
    mut io: Watched<TcpStream>,
    mut closing: watch::Receiver<bool>,
) -> Result<(), Ended>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Send + Sync + 'static,
    S::Future: Send,
{
    let http2 = tokio::select! {
        biased;
        http2 = io.speaks_http2() => http2?,
        _ = closing.wait_for(|closing| *closing) => false,
    };
    if *closing.borrow() && !io.has_begun() {
        return Ok(());
    }
    if !http2 {
        let max_head = conn.shared.config.max_head;
        let service = service_fn(move |request| answer(conn.clone(), None, request));
        let served = http1_codec(max_head).serve_connection(TokioIo::new(io), service);
        return Ok(until(served, closing, |served| served.graceful_shutdown()).await?);
    }
    let (watch, streams) = (Arc::clone(&conn.watch), Streams::default());
    let codec = http2_codec(&conn.shared.config, streams.clone());
    let service = service_fn(move |request| {
        let stream = Watch::of_stream(timeouts(&conn.shared.config));
        streams.announce(stream.clone());
        answer(conn.clone(), Some(stream), request)
    });
    let served = codec.serve_connection(TokioIo::new(io), service);
    let gently = |served: Pin<&mut http2::Connection<_, _, _>>| {
        watch.closing();
        served.graceful_shutdown();
    };
    Ok(until(served, closing, gently).await?)
}

/// Runs a connection, and asks it to end when the server closes.
async fn until<C: Future>(
    connection: C,
    mut closing: watch::Receiver<bool>,
    gently: impl FnOnce(Pin<&mut C>),
) -> C::Output {
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        output = connection.as_mut() => return output,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    gently(connection.as_mut());
    connection.await
}

fn http1_codec(max_head: usize) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The watch does this for the whole connection, cheaper.
        .header_read_timeout(None)
        .max_header_size(max_head)
        .max_buf_size(READ_BUFFER.max(max_head));
    // `pipeline_flush` stays off: with it hyper buffers a streamed body without end for a client that reads slowly.
    builder
}

/// The most that is read ahead of a body.
const READ_BUFFER: usize = 128 * 1024;

fn http2_codec(config: &Config, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(config.max_head).unwrap_or(u32::MAX))
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_ERRORS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}

/// Requests at once. A browser asks for some tens of pictures; each holds its result until the client has taken it.
const MOST_STREAMS: u32 = 100;

/// What a client may send of bodies before somebody reads them: on one stream, and on all together, which bounds the
/// memory of a connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Of an answer, beside the piece that is being sent.
const SEND_BUFFER: usize = 64 * 1024;

/// Requests taken back before they were looked at, and errors of the client's that cost us an answer.
const MOST_RESETS: usize = 20;
const MOST_ERRORS: usize = 100;

/// Finds clients that are gone without a word while an answer takes long. Our idle timeout is not moved by it.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Runs the streams of one connection, each under its own watch, so that one that stalls is reset and the others go on.
#[derive(Clone, Default)]
struct Streams {
    /// Of the stream that hyper hands to the executor next: it does so right after it has called the service.
    next: Arc<Mutex<Option<Arc<Watch>>>>,
}

impl Streams {
    fn announce(&self, watch: Arc<Watch>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let announced = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        tokio::spawn(async move {
            match announced {
                Some(watch) => {
                    if let Err(lapse) = bounded(stream, &watch).await {
                        tracing::debug!(?lapse, "stream reset, client too slow");
                    }
                }
                None => stream.await,
            }
        });
    }
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
