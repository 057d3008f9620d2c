//! Pictures by their URL, through the guarded way out: what may not be asked, and what is too large, is refused there.

use futures_util::TryStreamExt;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

use super::{Owner, Session, UploadError, Uploads, Wish};

impl Uploads {
    /// Takes in what lies at a URL; it is named as there, unless the wish has a name.
    pub async fn fetch(&self, owner: Owner, wish: Wish, url: &str) -> Result<Session, UploadError> {
        let url = Url::parse(url.trim()).map_err(|_| UploadError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some()
        {
            return Err(UploadError::Url);
        }
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("image/*"))]);
        let client = self.client.as_ref().ok_or(UploadError::Url)?;
        let answer = client.ask(Method::GET, url, headers).await?;
        if answer.status != StatusCode::OK {
            return Err(UploadError::FetchStatus { status: answer.status.as_u16() });
        }
        let name = if wish.name.is_empty() { name_of(&answer.url) } else { wish.name.clone() };
        let wish = Wish { declared: answer.content_length(), name, ..wish };
        let mut session = self.begin(owner, wish).await?;
        let mut pieces = std::pin::pin!(answer.into_pieces());
        while let Some(piece) = pieces.try_next().await? {
            session.write(piece).await?;
        }
        Ok(session)
    }
}

/// The last part of the path, readable again.
fn name_of(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
}
