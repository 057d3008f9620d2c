//! Animated GIF out. Only the rectangle that changed is written, pixels in it that did not change are transparent, and
//! frames without any change make the one before stay longer. All frames share the first one's palette as long as it
//! serves them.

use std::borrow::Cow;
use std::time::Instant;

use ::gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::super::{Bitmap, CodecError, Format, Rect, check_deadline};
use super::colours::{Palette, distance};
use super::write::{around, bounds, rgba};

/// One index is left for "transparent".
const COLOURS: usize = 255;
/// A sample that changed by no more than this since it was drawn is left as it is: resizing lets still areas flicker
/// that much.
const STILL: u8 = 3;
/// Mean square of the distance up to which the first palette serves a later frame.
const SERVES: f64 = 40.0;
const MAX_DELAY_MS: u32 = 655_350;
const NOTHING: [u8; 4] = [0; 4];

pub(super) struct Writer {
    size: (u32, u32),
    /// Begun with the first frame, whose palette it has.
    file: Option<(Encoder<Vec<u8>>, Palette)>,
    /// What the pixels of the canvas were in the frame that drew them, before the next frame is drawn.
    canvas: Vec<[u8; 4]>,
    pending: Option<Pending>,
    /// What the rounding of delays to hundredths has left over.
    owed_ms: i64,
    plays: u32,
}

/// A frame that waits for the next one: that says how long it stays, and what is cleared behind it.
struct Pending {
    pixels: Vec<[u8; 4]>,
    area: Rect,
    delay_ms: u32,
}

impl Writer {
    pub(super) fn new(size: (u32, u32), plays: u32) -> Self {
        let canvas = vec![NOTHING; size.0 as usize * size.1 as usize];
        Self { size, file: None, canvas, pending: None, owed_ms: 0, plays }
    }

    #[allow(clippy::needless_pass_by_value, reason = "the writers take the same")]
    pub(super) fn push(&mut self, pixels: Cow<'_, [u8]>, delay_ms: u32) -> Result<(), CodecError> {
        let (width, height) = self.size;
        let now: Vec<[u8; 4]> = pixels.as_chunks::<4>().0.iter().map(one_bit).collect();
        let Some(mut pending) = self.pending.take() else {
            let area = Rect { x: 0, y: 0, width, height };
            self.pending = Some(Pending { pixels: now, area, delay_ms });
            return Ok(());
        };
        let together = pending.delay_ms.saturating_add(delay_ms);
        let same = pending.pixels.iter().zip(&now).all(|(before, now)| !changed(*before, *now));
        if same && together <= MAX_DELAY_MS {
            pending.delay_ms = together;
            self.pending = Some(pending);
            return Ok(());
        }
        let cleared = bounds(width, height, |at| pending.pixels[at][3] > now[at][3]);
        self.write(&pending, cleared)?;
        let area = bounds(width, height, |at| changed(self.canvas[at], now[at]));
        let area = area.unwrap_or(Rect { x: 0, y: 0, width: 1, height: 1 });
        self.pending = Some(Pending { pixels: now, area, delay_ms });
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, CodecError> {
        if let Some(pending) = self.pending.take() {
            self.write(&pending, None)?;
        }
        let (encoder, _) = self.file.ok_or_else(|| failed("it has no frame"))?;
        encoder.into_inner().map_err(refused)
    }

    /// Writes a frame behind which `cleared` becomes transparent.
    fn write(&mut self, pending: &Pending, cleared: Option<Rect>) -> Result<(), CodecError> {
        let area = cleared.map_or(pending.area, |cleared| around(pending.area, cleared));
        let width = self.size.0 as usize;
        let places = || {
            let columns = area.x as usize..(area.x + area.width) as usize;
            (area.y as usize..(area.y + area.height) as usize)
                .flat_map(move |y| columns.clone().map(move |x| y * width + x))
        };
        let drawn = |at: usize| changed(self.canvas[at], pending.pixels[at]);
        let colours = || places().filter(|&at| drawn(at)).map(|at| rgb(pending.pixels[at]));
        let (encoder, global) = match &mut self.file {
            Some(file) => file,
            file => file.insert(begin(self.size, self.plays, Palette::of(colours(), COLOURS))?),
        };
        let mut local = None;
        let palette =
            if serves(global, colours()) { global } else { local.insert(Palette::of(colours(), COLOURS)) };
        let clear = palette.colours.len() as u8;
        let mut indices = Vec::with_capacity(area.width as usize * area.height as usize);
        for at in places() {
            indices.push(if drawn(at) { palette.nearest(rgb(pending.pixels[at])) } else { clear });
        }
        let frame = Frame {
            delay: hundredths(&mut self.owed_ms, pending.delay_ms),
            dispose: if cleared.is_some() { DisposalMethod::Background } else { DisposalMethod::Keep },
            transparent: indices.contains(&clear).then_some(clear),
            left: area.x as u16,
            top: area.y as u16,
            width: area.width as u16,
            height: area.height as u16,
            palette: local.as_ref().map(table),
            buffer: Cow::Owned(indices),
            ..Frame::default()
        };
        encoder.write_frame(&frame).map_err(refused)?;
        for at in places() {
            let canvas = &mut self.canvas[at];
            if cleared.is_some() {
                *canvas = NOTHING;
            } else if changed(*canvas, pending.pixels[at]) {
                *canvas = pending.pixels[at];
            }
        }
        Ok(())
    }
}

/// A still picture. Nothing moves, so errors can be spread over neighbours (Floyd and Steinberg).
pub(in crate::codec) fn still(bitmap: &Bitmap, deadline: Instant) -> Result<Vec<u8>, CodecError> {
    /// More pixels make no better palette.
    const LOOKED_AT: usize = 1 << 20;
    let pixels = rgba(bitmap);
    let (pixels, _) = pixels.as_chunks::<4>();
    let stride = (pixels.len() / LOOKED_AT).max(1);
    let looked_at = pixels.iter().step_by(stride).filter(|pixel| pixel[3] >= 128);
    let mut palette = Palette::of(looked_at.map(|&pixel| rgb(pixel)), COLOURS);
    check_deadline(deadline)?;
    let indices = spread(pixels, bitmap.width as usize, &mut palette, deadline)?;
    let (mut encoder, palette) = begin((bitmap.width, bitmap.height), 1, palette)?;
    let clear = palette.colours.len() as u8;
    let frame = Frame {
        transparent: indices.contains(&clear).then_some(clear),
        width: bitmap.width as u16,
        height: bitmap.height as u16,
        buffer: Cow::Owned(indices),
        ..Frame::default()
    };
    encoder.write_frame(&frame).map_err(refused)?;
    encoder.into_inner().map_err(refused)
}

/// The index of every pixel, with what it is off added to those to the right and below.
fn spread(
    pixels: &[[u8; 4]],
    width: usize,
    palette: &mut Palette,
    deadline: Instant,
) -> Result<Vec<u8>, CodecError> {
    let clear = palette.colours.len() as u8;
    let mut indices = Vec::with_capacity(pixels.len());
    // In sixteenths, with one more on either side.
    let (mut here, mut below) = (vec![[0_i32; 3]; width + 2], vec![[0_i32; 3]; width + 2]);
    for row in pixels.chunks_exact(width) {
        check_deadline(deadline)?;
        for (x, &pixel) in row.iter().enumerate() {
            if pixel[3] < 128 {
                indices.push(clear);
                continue;
            }
            let wanted: [u8; 3] = std::array::from_fn(|i| {
                (i32::from(pixel[i]) + (here[x + 1][i] + 8).div_euclid(16)).clamp(0, 255) as u8
            });
            let index = palette.nearest(wanted);
            indices.push(index);
            let got = palette.colours[usize::from(index)];
            for i in 0..3 {
                let off = i32::from(wanted[i]) - i32::from(got[i]);
                here[x + 2][i] += off * 7;
                below[x][i] += off * 3;
                below[x + 1][i] += off * 5;
                below[x + 2][i] += off;
            }
        }
        std::mem::swap(&mut here, &mut below);
        below.fill([0; 3]);
    }
    Ok(indices)
}

fn begin(size: (u32, u32), plays: u32, palette: Palette) -> Result<(Encoder<Vec<u8>>, Palette), CodecError> {
    let side = |side: u32| u16::try_from(side).map_err(|_| failed("it is too large"));
    let mut encoder =
        Encoder::new(Vec::new(), side(size.0)?, side(size.1)?, &table(&palette)).map_err(refused)?;
    // The file counts repetitions, and says nothing where there are none.
    match plays {
        0 => encoder.set_repeat(Repeat::Infinite).map_err(refused)?,
        1 => {}
        _ => {
            let repetitions = u16::try_from(plays - 1).unwrap_or(u16::MAX);
            encoder.set_repeat(Repeat::Finite(repetitions)).map_err(refused)?;
        }
    }
    Ok((encoder, palette))
}

/// With a place for "transparent" behind the colours.
fn table(palette: &Palette) -> Vec<u8> {
    let mut table = palette.colours.concat();
    table.extend([0; 3]);
    table
}

/// Rounded so that the sum stays right.
fn hundredths(owed_ms: &mut i64, delay_ms: u32) -> u16 {
    *owed_ms += i64::from(delay_ms);
    let rounded = (*owed_ms + 5).div_euclid(10).clamp(0, i64::from(u16::MAX));
    *owed_ms -= rounded * 10;
    rounded as u16
}

/// Whether the colours come close enough to those of the palette.
fn serves(palette: &mut Palette, colours: impl Iterator<Item = [u8; 3]>) -> bool {
    let (mut sum, mut count) = (0_u64, 0_u64);
    for colour in colours {
        let index = usize::from(palette.nearest(colour));
        sum += u64::from(palette.colours.get(index).map_or(u32::MAX, |&found| distance(found, colour)));
        count += 1;
    }
    sum as f64 <= SERVES * count as f64
}

/// Half transparent and more is transparent.
fn one_bit(&[r, g, b, a]: &[u8; 4]) -> [u8; 4] {
    if a < 128 { NOTHING } else { [r, g, b, 255] }
}

fn rgb([r, g, b, _]: [u8; 4]) -> [u8; 3] {
    [r, g, b]
}

fn changed(before: [u8; 4], now: [u8; 4]) -> bool {
    before[3] != now[3] || (0..3).any(|i| before[i].abs_diff(now[i]) > STILL)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: ::gif::EncodingError) -> CodecError {
    failed(&error.to_string())
}

fn failed(reason: &str) -> CodecError {
    CodecError::Encode { format: Format::Gif, reason: reason.to_owned() }
}
