//! The small picture in an EXIF block: it shows what the pixels once were, also what a crop or a blur was to hide, so it
//! goes wherever pixels are made anew.

use std::ops::Range;

use super::{LONG, Numbers, SHORT};

/// Where a compressed one lies and how long it is; and the same of one in strips.
const PLACES: [(u16, u16); 2] = [(0x0201, 0x0202), (0x0111, 0x0117)];
/// Of one entry of a directory.
const ENTRY: usize = 12;

/// Takes the second directory, and all that is chained behind it, out of the block with the picture they describe; what
/// stood at the block's end is cut off, what stands elsewhere becomes zeros.
pub(super) fn remove(block: &mut Vec<u8>) {
    let Some(Found { link, first, parts }) = find(block) else { return };
    block[link..link + 4].fill(0);
    // No part reaches into what the block needs to be one.
    let mut parts: Vec<_> = parts.into_iter().filter(|part| part.start >= first.end.max(8)).collect();
    for part in &parts {
        block[part.clone()].fill(0);
    }
    parts.sort_by_key(|part| part.end);
    for part in parts.into_iter().rev() {
        if part.end >= block.len() {
            block.truncate(part.start);
        }
    }
}

struct Found {
    /// Where the first directory says where the second one begins.
    link: usize,
    first: Range<usize>,
    /// The directories behind the first, and what they point to as pictures.
    parts: Vec<Range<usize>>,
}

fn find(block: &[u8]) -> Option<Found> {
    /// A chain is one or two long; a ring has no end.
    const LONGEST: usize = 8;
    let numbers = Numbers::of(block)?;
    let directory = |at: usize| {
        let end = at.checked_add(2 + usize::from(numbers.short(at)?) * ENTRY)?;
        (end + 4 <= block.len()).then_some(at..end + 4)
    };
    let first = directory(numbers.long(4)? as usize)?;
    let link = first.end - 4;
    let mut parts = Vec::new();
    let mut next = numbers.long(link)? as usize;
    if next == 0 {
        return None;
    }
    for _ in 0..LONGEST {
        let Some(found) = directory(next).filter(|_| next != 0) else { break };
        for (offsets, lengths) in PLACES {
            let (offsets, lengths) = (values(numbers, &found, offsets), values(numbers, &found, lengths));
            parts.extend(offsets.into_iter().zip(lengths).filter_map(|(from, length)| {
                let end = from.checked_add(length)?.min(block.len());
                (from < end).then_some(from..end)
            }));
        }
        next = numbers.long(found.end - 4)? as usize;
        parts.push(found);
    }
    Some(Found { link, first, parts })
}

/// The numbers of a tag, where it is there.
fn values(numbers: Numbers<'_>, directory: &Range<usize>, tag: u16) -> Vec<usize> {
    /// Strips of a picture that fits into 64 KB.
    const MOST: usize = 256;
    let entries = (directory.start + 2..directory.end - 4).step_by(ENTRY);
    let Some(entry) = entries.into_iter().find(|&entry| numbers.short(entry) == Some(tag)) else {
        return Vec::new();
    };
    let (Some(kind), Some(count)) = (numbers.short(entry + 2), numbers.long(entry + 4)) else {
        return Vec::new();
    };
    let size = match kind {
        SHORT => 2,
        LONG => 4,
        _ => return Vec::new(),
    };
    let count = (count as usize).min(MOST);
    let at = if count * size <= 4 { Some(entry + 8) } else { numbers.long(entry + 8).map(|at| at as usize) };
    let number = |index: usize| {
        let at = at?.checked_add(index * size)?;
        if size == 2 {
            numbers.short(at).map(usize::from)
        } else {
            numbers.long(at).map(|long| long as usize)
        }
    };
    (0..count).map_while(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One directory with an orientation, a second one that points to the picture behind it.
    fn block(picture: &[u8], behind: &[u8]) -> Vec<u8> {
        let mut block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\x1A".to_vec();
        assert_eq!(block.len(), 0x1A);
        block.extend(b"\0\x02\x02\x01\0\x04\0\0\0\x01\0\0\0\x38\x02\x02\0\x04\0\0\0\x01");
        block.extend((picture.len() as u32).to_be_bytes());
        block.extend([0; 4]);
        assert_eq!(block.len(), 0x38);
        [&block, picture, behind].concat()
    }

    #[test]
    fn nothing_of_a_thumbnail_is_left() {
        let before = block(b"\xFF\xD8 the whole scene \xFF\xD9", b"");
        let after = super::super::renewed(&before);
        assert_eq!(after, [&before[..0x12], &[0, 1, 0, 0, 0, 0, 0, 0]].concat());
        assert!(::exif::Reader::new().read_raw(after).is_ok());
        let mut after = block(b"\xFF\xD8 the whole scene \xFF\xD9", b"something else");
        remove(&mut after);
        assert!(after.ends_with(b"something else") && !after.windows(5).any(|part| part == b"scene"));
        let exif = ::exif::Reader::new().read_raw(after).unwrap();
        assert!(exif.fields().all(|field| field.ifd_num == ::exif::In::PRIMARY));
    }

    #[test]
    fn rings_and_lies_are_survived() {
        // The second directory is the first.
        let mut ring = block(b"x", b"");
        ring[0x19] = 8;
        remove(&mut ring);
        assert_eq!(ring[0x16..0x1A], [0; 4]);
        assert_eq!(super::super::orientation(&ring).exif(), 6);
        // The picture is the first directory.
        let mut lie = block(b"x", b"");
        lie[0x27] = 8;
        lie[0x30..0x34].copy_from_slice(&u32::MAX.to_be_bytes());
        remove(&mut lie);
        assert_eq!(super::super::orientation(&lie).exif(), 6);
        let whole = block(b"picture", b"behind");
        for length in 0..whole.len() {
            remove(&mut whole[..length].to_vec());
        }
    }
}
