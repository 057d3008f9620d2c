//! An original for everybody's eyes: its pixels bit for bit, without place, serial numbers, maker notes, thumbnails,
//! comments or anything appended. What is kept is listed, not what is removed, so that what nobody thought of goes
//! too. Profile, orientation, artist and copyright stay.

mod refuse;

use std::borrow::Cow;

use super::exif::{self, Rights};
use super::walk::{Block, Blocks, Chunk, Chunks, Cut, EOI, SOS, Segments};
use super::{CodecError, Format, Orientation, metadata, webp};
use crate::error::{Detail, Fault, Kind};

/// Why an original cannot be handed to strangers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StripError {
    /// It holds, or may hold, something private that cannot be taken out without touching the pixels.
    #[error(
        "this {format:?} original holds {holds} and cannot be shown as it is; ask for another format or size"
    )]
    Private { format: Format, holds: &'static str },
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Fault for StripError {
    fn kind(&self) -> Kind {
        match self {
            Self::Private { .. } => Kind::Forbidden,
            Self::Codec(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Private { .. } => "original_private",
            Self::Codec(error) => error.code(),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Private { .. } => Detail::default(),
            Self::Codec(error) => error.detail(),
        }
    }
}

impl Format {
    /// Whether [`strip`] may have to refuse a file of it.
    pub fn may_be_private(self) -> bool {
        match self {
            Self::Jpeg | Self::Png | Self::Webp | Self::Gif => false,
            // Drawings leave sanitised, and that takes everything out.
            Self::Svg => false,
            Self::Avif | Self::Heic | Self::Jxl | Self::Tiff | Self::Bmp | Self::Ico => true,
        }
    }
}

/// The file without what is private, borrowed where nothing had to go. `bytes` are a whole file.
pub fn strip(bytes: &[u8], format: Format) -> Result<Cow<'_, [u8]>, StripError> {
    strip_all_but(bytes, format, Some(&metadata::rights(bytes, format)))
}

/// The same without artist and copyright.
pub fn strip_rights_too(bytes: &[u8], format: Format) -> Result<Cow<'_, [u8]>, StripError> {
    strip_all_but(bytes, format, None)
}

fn strip_all_but<'b>(
    bytes: &'b [u8],
    format: Format,
    kept: Option<&Rights>,
) -> Result<Cow<'b, [u8]>, StripError> {
    let rights = kept.unwrap_or(const { &Rights { artist: None, copyright: None } });
    let stripped = match format {
        Format::Jpeg => jpeg(bytes, rights),
        Format::Png => png(bytes, rights),
        Format::Webp => webp_file(bytes, rights),
        Format::Gif => gif(bytes),
        Format::Avif
        | Format::Heic
        | Format::Jxl
        | Format::Tiff
        | Format::Bmp
        | Format::Ico
        | Format::Svg => {
            return match refuse::holds(bytes, format, kept.is_none()) {
                None => Ok(Cow::Borrowed(bytes)),
                Some(holds) => Err(StripError::Private { format, holds }),
            };
        }
    };
    match stripped {
        Ok(file) if file == bytes => Ok(Cow::Borrowed(bytes)),
        Ok(file) => Ok(Cow::Owned(file)),
        Err(Broken(reason)) => Err(CodecError::Undecodable { format, reason: reason.to_owned() }.into()),
    }
}

/// The structure of a file cannot be followed, so nobody knows what would be left in it.
struct Broken(&'static str);

impl From<Cut> for Broken {
    fn from(_: Cut) -> Self {
        Self("it ends within its structure")
    }
}

fn jpeg(bytes: &[u8], rights: &Rights) -> Result<Vec<u8>, Broken> {
    /// Version, density and the size of a thumbnail.
    const JFIF: usize = 14;
    let mut orientation = None;
    let mut out = Vec::with_capacity(bytes.len());
    out.extend(&bytes[..2]);
    let mut exif_at = out.len();
    let mut scans = 0;
    let mut segments = Segments::new(bytes);
    loop {
        let segment = match segments.next() {
            Ok(segment) => segment,
            // Many real files lack their end; what there is of the picture has been copied.
            Err(Cut { .. }) if scans > 0 => break,
            Err(cut) => return Err(cut.into()),
        };
        match segment.marker {
            0xE0 if segment.body.starts_with(b"JFIF\0") && segment.body.len() >= JFIF && out.len() == 2 => {
                out.extend([0xFF, 0xE0, 0, JFIF as u8 + 2]);
                out.extend(&segment.body[..JFIF - 2]);
                out.extend([0, 0]);
                exif_at = out.len();
            }
            0xE1 if orientation.is_none() && scans == 0 && segment.body.starts_with(b"Exif\0") => {
                orientation = Some(exif::orientation(segment.body.get(6..).unwrap_or(&[])));
            }
            0xE2 if segment.body.starts_with(b"ICC_PROFILE\0") => out.extend(segment.whole),
            0xEE if segment.body.starts_with(b"Adobe") => out.extend(segment.whole),
            SOS => {
                scans += 1;
                out.extend(segment.whole);
                out.extend(segments.scan());
            }
            EOI => {
                out.extend(segment.whole);
                break;
            }
            // Tables, frame headers, restart intervals, line counts.
            0xC0..=0xCF | 0xDB..=0xDF => out.extend(segment.whole),
            _ => {}
        }
    }
    if scans == 0 {
        return Err(Broken("it has no scan"));
    }
    if let Some(block) = exif::write(orientation.unwrap_or_default(), rights) {
        let length = (2 + 6 + block.len()) as u16;
        let segment = [&[0xFF, 0xE1][..], &length.to_be_bytes(), b"Exif\0\0", &block].concat();
        out.splice(exif_at..exif_at, segment);
    }
    Ok(out)
}

fn png(bytes: &[u8], rights: &Rights) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::with_capacity(bytes.len());
    out.extend(&bytes[..8]);
    let mut chunks = Chunks::png(bytes);
    let mut orientation = Orientation::UPRIGHT;
    let mut first_pixels = None;
    loop {
        let chunk = match chunks.next() {
            Ok(chunk) => chunk,
            // Decoders show a file whose end mark is missing.
            Err(Cut { .. }) if first_pixels.is_some() && chunks.at_end() => break,
            Err(cut) => return Err(cut.into()),
        };
        match &chunk.kind {
            b"IEND" => {
                // Whatever its length says, an end mark holds nothing.
                out.extend(b"\0\0\0\0IEND\xAE\x42\x60\x82");
                break;
            }
            b"eXIf" if first_pixels.is_none() => orientation = exif::orientation(exif::tiff(chunk.data)),
            b"IDAT" => {
                first_pixels.get_or_insert(out.len());
                out.extend(chunk.whole);
            }
            b"IHDR" | b"PLTE" | b"tRNS" | b"cHRM" | b"gAMA" | b"sBIT" | b"sRGB" | b"iCCP" | b"cICP"
            | b"mDCV" | b"cLLI" | b"bKGD" | b"pHYs" | b"acTL" | b"fcTL" | b"fdAT" => out.extend(chunk.whole),
            [first, ..] if first.is_ascii_uppercase() => {
                return Err(Broken("it needs a chunk that is not known here"));
            }
            _ => {}
        }
    }
    let Some(pixels_at) = first_pixels else { return Err(Broken("it has no pixels")) };
    if let Some(block) = exif::write(orientation, rights) {
        out.splice(pixels_at..pixels_at, png_chunk(*b"eXIf", &block));
    }
    Ok(out)
}

pub(super) fn png_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend(kind);
    chunk.extend(data);
    let checksum = crc32(&chunk[4..]);
    chunk.extend(checksum.to_be_bytes());
    chunk
}

/// For a few hundred bytes once in a while, so without a table.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}

fn webp_file(bytes: &[u8], rights: &Rights) -> Result<Vec<u8>, Broken> {
    const EXIF: u8 = 0x08;
    const XMP: u8 = 0x04;
    let mut chunks = Chunks::webp(bytes);
    let first = chunks.next()?;
    if &first.kind != b"VP8X" {
        // Whatever follows the one chunk of a simple file is not part of the picture.
        return Ok(webp::riff(&[(first.kind, first.data)]));
    }
    let mut head = first.data.to_vec();
    let flags = *head.first().ok_or(Broken("its header has a wrong length"))?;
    let mut orientation = Orientation::UPRIGHT;
    let mut kept: Vec<([u8; 4], Cow<'_, [u8]>)> = Vec::new();
    while !chunks.at_end() {
        let chunk = chunks.next()?;
        match &chunk.kind {
            b"ICCP" | b"ANIM" | b"ALPH" | b"VP8 " | b"VP8L" => {
                kept.push((chunk.kind, Cow::Borrowed(chunk.data)))
            }
            b"ANMF" => kept.push((chunk.kind, Cow::Owned(webp_frame(chunk)?))),
            b"EXIF" if flags & EXIF != 0 => orientation = exif::orientation(exif::tiff(chunk.data)),
            _ => {}
        }
    }
    head[0] &= !(EXIF | XMP);
    if let Some(block) = exif::write(orientation, rights) {
        head[0] |= EXIF;
        kept.push((*b"EXIF", Cow::Owned(block)));
    }
    let mut all = vec![(*b"VP8X", head.as_slice())];
    all.extend(kept.iter().map(|(kind, data)| (*kind, data.as_ref())));
    Ok(webp::riff(&all))
}

/// A frame of an animation is a small file of its own and can hold anything.
fn webp_frame(frame: Chunk<'_>) -> Result<Vec<u8>, Broken> {
    const HEAD: usize = 16;
    let mut out = frame.data.get(..HEAD).ok_or(Broken("a frame has no header"))?.to_vec();
    let mut chunks = Chunks::inner(frame.data, HEAD);
    while !chunks.at_end() {
        let chunk = chunks.next()?;
        if matches!(&chunk.kind, b"ALPH" | b"VP8 " | b"VP8L") {
            out.extend(chunk.whole);
            out.resize(out.len().next_multiple_of(2), 0);
        }
    }
    Ok(out)
}

fn gif(bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    const CONTROL: u8 = 0xF9;
    const APPLICATION: u8 = 0xFF;
    const TEXT: u8 = 0x01;
    /// How often it repeats, and its profile.
    const NEEDED: [&[u8]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];
    let (head, mut blocks) = Blocks::new(bytes)?;
    let mut out = Vec::with_capacity(bytes.len());
    out.extend(head);
    let mut frames = 0;
    let mut control = None;
    loop {
        match blocks.next() {
            // Delay and transparency belong to the next picture, whatever stands between, or to a text that nobody shows.
            Ok(Block::Extension { label: CONTROL, whole }) => control = Some(whole),
            Ok(Block::Extension { label: TEXT, .. }) => control = None,
            Ok(Block::Extension { label: APPLICATION, whole }) => {
                if whole.get(3..14).is_some_and(|name| NEEDED.contains(&name)) {
                    out.extend(whole);
                }
            }
            Ok(Block::Extension { .. }) => {}
            Ok(Block::Image { whole, .. }) => {
                frames += 1;
                out.extend(control.take().unwrap_or_default());
                out.extend(whole);
            }
            Ok(Block::End | Block::Unknown) | Err(Cut { .. }) if frames > 0 => break,
            Ok(Block::End | Block::Unknown) => return Err(Broken("it has no frame")),
            Err(cut) => return Err(cut.into()),
        }
    }
    out.push(0x3B);
    Ok(out)
}
