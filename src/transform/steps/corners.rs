//! Round corners, and borders that follow them.

use crate::codec::{Bitmap, Layout};
use crate::transform::plan::Colour;
use crate::transform::steps::blend::{over, with_alpha};

/// Makes what lies outside of the corners transparent. `radii` from top left, clockwise; such that meet are made smaller
/// together, as CSS does.
pub(crate) fn round(bitmap: Bitmap, radii: [u32; 4]) -> Bitmap {
    let mut bitmap = with_alpha(bitmap);
    let (width, height) = (bitmap.width, bitmap.height);
    let shape = Rounded::new(width, height, radii);
    for y in 0..height {
        for x in shape.edges(y) {
            let alpha = &mut bitmap.data[((y * width + x) * 4 + 3) as usize];
            *alpha = ((u32::from(*alpha) * shape.coverage(x, y) + 127) / 255) as u8;
        }
    }
    bitmap
}

/// A frame of `px` around the picture, whose own corners have `radii`.
pub(crate) fn border(bitmap: Bitmap, px: u32, colour: Colour, radii: [u32; 4]) -> Bitmap {
    let inner = with_alpha(bitmap);
    let (width, height) = (inner.width + 2 * px, inner.height + 2 * px);
    let outer = radii.map(|radius| if radius == 0 { 0 } else { radius + px });
    let shape = Rounded::new(width, height, outer);
    let mut data = [colour.r, colour.g, colour.b, colour.a].repeat(width as usize * height as usize);
    for y in 0..height {
        for x in shape.edges(y) {
            let alpha = &mut data[((y * width + x) * 4 + 3) as usize];
            *alpha = ((u32::from(*alpha) * shape.coverage(x, y) + 127) / 255) as u8;
        }
    }
    let window = Rounded::new(inner.width, inner.height, radii);
    for y in 0..inner.height {
        for x in 0..inner.width {
            let top = inner.data.as_chunks::<4>().0[(y * inner.width + x) as usize];
            let below = &mut data.as_chunks_mut::<4>().0[((y + px) * width + x + px) as usize];
            // The frame goes under a corner's soft edge, but not behind a picture that is transparent itself.
            *below = if window.coverage(x, y) == 255 { top } else { over(top, *below) };
        }
    }
    Bitmap { width, height, layout: Layout::Rgba, data }
}

struct Rounded {
    width: u32,
    height: u32,
    radii: [f64; 4],
}

impl Rounded {
    fn new(width: u32, height: u32, radii: [u32; 4]) -> Self {
        let [tl, tr, br, bl] = radii.map(f64::from);
        let (w, h) = (f64::from(width), f64::from(height));
        let fits = |side: f64, sum: f64| if sum > side { side / sum } else { 1.0 };
        let scale = fits(w, tl + tr).min(fits(w, bl + br)).min(fits(h, tl + bl)).min(fits(h, tr + br));
        Self { width, height, radii: [tl, tr, br, bl].map(|radius| radius * scale) }
    }

    /// The pixels of a row that a corner may cut.
    fn edges(&self, y: u32) -> impl Iterator<Item = u32> + use<> {
        let reach = |radius: f64, from_edge: u32| {
            if f64::from(from_edge) < radius { radius.ceil() as u32 } else { 0 }
        };
        let below = self.height - 1 - y;
        let left = reach(self.radii[0], y).max(reach(self.radii[3], below)).min(self.width);
        let right = reach(self.radii[1], y).max(reach(self.radii[2], below)).min(self.width - left);
        (0..left).chain(self.width - right..self.width)
    }

    /// How much of a pixel lies inside, 0…255.
    fn coverage(&self, x: u32, y: u32) -> u32 {
        let (cx, cy) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        let (w, h) = (f64::from(self.width), f64::from(self.height));
        let corners = [(cx, cy), (w - cx, cy), (w - cx, h - cy), (cx, h - cy)];
        let inside = corners.iter().zip(self.radii).map(|(&(dx, dy), radius)| {
            if dx >= radius || dy >= radius {
                return 1.0;
            }
            let distance = (radius - dx).hypot(radius - dy);
            (radius - distance + 0.5).clamp(0.0, 1.0)
        });
        (inside.fold(1.0, f64::min) * 255.0).round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white(width: u32, height: u32) -> Bitmap {
        Bitmap { width, height, layout: Layout::Rgb, data: vec![255; (width * height * 3) as usize] }
    }

    fn alpha(bitmap: &Bitmap, x: u32, y: u32) -> u8 {
        bitmap.data[((y * bitmap.width + x) * 4 + 3) as usize]
    }

    #[test]
    fn a_circle_has_the_area_of_a_circle() {
        let circle = round(white(100, 100), [5000; 4]);
        let area: f64 = circle.data.as_chunks::<4>().0.iter().map(|p| f64::from(p[3]) / 255.0).sum();
        assert!((area / (std::f64::consts::PI * 2500.0) - 1.0).abs() < 0.005, "{area}");
        assert_eq!((alpha(&circle, 0, 0), alpha(&circle, 50, 50)), (0, 255));
        assert!(alpha(&circle, 50, 0) >= 250);
    }

    #[test]
    fn each_corner_has_its_own_radius() {
        let one = round(white(40, 30), [10, 0, 0, 0]);
        assert_eq!(
            [alpha(&one, 0, 0), alpha(&one, 39, 0), alpha(&one, 39, 29), alpha(&one, 0, 29)],
            [0, 255, 255, 255]
        );
        let other = round(white(40, 30), [0, 0, 10, 0]);
        assert_eq!((alpha(&other, 0, 0), alpha(&other, 39, 29), alpha(&other, 20, 15)), (255, 0, 255));
    }

    #[test]
    fn a_border_goes_around_and_follows_the_corners() {
        let red = Colour { r: 255, g: 0, b: 0, a: 255 };
        let framed = border(white(10, 6), 2, red, [0; 4]);
        assert_eq!((framed.width, framed.height), (14, 10));
        assert_eq!(framed.data[..4], [255, 0, 0, 255]);
        assert_eq!(framed.data[((2 * 14 + 2) * 4) as usize..][..4], [255; 4]);
        let rounded = border(round(white(40, 40), [10; 4]), 3, red, [10; 4]);
        assert_eq!(alpha(&rounded, 0, 0), 0);
        // Between the picture's corner and the frame's there is no hole.
        let middle = &rounded.data[((4 * 46 + 5) * 4) as usize..][..4];
        assert!(middle[3] > 200 && middle[1] < 100, "{middle:?}");
        let clear = Bitmap { width: 4, height: 4, layout: Layout::Rgba, data: vec![0; 64] };
        let framed = border(clear, 1, red, [0; 4]);
        assert_eq!((alpha(&framed, 0, 3), alpha(&framed, 3, 3)), (255, 0));
    }
}
