//! The little of EXIF that decides how a picture looks and whose it is: orientation, artist, copyright. Reading is
//! by hand and forgiving, because cameras write broken blocks and the orientation in front of the break still
//! counts; what we write ourselves is a block with these three tags and nothing else.

mod thumbnail;

use std::collections::BTreeMap;

use super::Orientation;

const ORIENTATION: u16 = 0x0112;
const ARTIST: u16 = 0x013B;
const COPYRIGHT: u16 = 0x8298;

const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// Whose picture it is, as free text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) artist: Option<Vec<u8>>,
    pub(super) copyright: Option<Vec<u8>>,
}

impl Rights {
    /// What is missing here is taken from there.
    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self.artist.is_some() && self.copyright.is_some() {
            return self;
        }
        let other = other();
        Self { artist: self.artist.or(other.artist), copyright: self.copyright.or(other.copyright) }
    }
}

/// The TIFF part of an EXIF block, which some writers put behind the marker that only JPEG needs.
pub(super) fn tiff(block: &[u8]) -> &[u8] {
    block.strip_prefix(b"Exif\0\0").unwrap_or(block)
}

pub(super) fn orientation(tiff: &[u8]) -> Orientation {
    orientation_field(tiff).map_or(Orientation::UPRIGHT, |field| Orientation::from_exif(field.value))
}

/// The same block for pixels that were made anew: it says that they stand upright, and has no small picture of what they
/// once were.
pub(super) fn renewed(tiff: &[u8]) -> Vec<u8> {
    let mut block = tiff.to_vec();
    if let Some(Field { at, kind, big_endian, .. }) = orientation_field(tiff) {
        let value: [u8; 4] = match (kind, big_endian) {
            (SHORT, true) => [0, 1, 0, 0],
            (_, true) => [0, 0, 0, 1],
            (_, false) => [1, 0, 0, 0],
        };
        block[at..at + 4].copy_from_slice(&value);
    }
    thumbnail::remove(&mut block);
    block
}

pub(super) fn rights(tiff: &[u8]) -> Rights {
    let Some(exif) = read(tiff) else { return Rights::default() };
    let text = |tag| match &exif.get_field(tag, ::exif::In::PRIMARY)?.value {
        // A copyright may have a second part, the editor's, behind a NUL.
        ::exif::Value::Ascii(parts) => clean(&parts.join(&0)),
        _ => None,
    };
    Rights { artist: text(::exif::Tag::Artist), copyright: text(::exif::Tag::Copyright) }
}

/// How and when the picture was taken, for people to read; place, persons, serial numbers and free texts are not among
/// it.
pub(super) fn facts(tiff: &[u8]) -> BTreeMap<&'static str, String> {
    use ::exif::Tag;
    const TOLD: [(&str, Tag); 18] = [
        ("Make", Tag::Make),
        ("Model", Tag::Model),
        ("LensMake", Tag::LensMake),
        ("LensModel", Tag::LensModel),
        ("Software", Tag::Software),
        ("DateTimeOriginal", Tag::DateTimeOriginal),
        ("OffsetTimeOriginal", Tag::OffsetTimeOriginal),
        ("ExposureTime", Tag::ExposureTime),
        ("FNumber", Tag::FNumber),
        ("ISOSpeedRatings", Tag::PhotographicSensitivity),
        ("FocalLength", Tag::FocalLength),
        ("FocalLengthIn35mmFilm", Tag::FocalLengthIn35mmFilm),
        ("ExposureBiasValue", Tag::ExposureBiasValue),
        ("ExposureProgram", Tag::ExposureProgram),
        ("MeteringMode", Tag::MeteringMode),
        ("WhiteBalance", Tag::WhiteBalance),
        ("Flash", Tag::Flash),
        ("ColorSpace", Tag::ColorSpace),
    ];
    const LONGEST: usize = 200;
    let Some(exif) = read(tiff) else { return BTreeMap::new() };
    let text = |tag| {
        let field = exif.get_field(tag, ::exif::In::PRIMARY)?;
        let text = match &field.value {
            ::exif::Value::Ascii(parts) => String::from_utf8_lossy(&clean(parts.first()?)?).into_owned(),
            _ => field.display_value().with_unit(&exif).to_string(),
        };
        let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        (!text.is_empty()).then_some(text)
    };
    TOLD.into_iter().filter_map(|(name, tag)| Some((name, text(tag)?))).collect()
}

/// Every field of the picture itself, for people to read.
pub(super) fn everything(mut file: impl std::io::BufRead + std::io::Seek) -> BTreeMap<String, String> {
    const MOST: usize = 200;
    const LONGEST: usize = 500;
    let reader = ::exif::Reader::new().continue_on_error(true).read_from_container(&mut file);
    let Ok(exif) = reader.or_else(|error| error.distill_partial_result(|_| ())) else {
        return BTreeMap::new();
    };
    let told = |field: &&::exif::Field| {
        let opaque = matches!(field.tag, ::exif::Tag::MakerNote | ::exif::Tag::UserComment);
        field.ifd_num == ::exif::In::PRIMARY && !opaque
    };
    let text = |field: &::exif::Field| {
        let text = match &field.value {
            ::exif::Value::Ascii(parts) => String::from_utf8_lossy(&clean(parts.first()?)?).into_owned(),
            // Bytes that mean something to a program only.
            ::exif::Value::Undefined(bytes, _) if bytes.len() > 16 => return None,
            _ => field.display_value().with_unit(&exif).to_string(),
        };
        let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        (!text.is_empty()).then_some(text)
    };
    let fields = exif.fields().filter(told).take(MOST);
    fields.filter_map(|field| Some((field.tag.to_string(), text(field)?))).collect()
}

/// What can be read of it, up to where it breaks.
fn read(tiff: &[u8]) -> Option<::exif::Exif> {
    let reader = ::exif::Reader::new().continue_on_error(true).read_raw(tiff.to_vec());
    reader.or_else(|error| error.distill_partial_result(|_| ())).ok()
}

/// Text worth keeping: trimmed, not empty, of a sensible length.
pub(super) fn clean(text: &[u8]) -> Option<Vec<u8>> {
    const LONGEST: usize = 4096;
    let text = text.trim_ascii();
    let end = text.iter().rposition(|&b| b != 0 && b != b' ').map_or(0, |at| at + 1);
    (end > 0).then(|| text[..end.min(LONGEST)].to_vec())
}

/// A block with these tags only; `None` where it would hold nothing.
pub(super) fn write(orientation: Orientation, rights: &Rights) -> Option<Vec<u8>> {
    let short = u32::from(orientation.exif()).to_le_bytes();
    let mut fields: Vec<(u16, u16, Vec<u8>)> = Vec::new();
    if orientation != Orientation::UPRIGHT {
        fields.push((ORIENTATION, SHORT, short.to_vec()));
    }
    for (tag, text) in [(ARTIST, &rights.artist), (COPYRIGHT, &rights.copyright)] {
        if let Some(text) = text {
            fields.push((tag, ASCII, [text.as_slice(), b"\0"].concat()));
        }
    }
    if fields.is_empty() {
        return None;
    }
    let mut block = b"II*\0\x08\0\0\0".to_vec();
    block.extend((fields.len() as u16).to_le_bytes());
    let mut data_at = block.len() + fields.len() * 12 + 4;
    let mut data = Vec::new();
    for (tag, kind, value) in fields {
        block.extend(tag.to_le_bytes());
        block.extend(kind.to_le_bytes());
        let count = if kind == SHORT { 1 } else { value.len() as u32 };
        block.extend(count.to_le_bytes());
        if value.len() <= 4 {
            block.extend(value.iter().copied().chain([0; 4]).take(4));
        } else {
            block.extend((data_at as u32).to_le_bytes());
            data_at += value.len().next_multiple_of(2);
            data.extend(&value);
            data.resize(data.len().next_multiple_of(2), 0);
        }
    }
    block.extend([0; 4]);
    block.extend(data);
    Some(block)
}

/// A field of the first directory whose value stands in the directory itself.
struct Field {
    /// Where the four bytes of the value are.
    at: usize,
    kind: u16,
    value: u32,
    big_endian: bool,
}

fn orientation_field(tiff: &[u8]) -> Option<Field> {
    let numbers = Numbers::of(tiff)?;
    let directory = numbers.long(4)? as usize;
    let count = usize::from(numbers.short(directory)?);
    for index in 0..count {
        let entry = directory.checked_add(2 + index * 12)?;
        if numbers.short(entry)? != ORIENTATION {
            continue;
        }
        let (kind, at) = (numbers.short(entry + 2)?, entry + 8);
        let whole = numbers.long(at)?;
        let value = match kind {
            SHORT => u32::from(numbers.short(at)?),
            LONG => whole,
            _ => return None,
        };
        return Some(Field { at, kind, value, big_endian: numbers.big_endian });
    }
    None
}

/// The numbers of a block, in its own order of bytes.
#[derive(Clone, Copy)]
struct Numbers<'b> {
    block: &'b [u8],
    big_endian: bool,
}

impl<'b> Numbers<'b> {
    fn of(block: &'b [u8]) -> Option<Self> {
        let big_endian = match block.get(..4)? {
            b"MM\0*" => true,
            b"II*\0" => false,
            _ => return None,
        };
        Some(Self { block, big_endian })
    }

    fn short(self, at: usize) -> Option<u16> {
        let bytes = *self.block.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(self, at: usize) -> Option<u32> {
        let bytes = *self.block.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_by_another_reader_too() {
        let rights = Rights { artist: Some(b"Ada".to_vec()), copyright: Some("© 2026 Ada L.".into()) };
        let block = write(Orientation::from_exif(6), &rights).unwrap();
        assert_eq!(orientation(&block), Orientation::from_exif(6));
        assert_eq!(super::rights(&block), rights);
        assert_eq!(::exif::Reader::new().read_raw(block.clone()).unwrap().fields().len(), 3);
        let turned = renewed(&block);
        assert_eq!(orientation(&turned), Orientation::UPRIGHT);
        assert_eq!(super::rights(&turned), rights);
        assert_eq!(write(Orientation::UPRIGHT, &Rights::default()), None);
    }

    #[test]
    fn big_endian_blocks_are_read_and_reset_too() {
        let block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
        assert_eq!(orientation(block), Orientation::from_exif(8));
        assert_eq!(orientation(&renewed(block)), Orientation::UPRIGHT);
    }

    #[test]
    fn a_block_cut_anywhere_is_upright_or_right_but_never_a_panic() {
        let rights = Rights { artist: Some(b"somebody".to_vec()), copyright: None };
        let block = write(Orientation::from_exif(3), &rights).unwrap();
        for length in 0..block.len() {
            let cut = &block[..length];
            assert!([1, 3].contains(&orientation(cut).exif()));
            let _ = (super::rights(cut), renewed(cut));
        }
    }
}
