//! What of a file's metadata a result carries: nothing, whose picture it is, or all of its EXIF.

use std::borrow::Cow;
use std::collections::BTreeMap;

use heifer::heifer_isobmff::HeifFile;

use super::exif::{self, Rights, clean};
use super::walk::{Chunks, SOS, Segments, boxes};
use super::{Format, Orientation, tiff};

/// The policy of the `md` option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Keep {
    None,
    /// Artist and copyright only.
    #[default]
    Copyright,
    /// The whole EXIF block, place and serial numbers included, but for its thumbnail, which shows other pixels.
    All,
}

/// The EXIF block to put into a result made from this file, which stands upright: without `Exif\0\0` in front.
pub fn extract(bytes: &[u8], format: Format, keep: Keep) -> Option<Vec<u8>> {
    /// A JPEG segment holds no more.
    const LONGEST: usize = 65_000;
    match keep {
        Keep::None => None,
        Keep::All => {
            let found = find(bytes, format);
            match found.exif.as_deref().filter(|block| block.len() <= LONGEST) {
                Some(block) => Some(exif::renewed(block)),
                None => exif::write(Orientation::UPRIGHT, &found.rights()),
            }
        }
        Keep::Copyright => exif::write(Orientation::UPRIGHT, &find(bytes, format).rights()),
    }
}

/// What a camera says of a picture, by EXIF's names; never where it was taken, nor who or which camera took it. Only
/// what is listed here is told, so that no tag of some maker gives away what this policy keeps back.
pub fn facts(bytes: &[u8], format: Format) -> BTreeMap<&'static str, String> {
    let found = find(bytes, format);
    let mut facts = found.exif.as_deref().map(exif::facts).unwrap_or_default();
    let rights = found.rights();
    for (name, text) in [("Artist", rights.artist), ("Copyright", rights.copyright)] {
        if let Some(text) = text {
            facts.insert(name, String::from_utf8_lossy(&text).replace('\0', "; "));
        }
    }
    facts
}

/// All that the EXIF of a file says, place and serial numbers included, by EXIF's names: for nobody but its owner.
/// Thumbnails and makers' own blocks are left out. A file without EXIF, or with a broken one, says nothing.
pub fn everything(file: impl std::io::Read + std::io::Seek) -> BTreeMap<String, String> {
    exif::everything(std::io::BufReader::new(file))
}

/// Whose picture a file says it is.
pub(super) fn rights(bytes: &[u8], format: Format) -> Rights {
    find(bytes, format).rights()
}

/// The places where a file can say something about itself.
#[derive(Default)]
struct Found<'a> {
    /// From the byte order mark on.
    exif: Option<Cow<'a, [u8]>>,
    xmp: Option<Cow<'a, [u8]>>,
    iptc: Option<&'a [u8]>,
    /// PNG's and TIFF's own texts.
    texts: Rights,
}

impl Found<'_> {
    /// EXIF first, because that is where cameras and we ourselves write it.
    fn rights(self) -> Rights {
        let from_exif = self.exif.as_deref().map(exif::rights).unwrap_or_default();
        from_exif
            .or(|| self.iptc.map(iptc_rights).unwrap_or_default())
            .or(|| self.xmp.as_deref().map(xmp_rights).unwrap_or_default())
            .or(|| self.texts)
    }
}

fn find(bytes: &[u8], format: Format) -> Found<'_> {
    match format {
        Format::Jpeg => find_jpeg(bytes),
        Format::Png => find_png(bytes),
        Format::Webp => find_webp(bytes),
        Format::Avif | Format::Heic => find_heif(bytes),
        Format::Jxl => find_jxl(bytes),
        Format::Tiff => find_tiff(bytes),
        Format::Gif | Format::Bmp | Format::Ico | Format::Svg => Found::default(),
    }
}

fn find_heif(bytes: &[u8]) -> Found<'_> {
    let Ok(file) = HeifFile::parse(bytes) else { return Found::default() };
    let id = file.primary_id;
    Found {
        exif: file.exif(id).ok().flatten().map(Cow::Owned),
        xmp: file.xmp(id).ok().flatten().map(Cow::Owned),
        ..Found::default()
    }
}

/// Compressed boxes are left alone: they are rare and can be bombs.
fn find_jxl(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    for (kind, content) in boxes(bytes).unwrap_or_default() {
        match &kind {
            b"Exif" => {
                let offset = content.first_chunk().map_or(0, |&offset| u32::from_be_bytes(offset) as usize);
                let block = content.get(4..).and_then(|rest| rest.get(offset..)).map(exif::tiff);
                found.exif = found.exif.or(block.map(Cow::Borrowed));
            }
            b"xml " => found.xmp = found.xmp.or(Some(Cow::Borrowed(content))),
            _ => {}
        }
    }
    found
}

/// A TIFF file is one EXIF block with pixels in it, so only its texts are looked at.
fn find_tiff(bytes: &[u8]) -> Found<'_> {
    const ARTIST: u16 = 315;
    const COPYRIGHT: u16 = 33432;
    const XMP: u16 = 700;
    const IPTC: u16 = 33723;
    let texts = Rights {
        artist: tiff::bytes_of(bytes, ARTIST).and_then(clean),
        copyright: tiff::bytes_of(bytes, COPYRIGHT).and_then(clean),
    };
    Found {
        exif: None,
        xmp: tiff::bytes_of(bytes, XMP).map(Cow::Borrowed),
        iptc: tiff::bytes_of(bytes, IPTC),
        texts,
    }
}

fn find_jpeg(bytes: &[u8]) -> Found<'_> {
    const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
    let mut found = Found::default();
    let mut segments = Segments::new(bytes);
    while let Ok(segment) = segments.next() {
        let body = segment.body;
        match segment.marker {
            0xE1 if body.starts_with(b"Exif\0") => {
                found.exif = found.exif.or(body.get(6..).map(Cow::Borrowed))
            }
            0xE1 => found.xmp = found.xmp.or(body.strip_prefix(XMP).map(Cow::Borrowed)),
            0xED => {
                found.iptc = found.iptc.or_else(|| photoshop_iptc(body.strip_prefix(b"Photoshop 3.0\0")?))
            }
            SOS => break,
            _ => {}
        }
    }
    found
}

fn find_png(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    let mut chunks = Chunks::png(bytes);
    while let Ok(chunk) = chunks.next() {
        match &chunk.kind {
            b"eXIf" => found.exif = found.exif.or(Some(Cow::Borrowed(exif::tiff(chunk.data)))),
            // Compressed texts are left alone: they are rare and can be bombs.
            b"tEXt" => {
                let Some(end) = chunk.data.iter().position(|&b| b == 0) else { continue };
                let text = clean(&latin1(&chunk.data[end + 1..]));
                match &chunk.data[..end] {
                    b"Author" => found.texts.artist = found.texts.artist.or(text),
                    b"Copyright" => found.texts.copyright = found.texts.copyright.or(text),
                    _ => {}
                }
            }
            b"iTXt" => {
                let xmp = chunk.data.strip_prefix(b"XML:com.adobe.xmp\0\0\0\0\0");
                found.xmp = found.xmp.or(xmp.map(Cow::Borrowed));
            }
            b"IEND" => break,
            _ => {}
        }
    }
    found
}

fn find_webp(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    let mut chunks = Chunks::webp(bytes);
    while let Ok(chunk) = chunks.next() {
        match &chunk.kind {
            b"EXIF" => found.exif = found.exif.or(Some(Cow::Borrowed(exif::tiff(chunk.data)))),
            b"XMP " => found.xmp = found.xmp.or(Some(Cow::Borrowed(chunk.data))),
            _ => {}
        }
    }
    found
}

/// The IPTC record among Photoshop's resources.
fn photoshop_iptc(mut resources: &[u8]) -> Option<&[u8]> {
    const IPTC: u16 = 0x0404;
    loop {
        let rest = resources.strip_prefix(b"8BIM")?;
        let id = u16::from_be_bytes(*rest.first_chunk()?);
        // A name with its length before it, padded to an even number of bytes.
        let name = (1 + usize::from(*rest.get(2)?)).next_multiple_of(2);
        let rest = rest.get(2 + name..)?;
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let data = rest.get(4..4_usize.checked_add(length)?)?;
        if id == IPTC {
            return Some(data);
        }
        resources = rest.get(4 + length.next_multiple_of(2)..)?;
    }
}

fn iptc_rights(mut record: &[u8]) -> Rights {
    let mut rights = Rights::default();
    while let [0x1C, set, field, high, low, rest @ ..] = record {
        let Some((value, after)) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))
        else {
            break;
        };
        let text = || if std::str::from_utf8(value).is_ok() { clean(value) } else { clean(&latin1(value)) };
        match (set, field) {
            (2, 80) => rights.artist = rights.artist.or_else(text),
            (2, 116) => rights.copyright = rights.copyright.or_else(text),
            _ => {}
        }
        record = after;
    }
    rights
}

fn xmp_rights(packet: &[u8]) -> Rights {
    let text = String::from_utf8_lossy(packet);
    Rights { artist: xmp_item(&text, "dc:creator"), copyright: xmp_item(&text, "dc:rights") }
}

/// The first item of a list in XMP: `<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">…</rdf:li>`.
fn xmp_item(text: &str, property: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("<{property}"))?;
    let (inside, _) = rest.split_once(&format!("</{property}>"))?;
    let (_, rest) = inside.split_once("<rdf:li")?;
    let (_, rest) = rest.split_once('>')?;
    let (value, _) = rest.split_once("</rdf:li>")?;
    let value = value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&");
    clean(value.as_bytes())
}

fn latin1(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_it_is_comes_from_iptc_and_xmp_too() {
        let iptc = b"8BIM\x03\xED\0\0\0\0\0\x02ab8BIM\x04\x04\0\0\0\0\0\x12\x1C\x02\x74\0\x08(c) Ada \x1C\x02\x50\0\0";
        assert_eq!(iptc_rights(photoshop_iptc(iptc).unwrap()).copyright.unwrap(), b"(c) Ada");
        let xmp = "<x><dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>A &amp; B</rdf:li></rdf:Alt></dc:rights>\
                   <dc:creator><rdf:Seq><rdf:li>Zoë</rdf:li></rdf:Seq></dc:creator></x>";
        let rights = xmp_rights(xmp.as_bytes());
        assert_eq!(rights.copyright.unwrap(), b"A & B");
        assert_eq!(rights.artist.unwrap(), "Zoë".as_bytes());
    }

    #[test]
    fn broken_records_end_where_they_break() {
        assert_eq!(iptc_rights(b"\x1C\x02\x74\xFF\xFFshort"), Rights::default());
        assert_eq!(photoshop_iptc(b"8BIM\x04\x04\x00\x00\xFF\xFF\xFF\xFFx"), None);
        assert_eq!(xmp_rights(b"<dc:rights><rdf:li>never closed"), Rights::default());
    }
}
