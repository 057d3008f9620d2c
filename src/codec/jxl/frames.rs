//! The frames of an animated JPEG XL, composed by the decoder.

use std::time::Instant;

use ::jxl::api::{Event, JxlDecoder, JxlOutputBuffer};

use super::{Output, PIECE, broken, options, profile, undecodable};
use crate::codec::frames::Clock;
use crate::codec::{CodecError, Format, Header, Layout, check_deadline};

pub(in crate::codec) struct Frames<'a> {
    decoder: JxlDecoder,
    bytes: &'a [u8],
    /// Up to here the decoder has taken the file, and up to here it may.
    taken: usize,
    shown: usize,
    output: Output,
    rows: usize,
    plays: u32,
    icc: Option<Vec<u8>>,
    clock: Clock,
    deadline: Instant,
}

impl<'a> Frames<'a> {
    pub(in crate::codec) fn new(
        bytes: &'a [u8],
        header: &Header,
        deadline: Instant,
    ) -> Result<Self, CodecError> {
        let pixels = u64::from(header.width) * u64::from(header.height);
        let mut decoder = JxlDecoder::new(options(pixels, false));
        let mut rest = bytes;
        let event = decoder.process(&mut rest, None, None).map_err(broken)?;
        if event != Event::BasicInfo {
            return Err(undecodable("it ends within its header"));
        }
        let taken = bytes.len() - rest.len();
        let output = Output::of(&mut decoder, header)?;
        if output.layout == Layout::Cmyk {
            let why = "an animation in inks";
            return Err(CodecError::Unsupported { format: Format::Jxl, why });
        }
        let animation = decoder.basic_info().and_then(|info| info.animation.as_ref());
        let plays = animation.map_or(1, |animation| animation.num_loops);
        let icc = profile(&decoder);
        let rows = header.height as usize;
        Ok(Self {
            decoder,
            bytes,
            taken,
            shown: taken,
            output,
            rows,
            plays,
            icc,
            clock: Clock::default(),
            deadline,
        })
    }

    /// The RGBA pixels of the next frame, and for how many milliseconds it is shown; none behind the last.
    pub(in crate::codec) fn next(&mut self) -> Result<Option<(Vec<u8>, u32)>, CodecError> {
        let mut delay_ms = 0;
        loop {
            check_deadline(self.deadline)?;
            let mut rest = &self.bytes[self.taken..self.shown];
            let buffer = JxlOutputBuffer::new(&mut self.output.data, self.rows, self.output.stride);
            let event = self.decoder.process(&mut rest, Some(&mut [buffer]), None).map_err(broken)?;
            self.taken = self.shown - rest.len();
            match event {
                Event::NeedMoreInput { .. } if self.shown < self.bytes.len() => {
                    self.shown = self.bytes.len().min(self.shown + PIECE);
                }
                Event::NeedMoreInput { .. } => return Err(undecodable("it ends before its last pixel")),
                Event::FrameHeader => {
                    let duration = self.decoder.frame_header().and_then(|header| header.duration);
                    delay_ms = self.clock.delay(duration.unwrap_or(0.0));
                }
                Event::FrameComplete { .. } => return Ok(Some((self.pixels(), delay_ms))),
                Event::Complete => return Ok(None),
                Event::BasicInfo => {}
            }
        }
    }

    pub(in crate::codec) fn plays(&self) -> u32 {
        self.plays
    }

    pub(in crate::codec) fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }

    fn pixels(&self) -> Vec<u8> {
        let data = &self.output.data;
        match self.output.samples {
            1 => data.iter().flat_map(|&gray| [gray, gray, gray, 255]).collect(),
            2 => data.as_chunks().0.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]).collect(),
            3 => data.as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
            _ => data.clone(),
        }
    }
}
