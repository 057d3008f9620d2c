//! Animations frame by frame: every frame is the whole canvas as a viewer sees it at that moment, so that nobody else
//! knows of offsets, blending and disposal. One canvas or two are held, however many frames there are.

mod apng;
mod apng_out;
mod canvas;
mod colours;
mod gif;
mod gif_out;
mod webp;
mod webp_out;
mod write;

use std::time::Instant;

pub(super) use gif_out::still as still_gif;
pub use write::FrameWriter;

use super::{Bitmap, CodecError, Format, Header, Layout, avif, check_deadline, jxl};

/// One moment of an animation.
#[derive(Clone, PartialEq)]
pub struct Frame {
    /// `Rgba`, as large as the header says.
    pub bitmap: Bitmap,
    /// How long it stays.
    pub delay_ms: u32,
}

/// Reads the frames of a file whose header passed [`super::probe()`]. A file that is cut short has the frames that
/// are whole; without any it is broken.
pub struct FrameReader<'a> {
    reader: Reader<'a>,
    header: Header,
    deadline: Instant,
    given: u32,
    ended: bool,
}

enum Reader<'a> {
    Gif(Box<gif::Reader<'a>>),
    Webp(webp::Reader),
    Apng(Box<apng::Reader<'a>>),
    Avif(Box<avif::Frames<'a>>),
    Jxl(Box<jxl::Frames<'a>>),
}

impl<'a> FrameReader<'a> {
    pub fn new(bytes: &'a [u8], header: &Header, deadline: Instant) -> Result<Self, CodecError> {
        check_deadline(deadline)?;
        let reader = match header.format {
            Format::Gif => Reader::Gif(Box::new(gif::Reader::new(bytes, header)?)),
            Format::Webp => Reader::Webp(webp::Reader::new(bytes, header)?),
            Format::Png => Reader::Apng(Box::new(apng::Reader::new(bytes, header)?)),
            Format::Avif => Reader::Avif(Box::new(avif::Frames::new(bytes, header)?)),
            Format::Jxl => Reader::Jxl(Box::new(jxl::Frames::new(bytes, header, deadline)?)),
            format => return Err(CodecError::Unsupported { format, why: "it is no animation" }),
        };
        Ok(Self { reader, header: header.clone(), deadline, given: 0, ended: false })
    }

    /// The next frame, or none behind the last that is whole.
    pub fn read(&mut self) -> Result<Option<Frame>, CodecError> {
        if self.ended || self.given >= self.header.frames {
            return Ok(None);
        }
        check_deadline(self.deadline)?;
        let next = match &mut self.reader {
            Reader::Gif(reader) => reader.next(),
            Reader::Webp(reader) => reader.next(),
            Reader::Apng(reader) => reader.next(),
            Reader::Avif(reader) => reader.next().map(|next| Some(frame(&self.header, next))),
            Reader::Jxl(reader) => reader.next().map(|next| next.map(|next| frame(&self.header, next))),
        };
        match next {
            Ok(Some(frame)) => {
                self.given += 1;
                Ok(Some(frame))
            }
            Ok(None) if self.given == 0 => Err(self.broken("it has no frame")),
            Err(error) if self.given == 0 => Err(error),
            Ok(None) | Err(_) => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// The frame of this number, counted from 0, for somebody who wants no other.
    pub fn nth(mut self, number: u32) -> Result<Frame, CodecError> {
        for _ in 0..number {
            if self.read()?.is_none() {
                break;
            }
        }
        match self.read()? {
            Some(frame) => Ok(frame),
            None => Err(self.broken(&format!("only {} of its frames are whole", self.given))),
        }
    }

    /// How often the animation is shown, 0 = for ever. Known once the first frame was read.
    pub fn plays(&self) -> u32 {
        match &self.reader {
            Reader::Gif(reader) => reader.plays(),
            Reader::Webp(reader) => reader.plays(),
            Reader::Apng(reader) => reader.plays(),
            Reader::Avif(reader) => reader.plays(),
            Reader::Jxl(reader) => reader.plays(),
        }
    }

    /// The profile that all frames are in.
    pub fn icc(&self) -> Option<&[u8]> {
        match &self.reader {
            Reader::Gif(_) => None,
            Reader::Webp(reader) => reader.icc(),
            Reader::Apng(reader) => reader.icc(),
            Reader::Avif(reader) => reader.icc(),
            Reader::Jxl(reader) => reader.icc(),
        }
    }

    fn broken(&self, reason: &str) -> CodecError {
        CodecError::Undecodable { format: self.header.format, reason: reason.to_owned() }
    }
}

/// Turns durations that are no whole milliseconds into delays whose sum does not drift.
#[derive(Default)]
pub(super) struct Clock {
    at_ms: f64,
}

impl Clock {
    pub(super) fn delay(&mut self, ms: f64) -> u32 {
        /// What cannot be a duration is none, and nothing stays for longer than some days.
        const LONGEST: f64 = 1e9;
        let begun = self.at_ms.round();
        self.at_ms += if ms > 0.0 { ms.min(LONGEST) } else { 0.0 };
        (self.at_ms.round() - begun) as u32
    }
}

/// An upper estimate of the bytes that a reader and the frame it gives hold.
pub fn memory(header: &Header) -> u64 {
    match header.format {
        Format::Avif => avif::frames_memory(header),
        Format::Jxl => jxl::frames_memory(header),
        // Canvas, what is kept of it for disposal, the stored frame, the frame that is given.
        _ => u64::from(header.width) * u64::from(header.height) * 16 + (1 << 20),
    }
}

/// Whether its frames are those of an animation, and not the pages of a document.
pub fn is_animated(header: &Header) -> bool {
    header.frames > 1 && header.format != Format::Tiff
}

fn frame(header: &Header, (data, delay_ms): (Vec<u8>, u32)) -> Frame {
    Frame { bitmap: bitmap(header, data), delay_ms }
}

fn bitmap(header: &Header, data: Vec<u8>) -> Bitmap {
    Bitmap { width: header.width, height: header.height, layout: Layout::Rgba, data }
}

#[cfg(test)]
mod tests;
