//! The languages that this server writes to people in, and which of them somebody asks for.

/// A language that there are texts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    /// zh-CN
    Chinese,
}

impl Language {
    /// The one to use for a language tag: English for all that is not Chinese.
    pub fn of(tag: &str) -> Self {
        Self::named(tag).unwrap_or_default()
    }

    /// What somebody likes best of what there is, by his `Accept-Language` (RFC 9110 §12.5.4). `None` if he names none of
    /// it, which `*` does not either.
    pub fn asked(accept_language: &str) -> Option<Self> {
        let mut best: Option<(Self, u16)> = None;
        for range in accept_language.split(',') {
            let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
            let Some(language) = Self::named(tag.trim()) else { continue };
            let weight = thousandths(weight.trim());
            // Of equals the first one counts.
            if weight > best.map_or(0, |(_, most)| most) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    fn named(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        let is = |known: &str| primary.eq_ignore_ascii_case(known);
        if is("zh") {
            return Some(Self::Chinese);
        }
        is("en").then_some(Self::English)
    }
}

/// `q=0.8` as 800; what is no weight does not lower it.
fn thousandths(parameter: &str) -> u16 {
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    match value.and_then(|value| value.trim().parse::<f32>().ok()) {
        Some(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_that_there_is_of_what_somebody_likes() {
        use Language::{Chinese, English};
        for (header, wanted) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Chinese)),
            ("en-US,en;q=0.9,zh-CN;q=0.8", Some(English)),
            ("de-DE, zh-TW;q=0.5", Some(Chinese)),
            ("de, en;q=0.3, ZH_cn;q=0.4", Some(Chinese)),
            ("zh;q=0, en;q=0.1", Some(English)),
            ("zh;q=0", None),
            ("en, zh", Some(English)),
            ("zh;q=0.8, en; q=0.8", Some(Chinese)),
            ("*", None),
            ("zhuang, english", None),
            ("ja", None),
            ("", None),
            (";;,,q=1", None),
        ] {
            assert_eq!(Language::asked(header), wanted, "{header}");
        }
        let of = ["zh-TW", "en", "", "de"].map(Language::of);
        assert_eq!(of, [Chinese, English, English, English]);
        assert_eq!((Language::of(Chinese.tag()), Language::of(English.tag())), (Chinese, English));
    }
}
