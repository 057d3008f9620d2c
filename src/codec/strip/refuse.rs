//! Formats whose metadata cannot be taken out without writing the whole file anew: they pass as they are where they
//! certainly hold nothing private, and only there.

use super::super::exif::Rights;
use super::super::walk::boxes;
use super::super::{Format, jxl as codec_jxl, metadata};

/// What private thing the file holds or may hold; with `rights_too` also whose it is and what made it.
pub(super) fn holds(bytes: &[u8], format: Format, rights_too: bool) -> Option<&'static str> {
    match format {
        Format::Avif | Format::Heic => heif(bytes),
        Format::Jxl => jxl(bytes),
        Format::Tiff => tiff(bytes, rights_too),
        Format::Bmp => bmp(bytes),
        Format::Ico => ico(bytes, rights_too),
        Format::Svg => Some("markup that has not been sanitised"),
        Format::Jpeg | Format::Png | Format::Webp | Format::Gif => Some("metadata"),
    }
}

fn heif(bytes: &[u8]) -> Option<&'static str> {
    const UNREADABLE: Option<&str> = Some("a structure that cannot be followed");
    const UNKNOWN: Option<&str> = Some("a part that is not known here");
    let Some(outer) = boxes(bytes) else { return UNREADABLE };
    for (kind, content) in outer {
        match &kind {
            b"ftyp" | b"mdat" => {}
            b"meta" => {
                let Some(inner) = content.get(4..).and_then(boxes) else { return UNREADABLE };
                for (kind, content) in inner {
                    match &kind {
                        b"iinf" => {
                            let names = |name: &[u8]| content.windows(4).any(|window| window == name);
                            if names(b"Exif") || names(b"mime") || names(b"uri ") {
                                return Some("EXIF or XMP");
                            }
                        }
                        b"hdlr" | b"pitm" | b"iloc" | b"iprp" | b"iref" | b"idat" | b"grpl" => {}
                        _ => return UNKNOWN,
                    }
                }
            }
            _ => return UNKNOWN,
        }
    }
    None
}

fn jxl(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(&[0xFF, 0x0A]) {
        let ends = codec_jxl::length(bytes) == Some(bytes.len() as u64);
        return (!ends).then_some("something behind its pixels");
    }
    let Some(outer) = boxes(bytes) else { return Some("a structure that cannot be followed") };
    let pixels = |kind: &[u8; 4]| matches!(kind, b"JXL " | b"ftyp" | b"jxll" | b"jxli" | b"jxlc" | b"jxlp");
    outer.iter().any(|(kind, _)| !pixels(kind)).then_some("EXIF, XMP or other metadata")
}

fn tiff(bytes: &[u8], rights_too: bool) -> Option<&'static str> {
    const MOST_DIRECTORIES: usize = 1000;
    let unreadable = Some("a structure that cannot be followed");
    let big_endian = bytes.first() == Some(&b'M');
    let short = |at: usize| {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) } as usize)
    };
    if short(2) != Some(42) {
        return unreadable;
    }
    let Some(mut directory) = long(4) else { return unreadable };
    // Up to where something of the file is known.
    let mut end = 8;
    for _ in 0..MOST_DIRECTORIES {
        let Some(count) = short(directory).map(usize::from) else { return unreadable };
        let mut chunks = [Vec::new(), Vec::new()];
        for entry in 0..count {
            let at = directory + 2 + entry * 12;
            let (Some(kind), Some(values), Some(value)) = (short(at + 2), long(at + 4), long(at + 8)) else {
                return unreadable;
            };
            let size = match kind {
                3 | 8 => 2,
                4 | 9 | 11 => 4,
                5 | 10 | 12 => 8,
                _ => 1,
            };
            let length = values.saturating_mul(size);
            let from = if length <= 4 { at + 8 } else { value };
            end = end.max(from.saturating_add(length));
            if let Some(273 | 279 | 324 | 325) = short(at)
                && from.saturating_add(length) <= bytes.len()
            {
                let number = |index: usize| {
                    if size == 2 { short(from + index * 2).map(usize::from) } else { long(from + index * 4) }
                };
                let is_length = matches!(short(at), Some(279 | 325));
                chunks[usize::from(is_length)] = (0..values).filter_map(number).collect();
            }
            match short(directory + 2 + entry * 12) {
                // Make, model, software, date, artist, copyright.
                Some(271 | 272 | 305 | 306 | 315 | 33432) if rights_too => {
                    return Some("an artist, a copyright or what made it");
                }
                // Geometry, strips and tiles, colour; make, model, software, date, artist, copyright, profile.
                Some(
                    254..=266
                    | 271..=274
                    | 277..=284
                    | 290..=293
                    | 296
                    | 297
                    | 301
                    | 305
                    | 306
                    | 315
                    | 317..=325
                    | 332
                    | 334
                    | 336
                    | 338..=342
                    | 347
                    | 512..=521
                    | 529..=532
                    | 33432
                    | 34675,
                ) => {}
                Some(_) => return Some("EXIF, XMP or other metadata"),
                None => return unreadable,
            }
        }
        let [offsets, lengths] = chunks;
        let ends = offsets.iter().zip(&lengths).map(|(offset, length)| offset.saturating_add(*length));
        end = ends.fold(end.max(directory + 2 + count * 12 + 4), usize::max);
        match long(directory + 2 + count * 12) {
            Some(0) => {
                return (bytes.len() > end.next_multiple_of(2)).then_some("something behind its pixels");
            }
            Some(next) => directory = next,
            None => return unreadable,
        }
    }
    unreadable
}

fn bmp(bytes: &[u8]) -> Option<&'static str> {
    let length = bytes.get(2..6).and_then(|length| length.try_into().ok()).map_or(0, u32::from_le_bytes);
    (bytes.len() as u64 > u64::from(length)).then_some("something behind its pixels")
}

fn ico(bytes: &[u8], rights_too: bool) -> Option<&'static str> {
    let unreadable = Some("a structure that cannot be followed");
    let Some(count) = bytes.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes) else {
        return unreadable;
    };
    let mut end = 6 + usize::from(count) * 16;
    for index in 0..usize::from(count) {
        let word = |at: usize| {
            let at = 6 + index * 16 + at;
            bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(|b| u32::from_le_bytes(b) as usize)
        };
        let (Some(length), Some(offset)) = (word(8), word(12)) else { return unreadable };
        let Some(entry) = offset.checked_add(length).and_then(|end| bytes.get(offset..end)) else {
            return unreadable;
        };
        let rights = if rights_too { Rights::default() } else { metadata::rights(entry, Format::Png) };
        if entry.starts_with(b"\x89PNG") && super::png(entry, &rights).is_ok_and(|clean| clean != entry) {
            return Some("metadata in one of its pictures");
        }
        end = end.max(offset + length);
    }
    (bytes.len() > end).then_some("something behind its pixels")
}
