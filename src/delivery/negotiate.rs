//! What the client can show, read from `Accept` and the client hints and reduced to a handful of classes before
//! anything is keyed, so that no header can split the cache.

use http::header::{ACCEPT, HeaderMap, HeaderName};

use crate::transform::Accepts;

pub const SEC_CH_DPR: HeaderName = HeaderName::from_static("sec-ch-dpr");
pub const SEC_CH_WIDTH: HeaderName = HeaderName::from_static("sec-ch-width");
const DPR: HeaderName = HeaderName::from_static("dpr");
const WIDTH: HeaderName = HeaderName::from_static("width");

/// The modern formats a client has named. Four classes at most.
///
/// Only an explicit mention counts: browsers without AVIF or WebP send `image/*` and `*/*` as well, so a wildcard
/// says nothing. Where both are named, AVIF is granted only if its q-value is not below WebP's.
pub fn accepts(headers: &HeaderMap) -> Accepts {
    let (mut avif, mut webp) = (None, None);
    for line in headers.get_all(ACCEPT) {
        for range in split_unquoted(line.as_bytes(), b',') {
            let mut parts = split_unquoted(range, b';');
            let Some(media_type) = parts.next().map(<[u8]>::trim_ascii) else { continue };
            let slot = if media_type.eq_ignore_ascii_case(b"image/avif") {
                &mut avif
            } else if media_type.eq_ignore_ascii_case(b"image/webp") {
                &mut webp
            } else {
                continue;
            };
            let quality = quality(parts);
            // Named twice: the refusal wins, so the order of the lines makes no class of its own.
            *slot = Some(slot.map_or(quality, |q: u16| q.min(quality)));
        }
    }
    let (avif, webp) = (avif.unwrap_or(0), webp.unwrap_or(0));
    Accepts { avif: avif > 0 && avif >= webp, webp: webp > 0 }
}

/// Client hints, by their registered names or the older ones without `Sec-CH-`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hints {
    /// Device pixels per CSS pixel, above 0 and at most 16; the grammar snaps it.
    pub dpr: Option<f64>,
    /// Wanted width in device pixels, 1…16384; the grammar puts it on the ladder.
    pub width: Option<u32>,
}

impl Hints {
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let number = |names: [HeaderName; 2]| {
            let value = names.into_iter().find_map(|name| headers.get(name))?.to_str().ok()?;
            decimal(value.split(';').next()?.trim())
        };
        Self {
            dpr: number([SEC_CH_DPR, DPR]).filter(|&d| d > 0.0 && d <= 16.0),
            width: number([SEC_CH_WIDTH, WIDTH])
                .map(f64::ceil)
                .filter(|&w| (1.0..=16384.0).contains(&w))
                .map(|w| w as u32),
        }
    }
}

/// The q-value of a media range in thousandths, 1000 where there is none. A malformed one grants nothing, and of two the
/// smaller counts.
fn quality<'a>(parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    let weight = |parameter: &'a [u8]| {
        let (name, value) = parameter.split_at(parameter.iter().position(|&byte| byte == b'=')?);
        name.trim_ascii().eq_ignore_ascii_case(b"q").then(|| qvalue(value[1..].trim_ascii_end()).unwrap_or(0))
    };
    parameters.filter_map(weight).min().unwrap_or(1000)
}

/// RFC 9110 §12.4.2: `0` or `1`, then at most three decimals.
fn qvalue(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut value = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    let mut unit = 100;
    for digit in decimals {
        value += u16::from(digit.is_ascii_digit().then(|| digit - b'0')?) * unit;
        unit /= 10;
    }
    (value <= 1000).then_some(value)
}

/// A plain ASCII decimal: no sign, exponent, infinity or NaN, which `f64::from_str` would take.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.len() <= 16 && text.starts_with(|c: char| c.is_ascii_digit());
    (plain && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')).then(|| text.parse().ok())?
}

/// Splits at a separator that stands outside quoted strings.
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return byte == separator && !quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn accept(lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        match accepts(&headers) {
            Accepts { avif: true, webp: true } => "both",
            Accepts { avif: true, webp: false } => "avif",
            Accepts { avif: false, webp: true } => "webp",
            Accepts { avif: false, webp: false } => "none",
        }
        .to_owned()
    }

    #[test]
    fn reads_accept_as_rfc_9110_does() {
        let rows: &[(&[&str], &str)] = &[
            (&[], "none"),
            (&[""], "none"),
            (&["*/*"], "none"),
            (&["image/*"], "none"),
            (&["image/*;q=1, */*;q=0.8"], "none"),
            // Chrome, Firefox, Safari 17, Safari 15, an old Edge, curl.
            (&["image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"], "both"),
            (&["image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"], "both"),
            (
                &["image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,*/*;q=0.5"],
                "both",
            ),
            (&["image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"], "webp"),
            (&["image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"], "none"),
            (&["image/webp;q=0,*/*"], "none"),
            (&["image/webp;q=0.0"], "none"),
            (&["image/webp;q=0.000,image/avif"], "avif"),
            (&["image/webp; q=0"], "none"),
            (&["image/webp ; q=0"], "none"),
            (&["image/webp;Q=0"], "none"),
            (&["image/webp;q =0"], "none"),
            (&["image/webp;q=1;q=0"], "none"),
            (&["image/webp;q"], "webp"),
            (&["image/webp;q=0.001"], "webp"),
            (&["image/webp;q=1.000"], "webp"),
            (&["image/webp;q=1."], "webp"),
            (&["image/webp;q=0."], "none"),
            (&["IMAGE/WebP"], "webp"),
            (&["\timage/avif\t"], "avif"),
            (&["image/avif;q=0.5,image/webp"], "webp"),
            (&["image/avif;q=0.9,image/webp;q=0.8"], "both"),
            (&["image/png", "image/webp"], "webp"),
            (&["image/avif", "image/webp;q=0"], "avif"),
            (&["image/webp;q=0", "image/webp"], "none"),
            (&["image/webp, image/webp;q=0"], "none"),
            (&["image/webp, */*;q=0"], "webp"),
            // No substring search.
            (&["image/webpx"], "none"),
            (&["ximage/webp"], "none"),
            (&["text/plain;note=\"image/webp\""], "none"),
            (&["text/plain;note=\"a,image/webp,b\""], "none"),
            (&["text/plain;note=\"a\\\",image/webp,b\""], "none"),
            (&["image/webp;note=\"a;q=0\""], "webp"),
            (&["image/webp;level=1;q=0"], "none"),
            // Malformed: grants nothing, harms nobody.
            (&["image/webp;q=2"], "none"),
            (&["image/webp;q=-1"], "none"),
            (&["image/webp;q=1.001"], "none"),
            (&["image/webp;q=0.5555"], "none"),
            (&["image/webp;q=abc"], "none"),
            (&["image/webp;q="], "none"),
            (&["image/webp;q"], "webp"),
            (&[",,;;,image/webp,,"], "webp"),
            (&[";q=0,image/webp"], "webp"),
            (&["\"unclosed,image/webp"], "none"),
            (&["image /webp"], "none"),
            (&["\u{e9}\u{e8}, image/webp"], "webp"),
        ];
        for (lines, expected) in rows {
            assert_eq!(&accept(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn reads_hints_and_forgets_nonsense() {
        let hints = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            Hints::from_headers(&headers)
        };
        assert_eq!(hints("sec-ch-dpr", "2.0").dpr, Some(2.0));
        assert_eq!(hints("dpr", " 1.5 ").dpr, Some(1.5));
        assert_eq!(hints("sec-ch-dpr", "2;a=b").dpr, Some(2.0));
        assert_eq!(hints("sec-ch-width", "639.2").width, Some(640));
        assert_eq!(hints("width", "320").width, Some(320));
        for value in ["", "0", "-1", "+1", "1e3", "NaN", "inf", "99999", "x", "1.2.3", "\u{e9}", ".5", "1 2"]
        {
            assert_eq!(hints("sec-ch-dpr", value).dpr, None, "{value}");
            assert_eq!(hints("width", value).width, None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                for name in [ACCEPT, SEC_CH_DPR, SEC_CH_WIDTH] {
                    headers.insert(name, value.clone());
                }
                accepts(&headers);
                Hints::from_headers(&headers);
            }
        }

        /// Order of the elements is no class of its own.
        #[test]
        fn order_does_not_matter(mut parts in proptest::collection::vec(
            prop_oneof!["image/avif", "image/webp", "image/webp;q=0", "image/avif;q=0\\.[0-9]", "\\*/\\*"], 0..6
        )) {
            let forward = accept(&[&parts.join(",")]);
            parts.reverse();
            prop_assert_eq!(forward, accept(&[&parts.join(", ")]));
        }
    }
}
