//! The boxes around AV1 streams that make them an AVIF file: one picture, its alpha, its colours, its EXIF.

/// What an encoder made of a picture.
pub(super) struct Streams {
    pub(super) colour: Stream,
    pub(super) alpha: Option<Stream>,
    /// The matrix that made YUV of RGB, by its number in CICP.
    pub(super) matrix: u16,
}

/// One AV1 sequence of one frame.
pub(super) struct Stream {
    pub(super) data: Vec<u8>,
    pub(super) chroma: Chroma,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    None,
    /// Half as wide and half as high.
    #[cfg_attr(not(feature = "libaom"), expect(dead_code, reason = "rav1e is asked for full chroma only"))]
    Halved,
    Full,
}

/// 1 = the picture, 2 = its alpha, 3 = its EXIF block.
const COLOUR: u16 = 1;
const ALPHA: u16 = 2;
const EXIF: u16 = 3;

/// The file; `None` where an offset does not fit into 32 bits or a stream is none.
pub(super) fn file(
    streams: &Streams,
    size: (u32, u32),
    icc: Option<&[u8]>,
    exif: Option<&[u8]>,
) -> Option<Vec<u8>> {
    // A decoder that shows a part of what it has needs the alpha first.
    let mut items: Vec<(u16, &[u8], Vec<u8>)> = Vec::new();
    if let Some(exif) = exif {
        // The block begins with where in it the TIFF structure begins.
        items.push((EXIF, exif, vec![0; 4]));
    }
    if let Some(alpha) = &streams.alpha {
        items.push((ALPHA, sample(&alpha.data), Vec::new()));
    }
    items.push((COLOUR, sample(&streams.colour.data), Vec::new()));
    let properties = properties(streams, size, icc)?;
    let brand = match streams.colour.chroma {
        Chroma::Full => b"MA1A",
        Chroma::None | Chroma::Halved => b"MA1B",
    };
    let mut file = Vec::new();
    boxed(&mut file, b"ftyp", |out| {
        for part in [b"avif", &[0; 4], b"avif", b"mif1", b"miaf", brand] {
            out.extend(part);
        }
    });
    // Offsets are known once the length of the box that holds them is.
    let empty = meta(&items, 0, &properties).len();
    let first = u32::try_from(file.len() + empty + 8).ok()?;
    let total: usize = items.iter().map(|(_, data, before)| data.len() + before.len()).sum();
    u32::try_from(total + first as usize).ok()?;
    file.reserve_exact(empty + 8 + total);
    file.extend(meta(&items, first, &properties));
    boxed(&mut file, b"mdat", |out| {
        for (_, data, before) in &items {
            out.extend(before);
            out.extend(*data);
        }
    });
    Some(file)
}

/// Without the temporal delimiter, which has no place in a file.
fn sample(stream: &[u8]) -> &[u8] {
    stream.strip_prefix(&[0x12, 0x00]).unwrap_or(stream)
}

fn meta(items: &[(u16, &[u8], Vec<u8>)], first: u32, properties: &[u8]) -> Vec<u8> {
    let mut meta = Vec::new();
    full_box(&mut meta, b"meta", 0, |out| {
        full_box(out, b"hdlr", 0, |out| {
            out.extend([0; 4]);
            out.extend(b"pict");
            out.extend([0; 13]);
        });
        full_box(out, b"pitm", 0, |out| out.extend(COLOUR.to_be_bytes()));
        full_box(out, b"iloc", 0, |out| locations(out, items, first));
        full_box(out, b"iinf", 0, |out| {
            out.extend((items.len() as u16).to_be_bytes());
            for (id, _, _) in items {
                full_box(out, b"infe", 0x0200_0000, |out| {
                    out.extend(id.to_be_bytes());
                    out.extend([0; 2]);
                    out.extend(if *id == EXIF { b"Exif" } else { b"av01" });
                    out.push(0);
                });
            }
        });
        if items.len() > 1 {
            full_box(out, b"iref", 0, |out| {
                for (id, _, _) in items.iter().filter(|(id, _, _)| *id != COLOUR) {
                    boxed(out, if *id == EXIF { b"cdsc" } else { b"auxl" }, |out| {
                        for field in [*id, 1, COLOUR] {
                            out.extend(field.to_be_bytes());
                        }
                    });
                }
            });
        }
        out.extend(properties);
    });
    meta
}

fn locations(out: &mut Vec<u8>, items: &[(u16, &[u8], Vec<u8>)], first: u32) {
    // Four bytes for an offset and four for a length.
    out.extend([0x44, 0]);
    out.extend((items.len() as u16).to_be_bytes());
    let mut at = first;
    for (id, data, before) in items {
        let length = (data.len() + before.len()) as u32;
        out.extend(id.to_be_bytes());
        out.extend([0, 0, 0, 1]);
        out.extend(at.to_be_bytes());
        out.extend(length.to_be_bytes());
        at = at.wrapping_add(length);
    }
}

/// `iprp`: what is true of each item.
fn properties(streams: &Streams, (width, height): (u32, u32), icc: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    let mut count = 0_u8;
    let mut add = |kind: &[u8; 4], body: &dyn Fn(&mut Vec<u8>)| {
        boxed(&mut list, kind, body);
        count += 1;
        count
    };
    let extent = add(b"ispe", &|out| {
        out.extend([0; 4]);
        out.extend(width.to_be_bytes());
        out.extend(height.to_be_bytes());
    });
    let depth = |channels: u8| {
        move |out: &mut Vec<u8>| {
            out.extend([0; 4]);
            out.push(channels);
            out.extend(std::iter::repeat_n(8, channels.into()));
        }
    };
    let channels = if streams.colour.chroma == Chroma::None { 1 } else { 3 };
    let config = configuration(&streams.colour)?;
    let mut colour =
        vec![extent, add(b"pixi", &depth(channels)), add(b"av1C", &|out| out.extend(config)) | ESSENTIAL];
    if let Some(icc) = icc {
        colour.push(add(b"colr", &|out| {
            out.extend(b"prof");
            out.extend(icc);
        }));
    }
    // sRGB's primaries and curve, or those of the profile.
    let (primaries, curve) = if icc.is_some() { (2_u16, 2_u16) } else { (1, 13) };
    colour.push(add(b"colr", &|out| {
        out.extend(b"nclx");
        for field in [primaries, curve, streams.matrix] {
            out.extend(field.to_be_bytes());
        }
        out.push(0x80);
    }));
    let mut owners = vec![(COLOUR, colour)];
    if let Some(alpha) = &streams.alpha {
        let config = configuration(alpha)?;
        let mut of_alpha = vec![extent, add(b"pixi", &depth(1))];
        of_alpha.push(add(b"av1C", &|out| out.extend(config)) | ESSENTIAL);
        of_alpha.push(add(b"auxC", &|out| {
            out.extend([0; 4]);
            out.extend(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0");
        }));
        owners.push((ALPHA, of_alpha));
    }
    let mut all = Vec::new();
    boxed(&mut all, b"iprp", |out| {
        boxed(out, b"ipco", |out| out.extend(&list));
        full_box(out, b"ipma", 0, |out| {
            out.extend((owners.len() as u32).to_be_bytes());
            for (id, properties) in &owners {
                out.extend(id.to_be_bytes());
                out.push(properties.len() as u8);
                out.extend(properties);
            }
        });
    });
    Some(all)
}

/// Marks a property without which an item cannot be shown.
const ESSENTIAL: u8 = 0x80;

/// `av1C`: what the stream's sequence header says, once more.
fn configuration(stream: &Stream) -> Option<[u8; 4]> {
    let header = sequence_header(sample(&stream.data))?;
    let (first, second) = (*header.first()?, *header.get(1)?);
    let profile = first >> 5;
    let reduced = first & 0x08 != 0;
    // Behind a full header's timing fields the level is a few bits further; "no limit" is right for all of them.
    let level = if reduced { (first & 0x07) << 2 | second >> 6 } else { 31 };
    let chroma = match stream.chroma {
        Chroma::None => 0b0001_1100,
        Chroma::Halved => 0b0000_1100,
        Chroma::Full => 0,
    };
    Some([0x81, profile << 5 | level, chroma, 0])
}

/// The payload of the sequence header, which is the first unit of a stream.
fn sequence_header(stream: &[u8]) -> Option<&[u8]> {
    const KIND: u8 = 1;
    const HAS_LENGTH: u8 = 0x02;
    let (head, rest) = stream.split_first()?;
    if head >> 3 & 0x0F != KIND || head & HAS_LENGTH == 0 {
        return None;
    }
    // It is a dozen bytes long, so its length is one.
    let (length, rest) = rest.split_first()?;
    rest.get(..usize::from(*length))
}

fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    body(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// With version and flags.
fn full_box(out: &mut Vec<u8>, kind: &[u8; 4], version: u32, body: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        out.extend(version.to_be_bytes());
        body(out);
    });
}
