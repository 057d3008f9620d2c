//! What every room's error has in common: whose fault it is, a stable code, and what the caller can do about it.
//!
//! A room keeps one `thiserror` enum and implements [`Fault`] for it; `http/problem.rs` alone turns a [`Kind`]
//! into a status. So no room knows HTTP, and http knows no room's errors.

use std::borrow::Cow;

/// Whose fault it is and what kind of answer it deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be understood: a wrong option, value or combination.
    BadRequest,
    /// The caller has not proved who they are.
    Unauthorized,
    /// The caller may not have this, and saying so reveals nothing.
    Forbidden,
    /// There is no such thing, or the caller must not learn that there is.
    NotFound,
    MethodNotAllowed,
    /// Somebody else was first, or the thing is not in the state for it.
    Conflict,
    /// It was valid once.
    Expired,
    /// The request rests on what does not hold here.
    PreconditionFailed,
    /// The bytes are not those that were sent.
    ChecksumMismatch,
    /// More bytes than the limit.
    TooLarge,
    /// The bytes are not a picture that we know.
    UnsupportedMedia,
    /// A picture, but one that cannot or must not be processed.
    Unprocessable,
    /// No byte range that was asked for exists.
    RangeNotSatisfiable,
    /// The caller's own rate.
    RateLimited,
    /// The source answered wrongly or not at all.
    SourceFailed,
    SourceTimeout,
    /// We have more work than time.
    Overloaded,
    OutOfSpace,
    /// Our own mistake.
    Internal,
}

/// The machine-readable part of an answer about a bad request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// The option or field that is wrong, as the caller wrote it.
    pub option: Option<String>,
    /// Byte offset of the wrong part in the spec, counted from 0.
    pub position: Option<usize>,
    /// What would have been accepted, in words or as a list.
    pub allowed: Option<String>,
    /// The nearest thing that exists.
    pub did_you_mean: Option<String>,
    /// Every field that is wrong, where there can be several.
    pub fields: Vec<Wrong>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u64>,
    /// The limit that was met.
    pub quota: Option<Quota>,
}

/// One field of a request that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Wrong {
    /// Its path, as in `users[0].name`.
    pub field: String,
    /// What is wrong with it; never the value, which may be a secret.
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
}

/// What a caller may ask, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Names the limit, e.g. `address`.
    pub policy: &'static str,
    /// So many tokens in each window.
    pub count: u64,
    pub window_s: u64,
    /// Tokens that may be used now.
    pub left: u64,
    /// Seconds until all can be used again, or until a refused request can be repeated.
    pub reset_s: u64,
}

/// An error that knows how it wants to be answered.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    fn kind(&self) -> Kind;

    /// A stable slug, e.g. `unknown_option`; part of the public contract (`docs/errors.md`).
    fn code(&self) -> &'static str;

    /// What the caller may read. Errors of our own hide their inner text, everybody else's say what to fix.
    fn message(&self) -> Cow<'static, str> {
        match self.kind() {
            Kind::Internal => Cow::Borrowed("something went wrong on our side; the log has the request id"),
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        Detail::default()
    }
}

/// An error and its causes in one line. Transparent wrappers repeat the text of what they wrap, which is said once.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
