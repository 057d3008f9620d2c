//! SVG in, and SVG out without what could do harm. Text that draws can also loop, grow without end and nest until a
//! stack ends, so it is handled in a process of its own ([`serve`]) that is limited, and killed when it takes long; the
//! server itself reads no more than the root element (`head`).

mod clean;
mod css;
mod draw;
mod head;
mod inside;
mod names;
mod process;
mod wire;

use std::borrow::Cow;
use std::io::Read;
use std::time::Instant;

use flate2::read::GzDecoder;

pub(super) use head::{Head, Stop};
pub use inside::serve;
pub use process::COMMAND;
use wire::{Job, Task};

use super::{Bitmap, CodecError, DecodeRequest, Decoded, Format, Header, Layout, Rect, check_deadline};

/// What a text may have, unpacked. Drawings have kilobytes; maps and traced photographs some megabytes.
const MOST_TEXT: u64 = 16 << 20;

/// Bytes for the text as a tree of elements and shapes.
const TREE: u64 = 160 << 20;

/// Groups, masks and filters each draw on pixels of their own.
const LAYERS: u64 = 6;

/// Of an element that names none, in pixels; as the renderer has it.
const FONT_SIZE: f64 = 12.0;

/// How much is unpacked to know what it is, in bytes.
const SNIFFED: usize = 64 << 10;

/// The pixels of the region, drawn at exactly the size that is asked for, be it smaller or larger than its own.
pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let text = unpacked(bytes)?;
    if Head::read(&text).is_ok_and(|head| head.pixels() != (header.width, header.height)) {
        return Err(broken("the header changed its mind"));
    }
    let (width, height) = request.target.unwrap_or((region.width, region.height));
    let task =
        Task::Draw { region: [region.x, region.y, region.width, region.height], target: (width, height) };
    let size = width as usize * height as usize * 4;
    let job = job(task, &text, memory(header, request).saturating_sub(size as u64));
    let data = process::run(&job, &text, size, request.deadline)?;
    Ok(Decoded { bitmap: Bitmap { width, height, layout: Layout::Rgba, data }, icc: None })
}

/// The picture as text, for browsers: shapes, styles and texts, and nothing that runs, loads or leads elsewhere.
pub fn sanitised(bytes: &[u8], deadline: Instant) -> Result<Vec<u8>, CodecError> {
    /// Escapes lengthen a text, entities may do so many times.
    const LONGER: usize = 4;
    let text = unpacked(bytes)?;
    let most = (text.len() * LONGER).max(4096);
    process::run(&job(Task::Clean, &text, TREE), &text, most, deadline)
}

/// The same in this process, for fuzzing: nothing bounds the time and the memory it takes.
#[doc(hidden)]
pub fn cleaned_here(text: &[u8]) -> Result<String, String> {
    clean::clean(text)
}

/// What both ends take together: the process is given all but the result, which is held twice.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let region = request.region.map_or((header.width, header.height), |region| (region.width, region.height));
    let (width, height) = request.target.unwrap_or(region);
    TREE + MOST_TEXT + u64::from(width) * u64::from(height) * 4 * (LAYERS + 1)
}

/// What [`sanitised`] takes.
pub fn cleaning_memory() -> u64 {
    TREE + MOST_TEXT
}

fn job(task: Task, text: &[u8], memory: u64) -> Job {
    Job { task, memory, seconds: process::CPU_SECONDS, len: text.len() as u32 }
}

fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Svg, reason: reason.to_owned() }
}

/// Whether it is a packed SVG, told from its beginning.
pub(super) fn is_packed(bytes: &[u8], is_svg: impl Fn(&[u8]) -> bool) -> bool {
    bytes.starts_with(GZIP) && is_svg(&beginning(bytes, SNIFFED))
}

const GZIP: &[u8] = &[0x1F, 0x8B];

/// The text that a prefix of the file holds, which the server looks at only for the root element.
pub(super) fn text_of(prefix: &[u8]) -> Cow<'_, [u8]> {
    if prefix.starts_with(GZIP) { Cow::Owned(beginning(prefix, head::MOST)) } else { Cow::Borrowed(prefix) }
}

/// Up to so many bytes of a packed text that may be cut.
fn beginning(bytes: &[u8], most: usize) -> Vec<u8> {
    let mut text = Vec::new();
    // What came before an error or the end of the prefix is there.
    let _ = GzDecoder::new(bytes).take(most as u64).read_to_end(&mut text);
    text
}

fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CodecError> {
    let text = if bytes.starts_with(GZIP) {
        let mut text = Vec::new();
        let read = GzDecoder::new(bytes).take(MOST_TEXT + 1).read_to_end(&mut text);
        read.map_err(|error| broken(&format!("it cannot be unpacked: {error}")))?;
        Cow::Owned(text)
    } else {
        Cow::Borrowed(bytes)
    };
    if text.len() as u64 > MOST_TEXT {
        return Err(broken(&format!("its text has more than {} MiB", MOST_TEXT >> 20)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::{Limits, Probe, probe};
    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_packed_svg_is_known_and_read_like_any_other() {
        let comment = "<!-- so that it takes more than one round to read -->".repeat(200);
        let text = format!("{comment}<svg xmlns='http://www.w3.org/2000/svg' width='30' height='20'/>");
        for file in [text.clone().into_bytes(), packed(text.as_bytes())] {
            let Ok(Probe::Complete(header)) = probe(&file, file.len() as u64, &Limits::default()) else {
                panic!("cut")
            };
            assert_eq!((header.format, header.width, header.height), (Format::Svg, 30, 20));
            assert!(header.has_alpha);
            assert_eq!(*unpacked(&file).unwrap(), *text.as_bytes());
        }
        assert_eq!(Format::sniff(&packed(b"<html>")), None);
    }

    #[test]
    fn a_bomb_is_unpacked_no_further_than_allowed() {
        let text = [b"<svg xmlns='http://www.w3.org/2000/svg'>".as_slice(), &vec![b' '; MOST_TEXT as usize]]
            .concat();
        let error = unpacked(&packed(&text)).unwrap_err();
        assert!(error.to_string().contains("16 MiB"), "{error}");
    }
}
