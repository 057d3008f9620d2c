//! Forms with files: every file streams into a session of its own while it arrives, whatever its field is called; the
//! texts beside them are collected. So every dialect of uploading reads its form here.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body::Frame;
use http_body_util::{BodyDataStream, BodyExt as _, BodyStream, StreamBody};
use multer::{Constraints, Multipart, SizeLimit};

use crate::delivery::body::{Body, BoxError};
use crate::error::{Fault, Kind};
use crate::upload::{Owner, Session, UploadError, Uploads, Wish};

/// What a form held.
pub(super) struct Form {
    pub(super) files: Vec<Received>,
    /// In their order; a name may stand twice.
    pub(super) texts: Vec<(String, String)>,
}

/// One file, all of whose bytes have come; or why they were not taken.
pub(super) struct Received {
    /// What its field is called; empty where it came otherwise.
    pub(super) field: String,
    pub(super) name: String,
    pub(super) session: Result<Session, UploadError>,
}

/// Fields whose text may be longer than others'.
#[derive(Clone, Copy)]
pub(super) struct Large<'a> {
    pub(super) fields: &'a [&'a str],
    pub(super) most: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FormFault {
    #[error("the body is not `multipart/form-data` with a boundary")]
    Type,
    #[error("the form is broken: {0}")]
    Syntax(String),
    #[error("the body did not arrive whole")]
    Torn,
    #[error("a form may have at most {MOST_FILES} files and {MOST_TEXTS} texts of {MOST_TEXT} bytes")]
    TooMuch,
}

const MOST_FILES: usize = 50;
const MOST_TEXTS: usize = 64;
const MOST_TEXT: u64 = 8 * 1024;
/// How far ahead is looked.
const FRONT: usize = 64 * 1024;

impl Fault for FormFault {
    fn kind(&self) -> Kind {
        match self {
            Self::Type => Kind::UnsupportedMedia,
            Self::Syntax(_) | Self::Torn => Kind::BadRequest,
            Self::TooMuch => Kind::TooLarge,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Type => "unsupported_media_type",
            Self::Syntax(_) | Self::Torn => "bad_body",
            Self::TooMuch => "too_many_bytes",
        }
    }
}

impl From<multer::Error> for FormFault {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::NoMultipart | multer::Error::NoBoundary => Self::Type,
            multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
                Self::TooMuch
            }
            multer::Error::StreamReadFailed(_) | multer::Error::IncompleteStream => Self::Torn,
            other => Self::Syntax(other.to_string()),
        }
    }
}

pub(super) fn is_form(headers: &HeaderMap) -> bool {
    boundary(headers).is_ok()
}

/// Reads a form to its end. A file that is too large ends it: nobody need send the rest.
pub(super) async fn receive(
    uploads: &Uploads,
    owner: Owner,
    wish: &Wish,
    headers: &HeaderMap,
    body: Body,
) -> Result<Form, FormFault> {
    receive_with(uploads, owner, wish, headers, body, Large { fields: &[], most: MOST_TEXT }).await
}

/// The same where texts may be files, as base64.
pub(super) async fn receive_with(
    uploads: &Uploads,
    owner: Owner,
    wish: &Wish,
    headers: &HeaderMap,
    body: Body,
    large: Large<'_>,
) -> Result<Form, FormFault> {
    let boundary = boundary(headers)?;
    let mut left = Left::new(headers, &boundary);
    let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(u64::MAX));
    let mut parts = Multipart::with_constraints(BodyDataStream::new(body), boundary, constraints);
    let mut form = Form { files: Vec::new(), texts: Vec::new() };
    while let Some(part) = parts.next_field().await? {
        left.head(part.headers());
        let Some(name) = part.file_name().map(last_part) else {
            let key = part.name().unwrap_or_default().to_owned();
            // One of them at most, or many would be held at once.
            let is_large = large.fields.contains(&&*key)
                && form.texts.iter().all(|(_, text)| text.len() as u64 <= MOST_TEXT);
            let text = text(part, if is_large { large.most } else { MOST_TEXT }).await?;
            left.body(text.len() as u64);
            form.texts.push((key, text));
            if form.texts.len() > MOST_TEXTS {
                return Err(FormFault::TooMuch);
            }
            continue;
        };
        let field = part.name().unwrap_or_default().to_owned();
        let most = uploads.max_bytes().min(wish.max_bytes.unwrap_or(u64::MAX));
        let wish = Wish { declared: left.file(most), ..named(wish, &name) };
        let (bytes, session) = stream(uploads, owner, wish, part).await?;
        left.body(bytes);
        let enough = matches!(session, Err(UploadError::TooManyBytes { .. }));
        form.files.push(Received { field, name, session });
        if enough {
            break;
        }
        if form.files.len() > MOST_FILES {
            return Err(FormFault::TooMuch);
        }
    }
    Ok(form)
}

/// The texts of a form that has no files: those that it has are not taken.
pub(super) async fn texts(headers: &HeaderMap, body: Body) -> Result<Vec<(String, String)>, FormFault> {
    let constraints =
        Constraints::new().size_limit(SizeLimit::new().whole_stream(MOST_TEXTS as u64 * MOST_TEXT));
    let mut parts = Multipart::with_constraints(BodyDataStream::new(body), boundary(headers)?, constraints);
    let mut texts = Vec::new();
    while let Some(part) = parts.next_field().await? {
        if part.file_name().is_none() {
            texts.push((part.name().unwrap_or_default().to_owned(), text(part, MOST_TEXT).await?));
        }
        if texts.len() > MOST_TEXTS {
            return Err(FormFault::TooMuch);
        }
    }
    Ok(texts)
}

/// The name of a file without the folders that it lay in at the sender's, which some send along.
fn last_part(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned()
}

/// A wish for a file of this name, unless the wish has one.
fn named(wish: &Wish, name: &str) -> Wish {
    let name = if wish.name.is_empty() { Wish::named(name).name } else { wish.name.clone() };
    Wish { name, ..wish.clone() }
}

/// Every byte of the part is read, also after the file was refused: the next one may be better.
async fn stream(
    uploads: &Uploads,
    owner: Owner,
    wish: Wish,
    mut part: multer::Field<'_>,
) -> Result<(u64, Result<Session, UploadError>), FormFault> {
    let mut session = uploads.begin(owner, wish).await;
    let mut bytes = 0;
    while let Some(piece) = part.next().await.transpose()? {
        bytes += piece.len() as u64;
        session = match session {
            Ok(mut taken) => taken.write(piece).await.map(|()| taken),
            Err(error @ UploadError::TooManyBytes { .. }) => return Ok((bytes, Err(error))),
            Err(error) if bytes > uploads.max_bytes() => return Ok((bytes, Err(error))),
            refused => refused,
        };
    }
    let sealed = match session {
        Ok(mut session) => session.seal().await.map(|_| session),
        refused => refused,
    };
    Ok((bytes, sealed))
}

async fn text(mut part: multer::Field<'_>, most: u64) -> Result<String, FormFault> {
    let mut text = Vec::new();
    while let Some(piece) = part.next().await.transpose()? {
        let piece: Bytes = piece;
        text.extend_from_slice(&piece);
        if text.len() as u64 > most {
            return Err(FormFault::TooMuch);
        }
    }
    String::from_utf8(text).map_err(|_| FormFault::Syntax("a text is not UTF-8".to_owned()))
}

/// The texts that stand early in a form, of whichever encoding, and the body as if nobody had looked. For credentials among them: nothing larger
/// is taken from somebody who is not known.
pub(super) async fn look_ahead(
    headers: &HeaderMap,
    body: Body,
) -> Result<(Vec<(String, String)>, Body), FormFault> {
    let (front, body) = front_of(body).await?;
    let seen = front.slice(..front.len().min(FRONT));
    let Ok(boundary) = boundary(headers) else {
        // The last pair may go on.
        let pairs = if front.len() > FRONT { cut(&seen) } else { &seen[..] };
        return Ok((serde_urlencoded::from_bytes(pairs).unwrap_or_default(), body));
    };
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(seen)]);
    let mut parts = Multipart::new(stream, boundary);
    let mut texts = Vec::new();
    // It ends where the front does, within some part or other.
    while let Ok(Some(part)) = parts.next_field().await {
        if part.file_name().is_none() && texts.len() < MOST_TEXTS {
            let key = part.name().unwrap_or_default().to_owned();
            let Ok(text) = text(part, MOST_TEXT).await else { break };
            texts.push((key, text));
        }
    }
    Ok((texts, body))
}

/// Without the last pair of a form.
fn cut(front: &[u8]) -> &[u8] {
    &front[..front.iter().rposition(|byte| *byte == b'&').unwrap_or(0)]
}

/// The first bytes of a body, and the whole of it.
async fn front_of(mut body: Body) -> Result<(Bytes, Body), FormFault> {
    let mut front = BytesMut::new();
    while front.len() <= FRONT {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    front.extend_from_slice(&piece);
                }
            }
            Some(Err(_)) => return Err(FormFault::Torn),
            None => break,
        }
    }
    let front = front.freeze();
    let first = futures_util::stream::iter([Ok::<_, BoxError>(Frame::data(front.clone()))]);
    let rest = BodyStream::new(body);
    Ok((front, Body::boxed(StreamBody::new(first.chain(rest)))))
}

fn boundary(headers: &HeaderMap) -> Result<String, FormFault> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or(FormFault::Type)?;
    Ok(multer::parse_boundary(value)?)
}

/// How much of the body is to come at most, so that room for a file is reserved at once and not step by step, in which
/// many uploads would take from each other what none of them can use.
struct Left {
    bytes: Option<u64>,
    boundary: u64,
}

impl Left {
    fn new(headers: &HeaderMap, boundary: &str) -> Self {
        let bytes = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self { bytes, boundary: boundary.len() as u64 }
    }

    /// `--boundary`, the headers and an empty line.
    fn head(&mut self, headers: &HeaderMap) {
        let lines = headers.iter().map(|(name, value)| name.as_str().len() as u64 + value.len() as u64 + 4);
        self.less(2 + self.boundary + 2 + lines.sum::<u64>() + 2);
    }

    /// What stood in a part, and the line end behind it.
    fn body(&mut self, bytes: u64) {
        self.less(bytes + 2);
    }

    /// A file that goes on to the end, before a last `--boundary--`.
    fn file(&self, most: u64) -> Option<u64> {
        self.bytes.map(|bytes| bytes.saturating_sub(2 + 2 + self.boundary + 2 + 2).min(most))
    }

    fn less(&mut self, bytes: u64) {
        self.bytes = self.bytes.map(|left| left.saturating_sub(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn looking_ahead_takes_nothing_away() {
        let headers = |value: &str| HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
        let form = headers("multipart/form-data; boundary=XyZ");
        let part = |name: &str, rest: &str, text: &str| {
            format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n\r\n{text}\r\n")
        };
        let file = |length| part("source", "; filename=\"a.png\"", &"x".repeat(length));
        let key = part("key", "", "k1");
        for (head, text, found) in [
            (&form, format!("{key}{}--XyZ--\r\n", file(200_000)), true),
            (&form, format!("{}{key}--XyZ--\r\n", file(1000)), true),
            (&form, format!("{}{key}--XyZ--\r\n", file(200_000)), false),
            (
                &headers("application/x-www-form-urlencoded"),
                format!("key=k1&source={}", "x".repeat(200_000)),
                true,
            ),
            (
                &headers("application/x-www-form-urlencoded"),
                format!("source={}&key=k1", "x".repeat(200_000)),
                false,
            ),
            (&headers("application/x-www-form-urlencoded"), "key=k1".to_owned(), true),
        ] {
            // As it comes from a socket: in pieces.
            let pieces: Vec<_> = text
                .as_bytes()
                .chunks(10_000)
                .map(|piece| Ok::<_, BoxError>(Bytes::copy_from_slice(piece)))
                .collect();
            let body = Body::sized(futures_util::stream::iter(pieces), text.len() as u64);
            let (texts, body) = look_ahead(head, body).await.map_err(|fault| fault.code()).unwrap();
            assert_eq!(texts.contains(&("key".to_owned(), "k1".to_owned())), found);
            assert_eq!(body.collect().await.unwrap().to_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn names_of_files_lose_their_folders() {
        for (given, kept) in
            [("a.png", "a.png"), ("/home/ana/a.png", "a.png"), ("C:\\a b.png", "a b.png"), ("dir/", "")]
        {
            assert_eq!(last_part(given), kept);
        }
    }
}
