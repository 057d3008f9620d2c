//! Area averaging on the fly: rows go in one by one and a picture of a fraction of the size comes out, so that a
//! large original is never held whole. It shrinks to no less than twice the size that is wanted, because the
//! resampling filter that follows gives the sharpness; its geometry is exact, whole factor or not.

use super::{Bitmap, DecodeRequest, Header, Layout, Rect};

/// From so many pixels on a side is averaged even where that gains less than half (but a fifth), to keep memory
/// flat; it costs some 5 dB of 54 against filtering alone.
const LARGE: u64 = 4_000_000;

/// The size to which a region is averaged down for a target.
pub(super) fn size(region: (u32, u32), target: Option<(u32, u32)>) -> (u32, u32) {
    let Some(target) = target else { return region };
    let large = u64::from(region.0) * u64::from(region.1) > LARGE;
    let side = |from: u32, to: u32| {
        let double = to.max(1).saturating_mul(2);
        if from >= double.saturating_mul(2) || (large && from >= double + double / 4) { double } else { from }
    };
    (side(region.0, target.0), side(region.1, target.1))
}

/// Changes the samples of a row into those of a layout, at the end of what is there already.
pub(super) type Convert = fn(&[u8], &mut Vec<u8>);

/// The region of a picture that a decoder gave whole, averaged down towards `target`. Its rows have `samples` bytes a
/// pixel, which are those of the layout where nothing converts them.
pub(super) fn cut<'r>(
    rows: impl Iterator<Item = &'r [u8]>,
    samples: usize,
    convert: Option<Convert>,
    layout: Layout,
    region: Rect,
    target: Option<(u32, u32)>,
) -> Bitmap {
    let sides = (region.width, region.height);
    let (width, height) = size(sides, target);
    let mut averages = Shrink::new(layout, sides, (width, height));
    let (from, to) = (region.x as usize * samples, (region.x + region.width) as usize * samples);
    let mut converted = Vec::new();
    for row in rows.skip(region.y as usize).take(region.height as usize) {
        let row = &row[from..to];
        match convert {
            None => averages.push(row),
            Some(convert) => {
                converted.clear();
                convert(row, &mut converted);
                averages.push(&converted);
            }
        }
    }
    Bitmap { width, height, layout, data: averages.finish() }
}

/// What [`cut`] allocates, in bytes.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let region = request.region.map_or((header.width, header.height), |r| (r.width, r.height));
    let (width, height) = size(region, request.target);
    u64::from(region.0) * 24 + u64::from(width) * u64::from(height) * 4
}

/// Takes the rows of a picture and keeps its averages.
pub(super) struct Shrink {
    from: (u32, u32),
    to: (u32, u32),
    layout: Layout,
    /// Sums over the source rows of one output row; colours times alpha where there is alpha.
    sums: Vec<f32>,
    /// Where each output column begins and ends in the source.
    columns: Vec<Span>,
    data: Vec<u8>,
    row: u32,
}

/// Source columns `first..=last`; the outer two count only partly, the sum of all is 1.
struct Span {
    first: u32,
    last: u32,
    weight_first: f32,
    weight_last: f32,
}

impl Shrink {
    /// `to` is on no side larger than `from`.
    pub(super) fn new(layout: Layout, from: (u32, u32), to: (u32, u32)) -> Self {
        let channels = layout.channels();
        let shrinks = from != to;
        Self {
            from,
            to,
            layout,
            sums: if shrinks { vec![0.0; from.0 as usize * channels] } else { Vec::new() },
            columns: if shrinks { columns(from.0, to.0) } else { Vec::new() },
            data: Vec::with_capacity(to.0 as usize * to.1 as usize * channels),
            row: 0,
        }
    }

    /// The next row of the source, `from.0` pixels long.
    pub(super) fn push(&mut self, row: &[u8]) {
        debug_assert_eq!(row.len(), self.from.0 as usize * self.layout.channels());
        if self.from == self.to {
            self.data.extend_from_slice(row);
            return;
        }
        // In units of 1/(from·to) of the height: this row is y·to…(y+1)·to, output row j is j·from…(j+1)·from.
        let (from, to) = (u64::from(self.from.1), u64::from(self.to.1));
        let (top, bottom) = (u64::from(self.row) * to, u64::from(self.row + 1) * to);
        self.row += 1;
        let border = (top / from + 1) * from;
        let weight = |units: u64| units as f32 / from as f32;
        if bottom < border {
            self.add(row, weight(bottom - top));
        } else {
            self.add(row, weight(border - top));
            self.emit();
            if bottom > border {
                self.add(row, weight(bottom - border));
            }
        }
    }

    /// The averages of all rows that went in.
    pub(super) fn finish(self) -> Vec<u8> {
        self.data
    }

    fn add(&mut self, row: &[u8], weight: f32) {
        if self.layout == Layout::Rgba {
            for (sum, pixel) in self.sums.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
                let alpha = f32::from(pixel[3]) * weight;
                sum[0] += f32::from(pixel[0]) * alpha;
                sum[1] += f32::from(pixel[1]) * alpha;
                sum[2] += f32::from(pixel[2]) * alpha;
                sum[3] += alpha;
            }
        } else {
            for (sum, &sample) in self.sums.iter_mut().zip(row) {
                *sum += f32::from(sample) * weight;
            }
        }
    }

    fn emit(&mut self) {
        match self.layout {
            Layout::Gray => self.emit_row::<1>(),
            Layout::Rgb => self.emit_row::<3>(),
            Layout::Rgba | Layout::Cmyk => self.emit_row::<4>(),
        }
        self.sums.fill(0.0);
    }

    fn emit_row<const N: usize>(&mut self) {
        let sums = self.sums.as_chunks::<N>().0;
        let inner = self.to.0 as f32 / self.from.0 as f32;
        for span in &self.columns {
            let (first, last) = (span.first as usize, span.last as usize);
            let mut mean = [0.0; N];
            for sum in &sums[(first + 1).min(last)..last] {
                for (mean, value) in mean.iter_mut().zip(sum) {
                    *mean += value;
                }
            }
            for (index, mean) in mean.iter_mut().enumerate() {
                *mean = *mean * inner
                    + sums[first][index] * span.weight_first
                    + sums[last][index] * span.weight_last;
            }
            if self.layout == Layout::Rgba {
                let alpha = mean[N - 1];
                for colour in &mut mean[..N - 1] {
                    *colour = if alpha > 0.0 { *colour / alpha } else { 0.0 };
                }
            }
            self.data.extend(mean.map(|value| (value + 0.5) as u8));
        }
    }
}

fn columns(from: u32, to: u32) -> Vec<Span> {
    let (wide, narrow) = (u64::from(from), u64::from(to));
    (0..narrow)
        .map(|index| {
            let (left, right) = (index * wide, (index + 1) * wide);
            let (first, last) = (left / narrow, (right - 1) / narrow);
            let weight = |units: u64| units as f32 / wide as f32;
            let (weight_first, weight_last) = if first == last {
                (weight(right - left), 0.0)
            } else {
                (weight((first + 1) * narrow - left), weight(right - last * narrow))
            };
            Span { first: first as u32, last: last as u32, weight_first, weight_last }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrink(layout: Layout, from: (u32, u32), to: (u32, u32), data: &[u8]) -> Vec<u8> {
        let mut shrink = Shrink::new(layout, from, to);
        for row in data.chunks_exact(from.0 as usize * layout.channels()) {
            shrink.push(row);
        }
        shrink.finish()
    }

    #[test]
    fn one_colour_stays_what_it_is_at_every_size() {
        for from in [(1, 1), (7, 5), (64, 33)] {
            for to in [(1, 1), (3, 2), (5, 5), (7, 4), (63, 32)] {
                let to: (u32, u32) = (to.0.min(from.0), to.1.min(from.1));
                let data = [9, 200, 255].repeat((from.0 * from.1) as usize);
                let result = shrink(Layout::Rgb, from, to, &data);
                assert_eq!(result, [9, 200, 255].repeat((to.0 * to.1) as usize), "{from:?} {to:?}");
            }
        }
    }

    #[test]
    fn parts_of_pixels_count_partly() {
        // Three columns into two: (a + b/2) / 1.5 and (b/2 + c) / 1.5.
        assert_eq!(shrink(Layout::Gray, (3, 1), (2, 1), &[0, 60, 120]), [20, 100]);
        assert_eq!(shrink(Layout::Gray, (1, 3), (1, 2), &[0, 60, 120]), [20, 100]);
        assert_eq!(shrink(Layout::Gray, (4, 2), (2, 1), &[0, 10, 20, 30, 40, 50, 60, 70]), [25, 45]);
    }

    #[test]
    fn what_is_transparent_gives_no_colour() {
        let pixels = [255, 0, 0, 255, 0, 255, 0, 0];
        assert_eq!(shrink(Layout::Rgba, (2, 1), (1, 1), &pixels), [255, 0, 0, 128]);
        assert_eq!(shrink(Layout::Rgba, (2, 1), (1, 1), &[9, 9, 9, 0, 7, 7, 7, 0]), [0, 0, 0, 0]);
    }

    #[test]
    fn never_below_twice_the_target_and_never_above_the_source() {
        assert_eq!(size((4000, 3000), Some((300, 225))), (600, 450));
        assert_eq!(size((1000, 1000), Some((300, 300))), (1000, 1000));
        assert_eq!(size((5000, 4000), Some((2000, 1600))), (4000, 3200));
        assert_eq!(size((4032, 3024), Some((2000, 1500))), (4032, 3024));
        assert_eq!(size((1500, 1200), Some((700, 560))), (1500, 1200));
        assert_eq!(size((10, 10), Some((40, 40))), (10, 10));
        assert_eq!(size((4000, 100), Some((300, 100))), (600, 100));
        assert_eq!(size((4000, 3000), None), (4000, 3000));
    }
}
