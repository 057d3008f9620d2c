//! Turning by any angle. Each pixel of the result is looked up in the picture between its four neighbours, with
//! premultiplied alpha; what lies outside is transparent, so that edges are smooth.

use std::time::Instant;

use crate::codec::{Bitmap, Layout};
use crate::transform::render::{RenderError, in_time};
use crate::transform::steps::blend::rgba;

/// Sides of the smallest rectangle around a picture turned by so many degrees, rounded.
pub(crate) fn turned_size((width, height): (f64, f64), degrees: f64) -> (u64, u64) {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let side = |a: f64, b: f64| ((width * a.abs() + height * b.abs()).round() as u64).max(1);
    (side(cos, sin), side(sin, cos))
}

/// The picture turned clockwise, on a clear canvas of `size`.
pub(crate) fn rotate(
    bitmap: &Bitmap,
    degrees: f64,
    size: (u32, u32),
    deadline: Instant,
) -> Result<Bitmap, RenderError> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let middle = (f64::from(bitmap.width) / 2.0, f64::from(bitmap.height) / 2.0);
    let (across, down) = (f64::from(size.0) / 2.0, f64::from(size.1) / 2.0);
    let mut data = Vec::with_capacity(size.0 as usize * size.1 as usize * 4);
    for y in 0..size.1 {
        if y % 64 == 0 {
            in_time(deadline)?;
        }
        let dy = f64::from(y) + 0.5 - down;
        for x in 0..size.0 {
            let dx = f64::from(x) + 0.5 - across;
            let at = (dx * cos + dy * sin + middle.0 - 0.5, dy * cos - dx * sin + middle.1 - 0.5);
            data.extend_from_slice(&between(bitmap, at));
        }
    }
    Ok(Bitmap { width: size.0, height: size.1, layout: Layout::Rgba, data })
}

/// Bilinear, in premultiplied alpha.
fn between(bitmap: &Bitmap, (x, y): (f64, f64)) -> [u8; 4] {
    let (left, top) = (x.floor(), y.floor());
    let (right_share, lower_share) = (x - left, y - top);
    let (left, top) = (left as i64, top as i64);
    let inside =
        (-1..i64::from(bitmap.width)).contains(&left) && (-1..i64::from(bitmap.height)).contains(&top);
    if !inside {
        return [0; 4];
    }
    let mut sum = [0.0; 4];
    for (dx, across) in [(0, 1.0 - right_share), (1, right_share)] {
        for (dy, down) in [(0, 1.0 - lower_share), (1, lower_share)] {
            let (x, y) = (left + dx, top + dy);
            if x < 0 || y < 0 || x >= bitmap.width.into() || y >= bitmap.height.into() {
                continue;
            }
            let [r, g, b, a] = rgba(bitmap, y as usize * bitmap.width as usize + x as usize).map(f64::from);
            let weight = across * down * a / 255.0;
            for (sum, value) in sum.iter_mut().zip([r, g, b, 255.0]) {
                *sum += value * weight;
            }
        }
    }
    let alpha = sum[3] / 255.0;
    if alpha <= 0.0 {
        return [0; 4];
    }
    let [r, g, b] = [0, 1, 2].map(|c| (sum[c] / alpha).round() as u8);
    [r, g, b, sum[3].round() as u8]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn turned(bitmap: &Bitmap, degrees: f64) -> Bitmap {
        let size = turned_size((bitmap.width.into(), bitmap.height.into()), degrees);
        let size = (size.0 as u32, size.1 as u32);
        rotate(bitmap, degrees, size, Instant::now() + Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_quarter_turn_moves_pixels_and_changes_none() {
        let bitmap = Bitmap { width: 3, height: 2, layout: Layout::Gray, data: vec![1, 2, 3, 4, 5, 6] };
        let quarter = turned(&bitmap, 90.0);
        assert_eq!((quarter.width, quarter.height), (2, 3));
        let grays: Vec<u8> = quarter.data.as_chunks::<4>().0.iter().map(|pixel| pixel[0]).collect();
        assert_eq!(grays, [4, 1, 5, 2, 6, 3]);
        assert!(quarter.data.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255));
    }

    #[test]
    fn corners_are_clear_and_nothing_is_lost() {
        let bitmap = Bitmap { width: 100, height: 60, layout: Layout::Rgb, data: vec![200; 100 * 60 * 3] };
        let tilted = turned(&bitmap, 30.0);
        assert_eq!((tilted.width, tilted.height), (117, 102));
        let pixels = tilted.data.as_chunks::<4>().0;
        assert_eq!(pixels[0], [0; 4]);
        assert_eq!(pixels[51 * 117 + 58], [200, 200, 200, 255]);
        let area: f64 = pixels.iter().map(|pixel| f64::from(pixel[3]) / 255.0).sum();
        assert!((area / 6000.0 - 1.0).abs() < 0.005, "{area}");
        // Edges are soft in alpha alone.
        assert!(pixels.iter().all(|pixel| pixel[3] == 0 || pixel[0] == 200));
    }
}
