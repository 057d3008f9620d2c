//! Whether a picture needs chroma for every pixel: text and drawings whose edges are edges of colour fray at half the
//! resolution, photographs do not show it.

use crate::codec::{Bitmap, Layout};

/// How far a pixel's chroma may lie from the mean of its four before the halving shows, of 255.
const VISIBLE: i32 = 36;

/// One block in so many with such an edge makes a picture one of text and drawings: icons and coloured text have one in
/// thirty to a hundred and fifty, of a dozen photographs the most colourful one in two hundred and sixty.
const SHARE: usize = 160;

/// The same pixels always get the same answer.
pub(crate) fn needs_full(bitmap: &Bitmap) -> bool {
    let channels = match bitmap.layout {
        Layout::Rgb => 3,
        Layout::Rgba => 4,
        Layout::Gray | Layout::Cmyk => return false,
    };
    let row = bitmap.width as usize * channels;
    let (mut blocks, mut frayed) = (0_usize, 0_usize);
    for rows in bitmap.data.chunks_exact(row * 2) {
        let (upper, lower) = rows.split_at(row);
        for (upper, lower) in upper.chunks_exact(channels * 2).zip(lower.chunks_exact(channels * 2)) {
            blocks += 1;
            let four = [&upper[..channels], &upper[channels..], &lower[..channels], &lower[channels..]];
            frayed += usize::from(frays(four));
        }
    }
    frayed * SHARE > blocks
}

/// Whether four pixels that would share one chroma differ too much in it.
fn frays(four: [&[u8]; 4]) -> bool {
    let pixels = four.map(|pixel| {
        let [r, g, b] = [0, 1, 2].map(|channel| i32::from(pixel[channel]));
        // Seen transparent, a pixel has no colour.
        let seen = pixel.get(3).is_none_or(|&alpha| alpha >= 128);
        let luma = (77 * r + 150 * g + 29 * b) >> 8;
        if seen { [(b - luma) * 144 / 256, (r - luma) * 183 / 256] } else { [0, 0] }
    });
    [0, 1].into_iter().any(|plane| {
        let mean = pixels.iter().map(|pixel| pixel[plane]).sum::<i32>() / 4;
        pixels.iter().any(|pixel| (pixel[plane] - mean).abs() > VISIBLE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Bitmap {
        let data = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let data = data.flat_map(|(x, y)| pixel(x, y)).collect();
        Bitmap { width, height, layout: Layout::Rgb, data }
    }

    #[test]
    fn red_lines_need_it_and_gray_lines_and_soft_colours_do_not() {
        let lines = |ink: [u8; 3]| picture(64, 64, move |x, y| if (x + y) % 7 == 0 { ink } else { [255; 3] });
        assert!(needs_full(&lines([220, 0, 0])));
        assert!(needs_full(&lines([0, 40, 230])));
        assert!(!needs_full(&lines([20, 20, 20])));
        assert!(!needs_full(&picture(64, 64, |x, y| [x as u8 * 4, y as u8 * 4, 128])));
        // One mark on a large picture is not worth it.
        assert!(!needs_full(&picture(200, 200, |x, y| if (x, y) == (31, 31) {
            [255, 0, 0]
        } else {
            [255; 3]
        })));
    }

    #[test]
    fn the_smallest_pictures_have_no_blocks() {
        assert!(!needs_full(&picture(1, 9, |_, y| [255 * (y % 2) as u8, 0, 0])));
    }
}
