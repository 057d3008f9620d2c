//! HEIC in, by a decoder in pure Rust. It turns, mirrors and crops by itself, so what it gives stands upright; what EXIF
//! says of an orientation counts for nothing in this format.

use heifer::heifer_isobmff::boxes::{ColorInfo, Property};
use heifer::heifer_isobmff::{HeifFile, ItemId};

use super::probe::Stop;
use super::walk::Cut;
use super::{
    CodecError, DecodeRequest, Decoded, Format, Header, Layout, Limits, Orientation, Rect, check_deadline,
    cicp, shrink,
};

/// Everything that decides is in the `meta` box, so what is behind it is not looked at.
pub(super) fn header(prefix: &[u8], total: u64, limits: &Limits) -> Result<Header, Stop> {
    let file = parse(meta(prefix, total)?)?;
    let id = file.primary_id;
    let (width, height) = coded_sides(&file).ok_or(Stop::Broken("it does not say how large it is"))?;
    let pixels = u64::from(width) * u64::from(height);
    // What is cropped away is decoded too.
    if pixels > limits.max_pixels {
        return Err(CodecError::TooManyPixels { pixels, limit: limits.max_pixels }.into());
    }
    let (mut width, mut height) = (width, height);
    for property in file.item_properties(id).map_err(undecodable)? {
        match *property {
            Property::CleanAperture { width: w, height: h, horiz_offset, vert_offset } => {
                (width, height) = (cropped(width, w, horiz_offset), cropped(height, h, vert_offset));
            }
            Property::Rotation(quarters) if quarters % 2 == 1 => (width, height) = (height, width),
            _ => {}
        }
    }
    Ok(Header {
        format: Format::Heic,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha: has_alpha(&file),
        depth: depth(&file),
        progressive: true,
    })
}

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let file = parse(bytes)?;
    let (width, height) = coded_sides(&file).ok_or_else(|| broken("it does not say how large it is"))?;
    let icc = icc(&file);
    drop(file);
    // A picture can be coded larger than it is, and smaller than a tile.
    let max_pixels = (u64::from(width) * u64::from(height)).saturating_mul(2).max(1 << 20);
    let options = heifer::Options { max_threads: 1, max_pixels };
    let image = heifer::decode_rgba8(bytes, &options).map_err(|error| broken(&error.to_string()))?;
    check_deadline(request.deadline)?;
    if (image.width, image.height) != (header.width, header.height) {
        return Err(broken("its pixels have another size than its header"));
    }
    let layout = if header.has_alpha { Layout::Rgba } else { Layout::Rgb };
    let opaque = |row: &[u8], out: &mut Vec<u8>| {
        out.extend(row.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]));
    };
    let convert: Option<shrink::Convert> = if layout == Layout::Rgb { Some(opaque) } else { None };
    let rows = image.data.chunks_exact(header.width as usize * 4);
    Ok(Decoded { bitmap: shrink::cut(rows, 4, convert, layout, region, request.target), icc })
}

/// The decoder's planes of two bytes a sample, its picture before and after a turn, and the result.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let planes = if header.has_alpha { 14 } else { 8 };
    pixels * (planes + 8) + shrink::memory(header, request) + (4 << 20)
}

/// What a clean aperture leaves of a side: a length around a centre that is off the picture's by an offset.
fn cropped(side: u32, length: (u32, u32), offset: (i32, u32)) -> u32 {
    let length = f64::from(length.0) / f64::from(length.1);
    let centre = f64::from(offset.0) / f64::from(offset.1) + (f64::from(side) - 1.0) / 2.0;
    let start = (centre - (length - 1.0) / 2.0).round().max(0.0) as u32;
    (length.round() as u32).min(side.saturating_sub(start))
}

/// The file up to the end of its `meta` box.
fn meta(prefix: &[u8], total: u64) -> Result<&[u8], Stop> {
    let mut at = 0_usize;
    loop {
        let head = |from: usize, length: usize| {
            let end = from.saturating_add(length);
            prefix.get(from..end).ok_or(Cut { needed: end })
        };
        if at as u64 >= total {
            return Err(Stop::Broken("it has no description of its picture"));
        }
        let (size, kind) = head(at, 8)?.split_at(4);
        let size = match size.try_into().map_or(0, u32::from_be_bytes) {
            0 => usize::try_from(total).unwrap_or(usize::MAX) - at,
            1 => {
                let size = head(at + 8, 8)?.try_into().map_or(0, u64::from_be_bytes);
                usize::try_from(size).unwrap_or(usize::MAX)
            }
            size => size as usize,
        };
        if size < 8 {
            return Err(Stop::Broken("it has a box of no size"));
        }
        let end = at.saturating_add(size);
        if kind == b"meta" {
            return Ok(prefix.get(..end).ok_or(Cut { needed: end })?);
        }
        at = end;
    }
}

fn parse(bytes: &[u8]) -> Result<HeifFile<'_>, CodecError> {
    HeifFile::parse(bytes).map_err(undecodable)
}

/// The sides before any crop or turn.
fn coded_sides(file: &HeifFile<'_>) -> Option<(u32, u32)> {
    file.image_size(file.primary_id).ok().flatten()
}

/// The item itself, or the first of the tiles that it is put together from.
fn coded_item(file: &HeifFile<'_>) -> ItemId {
    file.referenced_items(file.primary_id, b"dimg").first().copied().unwrap_or(file.primary_id)
}

fn has_alpha(file: &HeifFile<'_>) -> bool {
    const ALPHA: [&str; 2] = ["urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"];
    let is_alpha = |id: ItemId| {
        file.item_properties(id).is_ok_and(|mut all| {
            all.any(|property| match property {
                Property::AuxiliaryType(name) => ALPHA.contains(&name.as_str()),
                _ => false,
            })
        })
    };
    [file.primary_id, coded_item(file)]
        .into_iter()
        .any(|id| file.referencing_items(id, b"auxl").into_iter().any(is_alpha))
}

fn depth(file: &HeifFile<'_>) -> u8 {
    let config = file.hevc_config(coded_item(file)).ok().flatten();
    config.map_or(8, |config| config.bit_depth_luma.max(config.bit_depth_chroma))
}

fn icc(file: &HeifFile<'_>) -> Option<Vec<u8>> {
    if let Ok(Some(icc)) = file.icc_profile(file.primary_id) {
        return Some(icc.to_vec());
    }
    let named = |id: ItemId| {
        file.item_properties(id).ok()?.find_map(|property| match property {
            Property::Color(ColorInfo::Nclx { primaries, transfer, .. }) => Some((*primaries, *transfer)),
            _ => None,
        })
    };
    let (primaries, transfer) = named(file.primary_id).or_else(|| named(coded_item(file)))?;
    cicp::profile(primaries, transfer)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn undecodable(error: heifer::heifer_isobmff::Error) -> CodecError {
    broken(&error.to_string())
}

fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Heic, reason: reason.to_owned() }
}
