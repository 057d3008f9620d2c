//! Where the frames of a GIF or an APNG are put together: blending, and what becomes of a frame before the next.

use super::super::Rect;

/// What happens to a frame's own rectangle before the next frame is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposal {
    Keep,
    /// Cleared to transparent, as browsers do it, whatever background the file names.
    Clear,
    /// As it was before the frame.
    Restore,
}

/// How the pixels of a frame meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blend {
    /// They replace them, alpha included.
    Replace,
    /// They are drawn over them.
    Over,
}

/// Straight RGBA that begins transparent.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    data: Vec<u8>,
    pending: Option<Pending>,
}

/// What is to be done before the next frame.
struct Pending {
    area: Rect,
    /// The pixels to put back; `None` = clear.
    pixels: Option<Vec<u8>>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, data: vec![0; width as usize * height as usize * 4], pending: None }
    }

    /// Draws a frame whose RGBA rows begin `stride` bytes apart at `place`; what lies outside is cut off.
    pub(super) fn draw(&mut self, place: Rect, pixels: &[u8], stride: usize, blend: Blend, after: Disposal) {
        self.dispose();
        let area = self.visible(place);
        self.pending = match after {
            Disposal::Keep => None,
            Disposal::Clear => Some(Pending { area, pixels: None }),
            Disposal::Restore => Some(Pending { area, pixels: Some(self.cut(area)) }),
        };
        let length = area.width as usize * 4;
        for (y, row) in (area.y..area.y + area.height).zip(pixels.chunks(stride.max(1))) {
            let start = self.at(area.x, y);
            let Some(row) = row.get(..length) else { continue };
            let below = &mut self.data[start..start + length];
            match blend {
                Blend::Replace => below.copy_from_slice(row),
                Blend::Over => {
                    let pairs = below.as_chunks_mut::<4>().0.iter_mut().zip(row.as_chunks::<4>().0);
                    pairs.for_each(|(below, top)| *below = over(*top, *below));
                }
            }
        }
    }

    /// The canvas as it is shown now.
    pub(super) fn shown(&self) -> Vec<u8> {
        self.data.clone()
    }

    fn dispose(&mut self) {
        let Some(Pending { area, pixels }) = self.pending.take() else { return };
        let length = area.width as usize * 4;
        for y in 0..area.height {
            let start = self.at(area.x, area.y + y);
            let row = &mut self.data[start..start + length];
            match &pixels {
                None => row.fill(0),
                Some(pixels) => row.copy_from_slice(&pixels[y as usize * length..][..length]),
            }
        }
    }

    fn cut(&self, area: Rect) -> Vec<u8> {
        let rows = area.y..area.y + area.height;
        rows.flat_map(|y| {
            let start = self.at(area.x, y);
            self.data[start..start + area.width as usize * 4].iter().copied()
        })
        .collect()
    }

    fn visible(&self, place: Rect) -> Rect {
        let (x, y) = (place.x.min(self.width), place.y.min(self.height));
        Rect { x, y, width: place.width.min(self.width - x), height: place.height.min(self.height - y) }
    }

    fn at(&self, x: u32, y: u32) -> usize {
        (y as usize * self.width as usize + x as usize) * 4
    }
}

/// Straight alpha over straight alpha, rounded.
fn over(top: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    let [_, _, _, alpha] = top;
    match (alpha, below[3]) {
        (255, _) | (_, 0) => top,
        (0, _) => below,
        (alpha, under) => {
            let (alpha, rest) = (u32::from(alpha) * 255, u32::from(under) * (255 - u32::from(alpha)));
            let sum = alpha + rest;
            let mix = |i: usize| {
                let weighed = u32::from(top[i]) * alpha + u32::from(below[i]) * rest;
                ((weighed + sum / 2) / sum) as u8
            };
            [mix(0), mix(1), mix(2), ((sum + 127) / 255) as u8]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];
    const NONE: [u8; 4] = [0; 4];

    /// A canvas of one row of three pixels.
    fn row() -> Canvas {
        let mut canvas = Canvas::new(3, 1);
        draw(&mut canvas, (0, 3), RED, Blend::Over, Disposal::Keep);
        canvas
    }

    fn draw(canvas: &mut Canvas, (x, width): (u32, u32), pixel: [u8; 4], blend: Blend, after: Disposal) {
        let place = Rect { x, y: 0, width, height: 1 };
        canvas.draw(place, &pixel.repeat(width as usize), width as usize * 4, blend, after);
    }

    fn shown(canvas: &Canvas) -> Vec<[u8; 4]> {
        canvas.shown().as_chunks::<4>().0.to_vec()
    }

    #[test]
    fn every_disposal_leaves_what_it_should() {
        for (after, left) in [(Disposal::Keep, BLUE), (Disposal::Clear, NONE), (Disposal::Restore, RED)] {
            let mut canvas = row();
            draw(&mut canvas, (1, 1), BLUE, Blend::Over, after);
            assert_eq!(shown(&canvas), [RED, BLUE, RED], "{after:?}");
            draw(&mut canvas, (2, 1), NONE, Blend::Over, Disposal::Keep);
            assert_eq!(shown(&canvas), [RED, left, RED], "{after:?}");
        }
    }

    #[test]
    fn restoring_goes_back_by_one_frame_only() {
        let mut canvas = row();
        draw(&mut canvas, (0, 1), BLUE, Blend::Over, Disposal::Restore);
        draw(&mut canvas, (1, 1), BLUE, Blend::Over, Disposal::Restore);
        assert_eq!(shown(&canvas), [RED, BLUE, RED]);
        draw(&mut canvas, (2, 1), BLUE, Blend::Over, Disposal::Keep);
        assert_eq!(shown(&canvas), [RED, RED, BLUE]);
    }

    #[test]
    fn replacing_takes_alpha_along_and_drawing_over_mixes() {
        let half = [0, 0, 255, 128];
        let mut canvas = row();
        draw(&mut canvas, (0, 1), half, Blend::Replace, Disposal::Keep);
        draw(&mut canvas, (1, 1), half, Blend::Over, Disposal::Keep);
        draw(&mut canvas, (2, 1), NONE, Blend::Replace, Disposal::Keep);
        assert_eq!(shown(&canvas), [half, [127, 0, 128, 255], NONE]);
    }

    #[test]
    fn half_over_half_is_three_quarters() {
        assert_eq!(over([0, 0, 255, 128], [255, 0, 0, 128]), [85, 0, 170, 192]);
    }

    #[test]
    fn what_leaves_the_canvas_is_cut() {
        let mut canvas = row();
        draw(&mut canvas, (2, 5), BLUE, Blend::Over, Disposal::Clear);
        draw(&mut canvas, (9, 2), BLUE, Blend::Over, Disposal::Restore);
        assert_eq!(shown(&canvas), [RED, RED, NONE]);
        draw(&mut canvas, (0, 0), BLUE, Blend::Over, Disposal::Keep);
        assert_eq!(shown(&canvas), [RED, RED, NONE]);
    }
}
