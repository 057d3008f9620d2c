//! Drawing one picture over another.

use crate::codec::{Bitmap, Layout};
use crate::transform::steps::flatten::mix;

/// Straight alpha over straight alpha, Porter–Duff "source over".
pub(crate) fn over(top: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    let (above, under) = (u32::from(top[3]), u32::from(below[3]));
    if above == 255 || under == 0 {
        return top;
    }
    if under == 255 {
        let [r, g, b] = [0, 1, 2].map(|c| mix(top[c], below[c], top[3]));
        return [r, g, b, 255];
    }
    if above == 0 {
        return below;
    }
    let shown = under * (255 - above);
    let alpha = above * 255 + shown;
    let [r, g, b] = [0, 1, 2]
        .map(|c| ((u32::from(top[c]) * above * 255 + u32::from(below[c]) * shown + alpha / 2) / alpha) as u8);
    [r, g, b, ((alpha + 127) / 255) as u8]
}

/// Draws `top` with its top left corner at `at` of `below`, which may be outside; what leaves the picture is cut off.
/// `opacity` is 0…255.
pub(crate) fn draw(below: Bitmap, top: &Bitmap, at: (i64, i64), opacity: u8) -> Bitmap {
    let (left, right) = overlap(at.0, top.width, below.width);
    let (upper, lower) = overlap(at.1, top.height, below.height);
    if left >= right || upper >= lower || opacity == 0 {
        return below;
    }
    // Gray under gray stays one channel; anything else needs colours, and alpha only where there was some.
    let mut below = if below.layout == Layout::Gray { with_layout(&below, Layout::Rgb) } else { below };
    let (width, channels) = (below.width as usize, below.layout.channels());
    for y in upper..lower {
        let source = (y as i64 - at.1) as usize * top.width as usize;
        for x in left..right {
            let pixel = rgba(top, source + (x as i64 - at.0) as usize);
            let faded = ((u32::from(pixel[3]) * u32::from(opacity) + 127) / 255) as u8;
            let target = &mut below.data[(y * width + x) * channels..][..channels];
            let under = [target[0], target[1], target[2], target.get(3).copied().unwrap_or(255)];
            let drawn = over([pixel[0], pixel[1], pixel[2], faded], under);
            target.copy_from_slice(&drawn[..channels]);
        }
    }
    below
}

/// The part of `0..side` that `length` pixels from `at` on cover.
fn overlap(at: i64, length: u32, side: u32) -> (usize, usize) {
    let (start, end) = (at.max(0), at.saturating_add(length.into()).min(side.into()));
    (start as usize, end.max(0) as usize)
}

/// The colour of a pixel, counted row by row.
pub(crate) fn rgba(bitmap: &Bitmap, index: usize) -> [u8; 4] {
    let channels = bitmap.layout.channels();
    match bitmap.data[index * channels..][..channels] {
        [gray] => [gray, gray, gray, 255],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, a] => [r, g, b, a],
        _ => [0; 4],
    }
}

/// The same picture with an alpha channel.
pub(crate) fn with_alpha(bitmap: Bitmap) -> Bitmap {
    if bitmap.layout == Layout::Rgba { bitmap } else { with_layout(&bitmap, Layout::Rgba) }
}

fn with_layout(bitmap: &Bitmap, layout: Layout) -> Bitmap {
    let pixels = bitmap.data.len() / bitmap.layout.channels();
    let channels = layout.channels();
    let mut data = Vec::with_capacity(pixels * channels);
    for index in 0..pixels {
        data.extend_from_slice(&rgba(bitmap, index)[..channels]);
    }
    Bitmap { width: bitmap.width, height: bitmap.height, layout, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white(width: u32, height: u32) -> Bitmap {
        Bitmap { width, height, layout: Layout::Rgb, data: vec![255; (width * height * 3) as usize] }
    }

    fn red(width: u32, height: u32, alpha: u8) -> Bitmap {
        let data = [255, 0, 0, alpha].repeat((width * height) as usize);
        Bitmap { width, height, layout: Layout::Rgba, data }
    }

    #[test]
    fn half_over_half_is_three_quarters() {
        let below = over([255, 0, 0, 128], [0, 0, 255, 128]);
        assert_eq!(below, [170, 0, 85, 192]);
        assert_eq!(over([1, 2, 3, 0], [4, 5, 6, 7]), [4, 5, 6, 7]);
    }

    #[test]
    fn what_hangs_over_is_cut_off() {
        let drawn = draw(white(3, 3), &red(2, 2, 255), (2, -1), 255);
        let pixels = drawn.data.as_chunks::<3>().0;
        let reds: Vec<usize> = (0..9).filter(|&i| pixels[i] == [255, 0, 0]).collect();
        assert_eq!(reds, [2]);
        assert_eq!(draw(white(3, 3), &red(2, 2, 255), (3, 0), 255).data, white(3, 3).data);
        assert_eq!(draw(white(3, 3), &red(2, 2, 255), (-2, -5), 255).data, white(3, 3).data);
    }

    #[test]
    fn opacity_fades_and_gray_becomes_coloured() {
        let gray = Bitmap { width: 1, height: 1, layout: Layout::Gray, data: vec![0] };
        let drawn = draw(gray, &red(1, 1, 255), (0, 0), 128);
        assert_eq!((drawn.layout, drawn.data), (Layout::Rgb, vec![128, 0, 0]));
    }

    #[test]
    fn a_clear_picture_takes_what_is_drawn() {
        let drawn = draw(red(1, 1, 0), &white(1, 1), (0, 0), 255);
        assert_eq!(drawn.data, [255; 4]);
    }
}
