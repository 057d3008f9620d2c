//! Watches one connection, or one stream of HTTP/2, for clients that take too long: to send a head, to send a body, to
//! take an answer, or to ask again. One timer per connection looks every now and then at times that the connection only writes down, which
//! costs a hit nothing; hyper's own header timer is set and cleared for each request.
//!
//! Trickling is not progress: whoever keeps us waiting must move [`PROGRESS`] bytes in each timeout.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frames::{Frames, PREFACE};

/// Bytes that a slow client must send or take within a timeout to be worth waiting for.
pub(super) const PROGRESS: u64 = 16 * 1024;

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
    /// Too many requests were taken back before they were answered.
    Resets,
}

/// The times of one connection, in milliseconds since it began. Atomics because tasks move between threads, and those
/// of HTTP/2 streams run beside their connection's; what they race for is only when something happened.
#[derive(Debug)]
pub(super) struct Watch {
    origin: Instant,
    timeouts: Timeouts,
    phase: AtomicU8,
    phase_since: AtomicU64,
    /// HTTP/2: bytes that come in are not the beginning of a head in themselves; [`Self::owes`] says when they are.
    multiplexed: AtomicBool,
    /// When a head began whose rest is missing, plus one; 0 if none is.
    owed_since: AtomicU64,
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Requests that were taken back, less those that were answered since.
    taken_back: AtomicUsize,
    /// The client was given up while it had an answer to take.
    hopeless: AtomicBool,
    /// The server is stopping: nothing new is waited for any longer than a head.
    closing: AtomicBool,
    receiving: Window,
    sending: Window,
}

/// Requests that a client may take back beyond those that it lets be answered.
const MOST_TAKEN_BACK: usize = 200;

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
            multiplexed: AtomicBool::new(false),
            owed_since: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            taken_back: AtomicUsize::new(0),
            hopeless: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            receiving: Window::default(),
            sending: Window::default(),
        })
    }

    /// Of one stream: its transfers only, since its head is complete.
    pub(super) fn of_stream(timeouts: Timeouts) -> Arc<Self> {
        let watch = Self::new(timeouts);
        watch.phase.store(BUSY, Relaxed);
        watch
    }

    pub(super) fn multiplexed(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    pub(super) fn closing(&self) {
        self.closing.store(true, Relaxed);
        if self.phase.load(Relaxed) == IDLE {
            self.enter(IDLE);
        }
    }

    /// A head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.phase.store(BUSY, Relaxed);
        Busy { watch: Arc::clone(self), answered: false }
    }

    /// Whether the client has begun a head and not ended it.
    fn owes(&self, owes: bool) {
        match (owes, self.owed_since.load(Relaxed)) {
            (true, 0) => self.owed_since.store(self.now() + 1, Relaxed),
            (false, since) if since > 0 => self.owed_since.store(0, Relaxed),
            _ => {}
        }
    }

    /// The client's turn: it has been handed something and has to take it.
    pub(super) fn handed(&self) {
        self.sending.blocked(|| self.now());
    }

    pub(super) fn taken(&self, bytes: usize) {
        self.sending.moved(bytes);
    }

    /// Ends when the client has taken too long.
    pub(super) async fn lapse(&self) -> Lapse {
        let Timeouts { head, idle, body, write } = self.timeouts;
        let shortest = head.min(idle).min(body).min(write);
        // A lapse is noticed at most this late, and a waiting connection wakes no more often.
        let tick = (shortest / 2).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let sleep = tokio::time::sleep(tick);
        tokio::pin!(sleep);
        loop {
            sleep.as_mut().await;
            if let Some(lapse) = self.look() {
                self.hopeless.store(lapse == Lapse::Write, Relaxed);
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
                let idle = if self.closing.load(Relaxed) { self.timeouts.head } else { self.timeouts.idle };
                (waited >= millis(idle)).then_some(Lapse::Idle)
            }
            _ => None,
        };
        let owed = self.owed_since.load(Relaxed);
        let late = owed > 0 && now + 1 >= owed + millis(self.timeouts.head);
        let flood = self.taken_back.load(Relaxed) > MOST_TAKEN_BACK;
        phase
            .or_else(|| late.then_some(Lapse::Head))
            .or_else(|| flood.then_some(Lapse::Resets))
            .or_else(|| self.sending.lapsed(now, millis(self.timeouts.write)).then_some(Lapse::Write))
            .or_else(|| self.receiving.lapsed(now, millis(self.timeouts.body)).then_some(Lapse::Body))
    }

    fn read(&self) {
        if self.phase.load(Relaxed) == IDLE && !self.multiplexed.load(Relaxed) {
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

/// A request that is being answered, until it is dropped.
pub(super) struct Busy {
    watch: Arc<Watch>,
    answered: bool,
}

impl Busy {
    pub(super) fn answered(&mut self) {
        self.answered = true;
        let left = self.watch.taken_back.load(Relaxed);
        if left > 0 {
            self.watch.taken_back.store(left - 1, Relaxed);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.answered {
            self.watch.taken_back.fetch_add(1, Relaxed);
        }
        if self.watch.requests.fetch_sub(1, Relaxed) == 1 {
            self.watch.enter(IDLE);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

/// The connection's socket.
pub(super) struct Watched<T: AsFd> {
    io: T,
    watch: Arc<Watch>,
    /// Bytes that were read to tell the protocol and not handed on yet.
    ahead: BytesMut,
    frames: Option<Frames>,
    closing: bool,
}

impl<T: AsFd> Watched<T> {
    pub(super) fn new(io: T, watch: Arc<Watch>) -> Self {
        Self { io, watch, ahead: BytesMut::new(), frames: None, closing: false }
    }

    /// Whether anything came before the protocol was known.
    pub(super) fn has_begun(&self) -> bool {
        !self.ahead.is_empty()
    }
}

impl<T: AsFd + AsyncRead + Unpin> Watched<T> {
    /// Whether the client speaks HTTP/2: it says so by a preface that is no request of HTTP/1. What is read on the way
    /// is a whole head as a rule, so this costs no system call more.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
        self.ahead.reserve(2048);
        loop {
            let len = self.ahead.len().min(PREFACE.len());
            if self.ahead[..len] != PREFACE[..len] {
                return Ok(false);
            }
            if len == PREFACE.len() {
                self.watch.multiplexed();
                self.frames = Some(Frames::after_preface());
                return Ok(true);
            }
            if self.io.read_buf(&mut self.ahead).await? == 0 {
                return Ok(false);
            }
        }
    }

    fn poll_ahead(&mut self, buf: &mut ReadBuf<'_>) {
        let len = buf.remaining().min(self.ahead.len());
        buf.put_slice(&self.ahead.split_to(len));
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
    }
}

impl<T: AsFd + AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        } else {
            self.poll_ahead(buf);
        }
        let came = &buf.filled()[before..];
        if came.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        match &mut this.frames {
            None => this.watch.read(),
            Some(frames) => {
                frames.feed(came);
                this.watch.owes(frames.are_unfinished());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsFd> Watched<T> {
    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => self.watch.sending.blocked(|| self.watch.now()),
            Poll::Ready(Ok(bytes)) => self.watch.sending.moved(bytes),
            Poll::Ready(Err(_)) => {}
        }
        result
    }
}

impl<T: AsFd + AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
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

impl<T: AsFd> Drop for Watched<T> {
    /// Closed in the usual way, the kernel would go on offering what the client did not take, and hold it all the while.
    fn drop(&mut self) {
        if self.watch.hopeless.load(Relaxed) {
            // Without it the connection lives a minute longer, and that is all.
            let _ = socket2::SockRef::from(&self.io).set_linger(Some(Duration::ZERO));
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
