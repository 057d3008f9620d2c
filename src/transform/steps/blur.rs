//! Blurring and sharpening. A small Gaussian is convolved as it is; a larger one is three box averages of the same
//! variance (W3C Filter Effects Module Level 1, `feGaussianBlur`), which cost the same at every radius. All in integers.

use std::time::Instant;

use crate::codec::{Bitmap, Layout};
use crate::transform::render::{RenderError, in_time};

/// Below this sigma the kernel itself is used: the averages would be too coarse.
const EXACT: f64 = 2.5;

/// Rows between two looks at the clock.
const ROWS: usize = 64;

pub(crate) fn blur(bitmap: Bitmap, sigma: f64, deadline: Instant) -> Result<Bitmap, RenderError> {
    if sigma <= 0.0 {
        return Ok(bitmap);
    }
    let mut bitmap = weighed(bitmap);
    let mut other = vec![0; bitmap.data.len()];
    let shape = Shape {
        width: bitmap.width as usize,
        height: bitmap.height as usize,
        channels: bitmap.layout.channels(),
    };
    if sigma < EXACT {
        let kernel = kernel(sigma);
        shape.convolve_rows(&bitmap.data, &mut other, &kernel, deadline)?;
        shape.convolve_columns(&other, &mut bitmap.data, &kernel, deadline)?;
    } else {
        for radius in boxes(sigma) {
            shape.average_rows(&bitmap.data, &mut other, radius, deadline)?;
            shape.average_columns(&other, &mut bitmap.data, radius, deadline)?;
        }
    }
    Ok(unweighed(bitmap))
}

/// An unsharp mask: what blurring takes away is added once more.
pub(crate) fn sharpen(bitmap: Bitmap, sigma: f64, deadline: Instant) -> Result<Bitmap, RenderError> {
    let soft = blur(bitmap.clone(), sigma, deadline)?;
    let mut bitmap = bitmap;
    let channels = bitmap.layout.channels();
    let colours = if bitmap.layout == Layout::Rgba { 3 } else { channels };
    for (pixel, soft) in bitmap.data.chunks_exact_mut(channels).zip(soft.data.chunks_exact(channels)) {
        for c in 0..colours {
            let sharp = 2 * i16::from(pixel[c]) - i16::from(soft[c]);
            pixel[c] = sharp.clamp(0, 255) as u8;
        }
    }
    Ok(bitmap)
}

/// Weights from the middle outwards that add up, both sides, to 65536.
fn kernel(sigma: f64) -> Vec<u32> {
    let radius = (sigma * 3.0).ceil() as usize;
    let weight = |x: usize| (-((x * x) as f64) / (2.0 * sigma * sigma)).exp();
    let sum = weight(0) + 2.0 * (1..=radius).map(weight).sum::<f64>();
    let mut weights: Vec<u32> = (0..=radius).map(|x| (weight(x) / sum * 65_536.0).round() as u32).collect();
    weights[0] = 65_536 - 2 * weights[1..].iter().sum::<u32>();
    weights
}

/// Radii of three averages whose variances add up to sigma's.
fn boxes(sigma: f64) -> [usize; 3] {
    let ideal = (12.0 * sigma * sigma / 3.0 + 1.0).sqrt();
    let lower = ((ideal.floor() as usize).max(1) - 1) / 2 * 2 + 1;
    let l = lower as f64;
    let small = (12.0 * sigma * sigma - 3.0 * l * l - 12.0 * l - 9.0) / (-4.0 * l - 4.0);
    std::array::from_fn(|i| if (i as f64) < small.round() { lower / 2 } else { lower / 2 + 1 })
}

struct Shape {
    width: usize,
    height: usize,
    channels: usize,
}

impl Shape {
    fn stride(&self) -> usize {
        self.width * self.channels
    }

    fn convolve_rows(
        &self,
        from: &[u8],
        to: &mut [u8],
        kernel: &[u32],
        deadline: Instant,
    ) -> Result<(), RenderError> {
        let (stride, channels) = (self.stride(), self.channels);
        let last = self.width - 1;
        for (y, (row, out)) in from.chunks_exact(stride).zip(to.chunks_exact_mut(stride)).enumerate() {
            look(y, deadline)?;
            for x in 0..self.width {
                for c in 0..channels {
                    let at = |x: usize| u32::from(row[x.min(last) * channels + c]);
                    let mut sum = at(x) * kernel[0] + (1 << 15);
                    for (d, weight) in kernel.iter().enumerate().skip(1) {
                        sum += (at(x.saturating_sub(d)) + at(x + d)) * weight;
                    }
                    out[x * channels + c] = (sum >> 16) as u8;
                }
            }
        }
        Ok(())
    }

    fn convolve_columns(
        &self,
        from: &[u8],
        to: &mut [u8],
        kernel: &[u32],
        deadline: Instant,
    ) -> Result<(), RenderError> {
        let stride = self.stride();
        let row = |y: usize| &from[y.min(self.height - 1) * stride..][..stride];
        let mut sums = vec![0_u32; stride];
        for (y, out) in to.chunks_exact_mut(stride).enumerate() {
            look(y, deadline)?;
            sums.iter_mut().zip(row(y)).for_each(|(sum, v)| *sum = u32::from(*v) * kernel[0] + (1 << 15));
            for (d, weight) in kernel.iter().enumerate().skip(1) {
                let pairs = row(y.saturating_sub(d)).iter().zip(row(y + d));
                for (sum, (above, below)) in sums.iter_mut().zip(pairs) {
                    *sum += (u32::from(*above) + u32::from(*below)) * weight;
                }
            }
            out.iter_mut().zip(&sums).for_each(|(v, sum)| *v = (sum >> 16) as u8);
        }
        Ok(())
    }

    fn average_rows(
        &self,
        from: &[u8],
        to: &mut [u8],
        radius: usize,
        deadline: Instant,
    ) -> Result<(), RenderError> {
        let (stride, channels, last) = (self.stride(), self.channels, self.width - 1);
        let mean = Mean::of(radius);
        for (y, (row, out)) in from.chunks_exact(stride).zip(to.chunks_exact_mut(stride)).enumerate() {
            look(y, deadline)?;
            for c in 0..channels {
                let at = |x: usize| u32::from(row[x.min(last) * channels + c]);
                let mut sum = at(0) * (radius as u32 + 1) + (1..=radius).map(at).sum::<u32>();
                for x in 0..self.width {
                    out[x * channels + c] = mean.value(sum);
                    sum = sum + at(x + radius + 1) - at(x.saturating_sub(radius));
                }
            }
        }
        Ok(())
    }

    fn average_columns(
        &self,
        from: &[u8],
        to: &mut [u8],
        radius: usize,
        deadline: Instant,
    ) -> Result<(), RenderError> {
        let stride = self.stride();
        let row = |y: usize| &from[y.min(self.height - 1) * stride..][..stride];
        let mean = Mean::of(radius);
        let mut sums: Vec<u32> = row(0).iter().map(|v| u32::from(*v) * (radius as u32 + 1)).collect();
        for y in 1..=radius {
            sums.iter_mut().zip(row(y)).for_each(|(sum, v)| *sum += u32::from(*v));
        }
        for (y, out) in to.chunks_exact_mut(stride).enumerate() {
            look(y, deadline)?;
            let (comes, goes) = (row(y + radius + 1), row(y.saturating_sub(radius)));
            for (((v, sum), comes), goes) in out.iter_mut().zip(&mut sums).zip(comes).zip(goes) {
                *v = mean.value(*sum);
                *sum = *sum + u32::from(*comes) - u32::from(*goes);
            }
        }
        Ok(())
    }
}

fn look(row: usize, deadline: Instant) -> Result<(), RenderError> {
    if row.is_multiple_of(ROWS) { in_time(deadline) } else { Ok(()) }
}

/// Division by the width of a box, as a multiplication.
struct Mean {
    factor: u64,
}

impl Mean {
    fn of(radius: usize) -> Self {
        let width = 2 * radius as u64 + 1;
        Self { factor: (1 << 32) / width + 1 }
    }

    fn value(&self, sum: u32) -> u8 {
        ((u64::from(sum) * self.factor + (1 << 31)) >> 32).min(255) as u8
    }
}

/// What is transparent has no colour that could bleed.
fn weighed(mut bitmap: Bitmap) -> Bitmap {
    if bitmap.layout == Layout::Rgba {
        for pixel in bitmap.data.as_chunks_mut::<4>().0 {
            let alpha = u32::from(pixel[3]);
            for v in &mut pixel[..3] {
                *v = ((u32::from(*v) * alpha + 127) / 255) as u8;
            }
        }
    }
    bitmap
}

fn unweighed(mut bitmap: Bitmap) -> Bitmap {
    if bitmap.layout == Layout::Rgba {
        for pixel in bitmap.data.as_chunks_mut::<4>().0 {
            let alpha = u32::from(pixel[3]);
            for v in &mut pixel[..3] {
                *v = (u32::from(*v) * 255 + alpha / 2).checked_div(alpha).map_or(0, |v| v.min(255) as u8);
            }
        }
    }
    bitmap
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// One white pixel in the middle of black ones.
    fn dot(side: u32) -> Bitmap {
        let mut data = vec![0; (side * side) as usize];
        data[(side * side / 2) as usize] = 255;
        Bitmap { width: side, height: side, layout: Layout::Gray, data }
    }

    #[test]
    fn a_step_gets_the_slope_of_its_sigma() {
        for sigma in [0.6, 1.5, 2.4, 2.6, 5.0, 12.0] {
            let (width, height) = (201, 9);
            let data = (0..height).flat_map(|_| (0..width).map(|x| if x < 100 { 0 } else { 250 })).collect();
            let step = Bitmap { width, height, layout: Layout::Gray, data };
            let soft = blur(step, sigma, soon()).unwrap();
            let row = &soft.data[4 * 201..5 * 201];
            assert!(row.is_sorted(), "{sigma}");
            assert_eq!((row[0], row[200]), (0, 250), "{sigma}");
            // 84.1 % of a Gaussian lies below one sigma.
            let at = 99.5 + sigma;
            let (left, right) = (row[at as usize], row[at as usize + 1]);
            let found = f64::from(left) + (f64::from(right) - f64::from(left)) * at.fract();
            assert!((found / 250.0 - 0.841).abs() < 0.03, "{sigma}: {}", found / 250.0);
        }
    }

    #[test]
    fn light_is_kept_and_spreads_alike_in_all_directions() {
        let soft = blur(dot(41), 2.0, soon()).unwrap();
        assert!(soft.data.iter().eq(soft.data.iter().rev()));
        let at = |x: usize, y: usize| soft.data[y * 41 + x];
        assert_eq!(at(20, 23), at(23, 20));
        for sigma in [1.0, 4.0, 90.0] {
            let flat = Bitmap { width: 50, height: 30, layout: Layout::Rgb, data: vec![77; 4500] };
            assert!(blur(flat.clone(), sigma, soon()).unwrap() == flat, "{sigma}");
        }
    }

    #[test]
    fn transparent_pixels_lend_no_colour() {
        let pixels = [[255, 0, 0, 0], [0, 0, 255, 255]];
        let data = (0..20).flat_map(|x| pixels[usize::from(x >= 10)]).collect();
        let soft = blur(Bitmap { width: 20, height: 1, layout: Layout::Rgba, data }, 2.0, soon()).unwrap();
        for [r, _, b, a] in soft.data.as_chunks::<4>().0 {
            assert!(*r == 0 && (*a == 0 || *b > 240), "{r} {b} {a}");
        }
    }

    #[test]
    fn sharpening_steepens_an_edge() {
        let data = (0..20).map(|x| if x < 10 { 100 } else { 150 }).collect();
        let edge = Bitmap { width: 20, height: 1, layout: Layout::Gray, data };
        let sharp = sharpen(edge, 1.0, soon()).unwrap();
        assert!(sharp.data[9] < 100 && sharp.data[10] > 150, "{:?}", sharp.data);
        assert_eq!((sharp.data[0], sharp.data[19]), (100, 150));
    }
}
