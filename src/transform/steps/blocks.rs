//! Pixelation and the median: each pixel becomes what its neighbourhood mostly is.

use std::time::Instant;

use crate::codec::Bitmap;
use crate::transform::render::{RenderError, in_time};

/// Blocks of `side` pixels, each in its mean colour.
pub(crate) fn pixelate(mut bitmap: Bitmap, side: u32, deadline: Instant) -> Result<Bitmap, RenderError> {
    let (width, height, side) = (bitmap.width as usize, bitmap.height as usize, side.max(1) as usize);
    let channels = bitmap.layout.channels();
    let at = |x: usize, y: usize| (y * width + x) * channels;
    for top in (0..height).step_by(side) {
        in_time(deadline)?;
        let bottom = (top + side).min(height);
        for left in (0..width).step_by(side) {
            let right = (left + side).min(width);
            let count = ((bottom - top) * (right - left)) as u64;
            let mut sums = [0_u64; 4];
            // Colour counts by its opacity.
            let mut weights = 0_u64;
            for y in top..bottom {
                for pixel in bitmap.data[at(left, y)..at(right, y)].chunks_exact(channels) {
                    let weight = if channels == 4 { u64::from(pixel[3]) } else { 1 };
                    weights += weight;
                    for (c, v) in pixel.iter().enumerate() {
                        sums[c] += u64::from(*v) * if c == 3 { 1 } else { weight };
                    }
                }
            }
            let mean = |c: usize| {
                let by = if c == 3 { count } else { weights.max(1) };
                ((sums[c] + by / 2) / by) as u8
            };
            let mean: [u8; 4] = std::array::from_fn(mean);
            for y in top..bottom {
                for pixel in bitmap.data[at(left, y)..at(right, y)].chunks_exact_mut(channels) {
                    pixel.copy_from_slice(&mean[..channels]);
                }
            }
        }
    }
    Ok(bitmap)
}

/// The middle value of a square of `size` pixels around each, channel by channel; an even size is taken as the next odd
/// one. With a histogram that moves along (Huang, Yang and Tang 1979).
pub(crate) fn median(bitmap: &Bitmap, size: u32, deadline: Instant) -> Result<Bitmap, RenderError> {
    let radius = (size / 2) as usize;
    let (width, height, channels) = (bitmap.width as usize, bitmap.height as usize, bitmap.layout.channels());
    let mut data = vec![0; bitmap.data.len()];
    let half = ((2 * radius + 1) * (2 * radius + 1)).div_ceil(2) as u32;
    for y in 0..height {
        in_time(deadline)?;
        let rows: Vec<usize> =
            (0..=2 * radius).map(|d| (y + d).saturating_sub(radius).min(height - 1) * width).collect();
        for c in 0..channels {
            let value = |row: usize, x: isize| {
                let x = x.clamp(0, width as isize - 1) as usize;
                usize::from(bitmap.data[(row + x) * channels + c])
            };
            let mut histogram = [0_u32; 256];
            for &row in &rows {
                (-(radius as isize)..=radius as isize).for_each(|x| histogram[value(row, x)] += 1);
            }
            // `below` pixels are darker than `middle`.
            let (mut middle, mut below) = (0_usize, 0_u32);
            for x in 0..width {
                while below >= half {
                    middle -= 1;
                    below -= histogram[middle];
                }
                while below + histogram[middle] < half {
                    below += histogram[middle];
                    middle += 1;
                }
                data[(y * width + x) * channels + c] = middle as u8;
                for &row in &rows {
                    let goes = value(row, x as isize - radius as isize);
                    let comes = value(row, x as isize + radius as isize + 1);
                    histogram[goes] -= 1;
                    histogram[comes] += 1;
                    below = below - u32::from(goes < middle) + u32::from(comes < middle);
                }
            }
        }
    }
    Ok(Bitmap { data, ..*bitmap })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::Layout;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn blocks_are_means_and_the_last_ones_may_be_smaller() {
        let data = vec![0, 10, 20, 30, 40, 50];
        let bitmap = Bitmap { width: 3, height: 2, layout: Layout::Gray, data };
        assert_eq!(pixelate(bitmap, 2, soon()).unwrap().data, [20, 20, 35, 20, 20, 35]);
        let clear =
            Bitmap { width: 2, height: 1, layout: Layout::Rgba, data: vec![9, 9, 9, 0, 200, 0, 0, 255] };
        assert_eq!(pixelate(clear, 5, soon()).unwrap().data, [200, 0, 0, 128, 200, 0, 0, 128]);
    }

    #[test]
    fn the_median_is_the_sorted_middle() {
        let mut state = 7_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let (width, height) = (23, 17);
        let data: Vec<u8> = (0..width * height * 3).map(|_| byte()).collect();
        let bitmap = Bitmap { width, height, layout: Layout::Rgb, data };
        for size in [1, 3, 5, 8] {
            let result = median(&bitmap, size, soon()).unwrap();
            let radius = (size / 2) as i32;
            for y in 0..height as i32 {
                for x in 0..width as i32 {
                    for c in 0..3 {
                        let at = |x: i32, y: i32| {
                            let (x, y) = (x.clamp(0, width as i32 - 1), y.clamp(0, height as i32 - 1));
                            ((y * width as i32 + x) * 3 + c) as usize
                        };
                        let mut all: Vec<u8> = (-radius..=radius)
                            .flat_map(|dy| (-radius..=radius).map(move |dx| (dx, dy)))
                            .map(|(dx, dy)| bitmap.data[at(x + dx, y + dy)])
                            .collect();
                        all.sort_unstable();
                        assert_eq!(result.data[at(x, y)], all[all.len() / 2], "{size} {x} {y} {c}");
                    }
                }
            }
        }
    }
}
