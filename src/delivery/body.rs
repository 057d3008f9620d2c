//! The one body type of requests and answers: nothing, bytes that are already in memory, or a stream that is never
//! held whole. An enum and not a box, because a cache hit must not pay for an allocation and a virtual call.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// See the module text. `Default` is the empty body.
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    /// A stream belongs to one task at a time; the lock, which nobody ever waits for, lets what holds a body be lent to
    /// others for as long as they do not read it.
    Stream(Mutex<Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>>),
}

impl Body {
    pub const fn empty() -> Self {
        Self(Inner::Empty)
    }

    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Self(Inner::Full(bytes)) }
    }

    /// Any other body, e.g. hyper's `Incoming`.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self(Inner::Stream(Mutex::new(Box::pin(http_body_util::BodyExt::map_err(body, Into::into)))))
    }

    /// Chunks whose total is known, as from a file. A stream that turns out shorter or longer is an error of the
    /// body, so that the connection is closed instead of a wrong picture being taken for a whole one.
    pub fn sized<S, E>(chunks: S, len: u64) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Inner::Stream(Mutex::new(Box::pin(Counted { chunks: Box::pin(chunks), left: len }))))
    }

    /// The bytes if they are in memory already.
    pub fn as_bytes(&self) -> Option<Bytes> {
        match &self.0 {
            Inner::Empty => Some(Bytes::new()),
            Inner::Full(bytes) => Some(bytes.clone()),
            Inner::Stream(_) => None,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Stream(body) => {
                body.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Stream(body) => body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(body) => body.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }
}

struct Counted<S> {
    chunks: Pin<Box<S>>,
    left: u64,
}

impl<S, E> http_body::Body for Counted<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(self.chunks.as_mut().poll_next(cx)) {
            None => Err("the stream ended before its announced length".into()),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(chunk)) if chunk.len() as u64 > self.left => {
                Err("the stream is longer than its announced length".into())
            }
            Some(Ok(chunk)) => {
                self.left -= chunk.len() as u64;
                Ok(Frame::data(chunk))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
        stream::iter(parts.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_sized_stream_must_keep_its_promise() {
        let whole = Body::sized(chunks(&["abc", "de"]), 5);
        assert_eq!(whole.size_hint().exact(), Some(5));
        assert_eq!(whole.collect().await.unwrap().to_bytes(), "abcde");
        assert!(Body::sized(chunks(&["abc"]), 5).collect().await.is_err());
        assert!(Body::sized(chunks(&["abc", "def"]), 5).collect().await.is_err());
    }

    #[tokio::test]
    async fn bytes_come_out_once() {
        let mut body = Body::full("abc");
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(!body.is_end_stream());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(body.is_end_stream());
        assert!(Body::full("").is_end_stream() && Body::boxed(Body::empty()).as_bytes().is_some());
    }
}
