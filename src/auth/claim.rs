//! What a URL says of its own signature, before anybody checked it.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AuthError;

/// What a signature is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `u`: the URL as it is sent.
    Url,
    /// `c`: the canonical form of what it asks, however that is written.
    Canonical,
    /// `a`: one image in all sizes.
    Image,
    /// `p<N>`: all images whose address begins with these N segments.
    Prefix(NonZeroU8),
}

/// A signature with what was signed along with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// `None`: any of the keys that are active.
    pub kid: Option<&'a str>,
    pub scope: Scope,
    /// Unix seconds.
    pub expires: Option<u64>,
    bytes: [u8; FULL],
    len: usize,
}

/// HMAC-SHA256.
pub(super) const FULL: usize = 32;
/// Shorter ones are guessed sooner or later.
pub(super) const SHORTEST: usize = 16;

impl Scope {
    /// Whether it says what is asked of the image, and not only which image.
    pub fn covers_spec(self) -> bool {
        matches!(self, Self::Url | Self::Canonical)
    }
}

impl FromStr for Scope {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        let digits = |text: &str| !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        match text {
            "u" => Ok(Self::Url),
            "c" => Ok(Self::Canonical),
            "a" => Ok(Self::Image),
            _ => text
                .strip_prefix('p')
                .filter(|count| digits(count))
                .and_then(|count| count.parse().ok())
                .map(Self::Prefix)
                .ok_or(AuthError::Malformed("a scope is `u`, `c`, `a` or `p` with a number")),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("u"),
            Self::Canonical => f.write_str("c"),
            Self::Image => f.write_str("a"),
            Self::Prefix(count) => write!(f, "p{count}"),
        }
    }
}

impl<'a> Claim<'a> {
    /// The segment behind `/s/`: `<kid>.<sig>[.<exp>][.<scope>]`.
    pub fn in_path(segment: &'a str) -> Result<Self, AuthError> {
        const FORM: AuthError = AuthError::Malformed("`/s/` is followed by `<kid>.<sig>[.<exp>][.<scope>]`");
        let mut parts = segment.split('.');
        let (Some(kid), Some(signature)) = (parts.next(), parts.next()) else { return Err(FORM) };
        let (exp, scope) = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => (None, None),
            (Some(only), None, _) if only.bytes().all(|b| b.is_ascii_digit()) => (Some(only), None),
            (Some(only), None, _) => (None, Some(only)),
            (Some(exp), Some(scope), None) => (Some(exp), Some(scope)),
            _ => return Err(FORM),
        };
        Self::new(Some(kid), signature, exp, scope)
    }

    /// The values of `sig`, `kid`, `exp` and `sc`; `None` where there is none of them. The others without `sig` are
    /// an error, lest a signature that got lost on the way go unnoticed.
    pub fn in_query(
        signature: Option<&'a str>,
        kid: Option<&'a str>,
        exp: Option<&'a str>,
        scope: Option<&'a str>,
    ) -> Result<Option<Self>, AuthError> {
        match signature {
            Some(signature) => Self::new(kid, signature, exp, scope).map(Some),
            None if kid.or(exp).or(scope).is_none() => Ok(None),
            None => Err(AuthError::Malformed("`kid`, `exp` and `sc` mean nothing without `sig`")),
        }
    }

    fn new(
        kid: Option<&'a str>,
        signature: &str,
        exp: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Self, AuthError> {
        if !kid.is_none_or(is_kid) {
            return Err(AuthError::Malformed("a key's name is 1 to 16 of `A-Z a-z 0-9 _ -`"));
        }
        // Room for what the decoder writes at most for the longest text that is let through.
        let mut decoded = [0; FULL + 1];
        let len = (signature.len() <= (FULL * 4).div_ceil(3))
            .then(|| URL_SAFE_NO_PAD.decode_slice(signature, &mut decoded).ok())
            .flatten()
            .filter(|len| (SHORTEST..=FULL).contains(len))
            .ok_or(AuthError::Malformed("a signature is 16 to 32 bytes as base64url without `=`"))?;
        let mut bytes = [0; FULL];
        bytes[..len].copy_from_slice(&decoded[..len]);
        Ok(Self {
            kid,
            scope: scope.map_or(Ok(Scope::Url), str::parse)?,
            expires: exp.map(seconds).transpose()?,
            bytes,
            len,
        })
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

pub(super) fn is_kid(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=16).contains(&text.len()) && text.bytes().all(legal)
}

/// One spelling for each time: what was signed is printed from the number.
fn seconds(text: &str) -> Result<u64, AuthError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(AuthError::Malformed("`exp` is Unix seconds like 1767225600"))
}
