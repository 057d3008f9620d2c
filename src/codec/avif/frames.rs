//! The frames of an animated AVIF, each the whole picture.

use super::decode::{ANY_FRAMES, broken, failed, profile};
use super::sys::Reader;
use crate::codec::frames::Clock;
use crate::codec::{CodecError, Header};

pub(in crate::codec) struct Frames<'a> {
    reader: Reader<'a>,
    /// Sides of what the crop leaves.
    size: (u32, u32),
    icc: Option<Vec<u8>>,
    clock: Clock,
}

impl<'a> Frames<'a> {
    pub(in crate::codec) fn new(bytes: &'a [u8], header: &Header) -> Result<Self, CodecError> {
        let reader = Reader::open(bytes, bytes.len() as u64, ANY_FRAMES).map_err(failed)?;
        let icc = profile(&reader);
        Ok(Self { reader, size: (header.width, header.height), icc, clock: Clock::default() })
    }

    /// The RGBA pixels of the next frame, and for how many milliseconds it is shown.
    pub(in crate::codec) fn next(&mut self) -> Result<(Vec<u8>, u32), CodecError> {
        let info = self.reader.info();
        let (left, top, width, height) = info.crop;
        if (width, height) != self.size {
            return Err(broken("the header changed its mind"));
        }
        let mut rows: Vec<u8> = Vec::new();
        let mut picture = self.reader.picture(info.most_pixels()).map_err(failed)?;
        picture.rows(0, info.height, true, &mut rows).map_err(failed)?;
        drop(picture);
        let delay_ms = self.clock.delay(self.reader.duration_ms());
        if (width, height) == (info.width, info.height) {
            return Ok((rows, delay_ms));
        }
        let (stride, from, length) = (info.width as usize * 4, left as usize * 4, width as usize * 4);
        let kept = rows.chunks_exact(stride).skip(top as usize).take(height as usize);
        Ok((kept.flat_map(|row| &row[from..from + length]).copied().collect(), delay_ms))
    }

    pub(in crate::codec) fn plays(&self) -> u32 {
        self.reader.plays()
    }

    pub(in crate::codec) fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }
}
