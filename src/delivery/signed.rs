//! The forms of a signed URL: where the signature stands, and what exactly it was made of. The signature is no part of
//! any cache key, so rotating a key never empties the cache.

use std::borrow::Cow;

use crate::auth::{AuthError, Claim, Keys, Scope, Wish};
use crate::delivery::error::DeliveryError;
use crate::transform::{ObjectPath, Route, Subject, Target, UrlContext};

/// A path with the signature in front of it taken off.
#[derive(Debug, PartialEq)]
pub(crate) struct Bare<'a> {
    /// What stood behind `/s/`.
    claim: Option<&'a str>,
    pub(crate) path: Cow<'a, str>,
}

/// Where a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    Query,
    /// For CDNs that drop queries.
    Path,
}

/// What the library is called where sources are named.
pub(crate) const LIBRARY: &str = "library";

impl<'a> Bare<'a> {
    /// `/s/<claim>/i/…` and `/s/<claim>/r/…`, also behind `/explain`; every other path stays as it is.
    pub(crate) fn of(path: &'a str) -> Result<Self, DeliveryError> {
        let (front, rest) = match path.strip_prefix("/explain/s/") {
            Some(rest) => ("/explain", rest),
            None => match path.strip_prefix("/s/") {
                Some(rest) => ("", rest),
                None => return Ok(Self { claim: None, path: Cow::Borrowed(path) }),
            },
        };
        let (claim, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !rest.starts_with("/i/") && !rest.starts_with("/r/") {
            return Err(DeliveryError::NotSignable);
        }
        let path = if front.is_empty() { rest.into() } else { format!("{front}{rest}").into() };
        Ok(Self { claim: Some(claim), path })
    }

    /// The signature, wherever it stands.
    pub(crate) fn claim<'c>(&'c self, target: &'c Target) -> Result<Option<Claim<'c>>, AuthError> {
        let extras = &target.extras;
        let in_query = Claim::in_query(
            extras.signature.as_deref(),
            extras.key_id.as_deref(),
            extras.expires.as_deref(),
            extras.scope.as_deref(),
        )?;
        match (self.claim, in_query) {
            (None, in_query) => Ok(in_query),
            (Some(segment), None) => Claim::in_path(segment).map(Some),
            (Some(_), Some(_)) => Err(AuthError::Twice),
        }
    }
}

/// What is signed. `path` has no signature in front; the query may hold one.
pub(crate) fn message<'a>(
    scope: Scope,
    path: &'a str,
    query: Option<&str>,
    target: &Target,
) -> Result<Cow<'a, str>, AuthError> {
    match scope {
        Scope::Url => {
            let path = path.strip_prefix("/explain").filter(|rest| rest.starts_with('/')).unwrap_or(path);
            let path = path.strip_prefix('/').unwrap_or(path);
            let query = unsigned_query(query.unwrap_or_default());
            Ok(if query.is_empty() { path.into() } else { format!("{path}?{query}").into() })
        }
        Scope::Canonical => Ok(target.canonical_path(&target.spec).split_off(1).into()),
        Scope::Image => Ok(segments(&target.subject).join("/").into()),
        Scope::Prefix(count) => {
            let segments = segments(&target.subject);
            let first = segments.get(..count.get().into());
            first.map(|first| first.join("/").into()).ok_or(AuthError::TooShort { segments: count.get() })
        }
    }
}

/// The source of a picture as `keys` name it.
pub(crate) fn source(subject: &Subject) -> &str {
    match subject {
        Subject::Image { .. } => LIBRARY,
        Subject::Object { source, .. } => source,
    }
}

/// The address of an original, decoded: `i/<id>` or `r/<source>/<path>`.
fn segments(subject: &Subject) -> Vec<&str> {
    match subject {
        Subject::Image { id } => vec!["i", id],
        Subject::Object { source, path: ObjectPath::Key(key) } => {
            ["r", source].into_iter().chain(key.split('/')).collect()
        }
        // An address elsewhere is one segment: what `..` in it means is the other server's to say.
        Subject::Object { source, path: ObjectPath::Url(url) } => vec!["r", source, url],
    }
}

/// The query without the signature's own keys, the rest byte for byte.
fn unsigned_query(query: &str) -> String {
    query.split('&').filter(|pair| !pair.is_empty() && !is_own(pair)).collect::<Vec<_>>().join("&")
}

fn is_own(pair: &str) -> bool {
    let key = pair.split('=').next().unwrap_or(pair);
    let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy();
    matches!(&*key, "sig" | "kid" | "exp" | "sc")
}

/// What [`sign`] is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub kid: Option<&'a str>,
    pub scope: Scope,
    /// Unix seconds.
    pub expires: Option<u64>,
    pub form: Form,
}

/// A signed version of a path and query, for commands and for answers that hand out links.
pub fn sign(
    keys: &Keys,
    path: &str,
    query: Option<&str>,
    context: &UrlContext<'_>,
    order: &Order<'_>,
    now: u64,
) -> Result<String, DeliveryError> {
    let target = Target::parse(path, query, context)?;
    let signs_itself = query.is_some_and(|query| query.split('&').any(is_own));
    if signs_itself || Bare::of(path)?.claim.is_some() {
        return Err(AuthError::Twice.into());
    }
    let Order { kid, scope, expires, form } = *order;
    let wish = Wish { kid, scope, expires, source: source(&target.subject) };
    let (kid, signature) = keys.sign(&wish, &message(scope, path, query, &target)?, now)?;
    let rest = query.filter(|query| !query.is_empty());
    Ok(match form {
        Form::Query => {
            let mut url = format!("{path}?");
            url.extend(rest.into_iter().flat_map(|rest| [rest.trim_end_matches('&'), "&"]));
            url.push_str(&format!("sig={signature}&kid={kid}"));
            url.extend(expires.map(|at| format!("&exp={at}")));
            url.extend(Some(scope).filter(|scope| *scope != Scope::Url).map(|scope| format!("&sc={scope}")));
            url
        }
        Form::Path => {
            let (front, bare) = match target.route {
                Route::Explain => path.split_at("/explain".len()),
                _ => ("", path),
            };
            if !bare.starts_with("/i/") && !bare.starts_with("/r/") {
                return Err(DeliveryError::NotSignable);
            }
            let mut url = format!("{front}/s/{kid}.{signature}");
            url.extend(expires.map(|at| format!(".{at}")));
            url.extend(Some(scope).filter(|scope| *scope != Scope::Url).map(|scope| format!(".{scope}")));
            url.push_str(bare);
            url.extend(rest.map(|rest| format!("?{rest}")));
            url
        }
    })
}

#[cfg(test)]
#[path = "signed_tests.rs"]
mod tests;
