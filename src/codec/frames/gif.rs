//! The frames of a GIF, composed as browsers do it: transparent ground, whatever background the file names.

use std::io::Cursor;
use std::num::NonZeroU64;

use ::gif::{ColorOutput, DecodeOptions, Decoder, DisposalMethod, MemoryLimit, Repeat};

use super::super::{CodecError, Format, Header, Rect};
use super::canvas::{Blend, Canvas, Disposal};
use super::{Frame, bitmap};

pub(super) struct Reader<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    header: Header,
    canvas: Canvas,
    /// The stored pixels of one frame, RGBA.
    pixels: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], header: &Header) -> Result<Self, CodecError> {
        /// A frame may be larger than the canvas and is cut then, but not without bounds.
        const LEAST: u64 = 4 << 20;
        let canvas = u64::from(header.width) * u64::from(header.height) * 4;
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::Indexed);
        options.set_memory_limit(
            NonZeroU64::new(canvas.max(LEAST)).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes),
        );
        let decoder = options.read_info(Cursor::new(bytes)).map_err(undecodable)?;
        let canvas = Canvas::new(header.width, header.height);
        Ok(Self { decoder, header: header.clone(), canvas, pixels: Vec::new() })
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        let global = self.decoder.global_palette().map(<[u8]>::to_vec).unwrap_or_default();
        let Some(frame) = self.decoder.read_next_frame().map_err(undecodable)? else { return Ok(None) };
        let (palette, _) = frame.palette.as_deref().unwrap_or(&global).as_chunks::<3>();
        // An index behind the palette's end is black, as in browsers.
        let mut colours = [[0, 0, 0, 255]; 256];
        for (colour, &[r, g, b]) in colours.iter_mut().zip(palette) {
            *colour = [r, g, b, 255];
        }
        if let Some(index) = frame.transparent {
            colours[usize::from(index)] = [0; 4];
        }
        self.pixels.clear();
        self.pixels.extend(frame.buffer.iter().flat_map(|&index| colours[usize::from(index)]));
        let place = Rect {
            x: frame.left.into(),
            y: frame.top.into(),
            width: frame.width.into(),
            height: frame.height.into(),
        };
        let after = match frame.dispose {
            DisposalMethod::Any | DisposalMethod::Keep => Disposal::Keep,
            DisposalMethod::Background => Disposal::Clear,
            DisposalMethod::Previous => Disposal::Restore,
        };
        let delay_ms = u32::from(frame.delay) * 10;
        self.canvas.draw(place, &self.pixels, place.width as usize * 4, Blend::Over, after);
        Ok(Some(Frame { bitmap: bitmap(&self.header, self.canvas.shown()), delay_ms }))
    }

    /// The file counts repetitions, and says nothing where there are none.
    pub(super) fn plays(&self) -> u32 {
        match self.decoder.repeat() {
            Repeat::Infinite => 0,
            Repeat::Finite(repetitions) => u32::from(repetitions) + 1,
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn undecodable(error: ::gif::DecodingError) -> CodecError {
    CodecError::Undecodable { format: Format::Gif, reason: error.to_string() }
}
