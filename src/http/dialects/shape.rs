//! How each dialect says no: from status, code and words to the answer its clients know. `None` leaves the native
//! `application/problem+json` as it is.

use http::StatusCode;
use serde_json::Value;

use super::language::Language;
use super::{Dialect, Spoken, chevereto, generic, lsky, picgo, sharex, smms, texts};
use crate::error::Detail;

/// A refusal before it has a shape.
pub(in crate::http) struct Refusal<'a> {
    pub(in crate::http) status: StatusCode,
    /// The stable word of `docs/errors.md`.
    pub(in crate::http) code: &'static str,
    /// What the caller may read, in English.
    pub(in crate::http) message: &'a str,
    pub(in crate::http) request_id: &'a str,
    #[expect(dead_code, reason = "for dialects that name fields")]
    pub(in crate::http) detail: &'a Detail,
}

/// The answer to it. Headers that were set before, such as `Retry-After`, stay.
pub(in crate::http) struct Shape {
    pub(in crate::http) status: StatusCode,
    /// JSON.
    pub(in crate::http) body: Value,
}

pub(in crate::http) fn shape(spoken: &Spoken, refusal: &Refusal<'_>) -> Option<Shape> {
    match spoken.dialect {
        // They read `detail`, which every problem has.
        Dialect::Roadmap => None,
        Dialect::Vueflask | Dialect::Mgek | Dialect::Imageproxy => None,
        Dialect::Lsky => Some(lsky::shape(spoken, refusal)),
        Dialect::Picgo => Some(picgo::shape(spoken, refusal)),
        Dialect::Sharex => Some(sharex::shape(spoken, refusal)),
        Dialect::Chevereto => Some(chevereto::shape(spoken, refusal)),
        Dialect::Smms => Some(smms::shape(spoken, refusal)),
        Dialect::Generic => Some(generic::shape(spoken, refusal)),
    }
}

/// The words of a refusal for who has none of its own for it.
pub(in crate::http) fn words<'a>(spoken: &Spoken, refusal: &Refusal<'a>) -> &'a str {
    match spoken.language {
        Language::English => refusal.message,
        Language::Chinese => texts::chinese(refusal.code).unwrap_or(refusal.message),
    }
}
