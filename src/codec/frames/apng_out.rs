//! APNG out: of every frame the rectangle that changed, replaced. The first frame is the picture that programs without
//! animation show.

use std::borrow::Cow;
use std::time::Instant;

use super::super::strip::png_chunk;
use super::super::walk::Chunks;
use super::super::{Bitmap, CodecError, EncodeRequest, Format, Layout, Rect, png};
use super::write::bounds;

pub(super) struct Writer {
    size: (u32, u32),
    plays: u32,
    effort: u8,
    deadline: Instant,
    icc: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    /// The canvas after the last frame.
    shown: Vec<u8>,
    /// How long the last frame stays, if there is one yet.
    delay_ms: Option<u32>,
    /// Where the last frame's control chunk is in `frames`, its number, and what it says.
    control: (usize, u32, Rect),
    /// Chunks before the first frame.
    head: Vec<u8>,
    frames: Vec<u8>,
    count: u32,
    sequence: u32,
}

/// Of a frame control chunk: length, kind, 26 bytes and a checksum.
const CONTROL: usize = 38;

impl Writer {
    pub(super) fn new(size: (u32, u32), plays: u32, request: &EncodeRequest<'_>) -> Self {
        Self {
            size,
            plays,
            effort: request.effort,
            deadline: request.deadline,
            icc: request.icc.map(<[u8]>::to_vec),
            exif: request.exif.map(<[u8]>::to_vec),
            shown: Vec::new(),
            delay_ms: None,
            control: (0, 0, Rect { x: 0, y: 0, width: size.0, height: size.1 }),
            head: Vec::new(),
            frames: Vec::new(),
            count: 0,
            sequence: 0,
        }
    }

    pub(super) fn push(&mut self, pixels: Cow<'_, [u8]>, delay_ms: u32) -> Result<(), CodecError> {
        let (width, height) = self.size;
        let area = match self.delay_ms {
            None => Rect { x: 0, y: 0, width, height },
            Some(shown_ms) => {
                let (before, _) = self.shown.as_chunks::<4>();
                let (now, _) = pixels.as_chunks::<4>();
                let Some(area) = bounds(width, height, |at| before[at] != now[at]) else {
                    self.delay_ms = Some(shown_ms.saturating_add(delay_ms));
                    return Ok(());
                };
                area
            }
        };
        self.finish_control();
        let rows = (area.y..area.y + area.height).flat_map(|y| {
            let start = (y as usize * width as usize + area.x as usize) * 4;
            pixels[start..start + area.width as usize * 4].iter().copied()
        });
        let bitmap =
            Bitmap { width: area.width, height: area.height, layout: Layout::Rgba, data: rows.collect() };
        self.write(&bitmap, area)?;
        self.delay_ms = Some(delay_ms);
        self.shown = pixels.into_owned();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, CodecError> {
        self.finish_control();
        let control = [self.count.to_be_bytes(), self.plays.to_be_bytes()].concat();
        // The header is the first chunk, and the counts come before the first pixels.
        Ok([self.head, png_chunk(*b"acTL", &control), self.frames, png_chunk(*b"IEND", &[])].concat())
    }

    /// Appends a frame whose control chunk is filled in once it is known how long it stays.
    fn write(&mut self, bitmap: &Bitmap, area: Rect) -> Result<(), CodecError> {
        let first = self.count == 0;
        let request = EncodeRequest {
            format: Format::Png,
            quality: 100,
            lossless: true,
            effort: self.effort,
            progressive: None,
            subsample_444: None,
            exif: self.exif.as_deref().filter(|_| first),
            icc: self.icc.as_deref().filter(|_| first),
            deadline: self.deadline,
        };
        let file = png::encode_full(bitmap, &request)?;
        self.control = (self.frames.len(), self.sequence, area);
        self.frames.resize(self.frames.len() + CONTROL, 0);
        self.sequence += 1;
        if first {
            self.head.extend(&file[..8]);
        }
        let mut chunks = Chunks::png(&file);
        while let Ok(chunk) = chunks.next() {
            match &chunk.kind {
                b"IEND" => break,
                b"IDAT" if first => self.frames.extend(chunk.whole),
                b"IDAT" => {
                    let data = [&self.sequence.to_be_bytes(), chunk.data].concat();
                    self.frames.extend(png_chunk(*b"fdAT", &data));
                    self.sequence += 1;
                }
                _ if first => self.head.extend(chunk.whole),
                _ => {}
            }
        }
        self.count += 1;
        Ok(())
    }

    fn finish_control(&mut self) {
        let Some(delay_ms) = self.delay_ms else { return };
        let (at, number, Rect { x, y, width, height }) = self.control;
        let (numerator, denominator) = fraction(delay_ms);
        let mut data = Vec::with_capacity(26);
        for word in [number, width, height, x, y] {
            data.extend(word.to_be_bytes());
        }
        data.extend(numerator.to_be_bytes());
        data.extend(denominator.to_be_bytes());
        // Nothing is disposed of, and the pixels replace those below.
        data.extend([0, 0]);
        self.frames[at..at + CONTROL].copy_from_slice(&png_chunk(*b"fcTL", &data));
    }
}

/// Seconds as a fraction whose numerator has 16 bits.
fn fraction(delay_ms: u32) -> (u16, u16) {
    let fits = [1000, 100, 10, 1].into_iter().find_map(|denominator: u16| {
        let numerator = u16::try_from(delay_ms / (1000 / u32::from(denominator))).ok()?;
        Some((numerator, denominator))
    });
    fits.unwrap_or((u16::MAX, 1))
}
