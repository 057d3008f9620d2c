//! What fax machines before the fourth group wrote, one row coded for itself: `tiff` reads only that fourth group.

use std::io::{Read, Seek};

use ::fax::Color;
use ::fax::decoder::{decode_g3, pels};
use ::tiff::decoder::Decoder;
use ::tiff::tags::Tag;

use super::broken;
use super::pixels::refused;
use crate::codec::{CodecError, Format, Header};

pub(super) fn is_group_3<R: Read + Seek>(decoder: &mut Decoder<R>) -> bool {
    number(decoder, Tag::Compression) == Some(3)
}

fn number<R: Read + Seek>(decoder: &mut Decoder<R>, tag: Tag) -> Option<u32> {
    decoder.find_tag_unsigned(tag).ok().flatten()
}

/// Rows of whole bytes, in which a set bit is white.
pub(super) fn read<R: Read + Seek>(
    decoder: &mut Decoder<R>,
    bytes: &[u8],
    header: &Header,
) -> Result<Vec<u8>, CodecError> {
    const TWO_DIMENSIONAL: u32 = 1;
    const LOWEST_BIT_FIRST: u32 = 2;
    let unsupported = |why| Err(CodecError::Unsupported { format: Format::Tiff, why });
    if number(decoder, Tag::Unknown(292)).unwrap_or(0) & TWO_DIMENSIONAL != 0 || header.depth != 1 {
        return unsupported("its compression is not read");
    }
    let Ok(width) = u16::try_from(header.width) else { return unsupported("its rows are too long") };
    let reversed = number(decoder, Tag::FillOrder) == Some(LOWEST_BIT_FIRST);
    let inverted = number(decoder, Tag::PhotometricInterpretation) == Some(1);
    let offsets = decoder.get_tag_u64_vec(Tag::StripOffsets).map_err(refused)?;
    let lengths = decoder.get_tag_u64_vec(Tag::StripByteCounts).map_err(refused)?;
    let (stride, height) = (usize::from(width).div_ceil(8), header.height as usize);
    let mut rows = Vec::with_capacity(stride * height);
    for (offset, length) in offsets.into_iter().zip(lengths) {
        let strip = usize::try_from(offset).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
        let strip = &strip[..strip.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
        let input = strip.iter().map(|&byte| if reversed { byte.reverse_bits() } else { byte });
        decode_g3(input, |changes| {
            // The mark of the end comes as a row without any change.
            if changes.is_empty() || rows.len() == stride * height {
                return;
            }
            let from = rows.len();
            rows.resize(from + stride, 0);
            for (x, colour) in pels(changes, width).enumerate().take(usize::from(width)) {
                if (colour == Color::White) != inverted {
                    rows[from + x / 8] |= 0x80 >> (x % 8);
                }
            }
        });
    }
    if rows.is_empty() {
        return Err(broken("it has no rows"));
    }
    // The last rows of a bad line are white.
    rows.resize(stride * height, if inverted { 0 } else { 0xFF });
    Ok(rows)
}
