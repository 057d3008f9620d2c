//! ICO in: the largest of its pictures, which is a PNG, or a BMP without its first header and with a mask behind it.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::ico::IcoDecoder;

use super::probe::{self, Stop};
use super::walk::Cut;
use super::{
    CodecError, DecodeRequest, Decoded, Format, Header, Layout, Limits, Orientation, Rect, check_deadline,
    png, shrink,
};

const DIRECTORY: usize = 6;
const ENTRY: usize = 16;
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";
/// What a `BITMAPINFOHEADER` has.
const DIB: usize = 40;

/// The directory, and then as much of the picture that counts as its own header takes.
pub(super) fn header(prefix: &[u8], total: u64, limits: &Limits) -> Result<Header, Stop> {
    let Entry { offset, length } = largest(prefix)?;
    if offset as u64 + DIB as u64 > total {
        return Err(Stop::Broken("its picture lies behind its end"));
    }
    let needed = offset.saturating_add(DIB);
    let head = prefix.get(offset..needed).ok_or(Cut { needed })?;
    if head.starts_with(PNG) {
        let end = usize::try_from(total).unwrap_or(usize::MAX).min(offset.saturating_add(length)).max(needed);
        let have = prefix.len().min(end);
        let inner = match probe::png(&prefix[offset..have]) {
            Err(Stop::Cut(_)) if have == end => {
                return Err(Stop::Broken("its picture ends within its header"));
            }
            Err(Stop::Cut(Cut { needed })) => {
                return Err(Cut { needed: offset.saturating_add(needed).min(end) }.into());
            }
            inner => inner?,
        };
        probe::check(&inner, limits)?;
        // A picture among others is no animation, and is not turned.
        return Ok(Header { format: Format::Ico, frames: 1, orientation: Orientation::UPRIGHT, ..inner });
    }
    let (width, height) = dib_sides(head).ok_or(Stop::Broken("its picture has no header"))?;
    Ok(Header {
        format: Format::Ico,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha: true,
        depth: 8,
        progressive: true,
    })
}

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let entry = match largest(bytes) {
        Ok(entry) => entry,
        Err(_) => return Err(broken("its directory cannot be read")),
    };
    let end = bytes.len().min(entry.offset.saturating_add(entry.length));
    let picture = bytes.get(entry.offset..end).ok_or_else(|| broken("its picture lies behind its end"))?;
    if picture.starts_with(PNG) {
        return png::decode(picture, header, request, region);
    }
    let file = alone(picture, header)?;
    let decoder = IcoDecoder::new(Cursor::new(file)).map_err(undecodable)?;
    if decoder.dimensions() != (header.width, header.height)
        || decoder.color_type() != image::ColorType::Rgba8
    {
        return Err(broken("the header changed its mind"));
    }
    let stride = header.width as usize * 4;
    let mut data = vec![0; stride * header.height as usize];
    decoder.read_image(&mut data).map_err(undecodable)?;
    check_deadline(request.deadline)?;
    let bitmap = shrink::cut(data.chunks_exact(stride), 4, None, Layout::Rgba, region, request.target);
    Ok(Decoded { bitmap, icc: None })
}

/// The picture whole in its file and decoded, and the result; or what a PNG takes.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    png::memory(header, request).max(pixels * 8 + shrink::memory(header, request))
}

/// Where a picture lies in the file.
struct Entry {
    offset: usize,
    length: usize,
}

/// By its sides, then by its bits a pixel, as the directory gives them.
fn largest(bytes: &[u8]) -> Result<Entry, Stop> {
    /// Real ones have a dozen.
    const MOST: usize = 1000;
    let head = bytes.get(..DIRECTORY).ok_or(Cut { needed: DIRECTORY })?;
    let count = usize::from(u16::from_le_bytes([head[4], head[5]]));
    if count > MOST {
        return Err(Stop::Broken("it has too many pictures"));
    }
    let needed = DIRECTORY + count * ENTRY;
    let entries = bytes.get(DIRECTORY..needed).ok_or(Cut { needed })?;
    let side = |side: u8| if side == 0 { 256 } else { u32::from(side) };
    let score = |entry: &&[u8; ENTRY]| {
        (side(entry[0]) * side(entry[1]), u16::from_le_bytes([entry[6], entry[7]]).min(32))
    };
    let best = entries.as_chunks::<ENTRY>().0.iter().max_by_key(score);
    let Some(&[.., l0, l1, l2, l3, o0, o1, o2, o3]) = best else {
        return Err(Stop::Broken("it has no picture"));
    };
    let number = |bytes| u32::from_le_bytes(bytes) as usize;
    Ok(Entry { offset: number([o0, o1, o2, o3]), length: number([l0, l1, l2, l3]) })
}

/// Its height counts the mask too.
fn dib_sides(head: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(i32::from_le_bytes(*head.get(at..)?.first_chunk()?));
    (number(0)? >= DIB as i32).then_some(())?;
    let (width, height) = (number(4)?, number(8)?);
    Some((u32::try_from(width).ok()?, u32::try_from(height).ok()? / 2))
}

/// A file with this picture only, whose directory says what is true, because `image` refuses small lies that others
/// read past: other sides, odd bits a pixel, a mask that is not there.
fn alone(picture: &[u8], header: &Header) -> Result<Vec<u8>, CodecError> {
    let side = |side: u32| u8::try_from(side).unwrap_or(0);
    let mask = u64::from(header.width).div_ceil(32) * 4 * u64::from(header.height);
    let end = pixels_end(picture, header);
    if end.is_some_and(|end| end > picture.len() as u64) {
        return Err(broken("it ends before its last pixel"));
    }
    // A picture of 32 bits has its own alpha and needs no mask, unless all of its alpha is 0.
    let bits = picture.get(14..16).map_or(0, |bits| u16::from_le_bytes([bits[0], bits[1]]));
    let has_alpha_bytes = bits == 32 && end.is_some();
    let pixels_at = picture.first_chunk().map_or(0, |&length| u32::from_le_bytes(length) as usize);
    let pixels = picture.get(pixels_at..end.unwrap_or(0) as usize).unwrap_or_default();
    let has_alpha = has_alpha_bytes && pixels.as_chunks::<4>().0.iter().any(|pixel| pixel[3] != 0);
    let length = match end {
        Some(end) if has_alpha || (picture.len() as u64) < end + mask => end as usize,
        _ => picture.len(),
    };
    let picture = &picture[..length];
    let mut file = Vec::with_capacity(DIRECTORY + ENTRY + length);
    file.extend([0, 0, 1, 0, 1, 0, side(header.width), side(header.height), 0, 0, 1, 0, 32, 0]);
    file.extend((length as u32).to_le_bytes());
    file.extend(((DIRECTORY + ENTRY) as u32).to_le_bytes());
    file.extend(picture);
    if has_alpha_bytes && !has_alpha {
        let from = DIRECTORY + ENTRY + pixels_at;
        for pixel in file[from..from + pixels.len()].as_chunks_mut::<4>().0 {
            pixel[3] = 255;
        }
    }
    Ok(file)
}

/// Where the pixels end and the mask begins, if they are not compressed.
fn pixels_end(picture: &[u8], header: &Header) -> Option<u64> {
    let word = |at: usize| Some(u64::from(u32::from_le_bytes(*picture.get(at..)?.first_chunk()?)));
    let bits = u64::from(u16::from_le_bytes(*picture.get(14..)?.first_chunk()?));
    let (head, compression, colours) = (word(0)?, word(16)?, word(32)?);
    let masks = if compression == 3 && head == DIB as u64 { 12 } else { 0 };
    let palette = match bits {
        1..=8 if colours == 0 => 4 << bits,
        1..=8 => colours.min(256) * 4,
        _ => 0,
    };
    let rows = (u64::from(header.width) * bits).div_ceil(32) * 4 * u64::from(header.height);
    matches!(compression, 0 | 3).then_some(head + masks + palette + rows)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn undecodable(error: image::ImageError) -> CodecError {
    broken(&error.to_string())
}

fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Ico, reason: reason.to_owned() }
}
