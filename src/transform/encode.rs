//! The last step of a plan: pixels to bytes, with the chroma that they need and within the size that was asked for.

use std::time::Instant;

use crate::codec::{self, Bitmap, EncodeRequest, Format, Layout};
use crate::error::Fault;
use crate::transform::chroma;
use crate::transform::plan::{Output, Subsample};
use crate::transform::quality::{self, Setting};
use crate::transform::render::RenderError;

/// What goes around the pixels.
pub(crate) struct Around<'a> {
    pub(crate) exif: Option<&'a [u8]>,
    pub(crate) icc: Option<&'a [u8]>,
}

/// The file and what it is; of several formats the one with the fewest bytes.
pub(crate) fn encode(
    bitmap: &Bitmap,
    around: &Around<'_>,
    output: &Output,
    deadline: Instant,
) -> Result<(Vec<u8>, Format), RenderError> {
    let mut best: Option<(Vec<u8>, Format)> = None;
    let mut failure = None;
    for one in output.contestants() {
        if !output.rivals.is_empty() && bitmap.layout == Layout::Rgba && !one.format.can_have_alpha() {
            continue;
        }
        match encode_as(bitmap, around, one, deadline) {
            Ok(file) if best.as_ref().is_none_or(|(least, _)| file.len() < least.len()) => {
                best = Some((file, one.format));
            }
            Ok(_) => {}
            // One that is too large for a format, or for the cap in it, may do in another.
            Err(error) if error.code() == "result_too_large" => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (best, failure) {
        (Some(best), _) => Ok(best),
        (None, Some(error)) => Err(error),
        (None, None) => Err(RenderError::Plan("nothing holds its alpha")),
    }
}

fn encode_as(
    bitmap: &Bitmap,
    around: &Around<'_>,
    output: &Output,
    deadline: Instant,
) -> Result<Vec<u8>, RenderError> {
    let pixels = u64::from(bitmap.width) * u64::from(bitmap.height);
    let Setting { number, lossless } = quality::setting(output.format, output.quality, pixels);
    let full = full_chroma(bitmap, output, lossless);
    let request = EncodeRequest {
        format: output.format,
        quality: number,
        lossless,
        effort: output.effort,
        progressive: output.progressive,
        subsample_444: Some(full),
        exif: around.exif,
        icc: around.icc,
        deadline,
    };
    fitted(output.max_bytes, Setting { number, lossless }, |quality| {
        let request = EncodeRequest { quality, ..request };
        if output.format == Format::Png && !lossless {
            let few = codec::palette::reduced(bitmap, quality::colours(quality), deadline)?;
            return Ok(codec::encode(&few, &request)?);
        }
        Ok(codec::encode(bitmap, &request)?)
    })
}

/// What `encode` makes at the quality of `setting`, or at the best below it whose file has no more than `cap` bytes.
pub(crate) fn fitted(
    cap: Option<u32>,
    setting: Setting,
    mut encode: impl FnMut(u8) -> Result<Vec<u8>, RenderError>,
) -> Result<Vec<u8>, RenderError> {
    match cap {
        None => encode(setting.number),
        Some(cap) if setting.lossless => {
            let file = encode(setting.number)?;
            if file.len() as u64 <= cap.into() { Ok(file) } else { Err(over(cap, file.len())) }
        }
        Some(cap) => within(cap, setting.number, encode),
    }
}

/// Whether chroma is kept for every pixel.
pub(crate) fn full_chroma(bitmap: &Bitmap, output: &Output, lossless: bool) -> bool {
    match output.subsample {
        Subsample::S444 => true,
        Subsample::S420 => false,
        Subsample::Auto => !lossless && has_chroma(output.format) && chroma::needs_full(bitmap),
    }
}

fn has_chroma(format: Format) -> bool {
    matches!(format, Format::Jpeg | Format::Webp | Format::Avif)
}

fn over(cap: u32, bytes: usize) -> RenderError {
    RenderError::OverCap { cap, bytes: bytes as u64 }
}

/// The best of the qualities up to `best` whose file has at most `cap` bytes, or nearly: where seven attempts do not
/// tell it, the best that was seen.
///
/// Between a quality that fits and one that does not, the logarithm of the size is taken for a straight line, which
/// finds most sizes in two or three steps. Nothing of it depends on time, so the same picture gets the same quality.
fn within(
    cap: u32,
    best: u8,
    mut encode: impl FnMut(u8) -> Result<Vec<u8>, RenderError>,
) -> Result<Vec<u8>, RenderError> {
    const ATTEMPTS: u32 = 7;
    /// Above this share of the cap a better quality would gain nothing that can be seen.
    const NEAR: f64 = 0.95;
    let limit = cap as usize;
    let first = encode(best)?;
    if first.len() <= limit {
        return Ok(first);
    }
    let mut above = (best, first.len());
    let mut below: Option<(u8, Vec<u8>)> = None;
    for attempt in 1..ATTEMPTS {
        let low = below.as_ref().map_or(0, |(quality, _)| *quality);
        if above.0 <= low + 1 {
            break;
        }
        if below.as_ref().is_some_and(|(_, file)| file.len() as f64 >= NEAR * limit as f64) {
            break;
        }
        // The last attempt that may find anything at all is the smallest there is.
        let quality = if below.is_none() && attempt + 1 == ATTEMPTS {
            1
        } else {
            guess(limit, above, below.as_ref().map(|(quality, file)| (*quality, file.len())), attempt)
        };
        let file = encode(quality)?;
        if file.len() <= limit {
            below = Some((quality, file));
        } else {
            above = (quality, file.len());
        }
    }
    match below {
        Some((_, file)) => Ok(file),
        None => Err(over(cap, above.1)),
    }
}

/// A quality strictly between the two, or between the upper one and nothing.
fn guess(limit: usize, above: (u8, usize), below: Option<(u8, usize)>, attempt: u32) -> u8 {
    let log = |bytes: usize| (bytes.max(1) as f64).ln();
    // A little less than the limit, so that most guesses fit.
    let wanted = log(limit) - 0.02;
    let (low, share) = match below {
        Some((low, bytes)) => (low, (wanted - log(bytes)) / (log(above.1) - log(bytes)).max(1e-9)),
        // From what is common to all lossy codecs: twenty steps down halve a file. Where that was not enough, larger
        // strides each time.
        None => {
            let steps = ((log(above.1) - wanted) / std::f64::consts::LN_2 * 20.0).max(3.0);
            (0, 1.0 - steps * f64::from(attempt) / f64::from(above.0))
        }
    };
    let (lowest, highest) = (low + 1, above.0 - 1);
    let between = f64::from(low) + f64::from(above.0 - low) * share;
    // The conversion saturates.
    (between as u8).clamp(lowest, highest)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A codec whose file of quality q has `size(q)` bytes; counts how often it is asked.
    fn search(cap: u32, best: u8, size: impl Fn(u8) -> usize) -> (Result<usize, String>, Vec<u8>) {
        let asked = RefCell::new(Vec::new());
        let found = within(cap, best, |quality| {
            asked.borrow_mut().push(quality);
            Ok(vec![0; size(quality)])
        });
        (found.map(|file| file.len()).map_err(|error| error.to_string()), asked.into_inner())
    }

    #[test]
    fn what_fits_at_once_is_encoded_once() {
        assert_eq!(search(1000, 80, |_| 1000), (Ok(1000), vec![80]));
    }

    #[test]
    fn what_does_not_is_made_to_fit_in_few_attempts_and_nearly_fills_the_cap() {
        let curves: [(&str, fn(u8) -> usize); 3] = [
            ("exponential", |q| (2000.0 * (f64::from(q) / 20.0).exp2()) as usize),
            ("steep at the end", |q| 3000 + 200 * usize::from(q) + usize::from(q).pow(4) / 2000),
            ("in steps", |q| 2000 + usize::from(q / 5) * 900),
        ];
        for (name, curve) in curves {
            for cap in (5_000..30_000).step_by(1_700) {
                let (found, asked) = search(cap, 90, curve);
                let Ok(found) = found else { panic!("{name} {cap}: {found:?} {asked:?}") };
                assert!(found <= cap as usize && asked.len() <= 7, "{name} {cap} {asked:?}");
                let optimum = (1..=90).map(curve).filter(|&bytes| bytes <= cap as usize).max().unwrap();
                assert!(found as f64 > optimum as f64 * 0.9, "{name} {cap}: {found} of {optimum}, {asked:?}");
            }
        }
    }

    #[test]
    fn what_cannot_fit_is_an_error_that_says_how_small_it_gets() {
        let (found, asked) = search(500, 80, |q| 900 + usize::from(q));
        assert_eq!(asked.last(), Some(&1));
        assert!(found.unwrap_err().contains("901"), "{asked:?}");
    }
}
