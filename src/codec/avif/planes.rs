//! RGB to the planes that AV1 codes: luma and chroma by BT.601 in full range, as sRGB pictures have it everywhere.

use crate::codec::{Bitmap, Layout};

/// The samples of one stream, rows without padding.
pub(super) struct Planes {
    pub(super) luma: Vec<u8>,
    pub(super) chroma: Option<[Vec<u8>; 2]>,
}

/// Sixteen bits behind the point; each row of the matrix adds up to what keeps gray gray.
const ONE: i32 = 16;
const LUMA: [i32; 3] = [19_595, 38_470, 7_471];
const BLUE: [i32; 3] = [-11_058, -21_710, 32_768];
const RED: [i32; 3] = [32_768, -27_439, -5_329];

/// The first channel of gray pixels.
pub(super) fn gray(bitmap: &Bitmap) -> Planes {
    Planes { luma: bitmap.data.clone(), chroma: None }
}

/// The alpha of RGBA pixels.
pub(super) fn alpha(bitmap: &Bitmap) -> Planes {
    Planes { luma: bitmap.data.iter().skip(3).step_by(4).copied().collect(), chroma: None }
}

/// Green, blue and red as they are, which is what "lossless" means.
pub(super) fn identity(bitmap: &Bitmap) -> Planes {
    let channel = |at| bitmap.data.iter().skip(at).step_by(bitmap.layout.channels()).copied().collect();
    Planes { luma: channel(1), chroma: Some([channel(2), channel(0)]) }
}

/// Luma, and chroma for every pixel.
pub(super) fn full(bitmap: &Bitmap) -> Planes {
    let pixels = bitmap.data.len() / bitmap.layout.channels();
    let mut luma = Vec::with_capacity(pixels);
    let (mut blue, mut red) = (Vec::with_capacity(pixels), Vec::with_capacity(pixels));
    let mut push = |rgb: [i32; 3]| {
        luma.push(sample(LUMA, rgb, 0, 0));
        blue.push(sample(BLUE, rgb, 128, 0));
        red.push(sample(RED, rgb, 128, 0));
    };
    match bitmap.layout {
        Layout::Rgba => bitmap.data.as_chunks().0.iter().for_each(|&[r, g, b, _]| push(wide([r, g, b]))),
        _ => bitmap.data.as_chunks().0.iter().for_each(|&rgb| push(wide(rgb))),
    }
    Planes { luma, chroma: Some([blue, red]) }
}

/// Luma, and chroma as the mean of four pixels; those at an odd edge count twice.
pub(super) fn halved(bitmap: &Bitmap) -> Planes {
    let channels = bitmap.layout.channels();
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut luma = Vec::with_capacity(width * height);
    let mut blue = Vec::with_capacity(half_width * half_height);
    let mut red = Vec::with_capacity(half_width * half_height);
    let rows: Vec<&[u8]> = bitmap.data.chunks_exact(width * channels).collect();
    let pixel = |row: &[u8], x: usize| wide([row[x], row[x + 1], row[x + 2]]);
    for row in &rows {
        luma.extend(row.chunks_exact(channels).map(|p| sample(LUMA, wide([p[0], p[1], p[2]]), 0, 0)));
    }
    for pair in rows.chunks(2) {
        let (upper, lower) = (pair[0], pair[pair.len() - 1]);
        for left in (0..width).step_by(2) {
            let right = (left + 1).min(width - 1) * channels;
            let left = left * channels;
            let four = [pixel(upper, left), pixel(upper, right), pixel(lower, left), pixel(lower, right)];
            let sum = std::array::from_fn(|c| four.iter().map(|rgb| rgb[c]).sum());
            blue.push(sample(BLUE, sum, 128, 2));
            red.push(sample(RED, sum, 128, 2));
        }
    }
    Planes { luma, chroma: Some([blue, red]) }
}

fn wide(rgb: [u8; 3]) -> [i32; 3] {
    rgb.map(i32::from)
}

/// A row of the matrix times the sum of `1 << log` pixels.
fn sample(row: [i32; 3], rgb: [i32; 3], middle: i32, log: i32) -> u8 {
    let scale = ONE + log;
    let sum = row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2];
    ((sum + (middle << scale) + (1 << (scale - 1))) >> scale).clamp(0, 255) as u8
}

/// Gives pixels that nobody sees the mean colour of what is seen around them, so that no bits are spent on an edge
/// between the two.
pub(super) fn without_hidden_colours(bitmap: &Bitmap) -> Bitmap {
    const SIDE: usize = 16;
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let mut data = bitmap.data.clone();
    let mut mean = [128_u8; 3];
    for top in (0..height).step_by(SIDE) {
        for left in (0..width).step_by(SIDE) {
            let pixels = || {
                (top..(top + SIDE).min(height))
                    .flat_map(move |y| (left..(left + SIDE).min(width)).map(move |x| (y * width + x) * 4))
            };
            let (mut sum, mut seen) = ([0_u32; 3], 0_u32);
            for at in pixels().filter(|at| data[at + 3] > 0) {
                seen += 1;
                (0..3).for_each(|c| sum[c] += u32::from(data[at + c]));
            }
            if seen > 0 {
                mean = sum.map(|sum| (sum / seen) as u8);
            }
            if seen < (SIDE * SIDE) as u32 {
                for at in pixels() {
                    if data[at + 3] == 0 {
                        data[at..at + 3].copy_from_slice(&mean);
                    }
                }
            }
        }
    }
    Bitmap { data, ..*bitmap }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, layout: Layout, data: &[u8]) -> Bitmap {
        let height = data.len() as u32 / width / layout.channels() as u32;
        Bitmap { width, height, layout, data: data.to_vec() }
    }

    #[test]
    fn gray_stays_gray_and_the_corners_are_right() {
        for value in 0..=255 {
            let planes = full(&picture(1, Layout::Rgb, &[value; 3]));
            assert_eq!((planes.luma[0], planes.chroma.unwrap()), (value, [vec![128], vec![128]]));
        }
        let planes = full(&picture(3, Layout::Rgb, &[255, 0, 0, 0, 255, 0, 0, 0, 255]));
        assert_eq!(planes.luma, [76, 150, 29]);
        assert_eq!(planes.chroma.unwrap(), [vec![85, 44, 255], vec![255, 21, 107]]);
    }

    #[test]
    fn odd_edges_are_whole_pixels() {
        let planes = halved(&picture(3, Layout::Rgba, &[[200, 10, 10, 255]; 9].concat()));
        let one = full(&picture(1, Layout::Rgb, &[200, 10, 10]));
        assert_eq!(planes.luma, [one.luma[0]; 9]);
        let [blue, red] = one.chroma.unwrap();
        assert_eq!(planes.chroma.unwrap(), [vec![blue[0]; 4], vec![red[0]; 4]]);
    }

    #[test]
    fn hidden_pixels_take_the_colour_beside_them() {
        let data = [[10, 20, 30, 255], [250, 0, 250, 0]].concat();
        let clean = without_hidden_colours(&picture(2, Layout::Rgba, &data));
        assert_eq!(clean.data, [10, 20, 30, 255, 10, 20, 30, 0]);
    }
}
