//! In which language somebody is answered.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::units::Language;

/// What the client likes best of what there is; `native` where it names none of it, as programs do.
pub(super) fn of(headers: &HeaderMap, native: Language) -> Language {
    let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    asked.and_then(Language::asked).unwrap_or(native)
}

/// The same thing said in both.
pub(super) fn pick<T>(language: Language, chinese: T, english: T) -> T {
    match language {
        Language::English => english,
        Language::Chinese => chinese,
    }
}
