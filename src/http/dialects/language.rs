//! In which language somebody is answered.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Language {
    English,
    /// zh-CN
    Chinese,
}

impl Language {
    /// The one of ours that the client likes best; `native` where it names none of them, as programs do.
    pub(super) fn of(headers: &HeaderMap, native: Self) -> Self {
        let lines = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
        let mut best = (0.0, native);
        for range in lines.flat_map(|line| line.split(',')) {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")?.trim().parse().ok());
            let weight: f32 = weight.unwrap_or(1.0);
            let primary = tag.split('-').next().unwrap_or_default();
            let language = match primary {
                _ if primary.eq_ignore_ascii_case("zh") => Self::Chinese,
                _ if primary.eq_ignore_ascii_case("en") => Self::English,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// As a language tag.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    pub(super) fn pick<T>(self, chinese: T, english: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_of_ours_wins_and_the_systems_own_without_one() {
        let of = |value: &'static str, native| {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, value.parse().unwrap())]);
            Language::of(&headers, native)
        };
        use Language::{Chinese, English};
        assert_eq!(Language::of(&HeaderMap::new(), Chinese), Chinese);
        assert_eq!(of("en-US,en;q=0.9,zh;q=0.8", Chinese), English);
        assert_eq!(of("fr, en;q=0.5, ZH-cn;q=0.6", English), Chinese);
        assert_eq!(of("*", Chinese), Chinese);
        assert_eq!(of("fr", English), English);
        assert_eq!(of("en;q=0", Chinese), Chinese);
    }
}
