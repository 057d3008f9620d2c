//! Originals on web servers: paths below the operator's own endpoint, or whole URLs whose hosts he listed. Not by
//! OpenDAL, whose http service knows no query strings, needs `HEAD` and a length, and takes none of the answer's word
//! for which version it was.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, DATE, ETAG, EXPIRES,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::error::{failed, from_net};
use super::remote::{part_of, retrying};
use super::terms::Told;
use super::{ByteStream, Identity, SourceError, SourcePath, Stat, Terms};
use crate::net::{Answer, Client, HostPattern, NetError, Server};

pub(super) struct Web {
    pub(super) name: Arc<str>,
    pub(super) client: Client,
    /// What paths are appended to; it has no slash at its end.
    pub(super) base: Option<Url>,
    /// The hosts that a whole URL may name.
    pub(super) hosts: Vec<HostPattern>,
    /// For the endpoint only.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) max_bytes: u64,
}

/// What went wrong with one attempt.
enum Trouble {
    Source(SourceError),
    Net(NetError),
    Status(StatusCode),
}

/// What is asked for, always in the same way.
struct Question {
    url: Url,
    headers: HeaderMap,
}

impl Web {
    /// `known` is the version that we have, if any.
    pub(super) async fn stat(
        &self,
        path: &SourcePath,
        known: Option<&Identity>,
    ) -> Result<Stat, SourceError> {
        let question = self.question(path)?;
        let head = retrying(|| self.head(&question, known), Trouble::is_temporary).await;
        let identity = match head.map_err(|trouble| self.failed(path, trouble))? {
            Some(identity) => identity,
            None => self.read_all(path, self.max_bytes).await?.0,
        };
        Ok(Stat { len: identity.len(), modified_ms: identity.modified_ms(), etag: None, identity })
    }

    pub(super) async fn read_all(
        &self,
        path: &SourcePath,
        limit: u64,
    ) -> Result<(Identity, Bytes), SourceError> {
        let (question, limit) = (self.question(path)?, limit.min(self.max_bytes));
        let read = retrying(|| self.whole(&question, limit), Trouble::is_temporary).await;
        read.map_err(|trouble| self.failed(path, trouble))
    }

    /// A range of the version `expected`.
    pub(super) async fn stream(
        &self,
        path: &SourcePath,
        expected: &Identity,
        range: Range<u64>,
    ) -> Result<ByteStream, SourceError> {
        if expected.is_content() {
            let (identity, bytes) = self.read_all(path, self.max_bytes).await?;
            return part_of(&identity, expected, &bytes, range);
        }
        let question = self.question(path)?;
        let open = || self.open(&question, expected, &range);
        let opened = retrying(open, Trouble::is_temporary).await;
        let (answer, skip) = opened.map_err(|trouble| self.failed(path, trouble))?;
        Ok(self.pieces(path, answer, skip, range.end - range.start))
    }

    pub(super) async fn check(&self) -> Result<(), SourceError> {
        let Some(base) = &self.base else { return Ok(()) };
        let asked = self.client.ask(Method::HEAD, base.clone(), self.credentials()).await;
        match asked.map_err(|error| from_net(&self.name, error))?.status {
            status if status.is_server_error() || status == StatusCode::UNAUTHORIZED => {
                Err(failed(&self.name, format!("the server answers {status}")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn takes_urls(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// `None` where the server's head is not enough to know the version.
    async fn head(&self, question: &Question, known: Option<&Identity>) -> Result<Option<Identity>, Trouble> {
        let head = question.ask(&self.client, Method::HEAD).await?;
        let answer = match head.status.as_u16() {
            // Servers that sign or generate often know only GET.
            400 | 403 | 405 | 501 => {
                let answer = question.unless(known).ask(&self.client, Method::GET).await?;
                if let (StatusCode::NOT_MODIFIED, Some(known)) = (answer.status, known) {
                    return Ok(Some(known.clone().under(terms_of(&answer.headers))));
                }
                answer
            }
            _ => head,
        };
        let answer = found(answer)?;
        let identity = answer.content_length().and_then(|len| identity_of(&answer.headers, len));
        match identity {
            Some(identity) if identity.len() > self.max_bytes => {
                Err(Trouble::Source(SourceError::TooManyBytes { limit: self.max_bytes }))
            }
            identity => Ok(identity),
        }
    }

    async fn whole(&self, question: &Question, limit: u64) -> Result<(Identity, Bytes), Trouble> {
        let answer = found(question.ask(&self.client, Method::GET).await?)?;
        let too_many = || Trouble::Source(SourceError::TooManyBytes { limit });
        let length = answer.content_length();
        if length.is_some_and(|length| length > limit) {
            return Err(too_many());
        }
        if !answer.has_marked_end() {
            let why =
                "the server does not say where its answer ends, so one that is cut off could not be told";
            return Err(Trouble::Source(failed(&self.name, why)));
        }
        let headers = answer.headers.clone();
        let mut pieces = answer.into_pieces();
        let mut bytes = BytesMut::with_capacity(length.unwrap_or(0) as usize);
        while let Some(piece) = pieces.try_next().await.map_err(Trouble::Net)? {
            if (bytes.len() + piece.len()) as u64 > limit {
                return Err(too_many());
            }
            bytes.extend_from_slice(&piece);
        }
        let bytes = bytes.freeze();
        let identity = identity_of(&headers, bytes.len() as u64);
        Ok((identity.unwrap_or_else(|| Identity::of_content(&bytes).under(terms_of(&headers))), bytes))
    }

    /// An answer that holds the range of the expected version, and how many bytes stand before it.
    async fn open(
        &self,
        question: &Question,
        expected: &Identity,
        range: &Range<u64>,
    ) -> Result<(Answer, u64), Trouble> {
        if *range != (0..expected.len()) && !range.is_empty() {
            let mut part = Question { url: question.url.clone(), headers: question.headers.clone() };
            let wanted = format!("bytes={}-{}", range.start, range.end - 1);
            part.headers.insert(RANGE, HeaderValue::from_str(&wanted).expect("digits and a dash"));
            let answer = part.ask(&self.client, Method::GET).await?;
            match answer.status {
                StatusCode::PARTIAL_CONTENT => {
                    if let Some(whole) = range_of(&answer.headers, range, expected.len()) {
                        match identity_of(&answer.headers, whole) {
                            Some(identity) if identity == *expected => return Ok((answer, 0)),
                            Some(_) => return Err(Trouble::Source(SourceError::Changed)),
                            // No word of whose part it is: all of it has one.
                            None => {}
                        }
                    }
                }
                StatusCode::RANGE_NOT_SATISFIABLE => return Err(Trouble::Source(SourceError::Changed)),
                _ => return agreed(found(answer)?, expected, range),
            }
        }
        let answer = found(question.ask(&self.client, Method::GET).await?)?;
        agreed(answer, expected, range)
    }

    fn pieces(&self, path: &SourcePath, answer: Answer, skip: u64, take: u64) -> ByteStream {
        let (name, is_url) = (Arc::clone(&self.name), path.is_url());
        let pieces = answer.into_pieces().map_err(move |error| of_net(&name, is_url, error));
        // `scan` ends with the last wanted byte, so the rest of a whole answer is not waited for.
        let wanted = pieces.scan((skip, take), |(skip, take), piece| {
            std::future::ready(match piece {
                _ if *take == 0 => None,
                Err(error) => Some(Err(error)),
                Ok(mut piece) => {
                    let skipped = (*skip).min(piece.len() as u64);
                    *skip -= skipped;
                    let mut piece = piece.split_off(skipped as usize);
                    piece.truncate(usize::try_from(*take).unwrap_or(usize::MAX));
                    *take -= piece.len() as u64;
                    Some(Ok(piece))
                }
            })
        });
        wanted.try_filter(|piece| std::future::ready(!piece.is_empty())).boxed()
    }

    fn question(&self, path: &SourcePath) -> Result<Question, SourceError> {
        if let Some(url) = path.url() {
            let listed =
                Server::of(url).is_some_and(|server| self.hosts.iter().any(|host| host.matches(&server)));
            if !listed {
                let host = url.host_str().unwrap_or_default();
                let text = format!("`{host}` is not among the hosts of source `{}`", self.name);
                return Err(SourceError::Refused { text });
            }
            return Ok(Question { url: url.clone(), headers: HeaderMap::new() });
        }
        let base = self.base.as_ref().ok_or(SourceError::NotFound)?;
        let mut url = base.clone();
        let path = utf8_percent_encode(path.as_str(), IN_PATH);
        url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
        Ok(Question { url, headers: self.credentials() })
    }

    fn credentials(&self) -> HeaderMap {
        self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())).collect()
    }

    fn failed(&self, path: &SourcePath, trouble: Trouble) -> SourceError {
        match trouble {
            Trouble::Source(error) => error,
            Trouble::Net(error) => of_net(&self.name, path.is_url(), error),
            Trouble::Status(status) => failed(&self.name, format!("the server answers {status}")),
        }
    }
}

impl Question {
    /// The same, where the answer may be that nothing has changed. A strong tag is compared weakly (RFC 9110 §13.1.2).
    fn unless(&self, known: Option<&Identity>) -> Self {
        let mut headers = self.headers.clone();
        // What a server has said is no name of ours, and a date of ours is one of its own.
        if let Some(known) = known.filter(|known| !known.is_content()) {
            let etag = known.etag().and_then(|etag| HeaderValue::from_str(&format!("\"{etag}\"")).ok());
            match (etag, known.modified()) {
                (Some(etag), _) => drop(headers.insert(IF_NONE_MATCH, etag)),
                (None, Some(modified)) => {
                    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(modified)) {
                        headers.insert(IF_MODIFIED_SINCE, date);
                    }
                }
                (None, None) => {}
            }
        }
        Self { url: self.url.clone(), headers }
    }

    async fn ask(&self, client: &Client, method: Method) -> Result<Answer, Trouble> {
        client.ask(method, self.url.clone(), self.headers.clone()).await.map_err(Trouble::Net)
    }
}

impl Trouble {
    fn is_temporary(&self) -> bool {
        match self {
            Self::Source(_) => false,
            // Who did not answer in time will not do so in what is left of it.
            Self::Net(error) => error.is_temporary() && !matches!(error, NetError::Timeout { .. }),
            Self::Status(status) => matches!(status.as_u16(), 429 | 500 | 502..=504),
        }
    }
}

/// What a path's segments may hold as they are.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

fn found(answer: Answer) -> Result<Answer, Trouble> {
    match answer.status {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Trouble::Source(SourceError::NotFound)),
        status => return Err(Trouble::Status(status)),
    }
    // Nobody asked for it, and its length and ranges would be those of something else.
    match answer.headers.get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => Err(Trouble::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        _ => Ok(answer),
    }
}

/// A whole answer, where it is the expected version; with how many bytes stand before the range.
fn agreed(answer: Answer, expected: &Identity, range: &Range<u64>) -> Result<(Answer, u64), Trouble> {
    let len = answer.content_length().unwrap_or(expected.len());
    if !answer.has_marked_end() || identity_of(&answer.headers, len).as_ref() != Some(expected) {
        return Err(Trouble::Source(SourceError::Changed));
    }
    Ok((answer, range.start))
}

fn identity_of(headers: &HeaderMap, len: u64) -> Option<Identity> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let modified = text(LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    let modified = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let modified = modified.and_then(|since| i64::try_from(since.as_millis()).ok());
    Some(Identity::of_validators(text(ETAG), modified, len)?.under(terms_of(headers)))
}

fn terms_of(headers: &HeaderMap) -> Terms {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let fields: Vec<&str> =
        headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).collect();
    let cache_control = (!fields.is_empty()).then(|| fields.join(","));
    let told = Told {
        cache_control: cache_control.as_deref(),
        expires: text(EXPIRES),
        date: text(DATE),
        age: text(AGE),
    };
    Terms::read(told, SystemTime::now())
}

/// The length of the whole, or `if_untold`, where a part is exactly the wanted one.
fn range_of(headers: &HeaderMap, wanted: &Range<u64>, if_untold: u64) -> Option<u64> {
    let (part, whole) = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let same = first.parse() == Ok(wanted.start) && last.parse() == Ok(wanted.end - 1);
    same.then(|| whole.parse().unwrap_or(if_untold))
}

/// For an address that a visitor chose, a refusal is his; for the operator's own it is a mistake in the configuration.
fn of_net(name: &str, is_url: bool, error: NetError) -> SourceError {
    match error {
        NetError::Refused { .. } | NetError::BadUrl(_) if is_url => {
            tracing::debug!(source = name, %error, "refused");
            SourceError::Refused { text: crate::error::Fault::message(&error).into_owned() }
        }
        error => from_net(name, error),
    }
}
