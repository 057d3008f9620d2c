//! Where a picture is most interesting, for crops whose gravity is `auto` or `entropy`. Both look at a small copy of it.
//!
//! `auto` adds up three signs of a subject, each scaled to its own mean: colours that are far from the picture's mean
//! (frequency-tuned saliency: Achanta et al., "Frequency-tuned Salient Region Detection", CVPR 2009), edges, and the
//! hues of skin. `entropy` takes the window whose brightness has the highest Shannon entropy.

use std::borrow::Cow;
use std::time::Instant;

use crate::codec::{Bitmap, Layout};
use crate::transform::plan::{Interest, Kernel};
use crate::transform::render::RenderError;
use crate::transform::steps::blend::rgba;
use crate::transform::steps::blur::blur;
use crate::transform::steps::fold::whole;
use crate::transform::steps::resample::{Area, resample};

/// The longer side of the copy. More finds nothing else.
const SIDE: u32 = 128;

/// The origin of the most interesting part of `frame`'s size, which fits into the picture.
pub(crate) fn most_interesting(
    bitmap: &Bitmap,
    frame: (u32, u32),
    by: Interest,
    deadline: Instant,
) -> Result<(u32, u32), RenderError> {
    found(bitmap, frame, by, 1.0, deadline)
}

/// The origin of the part where an overlay of `frame`'s size hides least.
pub(crate) fn least_interesting(
    bitmap: &Bitmap,
    frame: (u32, u32),
    by: Interest,
    deadline: Instant,
) -> Result<(u32, u32), RenderError> {
    found(bitmap, frame, by, -1.0, deadline)
}

fn found(
    bitmap: &Bitmap,
    frame: (u32, u32),
    by: Interest,
    sign: f64,
    deadline: Instant,
) -> Result<(u32, u32), RenderError> {
    let free = (bitmap.width - frame.0, bitmap.height - frame.1);
    if free == (0, 0) {
        return Ok(free);
    }
    let small = small(bitmap, deadline)?;
    let scale = (
        f64::from(small.width) / f64::from(bitmap.width),
        f64::from(small.height) / f64::from(bitmap.height),
    );
    let side =
        |frame: u32, scale: f64, small: u32| ((f64::from(frame) * scale).round() as u32).clamp(1, small);
    let window = (side(frame.0, scale.0, small.width), side(frame.1, scale.1, small.height));
    let (x, y) = match by {
        Interest::Attention => {
            heaviest(&attention(&small, deadline)?, (small.width, small.height), window, sign)
        }
        Interest::Entropy => liveliest(&small, window, sign),
    };
    let back = |at: f64, scale: f64, free: u32| ((at / scale).round() as u32).min(free);
    Ok((back(x, scale.0, free.0), back(y, scale.1, free.1)))
}

/// A copy with colours, on gray where it is transparent: nothing there is interesting.
fn small(bitmap: &Bitmap, deadline: Instant) -> Result<Bitmap, RenderError> {
    let longer = bitmap.width.max(bitmap.height);
    let side = |side: u32| {
        if longer <= SIDE { side } else { ((side * SIDE + longer / 2) / longer).max(1) }
    };
    let size = (side(bitmap.width), side(bitmap.height));
    let area = Area { left: 0.0, top: 0.0, width: f64::from(bitmap.width), height: f64::from(bitmap.height) };
    let view = whole((bitmap.width, bitmap.height));
    let copy = resample(Cow::Borrowed(bitmap), view, area, size, Kernel::Linear, deadline)?;
    let count = copy.width as usize * copy.height as usize;
    let data = (0..count).flat_map(|index| {
        let [r, g, b, a] = rgba(&copy, index);
        [r, g, b].map(|v| crate::transform::steps::flatten::mix(v, 128, a))
    });
    Ok(Bitmap { data: data.collect(), layout: Layout::Rgb, ..copy })
}

/// How much each pixel draws the eye.
fn attention(small: &Bitmap, deadline: Instant) -> Result<Vec<f64>, RenderError> {
    let soft = blur(small.clone(), 1.0, deadline)?;
    let opponents: Vec<[f64; 3]> = soft.data.as_chunks::<3>().0.iter().map(opponent).collect();
    let count = opponents.len() as f64;
    let mean = [0, 1, 2].map(|c| opponents.iter().map(|o| o[c]).sum::<f64>() / count);
    let salient = opponents.iter().map(|o| (0..3).map(|c| (o[c] - mean[c]).powi(2)).sum::<f64>().sqrt());
    let edges = edges(&opponents, small.width as usize);
    let skin = small.data.as_chunks::<3>().0.iter().map(skin);
    let mut sum = vec![0.0; opponents.len()];
    for (weight, sign) in [(1.0, salient.collect::<Vec<_>>()), (1.0, edges), (0.6, skin.collect())] {
        let mean = sign.iter().sum::<f64>() / count;
        if mean > 0.0 {
            sum.iter_mut().zip(&sign).for_each(|(sum, sign)| *sum += weight * (sign / mean).min(8.0));
        }
    }
    Ok(sum)
}

/// Lightness, red against green, blue against yellow.
fn opponent(&[r, g, b]: &[u8; 3]) -> [f64; 3] {
    let [r, g, b] = [r, g, b].map(f64::from);
    [0.299 * r + 0.587 * g + 0.114 * b, (r - g) * 0.7, (0.5 * (r + g) - b) * 0.7]
}

/// The difference to the neighbours on the right and below, in lightness.
fn edges(opponents: &[[f64; 3]], width: usize) -> Vec<f64> {
    let light = |index: usize| opponents.get(index).map_or(0.0, |o| o[0]);
    let step = |index: usize| {
        let right = if (index + 1).is_multiple_of(width) { index } else { index + 1 };
        let below = if index + width < opponents.len() { index + width } else { index };
        (light(index) - light(right)).abs() + (light(index) - light(below)).abs()
    };
    (0..opponents.len()).map(step).collect()
}

/// How near a colour is to those that skin of any darkness has: the hue of skin hardly changes with it.
fn skin(&[r, g, b]: &[u8; 3]) -> f64 {
    let [r, g, b] = [r, g, b].map(f64::from);
    let length = (r * r + g * g + b * b).sqrt();
    if length < 60.0 {
        return 0.0;
    }
    let distance =
        [(r, 0.78), (g, 0.52), (b, 0.35)].map(|(v, of)| (v / length - of).powi(2)).iter().sum::<f64>().sqrt();
    (1.0 - distance / 0.16).max(0.0)
}

/// The window with the largest sum. What stands in the middle of it counts more than what its edge cuts.
fn heaviest(weights: &[f64], (width, height): (u32, u32), window: (u32, u32), sign: f64) -> (f64, f64) {
    let (w, h) = (width as usize, height as usize);
    let mut sums = vec![0.0; (w + 1) * (h + 1)];
    for y in 0..h {
        for x in 0..w {
            sums[(y + 1) * (w + 1) + x + 1] =
                weights[y * w + x] + sums[y * (w + 1) + x + 1] + sums[(y + 1) * (w + 1) + x]
                    - sums[y * (w + 1) + x];
        }
    }
    let sum = |x: usize, y: usize, (ww, wh): (usize, usize)| {
        sums[(y + wh) * (w + 1) + x + ww] + sums[y * (w + 1) + x]
            - sums[y * (w + 1) + x + ww]
            - sums[(y + wh) * (w + 1) + x]
    };
    let (ww, wh) = (window.0 as usize, window.1 as usize);
    let inner = ((ww / 2).max(1), (wh / 2).max(1));
    best((w - ww, h - wh), |x, y| {
        sign * sum(x, y, (ww, wh)) + sign * 0.5 * sum(x + (ww - inner.0) / 2, y + (wh - inner.1) / 2, inner)
    })
}

/// The window with the highest entropy; one axis after the other, which is exact where only one is free.
fn liveliest(small: &Bitmap, window: (u32, u32), sign: f64) -> (f64, f64) {
    let (w, h) = (small.width as usize, small.height as usize);
    let (ww, wh) = (window.0 as usize, window.1 as usize);
    let light: Vec<usize> =
        small.data.as_chunks::<3>().0.iter().map(|rgb| opponent(rgb)[0] as usize / 4).collect();
    let entropy = |x: usize, y: usize, (ww, wh): (usize, usize)| {
        let mut bins = [0_u32; 64];
        for row in y..y + wh {
            light[row * w + x..row * w + x + ww].iter().for_each(|&bin| bins[bin.min(63)] += 1);
        }
        let count = (ww * wh) as f64;
        bins.iter().filter(|&&n| n > 0).map(|&n| f64::from(n) / count).map(|p| -p * p.log2()).sum::<f64>()
            * sign
    };
    let (x, _) = best((w - ww, 0), |x, _| entropy(x, 0, (ww, h)));
    let (_, y) = best((0, h - wh), |_, y| entropy(x as usize, y, (ww, wh)));
    (x, y)
}

/// The place with the highest score. Where the picture does not care, the middle wins.
fn best(free: (usize, usize), score: impl Fn(usize, usize) -> f64) -> (f64, f64) {
    /// What the corner of the picture loses against its middle.
    const EDGE: f64 = 0.04;
    let off = |at: usize, free: usize| {
        if free == 0 { 0.0 } else { (at as f64 / free as f64 - 0.5).abs() * 2.0 }
    };
    let middle = (free.0 / 2, free.1 / 2);
    let mut found = (middle, score(middle.0, middle.1));
    for y in 0..=free.1 {
        for x in 0..=free.0 {
            let points = score(x, y);
            let points = points - EDGE * points.abs() * off(x, free.0).max(off(y, free.1));
            if points > found.1 {
                found = ((x, y), points);
            }
        }
    }
    (found.0.0 as f64, found.0.1 as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// A disc of `colour` around `centre` on a quiet ground.
    fn disc(size: (u32, u32), centre: (u32, u32), radius: u32, colour: [u8; 3]) -> Bitmap {
        let pixels = (0..size.1).flat_map(|y| (0..size.0).map(move |x| (x, y)));
        let data = pixels.flat_map(|(x, y)| {
            let away = x.abs_diff(centre.0).pow(2) + y.abs_diff(centre.1).pow(2);
            if away < radius * radius { colour } else { [120, 130, 125] }
        });
        Bitmap { width: size.0, height: size.1, layout: Layout::Rgb, data: data.collect() }
    }

    #[test]
    fn both_find_the_one_thing_there_is() {
        for by in [Interest::Attention, Interest::Entropy] {
            for centre in [(500, 100), (60, 100), (300, 90)] {
                let picture = disc((600, 200), centre, 40, [220, 40, 30]);
                let (x, y) = most_interesting(&picture, (200, 200), by, soon()).unwrap();
                let holds = x <= centre.0 - 40 && centre.0 + 40 <= x + 200;
                assert!(holds && y == 0, "{by:?} {centre:?}: {x}");
            }
        }
    }

    #[test]
    fn both_axes_are_searched() {
        let picture = disc((400, 400), (320, 90), 30, [250, 240, 20]);
        for by in [Interest::Attention, Interest::Entropy] {
            let (x, y) = most_interesting(&picture, (120, 120), by, soon()).unwrap();
            assert!((230..=290).contains(&x) && y <= 60, "{by:?}: {x}, {y}");
        }
    }

    #[test]
    fn an_empty_picture_is_cut_in_the_middle() {
        let plain = disc((300, 100), (0, 0), 0, [0; 3]);
        for by in [Interest::Attention, Interest::Entropy] {
            let (x, y) = most_interesting(&plain, (100, 100), by, soon()).unwrap();
            assert!((98..=102).contains(&x) && y == 0, "{by:?}: {x}");
        }
        let dot = Bitmap { width: 1, height: 1, layout: Layout::Gray, data: vec![7] };
        assert_eq!(most_interesting(&dot, (1, 1), Interest::Attention, soon()).unwrap(), (0, 0));
    }
}
