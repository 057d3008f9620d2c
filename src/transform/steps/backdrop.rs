//! What lies behind a picture where no colour was named: one that suits its edges (`b_auto`), or the picture itself,
//! enlarged and blurred (`b_blur`).

use std::borrow::Cow;
use std::time::Instant;

use crate::codec::Bitmap;
use crate::transform::plan::{Colour, Kernel};
use crate::transform::render::RenderError;
use crate::transform::steps::blend::rgba;
use crate::transform::steps::blur::blur;
use crate::transform::steps::fold::whole;
use crate::transform::steps::resample::{Area, resample};

/// The colour that most of the outermost pixels have, so that the picture seems to go on. Where its edge is transparent
/// it is white or black, whichever the picture stands out from.
pub(crate) fn edge_colour(bitmap: &Bitmap) -> Colour {
    /// Colours that differ by less than this many steps of 256 are counted as one.
    const BIN: u8 = 16;
    let mut bins = std::collections::BTreeMap::<[u8; 3], (u64, [u64; 3])>::new();
    let (mut seen, mut clear) = (0_u64, 0_u64);
    for index in ring(bitmap) {
        let [r, g, b, a] = rgba(bitmap, index);
        seen += 1;
        if a < 128 {
            clear += 1;
            continue;
        }
        let (count, sum) = bins.entry([r, g, b].map(|v| v / BIN)).or_default();
        *count += 1;
        for (sum, value) in sum.iter_mut().zip([r, g, b]) {
            *sum += u64::from(value);
        }
    }
    // Of equally frequent colours the first in order, so that the answer is always the same.
    match bins.values().max_by_key(|(count, sum)| (*count, std::cmp::Reverse(*sum))) {
        Some((count, sum)) if clear * 2 < seen => {
            let [r, g, b] = sum.map(|sum| ((sum + count / 2) / count) as u8);
            Colour { r, g, b, a: 255 }
        }
        _ => contrast(bitmap),
    }
}

/// The pixels of the outermost rows and columns.
fn ring(bitmap: &Bitmap) -> impl Iterator<Item = usize> + use<> {
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let rows = [0, height - 1].into_iter().flat_map(move |y| (0..width).map(move |x| y * width + x));
    rows.chain((1..height.max(2) - 1).flat_map(move |y| [y * width, y * width + width - 1]))
}

fn contrast(bitmap: &Bitmap) -> Colour {
    let (mut light, mut weight) = (0_u64, 0_u64);
    for index in 0..bitmap.width as usize * bitmap.height as usize {
        let [r, g, b, a] = rgba(bitmap, index).map(u64::from);
        light += (r * 299 + g * 587 + b * 114) * a;
        weight += a * 1000;
    }
    if light > weight * 160 { Colour { r: 0, g: 0, b: 0, a: 255 } } else { Colour::WHITE }
}

/// The picture scaled to cover `size` and blurred with `sigma`, which counts in pixels of the result.
pub(crate) fn soft(
    bitmap: &Bitmap,
    size: (u32, u32),
    sigma: f64,
    deadline: Instant,
) -> Result<Bitmap, RenderError> {
    /// A blurred picture has no details: it is made this small and enlarged again.
    const FINE: f64 = 4.0;
    let shrink = (sigma / FINE).max(1.0);
    let small = |side: u32| ((f64::from(side) / shrink).round() as u32).max(1);
    let (width, height) = (small(size.0), small(size.1));
    let (w, h) = (f64::from(bitmap.width), f64::from(bitmap.height));
    let k = (f64::from(width) / w).max(f64::from(height) / h);
    let (shown_w, shown_h) = (f64::from(width) / k, f64::from(height) / k);
    let area = Area { left: (w - shown_w) / 2.0, top: (h - shown_h) / 2.0, width: shown_w, height: shown_h };
    let view = whole((bitmap.width, bitmap.height));
    let covering = resample(Cow::Borrowed(bitmap), view, area, (width, height), Kernel::Linear, deadline)?;
    let blurred = blur(covering, sigma / shrink, deadline)?;
    let all = Area { left: 0.0, top: 0.0, width: f64::from(width), height: f64::from(height) };
    resample(Cow::Owned(blurred), whole((width, height)), all, size, Kernel::Linear, deadline)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::Layout;

    fn picture(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Bitmap {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let data = pixels.flat_map(|(x, y)| pixel(x, y)).collect();
        Bitmap { width, height, layout: Layout::Rgba, data }
    }

    #[test]
    fn the_edge_says_the_colour_and_the_middle_does_not() {
        let framed = picture(20, 20, |x, y| {
            if x == 0 || y == 0 || x == 19 || y == 19 { [10, 200, 30, 255] } else { [250, 0, 0, 255] }
        });
        assert_eq!(edge_colour(&framed), Colour { r: 10, g: 200, b: 30, a: 255 });
        let one = picture(1, 1, |_, _| [1, 2, 3, 255]);
        assert_eq!(edge_colour(&one), Colour { r: 1, g: 2, b: 3, a: 255 });
    }

    #[test]
    fn behind_a_logo_there_is_what_it_stands_out_from() {
        let logo = |light| {
            picture(9, 9, move |x, y| if (3..6).contains(&x) && (3..6).contains(&y) { light } else { [0; 4] })
        };
        assert_eq!(edge_colour(&logo([250, 250, 250, 255])), Colour { r: 0, g: 0, b: 0, a: 255 });
        assert_eq!(edge_colour(&logo([20, 20, 90, 255])), Colour::WHITE);
    }

    #[test]
    fn a_soft_backdrop_covers_the_canvas_and_has_no_edges() {
        let halves = picture(100, 50, |x, _| if x < 50 { [0, 0, 0, 255] } else { [255, 255, 255, 255] });
        let deadline = Instant::now() + Duration::from_secs(60);
        let soft = soft(&halves, (80, 120), 16.0, deadline).unwrap();
        assert_eq!((soft.width, soft.height), (80, 120));
        let row: Vec<u8> = (0..80).map(|x| rgba(&soft, 60 * 80 + x)[0]).collect();
        assert!(row.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 12), "{row:?}");
        assert!(row[0] < 40 && row[79] > 215, "{row:?}");
    }
}
