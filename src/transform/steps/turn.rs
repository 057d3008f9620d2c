//! Quarter turns and mirrors, any number of them folded into one pass over the pixels.

use crate::codec::{Bitmap, Layout, Orientation, Rect};
use crate::transform::plan::Op;

/// One of the eight ways to lay a rectangle onto its sides: first the mirrors, then the transposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Turn {
    /// Left to right.
    mirror_x: bool,
    /// Top to bottom.
    mirror_y: bool,
    /// Rows become columns.
    transpose: bool,
}

/// Side of the square that is transposed at a time, so that both its rows and its columns stay in the L1 cache.
const TILE: usize = 16;

impl Turn {
    pub(crate) fn from_orientation(orientation: Orientation) -> Self {
        let (mirror_x, mirror_y, transpose) = match orientation.exif() {
            2 => (true, false, false),
            3 => (true, true, false),
            4 => (false, true, false),
            5 => (false, false, true),
            6 => (false, true, true),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { mirror_x, mirror_y, transpose }
    }

    /// This turn followed by `op`; `None` where `op` is not a turn.
    pub(crate) fn then(self, op: &Op) -> Option<Self> {
        match op {
            Op::Rotate(quarters) => Some((0..quarters % 4).fold(self, |turn, _| turn.flipped().transposed())),
            Op::Flip => Some(self.flipped()),
            Op::Flop => Some(self.flopped()),
            _ => None,
        }
    }

    /// The size before the turn of what has `size` after it; being its own inverse, it also goes the other way.
    pub(crate) fn size(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.transpose { (height, width) } else { (width, height) }
    }

    /// Where `rect`, measured after the turn, lies in the picture of `size` before it.
    pub(crate) fn back(self, rect: Rect, size: (u32, u32)) -> Rect {
        let Rect { x, y, width, height } = rect;
        let (x, y, width, height) =
            if self.transpose { (y, x, height, width) } else { (x, y, width, height) };
        Rect {
            x: if self.mirror_x { size.0 - x - width } else { x },
            y: if self.mirror_y { size.1 - y - height } else { y },
            width,
            height,
        }
    }

    pub(crate) fn apply(self, bitmap: Bitmap) -> Bitmap {
        match bitmap.layout {
            Layout::Gray => self.apply_pixels::<1>(bitmap),
            Layout::Rgb => self.apply_pixels::<3>(bitmap),
            Layout::Rgba | Layout::Cmyk => self.apply_pixels::<4>(bitmap),
        }
    }

    fn apply_pixels<const N: usize>(self, mut bitmap: Bitmap) -> Bitmap {
        let (width, height) = (bitmap.width as usize, bitmap.height as usize);
        if self.transpose {
            bitmap.data =
                self.transposed_pixels(bitmap.data.as_chunks::<N>().0, width, height).into_flattened();
            (bitmap.width, bitmap.height) = (bitmap.height, bitmap.width);
            return bitmap;
        }
        let pixels = bitmap.data.as_chunks_mut::<N>().0;
        match (self.mirror_x, self.mirror_y) {
            (true, true) => pixels.reverse(),
            (true, false) => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
            (false, true) => {
                let (upper, lower) = pixels.split_at_mut(height / 2 * width);
                let from_below = lower.chunks_exact_mut(width).rev();
                upper.chunks_exact_mut(width).zip(from_below).for_each(|(a, b)| a.swap_with_slice(b));
            }
            (false, false) => {}
        }
        bitmap
    }

    fn transposed_pixels<const N: usize>(
        self,
        pixels: &[[u8; N]],
        width: usize,
        height: usize,
    ) -> Vec<[u8; N]> {
        let mut turned = vec![[0; N]; pixels.len()];
        for tile_y in (0..width).step_by(TILE) {
            for tile_x in (0..height).step_by(TILE) {
                for y in tile_y..(tile_y + TILE).min(width) {
                    let from_x = if self.mirror_x { width - 1 - y } else { y };
                    let row = &mut turned[y * height..][..height];
                    for (x, pixel) in row.iter_mut().enumerate().skip(tile_x).take(TILE) {
                        let from_y = if self.mirror_y { height - 1 - x } else { x };
                        *pixel = pixels[from_y * width + from_x];
                    }
                }
            }
        }
        turned
    }

    /// Mirrored left to right after what it does now: before a transposition that is top to bottom.
    fn flopped(mut self) -> Self {
        if self.transpose {
            self.mirror_y = !self.mirror_y;
        } else {
            self.mirror_x = !self.mirror_x;
        }
        self
    }

    fn flipped(mut self) -> Self {
        if self.transpose {
            self.mirror_x = !self.mirror_x;
        } else {
            self.mirror_y = !self.mirror_y;
        }
        self
    }

    fn transposed(self) -> Self {
        Self { transpose: !self.transpose, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(width: u32, height: u32, data: &[u8]) -> Bitmap {
        Bitmap { width, height, layout: Layout::Gray, data: data.to_vec() }
    }

    /// What each EXIF value means for the stored picture `1 2 3 / 4 5 6`.
    #[test]
    fn orientations_stand_the_picture_upright() {
        let expected: [(u32, u32, &[u8]); 8] = [
            (3, 2, &[1, 2, 3, 4, 5, 6]),
            (3, 2, &[3, 2, 1, 6, 5, 4]),
            (3, 2, &[6, 5, 4, 3, 2, 1]),
            (3, 2, &[4, 5, 6, 1, 2, 3]),
            (2, 3, &[1, 4, 2, 5, 3, 6]),
            (2, 3, &[4, 1, 5, 2, 6, 3]),
            (2, 3, &[6, 3, 5, 2, 4, 1]),
            (2, 3, &[3, 6, 2, 5, 1, 4]),
        ];
        for (value, (width, height, data)) in (1..).zip(expected) {
            let turn = Turn::from_orientation(Orientation::from_exif(value));
            let turned = turn.apply(gray(3, 2, &[1, 2, 3, 4, 5, 6]));
            assert_eq!(
                (turned.width, turned.height, &turned.data[..]),
                (width, height, data),
                "EXIF {value}"
            );
        }
    }

    #[test]
    fn folding_equals_doing_one_after_the_other() {
        let ops = [Op::Rotate(1), Op::Rotate(2), Op::Rotate(3), Op::Flip, Op::Flop];
        let picture = gray(5, 3, &(0..15).collect::<Vec<u8>>());
        for value in 1..=8 {
            let start = Turn::from_orientation(Orientation::from_exif(value));
            for first in &ops {
                for second in &ops {
                    let folded = start.then(first).unwrap().then(second).unwrap();
                    let alone = |op| Turn::default().then(op).unwrap();
                    let stepwise = alone(second).apply(alone(first).apply(start.apply(picture.clone())));
                    let once = folded.apply(picture.clone());
                    assert_eq!((once.width, once.height), (stepwise.width, stepwise.height));
                    assert_eq!(once.data, stepwise.data, "{value} {first:?} {second:?}");
                }
            }
        }
    }

    #[test]
    fn a_rectangle_is_found_again_before_the_turn() {
        let picture = gray(5, 3, &(0..15).collect::<Vec<u8>>());
        for value in 1..=8 {
            let turn = Turn::from_orientation(Orientation::from_exif(value));
            let turned = turn.apply(picture.clone());
            let rect = Rect { x: 1, y: 1, width: 2, height: 2 };
            let back = turn.back(rect, (5, 3));
            let from_turned = crate::transform::steps::crop::crop(turned, rect);
            let from_stored = turn.apply(crate::transform::steps::crop::crop(picture.clone(), back));
            assert_eq!(from_turned.data, from_stored.data, "EXIF {value}");
        }
    }

    #[test]
    fn tiles_cover_pictures_that_are_no_multiple_of_them() {
        let data: Vec<u8> = (0..35 * 33 * 3).map(|i| (i % 251) as u8).collect();
        let picture = Bitmap { width: 35, height: 33, layout: Layout::Rgb, data };
        let quarter = Turn::default().then(&Op::Rotate(1)).unwrap();
        let back = Turn::default().then(&Op::Rotate(3)).unwrap();
        assert!(back.apply(quarter.apply(picture.clone())) == picture);
    }
}
