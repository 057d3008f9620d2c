//! PNG in and out. Rows are averaged as they are inflated, so memory does not follow the size of the picture; only
//! interlaced ones are held whole. Gamma and chromaticity chunks are ignored, as sharp does; a profile counts.

use std::borrow::Cow;
use std::io::{Cursor, Write};
use std::time::Instant;

use ::png::{
    BitDepth, ColorType, DecodingError, DeflateCompression, Encoder, Filter, Info, Limits, Reader,
    Transformations,
};

use super::shrink::{self, Shrink};
use super::{
    Bitmap, CodecError, DecodeRequest, Decoded, EncodeRequest, Format, Header, Layout, Rect, check_deadline,
    palette,
};

/// A profile is a few hundred kilobytes at most; what inflates further is an attack and is left out.
pub(super) const AUXILIARY: usize = 4 << 20;

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    // Eight bytes a pixel is the widest row there is, and a few of them are buffered.
    let limits = Limits { bytes: AUXILIARY + header.width as usize * 8 * 4 };
    let mut decoder = ::png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(undecodable)?;
    if reader.info().size() != (header.width, header.height) {
        return Err(broken("the header changed its mind"));
    }
    check_palette(reader.info())?;
    let (colour, depth) = reader.output_color_type();
    let layout = match (colour, depth) {
        (ColorType::Grayscale, BitDepth::Eight) => Layout::Gray,
        (ColorType::Rgb, BitDepth::Eight) => Layout::Rgb,
        (ColorType::GrayscaleAlpha | ColorType::Rgba, BitDepth::Eight) => Layout::Rgba,
        _ => return Err(broken("its colour type cannot be expanded")),
    };
    let icc = reader.info().icc_profile.as_deref().map(<[u8]>::to_vec);
    let (width, height) = shrink::size((region.width, region.height), request.target);
    let mut rows = Rows {
        shrink: Shrink::new(layout, (region.width, region.height), (width, height)),
        region,
        colour,
        expanded: Vec::new(),
    };
    if reader.info().interlaced {
        interlaced(&mut reader, &mut rows, request.deadline)?;
    } else {
        for y in 0..region.y + region.height {
            check_deadline(request.deadline)?;
            let row = reader
                .next_row()
                .map_err(undecodable)?
                .ok_or_else(|| broken("it ends before its last row"))?;
            rows.push(y, row.data());
        }
    }
    Ok(Decoded { bitmap: Bitmap { width, height, layout, data: rows.shrink.finish() }, icc })
}

/// The decoder takes its word that a palette consists of whole colours, 256 at most.
pub(super) fn check_palette(info: &Info<'_>) -> Result<(), CodecError> {
    match info.palette.as_deref().map_or(3, <[u8]>::len) {
        bytes @ 3..=768 if bytes % 3 == 0 => Ok(()),
        _ => Err(broken("its palette is no list of colours")),
    }
}

pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    let region = request.region.map_or((header.width, header.height), |r| (r.width, r.height));
    let (out_width, out_height) = shrink::size(region, request.target);
    let samples = u64::from(depth_bytes(header)) * 4;
    let whole = if header.progressive { width * height * 4 } else { 0 };
    // Four rows within the decoder, one of sums.
    whole
        + u64::from(out_width) * u64::from(out_height) * 4
        + width * samples * 4
        + width * 20
        + AUXILIARY as u64
}

fn depth_bytes(header: &Header) -> u8 {
    header.depth.div_ceil(8)
}

/// Cuts the region out of whole rows.
struct Rows {
    shrink: Shrink,
    region: Rect,
    colour: ColorType,
    expanded: Vec<u8>,
}

impl Rows {
    fn push(&mut self, y: u32, row: &[u8]) {
        if y < self.region.y {
            return;
        }
        let samples = self.colour.samples();
        let from = self.region.x as usize * samples;
        let row = &row[from..from + self.region.width as usize * samples];
        if self.colour == ColorType::GrayscaleAlpha {
            self.expanded.clear();
            self.expanded
                .extend(row.as_chunks::<2>().0.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]));
            self.shrink.push(&self.expanded);
        } else {
            self.shrink.push(row);
        }
    }
}

/// The seven passes are put together before the first row is known.
fn interlaced(
    reader: &mut Reader<Cursor<&[u8]>>,
    rows: &mut Rows,
    deadline: Instant,
) -> Result<(), CodecError> {
    let (width, height) = reader.info().size();
    let samples = rows.colour.samples();
    let stride = width as usize * samples;
    let mut whole = vec![0; stride * height as usize];
    let mut missing = true;
    while let Some(row) = reader.next_interlaced_row().map_err(undecodable)? {
        check_deadline(deadline)?;
        let ::png::InterlaceInfo::Adam7(pass) = row.interlace() else {
            return Err(broken("it is only half interlaced"));
        };
        missing = false;
        ::png::expand_interlaced_row(&mut whole, stride, row.data(), pass, samples as u8 * 8);
    }
    if missing {
        return Err(broken("it has no pixels"));
    }
    for y in rows.region.y..rows.region.y + rows.region.height {
        check_deadline(deadline)?;
        rows.push(y, &whole[y as usize * stride..(y as usize + 1) * stride]);
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

/// Not interlaced whatever is asked for: the `png` crate cannot, and it would cost a quarter more bytes. With a palette
/// where that holds every colour.
pub(super) fn encode(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    /// So few pixels may take fewer bytes than a palette does.
    const SMALL: usize = 4096;
    // Gray is by numbers already.
    let indexed = if bitmap.layout == Layout::Gray { None } else { palette::exact(bitmap) };
    let Some(indexed) = indexed else { return encode_full(bitmap, request) };
    let file = encode_indexed(bitmap, &indexed, request)?;
    if indexed.indices.len() > SMALL {
        return Ok(file);
    }
    let full = encode_full(bitmap, request)?;
    Ok(if full.len() <= file.len() { full } else { file })
}

fn encode_indexed(
    bitmap: &Bitmap,
    indexed: &palette::Indexed,
    request: &EncodeRequest<'_>,
) -> Result<Vec<u8>, CodecError> {
    const LEAST_FOR_INDICES: u8 = 3;
    let depth = match indexed.colours.len() {
        0..=2 => BitDepth::One,
        3..=4 => BitDepth::Two,
        5..=16 => BitDepth::Four,
        _ => BitDepth::Eight,
    };
    let clear = indexed.colours.iter().take_while(|colour| colour[3] < 255);
    let mut info = info(bitmap, request);
    info.color_type = ColorType::Indexed;
    info.bit_depth = depth;
    info.palette = Some(indexed.colours.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect());
    info.trns = Some(clear.map(|colour| colour[3]).collect::<Vec<_>>().into())
        .filter(|trns: &Cow<'_, [u8]>| !trns.is_empty());
    let per_byte = 8 / depth as usize;
    let pack = |few: &[u8]| {
        few.iter().enumerate().fold(0, |byte, (at, index)| byte | index << (8 - depth as usize * (at + 1)))
    };
    let rows = indexed.indices.chunks_exact(bitmap.width as usize);
    let packed: Vec<u8> = rows.flat_map(|row| row.chunks(per_byte).map(pack)).collect();
    // Numbers of colours have no slope that a filter could find, nor the runs of zeros that the fastest mode lives on.
    let request = EncodeRequest { effort: request.effort.max(LEAST_FOR_INDICES), ..*request };
    write(info, Filter::NoFilter, &packed, &request)
}

/// Every sample as it is.
///
/// Level 2 is for when a person waits: up to a third of the bytes of 0 on flat graphics for twice its time, within
/// a few percent of level 6 everywhere.
pub(super) fn encode_full(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    let mut info = info(bitmap, request);
    info.color_type = match bitmap.layout {
        Layout::Gray => ColorType::Grayscale,
        Layout::Rgb => ColorType::Rgb,
        Layout::Rgba | Layout::Cmyk => ColorType::Rgba,
    };
    write(info, Filter::Adaptive, &bitmap.data, request)
}

fn info<'a>(bitmap: &Bitmap, request: &EncodeRequest<'a>) -> Info<'a> {
    let mut info = Info::with_size(bitmap.width, bitmap.height);
    info.bit_depth = BitDepth::Eight;
    info.exif_metadata = request.exif.map(Cow::Borrowed);
    info.icc_profile = request.icc.map(Cow::Borrowed);
    info
}

fn write(
    info: Info<'_>,
    filter: Filter,
    data: &[u8],
    request: &EncodeRequest<'_>,
) -> Result<Vec<u8>, CodecError> {
    /// Smaller pictures are compressed in one go, which is faster and smaller.
    const ROWS_AT_ONCE: usize = 4 << 20;
    let failed =
        |error: ::png::EncodingError| CodecError::Encode { format: Format::Png, reason: error.to_string() };
    let row = info.raw_row_length() - 1;
    let mut file = Vec::with_capacity(data.len() / 2);
    let mut encoder = Encoder::with_info(&mut file, info).map_err(failed)?;
    encoder.set_filter(filter);
    encoder.set_deflate_compression(match request.effort {
        0 | 1 => DeflateCompression::FdeflateUltraFast,
        level => DeflateCompression::Level(level.min(9)),
    });
    let mut writer = encoder.write_header().map_err(failed)?;
    if data.len() <= ROWS_AT_ONCE {
        writer.write_image_data(data).map_err(failed)?;
    } else {
        let mut stream = writer.stream_writer_with_size(1 << 16).map_err(failed)?;
        for row in data.chunks_exact(row) {
            check_deadline(request.deadline)?;
            stream.write_all(row).map_err(|error| failed(error.into()))?;
        }
        stream.finish().map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    Ok(file)
}
