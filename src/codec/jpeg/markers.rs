//! A JPEG's segments, read by hand: what the frame header promises (so that limits are checked before libjpeg
//! allocates), the colour profile, and which scans a thumbnail does not need.

use std::borrow::Cow;

use super::{CodecError, Format, MAX_SIDE, broken, sys};

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP2: u8 = 0xE2;
const TEM: u8 = 0x01;

const ICC_LABEL: &[u8] = b"ICC_PROFILE\0";
/// Printers' profiles have 1–3 MB; anything larger is no profile that is worth its memory.
const MAX_ICC: usize = 8 << 20;

/// What the first frame and scan headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JpegHeader {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// 1 gray, 3 YCbCr or RGB, 4 CMYK or YCCK.
    pub(crate) components: u8,
    /// Bits per sample as stored: 8 for all that is decoded here.
    pub(crate) depth: u8,
    /// Decoding needs every coefficient of the picture in memory at once: progressive files, and those whose
    /// components come in separate scans.
    pub(crate) buffered: bool,
    /// The kinds of coding that cannot be scaled while decoding.
    pub(crate) lossless: bool,
    pub(crate) progressive: bool,
    sampling: Vec<Component>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Component {
    id: u8,
    horizontal: u8,
    vertical: u8,
}

/// Reads the header; a prefix of the file is enough if it reaches the first scan.
///
/// What libjpeg would refuse, or we do, is refused here already.
pub(crate) fn header(bytes: &[u8]) -> Result<JpegHeader, CodecError> {
    let mut frame: Option<JpegHeader> = None;
    for segment in Segments::new(bytes)? {
        match segment.marker {
            0xC0..=0xCF if !matches!(segment.marker, 0xC4 | 0xC8 | 0xCC) => {
                if frame.is_some() {
                    return Err(broken("it has two frame headers"));
                }
                frame = Some(frame_header(segment.marker, segment.payload)?);
            }
            SOS => {
                let mut frame = frame.ok_or_else(|| broken("a scan comes before the frame header"))?;
                let in_scan = segment.payload.first().copied().unwrap_or(0);
                frame.buffered = frame.progressive || in_scan < frame.components;
                return Ok(frame);
            }
            EOI => break,
            _ => {}
        }
    }
    // A prefix may end between the frame header and the scan; then the worst is assumed.
    frame.ok_or_else(|| broken("it ends before the frame header"))
}

fn frame_header(marker: u8, payload: &[u8]) -> Result<JpegHeader, CodecError> {
    let unsupported = |why| Err(CodecError::Unsupported { format: Format::Jpeg, why });
    let [depth, h1, h0, w1, w0, components, sampling @ ..] = payload else {
        return Err(broken("the frame header is too short"));
    };
    let height = u32::from(u16::from_be_bytes([*h1, *h0]));
    let width = u32::from(u16::from_be_bytes([*w1, *w0]));
    let lossless = marker == 0xC3;
    let progressive = matches!(marker, 0xC2 | 0xCA);
    match marker {
        0xC0..=0xC3 | 0xC9 | 0xCA => {}
        _ => return unsupported("hierarchical and lossless arithmetic coding"),
    }
    if width == 0 || height == 0 {
        return Err(broken("a side is 0"));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(broken(format!("{width}x{height} is more than {MAX_SIDE} a side")));
    }
    if *depth != 8 {
        return unsupported("more or less than 8 bits per sample");
    }
    if !matches!(components, 1 | 3 | 4) {
        return unsupported("a number of components other than 1, 3 or 4");
    }
    let sampling: Vec<Component> = sampling
        .chunks_exact(3)
        .take(usize::from(*components))
        .map(|c| Component { id: c[0], horizontal: c[1] >> 4, vertical: c[1] & 15 })
        .collect();
    if sampling.len() != usize::from(*components) {
        return Err(broken("the frame header is too short"));
    }
    if sampling.iter().any(|c| !(1..=4).contains(&c.horizontal) || !(1..=4).contains(&c.vertical)) {
        return Err(broken("a sampling factor is not 1 to 4"));
    }
    Ok(JpegHeader {
        width,
        height,
        components: *components,
        depth: *depth,
        buffered: true,
        lossless,
        progressive,
        sampling,
    })
}

/// The embedded colour profile, if all of its pieces are there.
pub(crate) fn icc_profile(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut pieces: Vec<Option<&[u8]>> = Vec::new();
    for segment in Segments::new(bytes).ok()?.take_while(|s| s.marker != SOS) {
        let Some([number, count, data @ ..]) = segment.payload.strip_prefix(ICC_LABEL) else { continue };
        if segment.marker != APP2 {
            continue;
        }
        if pieces.is_empty() {
            pieces.resize(usize::from(*count), None);
        }
        let slot = pieces.get_mut(usize::from(*number).checked_sub(1)?)?;
        if slot.replace(data).is_some() {
            return None;
        }
    }
    let pieces: Vec<&[u8]> = pieces.into_iter().collect::<Option<_>>()?;
    let total: usize = pieces.iter().map(|p| p.len()).sum();
    (1..=MAX_ICC).contains(&total).then(|| pieces.concat())
}

/// A progressive file as libjpeg should see it, or an error if it has more than `max_scans` scans: every scan walks
/// the whole picture, so a small file with thousands of them is an attack on the processor.
///
/// `thumbnail` leaves out what a decode at 1/8 does not look at: the AC scans of components that come out at one
/// sample per block, its mean. That is exact, because the one-sample IDCT reads the DC coefficient alone;
/// components that libjpeg scales less (the chroma of 4:2:0) keep all of theirs. Reading the luma detail is three
/// quarters of the work otherwise.
pub(crate) fn needed_scans<'a>(
    bytes: &'a [u8],
    frame: &JpegHeader,
    max_scans: u32,
    thumbnail: bool,
) -> Result<Cow<'a, [u8]>, CodecError> {
    let means_only = if thumbnail { frame.components_reduced_to_means() } else { Vec::new() };
    let mut scans = 0;
    let mut kept = Vec::new();
    let mut from = 0;
    let mut dropping: Option<usize> = None;
    for segment in Segments::new(bytes)? {
        if let Some(start) = dropping.take() {
            kept.extend_from_slice(&bytes[from..start]);
            from = segment.start;
        }
        if segment.marker == SOS {
            scans += 1;
            if scans > max_scans {
                return Err(broken(format!("it has more than {max_scans} scans")));
            }
            if is_detail(segment.payload, &means_only) {
                dropping = Some(segment.start);
            }
        }
    }
    if from == 0 && dropping.is_none() {
        return Ok(Cow::Borrowed(bytes));
    }
    kept.extend_from_slice(&bytes[from..dropping.unwrap_or(bytes.len())]);
    Ok(Cow::Owned(kept))
}

/// Whether this scan holds only AC coefficients of one of these components.
fn is_detail(scan_header: &[u8], components: &[u8]) -> bool {
    matches!(scan_header, [1, id, _tables, first, ..] if *first > 0 && components.contains(id))
}

impl JpegHeader {
    /// The ids of the components that a decode at 1/8 makes from DC coefficients alone; libjpeg lets a subsampled
    /// component keep twice the detail where that saves it an upsampling.
    fn components_reduced_to_means(&self) -> Vec<u8> {
        let widest = self.sampling.iter().map(|c| c.horizontal).max().unwrap_or(1);
        let tallest = self.sampling.iter().map(|c| c.vertical).max().unwrap_or(1);
        self.sampling
            .iter()
            .filter(|c| !widest.is_multiple_of(c.horizontal * 2) || !tallest.is_multiple_of(c.vertical * 2))
            .map(|c| c.id)
            .collect()
    }
}

struct Segment<'a> {
    marker: u8,
    /// Where its marker begins in the file.
    start: usize,
    /// Without the length; cut short where the file ends.
    payload: &'a [u8],
}

/// Walks markers the way libjpeg does: whatever is not a marker is passed over, entropy-coded data too.
struct Segments<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Segments<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, CodecError> {
        if bytes.starts_with(&[0xFF, SOI]) {
            Ok(Self { bytes, position: 2 })
        } else {
            Err(CodecError::NotAnImage)
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            let start = sys::find_ff(self.bytes, self.position);
            let code = self.bytes[start.min(self.bytes.len())..].iter().position(|b| *b != 0xFF)?;
            let marker = self.bytes[start + code];
            let after = start + code + 1;
            self.position = after;
            match marker {
                // A stuffed zero and restart markers belong to entropy-coded data.
                0 | TEM | 0xD0..=0xD7 => {}
                SOI | EOI => return Some(Segment { marker, start, payload: &[] }),
                _ => {
                    let length = self.bytes.get(after..after + 2)?;
                    let length = usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                    let end = (after + length).min(self.bytes.len());
                    self.position = end;
                    return Some(Segment { marker, start, payload: &self.bytes[after + 2..end] });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(segments: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = vec![0xFF, SOI];
        for (marker, payload) in segments {
            out.extend([0xFF, *marker]);
            out.extend((payload.len() as u16 + 2).to_be_bytes());
            out.extend_from_slice(payload);
        }
        out
    }

    const SOF: &[u8] = &[8, 0, 16, 0, 32, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];

    #[test]
    fn reads_a_frame_header() {
        let frame = header(&file(&[(0xE0, b"JFIF\0"), (0xC2, SOF), (SOS, &[3])])).unwrap();
        assert_eq!((frame.width, frame.height, frame.components), (32, 16, 3));
        assert!(frame.progressive && frame.buffered && !frame.lossless);
        assert!(!header(&file(&[(0xC0, SOF), (SOS, &[3])])).unwrap().buffered);
        assert!(header(&file(&[(0xC0, SOF), (SOS, &[1])])).unwrap().buffered, "one component a scan");
    }

    #[test]
    fn refuses_what_libjpeg_would_refuse_or_hide() {
        assert_eq!(header(b"GIF89a"), Err(CodecError::NotAnImage));
        assert_eq!(header(b""), Err(CodecError::NotAnImage));
        for (at, value) in [(0, 12), (2, 0), (5, 2), (7, 0x52), (7, 0x20)] {
            let mut sof = SOF.to_vec();
            sof[at] = value;
            header(&file(&[(0xC0, &sof), (SOS, &[3])])).unwrap_err();
        }
        header(&file(&[(0xC0, &SOF[..10]), (SOS, &[3])])).unwrap_err();
        header(&file(&[(0xC0, SOF), (0xC0, SOF), (SOS, &[3])])).unwrap_err();
        header(&file(&[(0xC5, SOF), (SOS, &[3])])).unwrap_err();
        header(&file(&[(SOS, &[3])])).unwrap_err();
        header(&[0xFF, SOI, 0xFF]).unwrap_err();
        header(&[0xFF, SOI, 0xFF, 0xC0, 0]).unwrap_err();
    }

    #[test]
    fn puts_a_profile_together_from_its_pieces() {
        let piece = |n: u8, of: u8, data: &[u8]| [ICC_LABEL, &[n, of], data].concat();
        let (one, two) = (piece(1, 2, b"abc"), piece(2, 2, b"def"));
        let profile = |segments: &[(u8, &[u8])]| icc_profile(&file(segments));
        assert_eq!(profile(&[(APP2, &two), (0xE1, b"x"), (APP2, &one)]).as_deref(), Some(&b"abcdef"[..]));
        assert_eq!(profile(&[(APP2, &one)]), None, "a piece is missing");
        assert_eq!(profile(&[(APP2, &one), (APP2, &one)]), None, "a piece comes twice");
        assert_eq!(profile(&[(APP2, &piece(3, 2, b"x"))]), None, "the number is beyond the count");
        assert_eq!(profile(&[(APP2, &piece(0, 0, b""))]), None);
        assert_eq!(profile(&[(APP2, b"MPF\0")]), None);
        assert_eq!(profile(&[(SOS, &[3]), (APP2, &piece(1, 1, b"late"))]), None);
    }

    #[test]
    fn leaves_out_luma_detail_only() {
        let frame = header(&file(&[(0xC2, SOF), (SOS, &[3])])).unwrap();
        assert_eq!(frame.components_reduced_to_means(), [1]);
        let dc: &[u8] = &[3, 1, 0, 2, 0, 3, 0, 0, 0, 0];
        let luma: &[u8] = &[1, 1, 0, 1, 5, 0];
        let chroma: &[u8] = &[1, 2, 0, 1, 63, 0];
        let full = file(&[(0xC2, SOF), (SOS, dc), (SOS, luma), (0xC4, b"huff"), (SOS, chroma), (SOS, luma)]);
        let expected = file(&[(0xC2, SOF), (SOS, dc), (0xC4, b"huff"), (SOS, chroma)]);
        let needed = |bytes| needed_scans(bytes, &frame, 4, true);
        assert_eq!(*needed(&full).unwrap(), expected);
        assert!(matches!(needed(&expected), Ok(Cow::Borrowed(_))));
        assert_eq!(*needed_scans(&full, &frame, 4, false).unwrap(), full);
        needed_scans(&full, &frame, 3, true).unwrap_err();
    }
}
