//! Giving up alpha: because the format has none, or because nothing shines through anyway.

use crate::codec::{Bitmap, Layout};
use crate::transform::plan::Colour;

/// `bitmap` over an opaque `background`; pictures without alpha are returned as they are.
pub(crate) fn flatten(bitmap: Bitmap, background: Colour) -> Bitmap {
    if bitmap.layout != Layout::Rgba {
        return bitmap;
    }
    let behind = [background.r, background.g, background.b];
    rgb_of(bitmap, |[r, g, b, a]| {
        let over = |top: u8, below: u8| mix(top, below, a);
        [over(r, behind[0]), over(g, behind[1]), over(b, behind[2])]
    })
}

/// Drops an alpha channel that says "opaque" everywhere: a quarter less to encode, and the same picture.
pub(crate) fn without_idle_alpha(bitmap: Bitmap) -> Bitmap {
    if is_opaque(&bitmap) && bitmap.layout == Layout::Rgba {
        return rgb_of(bitmap, |[r, g, b, _]| [r, g, b]);
    }
    bitmap
}

pub(crate) fn is_opaque(bitmap: &Bitmap) -> bool {
    bitmap.layout != Layout::Rgba || bitmap.data.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255)
}

/// `top` at opacity `alpha` over `below`, rounded.
pub(crate) fn mix(top: u8, below: u8, alpha: u8) -> u8 {
    let (top, below, alpha) = (u32::from(top), u32::from(below), u32::from(alpha));
    ((top * alpha + below * (255 - alpha) + 127) / 255) as u8
}

/// Narrows in place, so that a large picture is never held twice.
fn rgb_of(mut bitmap: Bitmap, pixel: impl Fn([u8; 4]) -> [u8; 3]) -> Bitmap {
    let count = bitmap.data.len() / 4;
    for i in 0..count {
        let d = &mut bitmap.data;
        let rgb = pixel([d[4 * i], d[4 * i + 1], d[4 * i + 2], d[4 * i + 3]]);
        d[3 * i..3 * i + 3].copy_from_slice(&rgb);
    }
    bitmap.data.truncate(count * 3);
    Bitmap { layout: Layout::Rgb, ..bitmap }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgba(data: &[u8]) -> Bitmap {
        Bitmap { width: data.len() as u32 / 4, height: 1, layout: Layout::Rgba, data: data.to_vec() }
    }

    #[test]
    fn blends_with_the_background() {
        let background = Colour { r: 255, g: 0, b: 100, a: 255 };
        let flat = flatten(rgba(&[10, 20, 30, 255, 10, 20, 30, 0, 0, 255, 100, 128]), background);
        assert!(flat.layout == Layout::Rgb);
        assert_eq!(flat.data, [10, 20, 30, 255, 0, 100, 127, 128, 100]);
    }

    #[test]
    fn only_idle_alpha_is_dropped() {
        assert_eq!(without_idle_alpha(rgba(&[1, 2, 3, 255, 4, 5, 6, 255])).data, [1, 2, 3, 4, 5, 6]);
        assert!(without_idle_alpha(rgba(&[1, 2, 3, 255, 4, 5, 6, 254])).layout == Layout::Rgba);
    }
}
