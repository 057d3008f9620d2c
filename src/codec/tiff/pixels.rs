//! The samples of a TIFF page, of one bit to sixty-four, as rows of eight-bit pixels.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use ::tiff::ColorType;
use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;
use ::tiff::{TiffError, TiffUnsupportedError};

use super::{broken, fax, photometric};
use crate::codec::walk::{EOI, SOS, Segments};
use crate::codec::{CodecError, Format, Header, Layout};

/// Colours or inks and one more.
const MOST_SAMPLES: u64 = 5;
/// A profile is a few hundred kilobytes at most.
const LONGEST_VALUE: usize = 8 << 20;

/// The most that a page may take in memory as it is stored.
pub(super) fn most_bytes(header: &Header) -> u64 {
    let bytes = u64::from(header.depth.max(8)).next_power_of_two() / 8;
    u64::from(header.width) * u64::from(header.height) * MOST_SAMPLES * bytes
}

/// A page in memory, as it is stored.
pub(super) struct Page {
    samples: DecodingResult,
    kind: Kind,
    bits: usize,
    width: usize,
    /// Samples from one pixel to the next, and from one row to the next (bytes where several share one).
    step: usize,
    stride: usize,
    /// From one plane of samples to the next, where each is stored for itself.
    plane: Option<usize>,
    /// Red, green and blue by index.
    palette: Option<[Vec<u16>; 3]>,
}

/// What the samples of a pixel mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gray,
    Palette,
    Rgb,
    YCbCr,
    Cmyk,
    /// Both with straight or premultiplied alpha.
    GrayAlpha {
        premultiplied: bool,
    },
    Rgba {
        premultiplied: bool,
    },
}

impl Page {
    /// A page, counted from 0, and its profile. It is as large as the header says of the first.
    pub(super) fn read(
        bytes: &[u8],
        header: &Header,
        page: u32,
    ) -> Result<(Self, Option<Vec<u8>>), CodecError> {
        const PALETTE: u64 = 3;
        const BLACK_IS_ZERO: u8 = 1;
        let said = photometric(bytes, page);
        let is_palette = said.is_some_and(|(_, meaning)| meaning == PALETTE);
        // The crate knows gray of few bits, and indices into a palette are stored alike.
        let overlay = said.filter(|_| is_palette).map(|(at, _)| {
            let value = if bytes.first() == Some(&b'M') { [0, BLACK_IS_ZERO] } else { [BLACK_IS_ZERO, 0] };
            (at, value)
        });
        let mut limits = Limits::default();
        limits.decoding_buffer_size = usize::try_from(most_bytes(header).max(1 << 16)).unwrap_or(usize::MAX);
        limits.intermediate_buffer_size = limits.decoding_buffer_size.max(1 << 20);
        limits.ifd_value_size = LONGEST_VALUE;
        let source = Overlaid { bytes: Cursor::new(bytes), overlay };
        let mut decoder = Decoder::new(source).map_err(refused)?.with_limits(limits);
        if page > 0 {
            decoder.seek_to_image(page as usize).map_err(refused)?;
        }
        let (width, height) = decoder.dimensions().map_err(refused)?;
        if (width, height) != (header.width, header.height) {
            return Err(match page {
                0 => broken("the header changed its mind"),
                _ => broken(&format!(
                    "its page {page} has {width}x{height} px, and only pages of the first one's size can be shown ({}x{})",
                    header.width, header.height
                )),
            });
        }
        let colour = decoder.colortype().map_err(refused)?;
        let extra =
            decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten().unwrap_or_default();
        let (kind, step) = kind(colour, &extra, is_palette)?;
        let palette = if is_palette { Some(palette(&mut decoder)?) } else { None };
        let icc = decoder.get_tag_u8_vec(Tag::IccProfile).ok().filter(|icc| !icc.is_empty());
        if fax::is_group_3(&mut decoder) {
            let stride = (header.width as usize).div_ceil(8);
            let samples = DecodingResult::U8(fax::read(&mut decoder, bytes, header)?);
            let width = header.width as usize;
            return Ok((
                Self { samples, kind: Kind::Gray, bits: 1, width, step: 1, stride, plane: None, palette },
                icc,
            ));
        }
        check_jpeg(&mut decoder, bytes, header)?;
        let mut samples = DecodingResult::U8(Vec::new());
        let layout = decoder.read_image_to_buffer(&mut samples).map_err(refused)?;
        if samples.as_buffer(0).as_bytes().len() < layout.complete_len {
            return Err(broken("its samples are more than its header promises"));
        }
        let bits = usize::from(colour.bit_depth());
        let width = header.width as usize;
        let planar = layout.planes > 1;
        let step = if planar { 1 } else { step };
        let bytes_a_sample = bits.max(8) / 8;
        let stride = if bits < 8 { (width * step * bits).div_ceil(8) } else { width * step };
        let plane = layout.plane_stride.filter(|_| planar).map(|bytes| bytes.get() / bytes_a_sample);
        Ok((Self { samples, kind, bits, width, step, stride, plane, palette }, icc))
    }

    pub(super) fn layout(&self) -> Layout {
        match self.kind {
            Kind::Gray => Layout::Gray,
            Kind::Palette | Kind::Rgb | Kind::YCbCr => Layout::Rgb,
            Kind::Cmyk => Layout::Cmyk,
            Kind::GrayAlpha { .. } | Kind::Rgba { .. } => Layout::Rgba,
        }
    }

    /// Appends the pixels of a row; a sample that is not there is an error.
    pub(super) fn row(&self, y: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        for x in 0..self.width {
            self.pixel(x, y, out).ok_or_else(|| broken("it ends before its last pixel"))?;
        }
        Ok(())
    }

    fn pixel(&self, x: usize, y: usize, out: &mut Vec<u8>) -> Option<()> {
        let at = |channel: usize| self.sample(x, y, channel);
        match self.kind {
            Kind::Gray => out.push(at(0)?),
            Kind::Palette => {
                let index = self.raw(x, y)?;
                let [red, green, blue] = self.palette.as_ref()?;
                // An index behind the palette is black, as everywhere.
                out.extend([red, green, blue].map(|map| map.get(index).map_or(0, |&value| from_16(value))));
            }
            Kind::Rgb => out.extend([at(0)?, at(1)?, at(2)?]),
            Kind::YCbCr => out.extend(from_ycbcr(at(0)?, at(1)?, at(2)?)),
            Kind::Cmyk => out.extend([at(0)?, at(1)?, at(2)?, at(3)?]),
            Kind::GrayAlpha { premultiplied } => {
                let (gray, alpha) = (at(0)?, at(1)?);
                let gray = if premultiplied { straight(gray, alpha) } else { gray };
                out.extend([gray, gray, gray, alpha]);
            }
            Kind::Rgba { premultiplied } => {
                let (colours, alpha) = ([at(0)?, at(1)?, at(2)?], at(3)?);
                out.extend(if premultiplied {
                    colours.map(|colour| straight(colour, alpha))
                } else {
                    colours
                });
                out.push(alpha);
            }
        }
        Some(())
    }

    /// A sample of fewer bits than eight, as it is stored, or a whole byte.
    fn raw(&self, x: usize, y: usize) -> Option<usize> {
        let DecodingResult::U8(bytes) = &self.samples else { return None };
        if self.bits >= 8 {
            return bytes.get(y * self.stride + x * self.step).copied().map(usize::from);
        }
        let bit = x * self.step * self.bits;
        let byte = *bytes.get(y * self.stride + bit / 8)?;
        Some(usize::from(byte >> (8 - self.bits - bit % 8)) & ((1 << self.bits) - 1))
    }

    fn sample(&self, x: usize, y: usize, channel: usize) -> Option<u8> {
        if self.bits < 8 {
            return Some((self.raw(x, y)? * 255 / ((1 << self.bits) - 1)) as u8);
        }
        let at = match self.plane {
            Some(plane) => channel * plane + y * self.stride + x,
            None => y * self.stride + x * self.step + channel,
        };
        Some(match &self.samples {
            DecodingResult::U8(all) => *all.get(at)?,
            DecodingResult::U16(all) => from_16(*all.get(at)?),
            DecodingResult::U32(all) => from_16((all.get(at)? >> 16) as u16),
            DecodingResult::U64(all) => from_16((all.get(at)? >> 48) as u16),
            DecodingResult::F16(all) => from_float(f64::from(f32::from(*all.get(at)?))),
            DecodingResult::F32(all) => from_float(f64::from(*all.get(at)?)),
            DecodingResult::F64(all) => from_float(*all.get(at)?),
            DecodingResult::I8(_)
            | DecodingResult::I16(_)
            | DecodingResult::I32(_)
            | DecodingResult::I64(_) => return None,
        })
    }
}

/// With the number of samples a pixel.
fn kind(colour: ColorType, extra: &[u16], is_palette: bool) -> Result<(Kind, usize), CodecError> {
    let premultiplied = extra.first() == Some(&1);
    let is_alpha = matches!(extra.first(), Some(1 | 2));
    let more = extra.len();
    let unsupported = |why| Err(CodecError::Unsupported { format: Format::Tiff, why });
    Ok(match colour {
        ColorType::Gray(_) if is_palette => (Kind::Palette, 1),
        ColorType::Gray(_) => (Kind::Gray, 1),
        ColorType::Multiband { bit_depth: 1..8, .. } => return unsupported("its samples share bytes"),
        ColorType::Multiband { num_samples, .. } if is_alpha && !is_palette => {
            (Kind::GrayAlpha { premultiplied }, usize::from(num_samples))
        }
        ColorType::Multiband { num_samples, .. } => {
            (if is_palette { Kind::Palette } else { Kind::Gray }, usize::from(num_samples))
        }
        ColorType::RGB(_) => (Kind::Rgb, 3 + more),
        ColorType::RGBA(_) => (Kind::Rgba { premultiplied }, 3 + more.max(1)),
        ColorType::CMYK(_) => (Kind::Cmyk, 4 + more),
        ColorType::CMYKA(_) => (Kind::Cmyk, 4 + more.max(1)),
        ColorType::YCbCr(8) => (Kind::YCbCr, 3 + more),
        ColorType::Lab(_) => return unsupported("L*a*b* colours are not read"),
        _ => return unsupported("its kind of samples is not read"),
    })
}

/// A JPEG within has its own idea of how large it is, for which its decoder allocates before anybody compares.
fn check_jpeg<R: Read + Seek>(
    decoder: &mut Decoder<R>,
    bytes: &[u8],
    header: &Header,
) -> Result<(), CodecError> {
    const JPEG: u32 = 7;
    if decoder.find_tag_unsigned::<u32>(Tag::Compression).ok().flatten() != Some(JPEG) {
        return Ok(());
    }
    let pixels = u64::from(header.width) * u64::from(header.height);
    // A tile can be larger than what is shown of it.
    let limit = pixels.saturating_mul(2).max(1 << 20);
    for tag in [Tag::StripOffsets, Tag::TileOffsets] {
        let offsets = decoder.find_tag_unsigned_vec::<u64>(tag).map_err(refused)?.unwrap_or_default();
        for offset in offsets {
            let file = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
            let mut segments = Segments::new(file);
            while let Ok(segment) = segments.next() {
                match (segment.marker, segment.body) {
                    (0xC4 | 0xC8 | 0xCC, _) => {}
                    (0xC0..=0xCF, &[_, h0, h1, w0, w1, ..]) => {
                        let side = |high, low| u64::from(u16::from_be_bytes([high, low]));
                        if side(w0, w1) * side(h0, h1) > limit {
                            return Err(broken("a JPEG in it is larger than the picture"));
                        }
                    }
                    (SOS | EOI, _) => break,
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn palette<R: Read + Seek>(decoder: &mut Decoder<R>) -> Result<[Vec<u16>; 3], CodecError> {
    let all = decoder.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(refused)?.unwrap_or_default();
    if all.is_empty() || !all.len().is_multiple_of(3) {
        return Err(broken("its palette is not there"));
    }
    // Some writers take eight bits for sixteen.
    let all: Vec<u16> =
        if all.iter().all(|&value| value < 256) { all.iter().map(|v| v * 257).collect() } else { all };
    let each = all.len() / 3;
    Ok([0, 1, 2].map(|index| all[index * each..(index + 1) * each].to_vec()))
}

fn from_16(value: u16) -> u8 {
    ((u32::from(value) * 255 + 32_767) / 65_535) as u8
}

fn from_float(value: f64) -> u8 {
    (value * 255.0).round() as u8
}

fn straight(colour: u8, alpha: u8) -> u8 {
    match alpha {
        0 => 0,
        _ => ((u32::from(colour) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8,
    }
}

/// As JPEG files mean it.
fn from_ycbcr(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let (luma, blue, red) = (f32::from(luma), f32::from(blue) - 128.0, f32::from(red) - 128.0);
    [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue]
        .map(|value| value.round() as u8)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn refused(error: TiffError) -> CodecError {
    let why = match &error {
        TiffError::UnsupportedError(TiffUnsupportedError::UnsupportedCompressionMethod(_)) => {
            "its compression is not read"
        }
        TiffError::UnsupportedError(TiffUnsupportedError::ChromaSubsampling) => {
            "chroma at a lower resolution is only read from JPEG"
        }
        TiffError::UnsupportedError(_) => "its kind of samples is not read",
        _ => return broken(&error.to_string()),
    };
    CodecError::Unsupported { format: Format::Tiff, why }
}

/// A file in which two bytes read differently.
struct Overlaid<'a> {
    bytes: Cursor<&'a [u8]>,
    overlay: Option<(u64, [u8; 2])>,
}

impl Read for Overlaid<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let from = self.bytes.position();
        let length = self.bytes.read(out)?;
        if let Some((at, value)) = self.overlay {
            for (at, byte) in (at..).zip(value) {
                if let Some(place) = at.checked_sub(from).filter(|&place| place < length as u64) {
                    out[place as usize] = byte;
                }
            }
        }
        Ok(length)
    }
}

impl Seek for Overlaid<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}
