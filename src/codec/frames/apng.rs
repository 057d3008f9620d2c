//! The frames of an APNG. A default image that is not part of the animation is left out.

use std::io::Cursor;

use ::png::{BlendOp, ColorType, DecodingError, DisposeOp, Limits, Transformations};

use super::super::png::AUXILIARY;
use super::super::{CodecError, Format, Header, Rect};
use super::canvas::{Blend, Canvas, Disposal};
use super::{Frame, bitmap};

pub(super) struct Reader<'a> {
    reader: ::png::Reader<Cursor<&'a [u8]>>,
    header: Header,
    canvas: Canvas,
    /// As the file has them, 8 bits a sample.
    stored: Vec<u8>,
    pixels: Vec<u8>,
    /// The first image stands apart.
    skip: bool,
    first: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], header: &Header) -> Result<Self, CodecError> {
        let limits = Limits { bytes: AUXILIARY + header.width as usize * 8 * 4 };
        let mut decoder = ::png::Decoder::new_with_limits(Cursor::new(bytes), limits);
        decoder.set_transformations(Transformations::normalize_to_color8());
        decoder.set_ignore_text_chunk(true);
        let reader = decoder.read_info().map_err(undecodable)?;
        crate::codec::png::check_palette(reader.info())?;
        let info = reader.info();
        if info.size() != (header.width, header.height) {
            return Err(broken("the header changed its mind"));
        }
        let skip = info.animation_control.is_some() && info.frame_control.is_none();
        let whole = reader.output_buffer_size().ok_or_else(|| broken("it is too large"))?;
        Ok(Self {
            header: header.clone(),
            canvas: Canvas::new(header.width, header.height),
            stored: vec![0; whole],
            pixels: Vec::new(),
            skip,
            first: true,
            reader,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        if std::mem::take(&mut self.skip) {
            self.reader.next_frame(&mut self.stored).map_err(undecodable)?;
        }
        let read = match self.reader.next_frame(&mut self.stored) {
            Ok(read) => read,
            Err(DecodingError::Parameter(_)) => return Ok(None),
            Err(error) => return Err(undecodable(error)),
        };
        let info = self.reader.info();
        let control = info.frame_control.unwrap_or_default();
        // Rows of an interlaced frame are as far apart as those of the canvas.
        let row = if info.interlaced { header_row(&self.header, read.color_type) } else { read.line_size };
        let length = read.width as usize * read.color_type.samples();
        self.pixels.clear();
        for row in self.stored.chunks(row.max(1)).take(read.height as usize) {
            let row = row.get(..length).ok_or_else(|| broken("a frame leaves the canvas"))?;
            expand(row, read.color_type, &mut self.pixels)?;
        }
        let (x, y) = (control.x_offset, control.y_offset);
        let place = Rect { x, y, width: read.width, height: read.height };
        let after = match control.dispose_op {
            DisposeOp::None => Disposal::Keep,
            DisposeOp::Background => Disposal::Clear,
            // There is nothing before the first frame.
            DisposeOp::Previous if self.first => Disposal::Clear,
            DisposeOp::Previous => Disposal::Restore,
        };
        let blend = match control.blend_op {
            BlendOp::Source => Blend::Replace,
            BlendOp::Over => Blend::Over,
        };
        self.first = false;
        self.canvas.draw(place, &self.pixels, place.width as usize * 4, blend, after);
        let hundredths = if control.delay_den == 0 { 100 } else { u32::from(control.delay_den) };
        let delay_ms = (u32::from(control.delay_num) * 1000 + hundredths / 2) / hundredths;
        Ok(Some(Frame { bitmap: bitmap(&self.header, self.canvas.shown()), delay_ms }))
    }

    pub(super) fn plays(&self) -> u32 {
        self.reader.info().animation_control.map_or(1, |control| control.num_plays)
    }

    pub(super) fn icc(&self) -> Option<&[u8]> {
        self.reader.info().icc_profile.as_deref()
    }
}

fn header_row(header: &Header, colour: ColorType) -> usize {
    header.width as usize * colour.samples()
}

fn expand(row: &[u8], colour: ColorType, pixels: &mut Vec<u8>) -> Result<(), CodecError> {
    match colour {
        ColorType::Rgba => pixels.extend_from_slice(row),
        ColorType::Rgb => pixels.extend(row.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255])),
        ColorType::Grayscale => pixels.extend(row.iter().flat_map(|&gray| [gray, gray, gray, 255])),
        ColorType::GrayscaleAlpha => {
            pixels.extend(row.as_chunks::<2>().0.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]))
        }
        ColorType::Indexed => return Err(broken("its colour type cannot be expanded")),
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn undecodable(error: DecodingError) -> CodecError {
    broken(&error.to_string())
}

fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Png, reason: reason.to_owned() }
}
