//! TIFF in: a page, with whatever samples it has, as eight bits. The directory is read here, because the answer
//! must be there before the file is; pixels come from the `tiff` crate.

mod fax;
mod pixels;

use super::probe::Stop;
use super::walk::Cut;
use super::{
    Bitmap, CodecError, DecodeRequest, Decoded, Format, Header, Limits, Orientation, Rect, check_deadline,
    shrink,
};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const PHOTOMETRIC: u16 = 262;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const EXTRA_SAMPLES: u16 = 338;

/// A file of several pages is read to its end, because they are a chain through all of it.
pub(super) fn header(prefix: &[u8], total: u64, limits: &Limits) -> Result<Header, Stop> {
    let file = File::open(prefix, total)?;
    let first = file.directory(file.number(file.first_at(), file.offset_size())?)?;
    let short = |tag: u16| first.value(tag).and_then(|value| u32::try_from(value).ok());
    let (Some(width), Some(height)) = (short(WIDTH), short(HEIGHT)) else {
        return Err(Stop::Broken("it does not say how large it is"));
    };
    let depth = match first.entry(BITS) {
        Some(bits) => file.number(bits.first_value_at, 2)?,
        None => 1,
    };
    let samples = short(SAMPLES).unwrap_or(1);
    let extra = match first.entry(EXTRA_SAMPLES) {
        Some(extra) => file.number(extra.first_value_at, 2)?,
        None => 0,
    };
    let is_rgb = short(PHOTOMETRIC) == Some(2);
    Ok(Header {
        format: Format::Tiff,
        width,
        height,
        orientation: Orientation::from_exif(short(ORIENTATION).unwrap_or(1)),
        frames: file.pages(&first, limits)?,
        // Alpha, premultiplied or not.
        has_alpha: matches!(extra, 1 | 2) || (is_rgb && samples == 4 && extra == 0),
        depth: u8::try_from(depth).unwrap_or(64).clamp(1, 64),
        progressive: true,
    })
}

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
    page: u32,
) -> Result<Decoded, CodecError> {
    let (page, icc) = pixels::Page::read(bytes, header, page)?;
    check_deadline(request.deadline)?;
    let (width, height) = shrink::size((region.width, region.height), request.target);
    let layout = page.layout();
    let mut rows = shrink::Shrink::new(layout, (region.width, region.height), (width, height));
    let channels = layout.channels();
    let mut row = Vec::new();
    for y in region.y..region.y + region.height {
        row.clear();
        page.row(y as usize, &mut row)?;
        let part = row.get(region.x as usize * channels..(region.x + region.width) as usize * channels);
        rows.push(part.ok_or_else(|| broken("it ends before its last pixel"))?);
    }
    Ok(Decoded { bitmap: Bitmap { width, height, layout, data: rows.finish() }, icc })
}

/// The page as it is stored, five samples a pixel at most, twice for what is unpacked of it at a time; and the result.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    pixels::most_bytes(header).saturating_mul(2).saturating_add(shrink::memory(header, request)) + (4 << 20)
}

fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Tiff, reason: reason.to_owned() }
}

/// The beginning of a file, and how its numbers are written.
struct File<'a> {
    prefix: &'a [u8],
    total: u64,
    big_endian: bool,
    /// Offsets and counts have eight bytes.
    is_big: bool,
}

struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    first_value_at: u64,
    /// The first value, where it stands in the entry itself.
    value: Option<u64>,
}

struct Directory {
    entries: Vec<Entry>,
    next: u64,
}

impl Directory {
    fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag && entry.count > 0)
    }

    fn value(&self, tag: u16) -> Option<u64> {
        self.entry(tag)?.value
    }
}

impl<'a> File<'a> {
    fn open(prefix: &'a [u8], total: u64) -> Result<Self, Stop> {
        let &[first, _, v0, v1, ..] = prefix else { return Err(Cut { needed: 8 }.into()) };
        let is_big = v0.max(v1) == 43;
        Ok(Self { prefix, total, big_endian: first == b'M', is_big })
    }

    fn offset_size(&self) -> u64 {
        if self.is_big { 8 } else { 4 }
    }

    fn first_at(&self) -> u64 {
        if self.is_big { 8 } else { 4 }
    }

    /// An unsigned number of `size` bytes.
    fn number(&self, at: u64, size: u64) -> Result<u64, Stop> {
        let end = at.saturating_add(size);
        if end > self.total {
            return Err(Stop::Broken("its directory lies behind its end"));
        }
        let bytes = self.prefix.get(at as usize..end as usize).ok_or(Cut { needed: end as usize })?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Ok(if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    fn directory(&self, at: u64) -> Result<Directory, Stop> {
        /// Cameras write some fifty tags.
        const MOST: u64 = 4096;
        let (count_size, entry_size) = if self.is_big { (8, 20) } else { (2, 12) };
        let count = self.number(at, count_size)?;
        if count > MOST {
            return Err(Stop::Broken("its directory is too long"));
        }
        let end = at + count_size + count * entry_size;
        // Its end first, so that a prefix is asked for once.
        let next = self.number(end, self.offset_size())?;
        let entry = |index: u64| self.entry(at + count_size + index * entry_size);
        Ok(Directory { entries: (0..count).map(entry).collect::<Result<_, _>>()?, next })
    }

    fn entry(&self, at: u64) -> Result<Entry, Stop> {
        let (tag, kind) = (self.number(at, 2)? as u16, self.number(at + 2, 2)? as u16);
        let count = self.number(at + 4, self.offset_size())?;
        let field = at + 4 + self.offset_size();
        let size = match kind {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        let is_inside = count.saturating_mul(size) <= self.offset_size();
        let first_value_at = if is_inside { field } else { self.number(field, self.offset_size())? };
        let value = if is_inside { Some(self.number(field, size)?) } else { None };
        Ok(Entry { tag, kind, count, first_value_at, value })
    }

    fn pages(&self, first: &Directory, limits: &Limits) -> Result<u32, Stop> {
        let (count_size, entry_size) = if self.is_big { (8, 20) } else { (2, 12) };
        let (mut pages, mut next) = (1, first.next);
        while next != 0 {
            if (self.prefix.len() as u64) < self.total {
                return Err(Cut { needed: usize::MAX }.into());
            }
            let after =
                |count: u64| next.saturating_add(count_size).saturating_add(count.saturating_mul(entry_size));
            // A chain that leaves the file ends there.
            let Ok(after) = self.number(next, count_size).map(after) else { break };
            let Ok(following) = self.number(after, self.offset_size()) else { break };
            pages += 1;
            if pages > limits.max_frames {
                return Err(Stop::Frames(pages));
            }
            next = following;
        }
        Ok(pages)
    }
}

/// What a tag of the first directory holds, as bytes.
pub(super) fn bytes_of(bytes: &[u8], tag: u16) -> Option<&[u8]> {
    let file = File::open(bytes, bytes.len() as u64).ok()?;
    let first = file.directory(file.number(file.first_at(), file.offset_size()).ok()?).ok()?;
    let entry = first.entry(tag).filter(|entry| matches!(entry.kind, 1 | 2 | 7))?;
    let from = usize::try_from(entry.first_value_at).ok()?;
    bytes.get(from..from.checked_add(usize::try_from(entry.count).ok()?)?)
}

/// Where the directory of a page says how samples are meant, and what it says.
fn photometric(bytes: &[u8], page: u32) -> Option<(u64, u64)> {
    let file = File::open(bytes, bytes.len() as u64).ok()?;
    let mut directory = file.directory(file.number(file.first_at(), file.offset_size()).ok()?).ok()?;
    for _ in 0..page {
        directory = file.directory(directory.next).ok()?;
    }
    let entry = directory.entry(PHOTOMETRIC).filter(|entry| entry.kind == 3)?;
    Some((entry.first_value_at, entry.value?))
}
