//! Pixels to a JPEG.

use std::time::Instant;

use crate::codec::{Bitmap, Layout};

use super::sys::{EncodeSetup, Encoded, Encoder};
use super::{CodecError, Format, MAX_SIDE};

/// Below this size a progressive file is no smaller than a sequential one.
const PROGRESSIVE_FROM: usize = 10_000;

/// What fits into one segment beside its length and, for EXIF, the label.
const MAX_SEGMENT: usize = 65_533;
const EXIF_LABEL: &[u8] = b"Exif\0\0";
const MAX_ICC: usize = 255 * 65_519;

/// Rows per call of the shim.
const BATCH: usize = 64;

/// How a picture becomes a JPEG.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodeOptions<'a> {
    /// 1…100 on libjpeg's scale.
    pub(crate) quality: u8,
    /// `None` = 4:2:0.
    pub(crate) full_chroma: Option<bool>,
    /// `None` = when the file would have more than [`PROGRESSIVE_FROM`] bytes.
    pub(crate) progressive: Option<bool>,
    /// The TIFF structure, without JPEG's own label. One that is too long for a segment is left out.
    pub(crate) exif: Option<&'a [u8]>,
    /// A profile to embed. One that is too long for 255 segments is left out.
    pub(crate) icc: Option<&'a [u8]>,
    /// Checked at every row of blocks.
    pub(crate) deadline: Instant,
}

/// Encodes gray, RGB, or RGBA whose alpha is ignored (flatten first).
///
/// Whether "auto" means progressive depends on the size of a file that does not exist yet. A first run with the
/// standard Huffman tables answers it: it stops at the threshold, so for a large picture it costs a few hundred
/// rows of blocks at most, and for a small one a fraction of a millisecond. The file itself always has tables of
/// its own, some 5 % smaller.
pub(crate) fn encode(bitmap: &Bitmap, options: &EncodeOptions<'_>) -> Result<Vec<u8>, CodecError> {
    let Bitmap { width, height, layout, .. } = *bitmap;
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(CodecError::ResultTooLarge { format: Format::Jpeg, width, height, limit: MAX_SIDE });
    }
    if layout == Layout::Cmyk {
        return Err(failed("CMYK was not converted to RGB"));
    }
    if width == 0 || height == 0 || bitmap.data.len() != width as usize * height as usize * layout.channels()
    {
        return Err(failed("the bitmap is not as large as it says"));
    }
    let setup = EncodeSetup {
        width,
        height,
        channels: layout.channels() as u32,
        quality: u32::from(options.quality.clamp(1, 100)),
        full_chroma: u32::from(options.full_chroma.unwrap_or(false)),
        ..EncodeSetup::default()
    };
    let progressive = match options.progressive {
        Some(chosen) => chosen,
        None => {
            let trial = EncodeSetup { max_bytes: PROGRESSIVE_FROM, ..setup };
            run(bitmap, &trial, None, None, options.deadline)?.is_none()
        }
    };
    let setup = EncodeSetup { progressive: u32::from(progressive), optimize: 1, ..setup };
    run(bitmap, &setup, options.exif, options.icc, options.deadline)?
        .ok_or_else(|| failed("an encoder without a cap reached it"))
}

/// One encoding; `None` when it reached the setup's cap.
fn run(
    bitmap: &Bitmap,
    setup: &EncodeSetup,
    exif: Option<&[u8]>,
    icc: Option<&[u8]>,
    deadline: Instant,
) -> Result<Option<Vec<u8>>, CodecError> {
    let Some(mut encoder) = Encoder::start(setup, deadline)? else { return Ok(None) };
    if let Some(exif) = exif.filter(|e| !e.is_empty() && EXIF_LABEL.len() + e.len() <= MAX_SEGMENT)
        && let Encoded::Full = encoder.app(1, &[EXIF_LABEL, exif].concat())?
    {
        return Ok(None);
    }
    if let Some(icc) = icc.filter(|p| (1..=MAX_ICC).contains(&p.len()))
        && let Encoded::Full = encoder.icc(icc)?
    {
        return Ok(None);
    }
    let row = bitmap.width as usize * bitmap.layout.channels();
    for rows in bitmap.data.chunks(row * BATCH) {
        if let Encoded::Full = encoder.write(rows)? {
            return Ok(None);
        }
    }
    encoder.finish()
}

fn failed(reason: &str) -> CodecError {
    CodecError::Encode { format: Format::Jpeg, reason: reason.to_owned() }
}
