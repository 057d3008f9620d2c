//! OpenDAL's requests through the guarded way out: its services get no other transport.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use url::Url;

use crate::net::{Answer, Client, NetError};

#[derive(Clone)]
pub(super) struct Transport(pub(super) Client);

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| Error::new(ErrorKind::Unexpected, "no URL").set_source(error))?;
        let answer = self.ask(&parts.method, url, parts.headers, body).await.map_err(from_net)?;
        let length = (parts.method != Method::HEAD).then(|| answer.content_length()).flatten();
        let (status, version, headers) = (answer.status, answer.version, answer.headers.clone());
        let pieces = answer.into_pieces().map_ok(Buffer::from).map_err(from_net);
        let mut response = Response::new(HttpBody::new(pieces, length));
        *response.status_mut() = status;
        *response.version_mut() = version;
        *response.headers_mut() = headers;
        response.extensions_mut().insert(parts.uri);
        Ok(response)
    }
}

impl Transport {
    /// A read may be sent elsewhere; what carries a body goes where it was meant to go or nowhere.
    async fn ask(
        &self,
        method: &Method,
        url: Url,
        headers: HeaderMap,
        body: Buffer,
    ) -> Result<Answer, NetError> {
        if body.is_empty() && matches!(*method, Method::GET | Method::HEAD) {
            return self.0.ask(method.clone(), url, headers).await;
        }
        self.0.send(method.clone(), url, headers, Pieces(body).boxed_unsync()).await
    }
}

/// OpenDAL's buffer, piece by piece, without being copied together.
struct Pieces(Buffer);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(http_body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.len() as u64)
    }
}

fn from_net(error: NetError) -> Error {
    Error::new(ErrorKind::Unexpected, error.to_string())
        .with_temporary(error.is_temporary())
        .set_source(error)
}
