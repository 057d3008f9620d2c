//! How each dialect says no: from status, code and words to the answer its clients know. `None` leaves the native
//! `application/problem+json` as it is.

use http::StatusCode;
use serde_json::Value;

use super::{
    Dialect, Spoken, chevereto, generic, imageproxy, lsky, mgek, picgo, sharex, smms, texts, vueflask,
};
use crate::error::Detail;
use crate::units::Language;

/// A refusal before it has a shape.
pub(in crate::http) struct Refusal<'a> {
    pub(in crate::http) status: StatusCode,
    /// The stable word of `docs/errors.md`.
    pub(in crate::http) code: &'static str,
    /// What the caller may read, in English.
    pub(in crate::http) message: &'a str,
    pub(in crate::http) request_id: &'a str,
    pub(in crate::http) detail: &'a Detail,
}

impl Refusal<'_> {
    /// The first field that is wrong, or nothing.
    pub(super) fn field(&self) -> &str {
        let named = self.detail.fields.first().map(|wrong| wrong.field.as_str());
        named.or(self.detail.option.as_deref()).unwrap_or_default()
    }
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
        Dialect::Vueflask => Some(vueflask::refusal(spoken, refusal)),
        Dialect::Mgek => Some(mgek::refusal(spoken, refusal)),
        Dialect::Imageproxy => Some(imageproxy::refusal(spoken, refusal)),
        Dialect::Lsky => Some(lsky::refusal(spoken, refusal)),
        Dialect::Picgo => Some(picgo::refusal(spoken, refusal)),
        Dialect::Sharex => Some(sharex::refusal(spoken, refusal)),
        Dialect::Chevereto => Some(chevereto::refusal(spoken, refusal)),
        Dialect::Smms => Some(smms::refusal(spoken, refusal)),
        Dialect::Generic => Some(generic::refusal(spoken, refusal)),
    }
}

/// The words of a refusal for who has none of its own for it.
pub(in crate::http) fn words<'a>(spoken: &Spoken, refusal: &Refusal<'a>) -> &'a str {
    match spoken.language {
        Language::English => refusal.message,
        Language::Chinese => texts::chinese(refusal.code).unwrap_or(refusal.message),
    }
}
