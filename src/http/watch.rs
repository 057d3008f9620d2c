//! Watches one connection for clients that take too long: to send a head, to send a body, to take an answer, or to
//! ask again. One timer per connection looks every now and then at times that the connection only writes down, which
//! costs a hit nothing; hyper's own header timer is set and cleared for each request.
//!
//! Trickling is not progress: whoever keeps us waiting must move [`PROGRESS`] bytes in each timeout.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Bytes that a slow client must send or take within a timeout to be worth waiting for.
const PROGRESS: u64 = 16 * 1024;

/// How long each kind of waiting may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub head: Duration,
    pub idle: Duration,
    pub body: Duration,
    pub write: Duration,
}

/// Why a connection was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapse {
    Head,
    Idle,
    Body,
    Write,
}

/// The times of one connection, in milliseconds since it began. Only its own task touches them; atomics because that
/// task moves between threads.
#[derive(Debug)]
pub(super) struct Watch {
    origin: Instant,
    timeouts: Timeouts,
    phase: AtomicU8,
    phase_since: AtomicU64,
    receiving: Window,
    sending: Window,
}

/// No byte of the next request has come.
const IDLE: u8 = 0;
/// A head has begun, or the connection is new: then the first byte is part of the wait.
const HEAD: u8 = 1;
/// A request is being answered; only transfers are watched, the work has its own deadline.
const BUSY: u8 = 2;

/// A transfer that the other side may be holding up.
#[derive(Debug, Default)]
struct Window {
    open: AtomicBool,
    /// Whether it is the other side's turn.
    blocked: AtomicBool,
    since: AtomicU64,
    bytes: AtomicU64,
}

impl Window {
    fn blocked(&self, now: impl FnOnce() -> u64) {
        self.blocked.store(true, Relaxed);
        if !self.open.load(Relaxed) {
            self.open.store(true, Relaxed);
            self.since.store(now(), Relaxed);
            self.bytes.store(0, Relaxed);
        }
    }

    fn moved(&self, bytes: usize) {
        if self.open.load(Relaxed) {
            self.blocked.store(false, Relaxed);
            self.bytes.store(self.bytes.load(Relaxed) + bytes as u64, Relaxed);
        }
    }

    fn done(&self) {
        if self.open.load(Relaxed) {
            self.open.store(false, Relaxed);
        }
    }

    /// Whether it took too long; begins a new window where enough was moved or the delay was ours.
    fn lapsed(&self, now: u64, timeout: u64) -> bool {
        if !self.open.load(Relaxed) || now < self.since.load(Relaxed) + timeout {
            return false;
        }
        if self.blocked.load(Relaxed) && self.bytes.load(Relaxed) < PROGRESS {
            return true;
        }
        self.since.store(now, Relaxed);
        self.bytes.store(0, Relaxed);
        false
    }
}

impl Watch {
    pub(super) fn new(timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            timeouts,
            phase: AtomicU8::new(HEAD),
            phase_since: AtomicU64::new(0),
            receiving: Window::default(),
            sending: Window::default(),
        })
    }

    /// A head is complete.
    pub(super) fn busy(&self) {
        self.phase.store(BUSY, Relaxed);
    }

    /// An answer has been handed over.
    pub(super) fn answered(&self) {
        self.enter(IDLE);
    }

    /// Ends when the client has taken too long.
    pub(super) async fn lapse(&self) -> Lapse {
        let Timeouts { head, idle, body, write } = self.timeouts;
        let shortest = head.min(idle).min(body).min(write);
        // A lapse is noticed at most this late, and a waiting connection wakes no more often.
        let tick = (shortest / 2).clamp(Duration::from_millis(5), Duration::from_secs(2));
        let sleep = tokio::time::sleep(tick);
        tokio::pin!(sleep);
        loop {
            sleep.as_mut().await;
            if let Some(lapse) = self.look() {
                return lapse;
            }
            sleep.as_mut().reset(Instant::now() + tick);
        }
    }

    fn look(&self) -> Option<Lapse> {
        let now = self.now();
        let waited = now.saturating_sub(self.phase_since.load(Relaxed));
        let phase = match self.phase.load(Relaxed) {
            HEAD => (waited >= millis(self.timeouts.head)).then_some(Lapse::Head),
            // An answer that is still being taken is no idleness.
            IDLE if !self.sending.open.load(Relaxed) => {
                (waited >= millis(self.timeouts.idle)).then_some(Lapse::Idle)
            }
            _ => None,
        };
        phase
            .or_else(|| self.sending.lapsed(now, millis(self.timeouts.write)).then_some(Lapse::Write))
            .or_else(|| self.receiving.lapsed(now, millis(self.timeouts.body)).then_some(Lapse::Body))
    }

    fn read(&self) {
        if self.phase.load(Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    fn enter(&self, phase: u8) {
        self.phase_since.store(self.now(), Relaxed);
        self.phase.store(phase, Relaxed);
    }

    fn now(&self) -> u64 {
        millis(self.origin.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

/// The connection's socket.
pub(super) struct Watched<T> {
    io: T,
    watch: Arc<Watch>,
    closing: bool,
}

impl<T> Watched<T> {
    pub(super) fn new(io: T, watch: Arc<Watch>) -> Self {
        Self { io, watch, closing: false }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.watch.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> Watched<T> {
    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => self.watch.sending.blocked(|| self.watch.now()),
            Poll::Ready(Ok(bytes)) => self.watch.sending.moved(bytes),
            Poll::Ready(Err(_)) => {}
        }
        result
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// hyper flushes once everything that it had is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.watch.sending.done();
        Poll::Ready(Ok(()))
    }

    /// A socket that is closed with unread bytes in it resets the connection, and the client loses the answer that
    /// told it to stop sending (413, 431). So what is still coming is read and thrown away, for the time of a head.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [std::mem::MaybeUninit::uninit(); 4096];
        let this = &mut *self;
        let mut came = this.closing;
        if !this.closing {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        }
        loop {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut this.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => came = true,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                // Nobody is sending: no need to wait for the other side's end.
                Poll::Pending if !came => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    if !this.closing {
                        this.closing = true;
                        this.watch.enter(HEAD);
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

/// A request's body on its way in.
pub(super) struct Received {
    pub body: Incoming,
    pub watch: Arc<Watch>,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let receiving = &self.watch.receiving;
        match &polled {
            Poll::Pending => receiving.blocked(|| self.watch.now()),
            Poll::Ready(Some(Ok(frame))) => receiving.moved(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(_) => receiving.done(),
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

impl Drop for Received {
    fn drop(&mut self) {
        self.watch.receiving.done();
    }
}

/// Runs a connection until it ends by itself or the client has taken too long.
pub(super) async fn bounded<F: Future>(connection: F, watch: &Watch) -> Result<F::Output, Lapse> {
    let lapse = watch.lapse();
    tokio::pin!(connection, lapse);
    poll_fn(|cx| {
        if let Poll::Ready(output) = connection.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        lapse.as_mut().poll(cx).map(Err)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(rows: &[(u64, usize)], blocked: bool) -> Window {
        let window = Window::default();
        window.blocked(|| 100);
        for (_, bytes) in rows {
            window.moved(*bytes);
        }
        if blocked {
            window.blocked(|| unreachable!("the window is open already"));
        }
        window
    }

    #[test]
    fn a_trickle_lapses_and_progress_does_not() {
        assert!(!window(&[], true).lapsed(149, 50));
        assert!(window(&[], true).lapsed(150, 50));
        assert!(window(&[(1, 5), (2, 5)], true).lapsed(150, 50));
        assert!(!window(&[(1, PROGRESS as usize)], true).lapsed(150, 50));
        // Our own turn: the other side is not to blame.
        assert!(!window(&[(1, 5)], false).lapsed(150, 50));
        let done = window(&[], true);
        done.done();
        assert!(!done.lapsed(10_000, 50));
    }

    #[test]
    fn progress_is_asked_for_again_in_each_window() {
        let window = window(&[(1, PROGRESS as usize)], true);
        assert!(!window.lapsed(150, 50));
        assert!(!window.lapsed(199, 50));
        assert!(window.lapsed(200, 50));
    }
}
