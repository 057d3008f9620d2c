//! What a file's header promises, from as much of its beginning as that takes, and whether it keeps the limits.
//! A prefix that is too short is no error: a remote source reads on. The answer never depends on how long the
//! prefix was, so that a picture cannot change with the way in which it was fetched.

use super::walk::{Block, Blocks, Chunks, Cut, SOS, Segments};
use super::{CodecError, Format, Header, Limits, Orientation};
use super::{avif, bmp, exif, heic, ico, jxl, svg, tiff};

/// What [`probe`] could say.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    Complete(Header),
    /// Ask again with at least so many bytes; more than that spares further rounds.
    NeedMore(u64),
}

/// Reads the header of a file of `total` bytes that begins with `prefix`.
///
/// JPEG and PNG headers precede the pixels. A GIF is read to its end, and so is a WebP that is animated or says that
/// it has EXIF, because frames and orientation are found only there.
pub fn probe(prefix: &[u8], total: u64, limits: &Limits) -> Result<Probe, CodecError> {
    /// An SVG can hide behind a comment, everything else shows itself in the first bytes.
    const SNIFFED: u64 = 4096;
    if total > limits.max_bytes {
        return Err(CodecError::TooManyBytes { bytes: total, limit: limits.max_bytes });
    }
    let have = prefix.len() as u64;
    let Some(format) = Format::sniff(prefix) else {
        return if have < SNIFFED.min(total) {
            Ok(Probe::NeedMore(SNIFFED.min(total)))
        } else {
            Err(CodecError::NotAnImage)
        };
    };
    let whole = have >= total;
    let found = match format {
        Format::Jpeg => jpeg(prefix),
        Format::Png => png(prefix),
        Format::Webp => webp(prefix, whole),
        Format::Gif => gif(prefix, whole, limits),
        Format::Avif => avif::header(prefix, total, limits),
        Format::Heic => heic::header(prefix, total, limits),
        Format::Jxl => jxl::header(prefix, total, limits),
        Format::Bmp => bmp::header(prefix, total),
        Format::Ico => ico::header(prefix, total, limits),
        Format::Tiff => tiff::header(prefix, total, limits),
        Format::Svg => vector(prefix),
    };
    match found {
        Ok(header) => {
            check(&header, limits)?;
            Ok(Probe::Complete(header))
        }
        Err(Stop::Cut(Cut { needed })) if !whole => {
            Ok(Probe::NeedMore((needed as u64).clamp(have + 1, total)))
        }
        Err(Stop::Cut(_)) => broken(format, "it ends within its header"),
        Err(Stop::Broken(reason)) => broken(format, reason),
        Err(Stop::Codec(error)) => Err(error),
        Err(Stop::Frames(frames)) => Err(CodecError::TooManyFrames { frames, limit: limits.max_frames }),
    }
}

/// Why no header was found.
pub(super) enum Stop {
    Cut(Cut),
    Broken(&'static str),
    Frames(u32),
    /// What the format's own reader says.
    Codec(CodecError),
}

impl From<CodecError> for Stop {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl From<Cut> for Stop {
    fn from(cut: Cut) -> Self {
        Self::Cut(cut)
    }
}

fn broken<T>(format: Format, reason: &str) -> Result<T, CodecError> {
    Err(CodecError::Undecodable { format, reason: reason.to_owned() })
}

pub(super) fn check(header: &Header, limits: &Limits) -> Result<(), CodecError> {
    if header.width == 0 || header.height == 0 {
        return broken(header.format, "it has no pixels");
    }
    if header.frames > limits.max_frames {
        return Err(CodecError::TooManyFrames { frames: header.frames, limit: limits.max_frames });
    }
    let pixels = u64::from(header.width) * u64::from(header.height);
    let several_scans = header.format == Format::Jpeg && header.progressive;
    let limit =
        if several_scans { limits.max_pixels.min(limits.max_pixels_progressive) } else { limits.max_pixels };
    if pixels > limit {
        return Err(CodecError::TooManyPixels { pixels, limit });
    }
    // Only the first page of a document is ever decoded.
    let frames = if header.format == Format::Tiff { 1 } else { header.frames };
    let summed = pixels.saturating_mul(u64::from(frames));
    if summed > limits.max_pixels_summed {
        return Err(CodecError::TooManyPixels { pixels: summed, limit: limits.max_pixels_summed });
    }
    Ok(())
}

/// The root element of the text.
fn vector(prefix: &[u8]) -> Result<Header, Stop> {
    let text = svg::text_of(prefix);
    let (width, height) = match svg::Head::read(&text) {
        Ok(head) => head.pixels(),
        Err(svg::Stop::Broken(reason)) => return Err(Stop::Broken(reason)),
        // A packed text may have been cut by less than it lacks.
        Err(svg::Stop::Cut(cut)) => return Err(Stop::Cut(Cut { needed: cut.needed.max(prefix.len() * 2) })),
    };
    Ok(Header {
        format: Format::Svg,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha: true,
        depth: 8,
        progressive: false,
    })
}

/// Up to the first scan, because EXIF may stand on either side of the frame header.
fn jpeg(prefix: &[u8]) -> Result<Header, Stop> {
    let mut segments = Segments::new(prefix);
    let mut orientation = None;
    let mut frame = None;
    loop {
        let segment = segments.next()?;
        match segment.marker {
            // C4, C8 and CC are tables and reserved.
            0xC0..=0xCF if !matches!(segment.marker, 0xC4 | 0xC8 | 0xCC) => {
                let &[depth, h0, h1, w0, w1, components, ..] = segment.body else {
                    return Err(Stop::Broken("its frame header is too short"));
                };
                if frame.is_some() {
                    return Err(Stop::Broken("it has two frame headers"));
                }
                let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
                frame = Some((segment.marker, depth, width, height, components));
            }
            0xE1 if orientation.is_none() && segment.body.starts_with(b"Exif\0") => {
                orientation = Some(exif::orientation(segment.body.get(6..).unwrap_or(&[])));
            }
            SOS => {
                let Some((marker, depth, width, height, components)) = frame else {
                    return Err(Stop::Broken("its first scan comes before its frame header"));
                };
                let interleaved = segment.body.first() == Some(&components);
                return Ok(Header {
                    format: Format::Jpeg,
                    width: u32::from(width),
                    height: u32::from(height),
                    orientation: orientation.unwrap_or_default(),
                    frames: 1,
                    has_alpha: false,
                    depth,
                    // Lossless files (C3) cannot be decoded scaled, so they are counted as held whole too.
                    progressive: matches!(marker, 0xC2 | 0xC3 | 0xC6 | 0xCA | 0xCE) || !interleaved,
                });
            }
            0xD8 => return Err(Stop::Broken("it begins twice")),
            0xD9 => return Err(Stop::Broken("it ends before its pixels")),
            _ => {}
        }
    }
}

/// Up to the first pixels; an `eXIf` behind them is not looked at, as libspng and so sharp do it.
pub(super) fn png(prefix: &[u8]) -> Result<Header, Stop> {
    let mut chunks = Chunks::png(prefix);
    let first = chunks.next()?;
    let &[w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, _, _, interlace] = first.data else {
        return Err(Stop::Broken("its header has a wrong length"));
    };
    if &first.kind != b"IHDR" {
        return Err(Stop::Broken("it does not begin with its header"));
    }
    if !matches!((colour, depth), (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) | (2 | 4 | 6, 8 | 16)) {
        return Err(Stop::Broken("its header has a colour type that does not exist"));
    }
    let mut header = Header {
        format: Format::Png,
        width: u32::from_be_bytes([w0, w1, w2, w3]),
        height: u32::from_be_bytes([h0, h1, h2, h3]),
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha: matches!(colour, 4 | 6),
        depth,
        progressive: interlace == 1,
    };
    loop {
        let (kind, _) = chunks.peek()?;
        match &kind {
            b"IDAT" => return Ok(header),
            b"IEND" => return Err(Stop::Broken("it ends before its pixels")),
            b"tRNS" => {
                chunks.next()?;
                header.has_alpha = true;
            }
            b"acTL" => {
                let data = chunks.next()?.data;
                header.frames = data.first_chunk().map_or(1, |&count| u32::from_be_bytes(count).max(1));
            }
            b"eXIf" => {
                let data = chunks.next()?.data;
                header.orientation = exif::orientation(exif::tiff(data));
            }
            _ => {
                chunks.next()?;
            }
        }
    }
}

fn webp(prefix: &[u8], whole: bool) -> Result<Header, Stop> {
    const ANIMATION: u8 = 0x02;
    const EXIF: u8 = 0x08;
    const ALPHA: u8 = 0x10;
    let mut chunks = Chunks::webp(prefix);
    let (kind, _) = chunks.peek()?;
    let still = |width: u32, height: u32, has_alpha: bool, lossless: bool| Header {
        format: Format::Webp,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha,
        depth: 8,
        progressive: lossless,
    };
    // The first bytes of a bitstream are enough.
    let begin = |length: usize| prefix.get(20..20 + length).ok_or(Cut { needed: 20 + length });
    match &kind {
        b"VP8 " => {
            let &[tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = begin(10)? else {
                return Err(Stop::Broken("its pixels do not begin with a key frame"));
            };
            if tag & 1 != 0 {
                return Err(Stop::Broken("its pixels do not begin with a key frame"));
            }
            let side = |low, high| u32::from(u16::from_le_bytes([low, high])) & 0x3FFF;
            Ok(still(side(w0, w1), side(h0, h1), false, false))
        }
        b"VP8L" => {
            let &[0x2F, b0, b1, b2, b3] = begin(5)? else {
                return Err(Stop::Broken("its pixels do not begin with a lossless signature"));
            };
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            Ok(still((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1 == 1, true))
        }
        b"VP8X" => {
            let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = begin(10)? else {
                return Err(Stop::Broken("its header has a wrong length"));
            };
            let side = |b0, b1, b2| u32::from_le_bytes([b0, b1, b2, 0]) + 1;
            let mut header = still(side(w0, w1, w2), side(h0, h1, h2), flags & ALPHA != 0, false);
            // What kind of pixels there are is said behind the profile.
            let mut ahead = chunks.clone();
            header.progressive = loop {
                match &ahead.peek()?.0 {
                    b"VP8 " | b"ALPH" => break false,
                    b"VP8L" | b"ANIM" | b"ANMF" => break true,
                    _ => ahead.next()?,
                };
            };
            if flags & (ANIMATION | EXIF) != 0 {
                if !whole {
                    return Err(Stop::Cut(Cut { needed: usize::MAX }));
                }
                let mut frames = 0;
                // A file that is cut at its end still has the frames before.
                while !chunks.at_end() {
                    let Ok(chunk) = chunks.next() else { break };
                    match &chunk.kind {
                        b"ANMF" => frames += 1,
                        b"EXIF" if flags & EXIF != 0 => {
                            header.orientation = exif::orientation(exif::tiff(chunk.data))
                        }
                        _ => {}
                    }
                }
                if flags & ANIMATION != 0 {
                    if frames == 0 {
                        return Err(Stop::Broken("it is an animation without frames"));
                    }
                    header.frames = frames;
                }
            }
            Ok(header)
        }
        _ => Err(Stop::Broken("it begins with a chunk that is not one of pixels")),
    }
}

fn gif(prefix: &[u8], whole: bool, limits: &Limits) -> Result<Header, Stop> {
    let (head, mut blocks) = Blocks::new(prefix)?;
    let short = |at: usize| u32::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let (mut width, mut height) = (short(6), short(8));
    let mut transparent = false;
    let mut clears = false;
    let mut frames = 0_u32;
    let mut partial = false;
    // Browsers and sharp give a first frame that is larger than the screen the room it needs.
    let mut make_room = |[x, y, w, h]: [u16; 4]| {
        let (right, bottom) = (u32::from(x) + u32::from(w), u32::from(y) + u32::from(h));
        partial |= x > 0 || y > 0 || right < width || bottom < height;
        (width, height) = (width.max(right), height.max(bottom));
    };
    loop {
        match blocks.next() {
            Ok(Block::Extension { label: 0xF9, whole }) => {
                // A transparent colour, or a frame that is cleared behind it.
                transparent |= whole.get(3).is_some_and(|flags| flags & 1 == 1);
                clears |= whole.get(3).is_some_and(|flags| flags >> 2 & 7 == 2);
            }
            Ok(Block::Extension { .. }) => {}
            Ok(Block::Image { x, y, width: w, height: h, .. }) => {
                frames += 1;
                if frames > limits.max_frames {
                    return Err(Stop::Frames(frames));
                }
                if frames == 1 {
                    make_room([x, y, w, h]);
                }
            }
            Ok(Block::End | Block::Unknown) => break,
            Err(Cut { .. }) if !whole => return Err(Stop::Cut(Cut { needed: usize::MAX })),
            // Cut within a frame: the decoder says whether there is enough of it.
            Err(Cut { .. }) => {
                if let Some(place) = blocks.cut_image().filter(|_| frames == 0) {
                    frames = 1;
                    make_room(place);
                }
                break;
            }
        }
    }
    if frames == 0 {
        return Err(Stop::Broken("it has no frame"));
    }
    Ok(Header {
        format: Format::Gif,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames,
        has_alpha: transparent || partial || clears && frames > 1,
        depth: 8,
        progressive: false,
    })
}
