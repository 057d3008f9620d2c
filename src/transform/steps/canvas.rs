//! Putting a picture onto a larger canvas of one colour.

use crate::codec::{Bitmap, Layout, Rect};
use crate::transform::plan::Colour;
use crate::transform::steps::blend::over;
use crate::transform::steps::flatten::mix;

/// `bitmap` drawn at `at` onto a canvas of `size` filled with `background`, which also shows through the picture's
/// own transparent parts. The result has alpha only where the background has.
pub(crate) fn canvas(bitmap: &Bitmap, size: (u32, u32), at: Rect, background: Colour) -> Bitmap {
    let is_gray = background.r == background.g && background.g == background.b;
    match (bitmap.layout, background.a) {
        (Layout::Gray, 255) if is_gray => {
            draw(bitmap, Layout::Gray, size, at, [background.r], |pixel| [pixel[0]])
        }
        (_, 255) => {
            let fill = [background.r, background.g, background.b];
            draw(bitmap, Layout::Rgb, size, at, fill, |pixel| {
                let [r, g, b, a] = rgba(pixel);
                [mix(r, fill[0], a), mix(g, fill[1], a), mix(b, fill[2], a)]
            })
        }
        _ => {
            // Fully transparent is one colour, whatever its red, green and blue say.
            let fill = if background.a == 0 { Colour { r: 0, g: 0, b: 0, a: 0 } } else { background };
            let fill = [fill.r, fill.g, fill.b, fill.a];
            draw(bitmap, Layout::Rgba, size, at, fill, |pixel| over(rgba(pixel), fill))
        }
    }
}

fn draw<const N: usize>(
    bitmap: &Bitmap,
    layout: Layout,
    (width, height): (u32, u32),
    at: Rect,
    fill: [u8; N],
    pixel: impl Fn(&[u8]) -> [u8; N],
) -> Bitmap {
    let mut pixels = vec![fill; width as usize * height as usize];
    let channels = bitmap.layout.channels();
    let source_rows = bitmap.data.chunks_exact(bitmap.width as usize * channels);
    let target_rows = pixels.chunks_exact_mut(width as usize).skip(at.y as usize);
    for (source, target) in source_rows.zip(target_rows) {
        let target = target[at.x as usize..].iter_mut();
        for (source, target) in source.chunks_exact(channels).zip(target) {
            *target = pixel(source);
        }
    }
    Bitmap { width, height, layout, data: pixels.into_flattened() }
}

fn rgba(pixel: &[u8]) -> [u8; 4] {
    match *pixel {
        [gray] => [gray, gray, gray, 255],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, a] => [r, g, b, a],
        _ => [0; 4],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Rect = Rect { x: 1, y: 0, width: 1, height: 1 };

    fn one(layout: Layout, data: &[u8]) -> Bitmap {
        Bitmap { width: 1, height: 1, layout, data: data.to_vec() }
    }

    #[test]
    fn opaque_canvases_need_no_alpha() {
        let red = Colour { r: 255, g: 0, b: 0, a: 255 };
        let drawn = canvas(&one(Layout::Gray, &[7]), (3, 1), AT, red);
        assert_eq!(drawn.data, [255, 0, 0, 7, 7, 7, 255, 0, 0]);
        let drawn = canvas(&one(Layout::Rgba, &[0, 0, 255, 0]), (3, 1), AT, red);
        assert_eq!(drawn.data, [255, 0, 0, 255, 0, 0, 255, 0, 0]);
    }

    #[test]
    fn gray_stays_gray_on_gray() {
        let white = Colour { r: 255, g: 255, b: 255, a: 255 };
        let drawn = canvas(&one(Layout::Gray, &[7]), (2, 2), AT, white);
        assert!(drawn.layout == Layout::Gray);
        assert_eq!(drawn.data, [255, 7, 255, 255]);
    }

    #[test]
    fn translucent_canvases_blend() {
        let half = Colour { r: 0, g: 0, b: 255, a: 128 };
        let drawn = canvas(&one(Layout::Rgba, &[255, 0, 0, 128]), (2, 1), AT, half);
        assert_eq!(drawn.data[..4], [0, 0, 255, 128]);
        // 128 + 128·127/255 ≈ 192 of opacity, two thirds of it red.
        assert_eq!(drawn.data[4..], [170, 0, 85, 192]);
    }

    #[test]
    fn clear_canvases_keep_the_picture() {
        let clear = Colour { r: 9, g: 9, b: 9, a: 0 };
        let drawn = canvas(&one(Layout::Rgb, &[1, 2, 3]), (2, 1), AT, clear);
        assert_eq!(drawn.data, [0, 0, 0, 0, 1, 2, 3, 255]);
    }
}
