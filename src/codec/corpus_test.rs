//! The room against a corpus of real and hostile pictures, where that is present: what its manifest says must be
//! what we find.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;

/// A picture of the corpus and what is known of it.
struct Row {
    path: String,
    format: String,
    category: String,
    row: Value,
    bytes: Vec<u8>,
}

/// Beside a full checkout; a bare one has none, and these tests then have nothing to look at.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");

/// The rows in formats that are decoded; none where there is no corpus.
fn corpus() -> Vec<Row> {
    let folder = Path::new(CORPUS);
    let manifest = std::fs::read_to_string(folder.join("manifest.jsonl")).unwrap_or_default();
    let rows = manifest.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let bytes = std::fs::read(folder.join(text("path"))).unwrap();
        Row { path: text("path"), format: text("format"), category: text("category"), bytes, row }
    });
    rows.filter(|row| {
        ["jpeg", "png", "apng", "webp", "gif", "avif", "heic", "jxl", "bmp", "ico", "tiff"]
            .contains(&row.format.as_str())
    })
    .collect()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn whole(target: Option<(u32, u32)>) -> DecodeRequest {
    DecodeRequest { region: None, target, deadline: soon() }
}

fn header(bytes: &[u8]) -> Result<Header, CodecError> {
    match probe(bytes, bytes.len() as u64, &Limits::default())? {
        Probe::Complete(header) => Ok(header),
        Probe::NeedMore(_) => panic!("there is no more than all"),
    }
}

fn decoded(bytes: &[u8]) -> Result<Bitmap, CodecError> {
    decode(bytes, &header(bytes)?, &whole(None)).map(|decoded| decoded.bitmap)
}

impl Row {
    fn number(&self, key: &str) -> Option<u64> {
        self.row[key].as_u64()
    }

    /// `None` where its format is one that cannot be stripped and is refused instead.
    fn stripped(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let format = header(&self.bytes).unwrap().format;
        match strip(bytes, format) {
            Ok(stripped) => Some(stripped.into_owned()),
            Err(StripError::Private { .. })
                if !["jpeg", "png", "apng", "webp", "gif"].contains(&format.name()) =>
            {
                None
            }
            Err(error) => panic!("{}: {error}", self.path),
        }
    }

    fn expects(&self, outcome: &str) -> bool {
        self.row["expect"] == outcome && self.row["tolerated"] != true
    }
}

#[test]
fn headers_say_what_the_manifest_says() {
    // Where the manifest counts a default image that is not part of the animation, or a JPEG's second picture, and
    // where its library paints what a first frame leaves open; and where it takes turned sides for stored ones, or does
    // not crop.
    const OTHERWISE: [&str; 9] = [
        "avif/libavif__abc_color_irot_alpha_NOirot.avif",
        "avif/libavif__abc_color_irot_alpha_irot.avif",
        "heic/pillow_heif__invalid_id.heic",
        "malformed/libavif__clop_irot_imor.avif",
        "apng/image__fcTL-blend-source-transparent.png",
        "apng/image__fcTL-dispose-in-region-previous.png",
        "gif/image__border_touching_layers.gif",
        "jpeg/libavif__apple_gainmap_new.jpg",
        "jpeg/libavif__apple_gainmap_old.jpg",
    ];
    let mut wrong = Vec::new();
    let rows = corpus();
    for row in rows.iter().filter(|row| row.expects("ok") && !OTHERWISE.contains(&row.path.as_str())) {
        let header = match header(&row.bytes) {
            Ok(header) => header,
            Err(error) => {
                wrong.push(format!("{}: {error}", row.path));
                continue;
            }
        };
        // The manifest counts all pictures of such a file, thumbnails and tiles too.
        let frames = if ["avif", "heic", "jxl", "bmp", "ico", "tiff"].contains(&row.format.as_str()) {
            &row.row["frames"]
        } else {
            &header.frames.into()
        };
        // Its library drops the alpha of sixteen bits a pixel.
        let has_alpha = header.has_alpha && !(row.format == "bmp" && row.row["has_alpha"] == false);
        let got = format!(
            "{}×{} alpha {} frames {frames} orientation {}",
            header.width,
            header.height,
            has_alpha,
            header.orientation.exif()
        );
        let expected = format!(
            "{}×{} alpha {} frames {} orientation {}",
            row.row["width"],
            row.row["height"],
            row.row["has_alpha"],
            row.row["frames"],
            row.number("exif_orientation").unwrap_or(1)
        );
        if got != expected {
            wrong.push(format!("{}: {got}, not {expected}", row.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_header_does_not_depend_on_how_much_was_read() {
    for row in corpus() {
        let total = row.bytes.len() as u64;
        let all = probe(&row.bytes, total, &Limits::default());
        let mut have = 16_u64;
        let found = loop {
            let prefix = &row.bytes[..have.min(total) as usize];
            match probe(prefix, total, &Limits::default()) {
                Ok(Probe::NeedMore(more)) => {
                    assert!(more > have && more <= total, "{}: {more} after {have} of {total}", row.path);
                    have = more;
                }
                found => break found,
            }
        };
        assert_eq!(found, all, "{}", row.path);
    }
}

#[test]
fn bombs_are_refused_from_their_header() {
    for row in corpus().iter().filter(|row| row.category == "bomb" && row.expects("error")) {
        header(&row.bytes).expect_err(&row.path);
    }
}

#[test]
fn every_file_decodes_or_says_why_not() {
    let mut wrong = Vec::new();
    for row in corpus() {
        let result = decoded(&row.bytes);
        if (result.is_ok() && row.expects("error")) || (result.is_err() && row.expects("ok")) {
            wrong.push(format!("{}: {:?}", row.path, result.err()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first `parts` sixteenths of the file.
fn sixteenths(bytes: &[u8], parts: usize) -> &[u8] {
    &bytes[..bytes.len() * parts / 16]
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_a_whole_picture_and_never_a_panic() {
    let rows = corpus();
    for row in rows.iter().filter(|row| row.bytes.len() < 1_000_000 && row.category != "bomb") {
        for parts in 0..16 {
            let cut = sixteenths(&row.bytes, parts);
            if let Ok(bitmap) = decoded(cut) {
                let samples = bitmap.width as usize * bitmap.height as usize * bitmap.layout.channels();
                assert_eq!(bitmap.data.len(), samples, "{}", row.path);
            }
            if let Some(format) = Format::sniff(cut) {
                let _ = strip(cut, format);
                for keep in [metadata::Keep::Copyright, metadata::Keep::All] {
                    let _ = metadata::extract(cut, format, keep);
                }
            }
        }
    }
}

#[test]
fn a_region_holds_what_the_whole_picture_holds_there() {
    for row in corpus().iter().filter(|row| row.expects("ok") && row.format != "jpeg") {
        let header = header(&row.bytes).unwrap();
        if u64::from(header.width) * u64::from(header.height) > 1_000_000 {
            continue;
        }
        let all = decoded(&row.bytes).unwrap();
        let (x, y) = (header.width / 3, header.height / 5);
        let region =
            Rect { x, y, width: (header.width - x).div_ceil(2), height: (header.height - y).div_ceil(2) };
        let request = DecodeRequest { region: Some(region), ..whole(None) };
        let part = decode(&row.bytes, &header, &request).unwrap().bitmap;
        let channels = all.layout.channels();
        let stride = header.width as usize * channels;
        for line in 0..region.height as usize {
            let length = region.width as usize * channels;
            let from = (y as usize + line) * stride + x as usize * channels;
            let got = &part.data[line * length..][..length];
            let allowed = match row.format.as_str() {
                // Chroma is interpolated with neighbours that a crop does not have.
                "webp" if line == 0 || line + 1 == region.height as usize => length,
                "webp" => length / 20,
                _ => 0,
            };
            let off = got.iter().zip(&all.data[from..]).filter(|(a, b)| a.abs_diff(**b) > 8).count();
            assert!(off <= allowed, "{}: row {line}: {off} of {length}", row.path);
        }
    }
}

#[test]
fn stripping_leaves_the_pixels_and_takes_the_place() {
    let mut with_place = 0;
    for row in corpus().iter().filter(|row| row.expects("ok")) {
        let before = header(&row.bytes).unwrap();
        let Some(stripped) = row.stripped(&row.bytes) else { continue };
        let after = header(&stripped).unwrap_or_else(|error| panic!("{}: {error}", row.path));
        assert_eq!(before, after, "{}", row.path);
        let (old, new) = (
            decode(&row.bytes, &before, &whole(None)).unwrap(),
            decode(&stripped, &after, &whole(None)).unwrap(),
        );
        assert!(old.bitmap.data == new.bitmap.data, "{}: other pixels", row.path);
        assert_eq!(old.icc, new.icc, "{}: another profile", row.path);
        assert_eq!(row.stripped(&stripped).unwrap(), stripped, "{}: not the same again", row.path);
        for needle in [&b"http://ns.adobe.com"[..], b"Photoshop 3.0", b"MPF\0", b"tEXt", b"<x:xmpmeta"] {
            assert!(
                !stripped.windows(needle.len()).any(|window| window == needle),
                "{}: {needle:?}",
                row.path
            );
        }
        let gps = |file: &[u8]| {
            let exif = ::exif::Reader::new().read_from_container(&mut std::io::Cursor::new(file)).ok();
            exif.is_some_and(|exif| exif.fields().any(|field| field.tag.context() == ::exif::Context::Gps))
        };
        with_place += usize::from(gps(&row.bytes));
        assert!(!gps(&stripped), "{}: still says where it was taken", row.path);
    }
    assert!(with_place > 0 || corpus().is_empty());
}

#[test]
fn what_is_appended_goes() {
    for row in corpus().iter().filter(|row| row.expects("ok") && row.bytes.len() < 100_000) {
        let appended = [&row.bytes, &b"<script>appended</script>"[..]].concat();
        let Some(stripped) = row.stripped(&appended) else { continue };
        assert!(!stripped.windows(8).any(|window| window == b"appended"), "{}", row.path);
    }
}

#[test]
fn metadata_keeps_whose_it_is_and_all_of_it_only_when_asked() {
    use metadata::Keep;
    let has_place = |block: &[u8]| {
        let exif = ::exif::Reader::new().continue_on_error(true).read_raw(block.to_vec());
        let exif = exif.or_else(|error| error.distill_partial_result(|_| ())).unwrap();
        exif.fields().any(|field| field.tag.context() == ::exif::Context::Gps)
    };
    let rows = corpus();
    let mut places = 0;
    let mut rights = 0;
    for row in rows.iter().filter(|row| row.expects("ok")) {
        let format = header(&row.bytes).unwrap().format;
        assert_eq!(metadata::extract(&row.bytes, format, Keep::None), None);
        if let Some(block) = metadata::extract(&row.bytes, format, Keep::Copyright) {
            rights += 1;
            assert!(!has_place(&block), "{}", row.path);
            assert!(block.len() < 10_000, "{}", row.path);
            // It survives a strip, wherever the file said it.
            let Some(stripped) = row.stripped(&row.bytes) else { continue };
            assert_eq!(metadata::extract(&stripped, format, Keep::Copyright), Some(block), "{}", row.path);
        }
        if let Some(block) = metadata::extract(&row.bytes, format, Keep::All) {
            places += usize::from(has_place(&block));
            assert_eq!(exif::orientation(&block), Orientation::UPRIGHT, "{}", row.path);
        }
    }
    assert!(rows.is_empty() || (places > 0 && rights > 0), "{places} {rights}");
}

/// PSNR over white, as the thresholds were measured.
fn psnr(a: &Bitmap, b: &Bitmap) -> f64 {
    let over_white = |bitmap: &Bitmap| -> Vec<f64> {
        let pixels = bitmap.data.chunks_exact(bitmap.layout.channels());
        pixels
            .flat_map(|pixel| match *pixel {
                [gray] => [f64::from(gray); 3],
                [r, g, b] => [r, g, b].map(f64::from),
                [r, g, b, a] => [r, g, b].map(|c| 255.0 - (255.0 - f64::from(c)) * f64::from(a) / 255.0),
                _ => panic!("no such layout"),
            })
            .collect()
    };
    let (a, b) = (over_white(a), over_white(b));
    let error = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64;
    if error < 1e-9 { 99.0 } else { (10.0 * (65025.0 / error).log10()).min(99.0) }
}

fn resized(bitmap: &Bitmap, width: u32, height: u32) -> Bitmap {
    use fast_image_resize::{PixelType, ResizeOptions, Resizer, images::Image};
    let kind = match bitmap.layout {
        Layout::Gray => PixelType::U8,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba | Layout::Cmyk => PixelType::U8x4,
    };
    let from = Image::from_vec_u8(bitmap.width, bitmap.height, bitmap.data.clone(), kind).unwrap();
    let mut to = Image::new(width, height, kind);
    let options = ResizeOptions::new().use_alpha(bitmap.layout == Layout::Rgba);
    Resizer::new().resize(&from, &mut to, &options).unwrap();
    Bitmap { width, height, layout: bitmap.layout, data: to.into_vec() }
}

fn upright(bitmap: &Bitmap, orientation: Orientation) -> Bitmap {
    let (w, h) = (bitmap.width, bitmap.height);
    let (width, height) = if orientation.swaps_sides() { (h, w) } else { (w, h) };
    let channels = bitmap.layout.channels();
    let mut data = Vec::with_capacity(bitmap.data.len());
    for y in 0..height {
        for x in 0..width {
            let (x, y) = match orientation.exif() {
                1 => (x, y),
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (y, h - 1 - x),
                7 => (w - 1 - y, h - 1 - x),
                _ => (w - 1 - y, x),
            };
            let at = (y * w + x) as usize * channels;
            data.extend_from_slice(&bitmap.data[at..at + channels]);
        }
    }
    Bitmap { width, height, layout: bitmap.layout, data }
}

#[test]
fn decoding_towards_a_size_and_scaling_the_rest_gives_the_reference() {
    /// The threshold of the corpus for pictures that are made smaller, and the share that must reach it.
    const PSNR: f64 = 32.9;
    const SHARE: f64 = 0.97;
    /// HDR whose brightness the reference leaves as it is, which is washed out; and Adobe RGB whose blue is not what
    /// lcms makes of it.
    const OFF: [&str; 5] = [
        "avif/libavif__colors_hdr_rec2020.avif",
        "avif/libavif__colors_text_hdr_srgb.avif",
        "avif/libavif__colors_text_wcg_hdr_rec2020.avif",
        "avif/libavif__cosmos1650_yuv444_10bpc_p3pq.avif",
        "tiff/sharp__tifftag-photoshop.tiff",
    ];
    let mut below = Vec::new();
    let mut compared = 0;
    for row in corpus().iter().filter(|row| row.expects("ok") && row.row["contested"].is_null()) {
        let Some(path) = row.row["reference"]["w300"].as_str() else { continue };
        if OFF.contains(&row.path.as_str()) {
            continue;
        }
        let Ok(reference) = std::fs::read(Path::new(CORPUS).join(path)) else { continue };
        let reference = decoded(&reference).unwrap();
        let header = header(&row.bytes).unwrap();
        let target = if header.orientation.swaps_sides() {
            (reference.height, reference.width)
        } else {
            (reference.width, reference.height)
        };
        if target.0 > header.width || target.1 > header.height {
            continue;
        }
        let decoded = decode(&row.bytes, &header, &whole(Some(target))).unwrap();
        let bitmap = resized(&decoded.bitmap, target.0, target.1);
        let bitmap = colour::to_srgb(bitmap, decoded.icc.as_deref()).unwrap();
        let result = psnr(&upright(&bitmap, header.orientation), &reference);
        compared += 1;
        if result < PSNR {
            below.push(format!("{}: {result:.1} dB", row.path));
        }
    }
    let share = 1.0 - below.len() as f64 / f64::from(compared.max(1));
    assert!(share >= SHARE, "{:.1} % of {compared} reach it, not:\n{}", share * 100.0, below.join("\n"));
}

#[test]
fn files_with_random_bytes_in_them_never_panic() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for row in corpus().iter().filter(|row| row.bytes.len() < 20_000) {
        for _ in 0..8 {
            let mut bytes = row.bytes.clone();
            for _ in 0..=random(6) {
                // Half of the hits go where the headers are.
                let reach = if random(2) == 0 { bytes.len().min(128) } else { bytes.len() };
                if let Some(byte) = bytes.get_mut(random(reach)) {
                    *byte = random(256) as u8;
                }
            }
            let Some(format) = Format::sniff(&bytes) else { continue };
            let _ = (strip(&bytes, format), metadata::extract(&bytes, format, metadata::Keep::All));
            let small =
                Limits { max_pixels: 4_000_000, max_pixels_progressive: 4_000_000, ..Limits::default() };
            if let Ok(Probe::Complete(header)) = probe(&bytes, bytes.len() as u64, &small) {
                let _ = decode(&bytes, &header, &whole(Some((20, 20))));
            }
        }
    }
}
