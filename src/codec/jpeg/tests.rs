//! What decoding and encoding promise together, on pictures made here and on the shared corpus where it is there.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{EncodeOptions, decode, encode, header, sys};
use crate::codec::{Bitmap, CodecError, DecodeRequest, Layout, Rect};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn whole() -> DecodeRequest {
    DecodeRequest { region: None, target: None, deadline: soon() }
}

fn options() -> EncodeOptions<'static> {
    EncodeOptions {
        quality: 90,
        full_chroma: None,
        progressive: None,
        exif: None,
        icc: None,
        deadline: soon(),
    }
}

fn random(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

/// Waves, edges and grain: something in every frequency, so that a wrong offset cannot go unnoticed.
fn picture(width: u32, height: u32, layout: Layout) -> Bitmap {
    let mut seed = 7;
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..layout.channels() as u32 {
                let wave =
                    ((x * (channel + 2)) as f32 / 17.0).sin() + (y as f32 / (11.0 + channel as f32)).cos();
                let edge = if (x / 29 + y / 23) % 2 == 0 { 20.0 } else { -20.0 };
                let grain = (random(&mut seed) % 16) as f32;
                data.push((120.0 + 45.0 * wave + edge + grain) as u8);
            }
        }
    }
    Bitmap { width, height, layout, data }
}

fn psnr(a: &Bitmap, b: &Bitmap) -> f64 {
    assert_eq!((a.width, a.height, a.layout), (b.width, b.height, b.layout));
    let squares: f64 = a.data.iter().zip(&b.data).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (65025.0 / (squares / a.data.len() as f64).max(1e-9)).log10()
}

fn crop(bitmap: &Bitmap, rect: Rect) -> Bitmap {
    let channels = bitmap.layout.channels();
    let row = bitmap.width as usize * channels;
    let data = bitmap
        .data
        .chunks_exact(row)
        .skip(rect.y as usize)
        .take(rect.height as usize)
        .flat_map(|line| line[rect.x as usize * channels..][..rect.width as usize * channels].to_vec())
        .collect();
    Bitmap { width: rect.width, height: rect.height, layout: bitmap.layout, data }
}

/// `Bitmap` prints nothing, and megabytes would not help.
fn assert_same(a: &Bitmap, b: &Bitmap, what: &str) {
    assert_eq!((a.width, a.height, a.layout), (b.width, b.height, b.layout), "{what}");
    let wrong = a.data.iter().zip(&b.data).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0, "{what}: so many samples differ of {}", a.data.len());
}

/// The corpus's JPEGs of at most `max_bytes`, by name.
fn corpus(max_bytes: u64) -> Vec<(String, Vec<u8>)> {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"));
    let mut files = Vec::new();
    for folder in ["jpeg", "jpeg_orient", "malformed", "bomb"] {
        let Ok(entries) = std::fs::read_dir(corpus.join(folder)) else { continue };
        for entry in entries.flatten() {
            if entry.metadata().is_ok_and(|m| m.len() <= max_bytes) {
                let bytes = std::fs::read(entry.path()).unwrap();
                if bytes.starts_with(&[0xFF, 0xD8]) {
                    files.push((format!("{folder}/{}", entry.file_name().to_string_lossy()), bytes));
                }
            }
        }
    }
    files.sort();
    if files.is_empty() {
        println!("NOT RUN: the shared corpus is not here");
    }
    files
}

#[test]
fn what_is_encoded_comes_back() {
    for (width, height) in [(1, 1), (7, 9), (16, 16), (333, 257)] {
        for layout in [Layout::Gray, Layout::Rgb] {
            for progressive in [false, true] {
                let made = picture(width, height, layout);
                let setup =
                    EncodeOptions { progressive: Some(progressive), full_chroma: Some(true), ..options() };
                let bytes = encode(&made, &setup).unwrap();
                let frame = header(&bytes).unwrap();
                assert_eq!((frame.width, frame.height), (width, height));
                assert_eq!(frame.progressive, progressive);
                let back = decode(&bytes, &whole()).unwrap().bitmap;
                assert!(psnr(&made, &back) > 30.0, "{width}x{height} {layout:?} {}", psnr(&made, &back));
            }
        }
    }
}

#[test]
fn alpha_is_passed_over() {
    let rgb = picture(50, 40, Layout::Rgb);
    let expected = encode(&rgb, &options()).unwrap();
    let data = rgb.data.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 77]).collect();
    let rgba = Bitmap { layout: Layout::Rgba, data, ..rgb };
    assert_eq!(encode(&rgba, &options()).unwrap(), expected);
}

#[test]
fn progressive_is_chosen_by_size_and_chroma_on_request() {
    let small = encode(&picture(64, 64, Layout::Rgb), &options()).unwrap();
    let large = encode(&picture(400, 300, Layout::Rgb), &options()).unwrap();
    assert!(small.len() < 10_000 && !header(&small).unwrap().progressive);
    assert!(large.len() > 10_000 && header(&large).unwrap().progressive);
    let full = EncodeOptions { full_chroma: Some(true), ..options() };
    let sampling = |bytes: &[u8]| {
        let sof = bytes.windows(2).position(|w| w == [0xFF, 0xC0] || w == [0xFF, 0xC2]).unwrap();
        bytes[sof + 11]
    };
    assert_eq!(sampling(&small), 0x22);
    assert_eq!(sampling(&encode(&picture(64, 64, Layout::Rgb), &full).unwrap()), 0x11);
}

#[test]
fn metadata_is_written_where_it_fits() {
    let made = picture(40, 30, Layout::Rgb);
    let profile: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
    let exif = b"MM\0*\0\0\0\x08\0\0";
    let setup = EncodeOptions { exif: Some(exif), icc: Some(&profile), ..options() };
    let bytes = encode(&made, &setup).unwrap();
    assert_eq!(decode(&bytes, &whole()).unwrap().icc.as_deref(), Some(&profile[..]));
    let written = [&b"Exif\0\0"[..], exif].concat();
    assert!(bytes.windows(written.len()).any(|w| w == written));

    let too_long = vec![0; 65_600];
    let without = encode(&made, &EncodeOptions { exif: Some(&too_long), ..options() }).unwrap();
    assert_eq!(without, encode(&made, &options()).unwrap());
}

#[test]
fn the_encoder_refuses_what_a_jpeg_cannot_be() {
    let tall = Bitmap { width: 1, height: 65_501, layout: Layout::Gray, data: vec![0; 65_501] };
    assert!(matches!(encode(&tall, &options()), Err(CodecError::ResultTooLarge { .. })));
    let short = Bitmap { data: vec![0; 5], ..picture(4, 4, Layout::Rgb) };
    assert!(matches!(encode(&short, &options()), Err(CodecError::Encode { .. })));
    let inks = picture(4, 4, Layout::Cmyk);
    assert!(matches!(encode(&inks, &options()), Err(CodecError::Encode { .. })));
}

#[test]
fn nothing_outlives_its_deadline() {
    let made = picture(600, 500, Layout::Rgb);
    let past = Instant::now();
    for progressive in [false, true] {
        let setup = EncodeOptions { progressive: Some(progressive), ..options() };
        let bytes = encode(&made, &setup).unwrap();
        let late = DecodeRequest { deadline: past, ..whole() };
        assert!(matches!(decode(&bytes, &late), Err(CodecError::TimedOut)));
        assert_eq!(encode(&made, &EncodeOptions { deadline: past, ..setup }), Err(CodecError::TimedOut));
    }
}

#[test]
fn scaling_stops_at_the_target() {
    let bytes = encode(&picture(1000, 600, Layout::Rgb), &options()).unwrap();
    let sides = |target| {
        let bitmap = decode(&bytes, &DecodeRequest { target: Some(target), ..whole() }).unwrap().bitmap;
        assert_eq!(bitmap.data.len(), bitmap.width as usize * bitmap.height as usize * 3);
        (bitmap.width, bitmap.height)
    };
    assert_eq!(sides((125, 75)), (125, 75));
    assert_eq!(sides((126, 10)), (250, 150));
    assert_eq!(sides((10, 76)), (250, 150));
    assert_eq!(sides((251, 100)), (500, 300));
    assert_eq!(sides((501, 100)), (1000, 600));
    assert_eq!(sides((1, 1)), (125, 75));
    assert_eq!(sides((5000, 5000)), (1000, 600));
}

/// Files of several kinds of sampling and coding, and what a region of each must be cut from.
fn region_subjects() -> Vec<(String, Vec<u8>)> {
    let mut subjects = Vec::new();
    for (name, layout, full, progressive) in [
        ("420", Layout::Rgb, false, false),
        ("444", Layout::Rgb, true, false),
        ("gray", Layout::Gray, false, false),
        ("420 progressive", Layout::Rgb, false, true),
    ] {
        let setup = EncodeOptions { full_chroma: Some(full), progressive: Some(progressive), ..options() };
        subjects.push((name.to_owned(), encode(&picture(331, 277, layout), &setup).unwrap()));
    }
    subjects.extend(corpus(400_000).into_iter().filter(|(name, _)| {
        ["422", "cmyk_adobe", "fox410", "testimgl", "testimgint", "testimgari", "Kiara", "down_sampled"]
            .iter()
            .any(|part| name.contains(part))
    }));
    subjects
}

#[test]
fn a_region_is_the_same_part_of_the_whole_picture() {
    let mut seed = 3;
    for (name, bytes) in region_subjects() {
        let full = decode(&bytes, &whole()).unwrap().bitmap;
        let mut rects = vec![
            Rect { x: 0, y: 0, width: 1, height: 1 },
            Rect { x: full.width - 1, y: full.height - 1, width: 1, height: 1 },
            Rect { x: 0, y: full.height / 2, width: full.width, height: full.height / 2 },
        ];
        for _ in 0..12 {
            let (x, y) = (random(&mut seed) % full.width, random(&mut seed) % full.height);
            let (width, height) =
                (1 + random(&mut seed) % (full.width - x), 1 + random(&mut seed) % (full.height - y));
            rects.push(Rect { x, y, width, height });
        }
        for rect in rects {
            let part = decode(&bytes, &DecodeRequest { region: Some(rect), ..whole() }).unwrap().bitmap;
            assert_same(&part, &crop(&full, rect), &format!("{name} {rect:?}"));
        }
    }
}

#[test]
fn a_scaled_region_on_scaled_pixels_is_exact() {
    for (name, bytes) in region_subjects() {
        let frame = header(&bytes).unwrap();
        if frame.lossless {
            continue;
        }
        for d in [2, 4, 8] {
            let small = (frame.width.div_ceil(d), frame.height.div_ceil(d));
            let scaled = decode(&bytes, &DecodeRequest { target: Some(small), ..whole() }).unwrap().bitmap;
            assert_eq!((scaled.width, scaled.height), small, "{name}");
            let (x, y) = (small.0 / 3, small.1 / 4);
            for (width, height) in [(small.0 / 2, small.1 / 3), (small.0 - x, small.1 - y)] {
                let stored = |from: u32, len: u32, small: u32, side: u32| {
                    if from + len == small { side - from * d } else { len * d }
                };
                let region = Rect {
                    x: x * d,
                    y: y * d,
                    width: stored(x, width, small.0, frame.width),
                    height: stored(y, height, small.1, frame.height),
                };
                let request =
                    DecodeRequest { region: Some(region), target: Some((width, height)), ..whole() };
                let part = decode(&bytes, &request).unwrap().bitmap;
                let expected = crop(&scaled, Rect { x, y, width, height });
                assert_same(&part, &expected, &format!("{name} 1/{d} {region:?}"));
            }
        }
    }
}

#[test]
fn a_region_between_scaled_pixels_is_decoded_larger_where_the_shift_would_show() {
    let bytes = encode(&picture(1600, 1600, Layout::Gray), &options()).unwrap();
    let sides = |x: u32, side: u32, target: u32| {
        let region = Some(Rect { x, y: 0, width: side, height: side });
        let request = DecodeRequest { region, target: Some((target, target)), ..whole() };
        let bitmap = decode(&bytes, &request).unwrap().bitmap;
        (bitmap.width, bitmap.height)
    };
    assert_eq!(sides(800, 800, 100), (100, 100), "on a scaled pixel");
    assert_eq!(sides(404, 800, 100), (200, 200), "half a pixel of the result off at 1/8, none at 1/4");
    assert_eq!(sides(404, 800, 20), (100, 100), "a tenth off");
    assert_eq!(sides(401, 800, 100), (100, 100), "an eighth off");
    assert_eq!(sides(0, 1600, 100), (200, 200));
}

#[test]
fn regions_outside_are_refused() {
    let bytes = encode(&picture(20, 20, Layout::Gray), &options()).unwrap();
    for (x, y, width, height) in [(0, 0, 21, 1), (20, 0, 1, 1), (0, 0, 0, 5), (5, 5, u32::MAX, 1)] {
        let region = Some(Rect { x, y, width, height });
        decode(&bytes, &DecodeRequest { region, ..whole() }).err().unwrap();
    }
}

#[test]
fn leaving_out_scans_does_not_change_a_thumbnail() {
    let mut files = corpus(1_000_000);
    for full in [false, true] {
        let setup = EncodeOptions { full_chroma: Some(full), progressive: Some(true), ..options() };
        files.push((format!("made here {full}"), encode(&picture(331, 277, Layout::Rgb), &setup).unwrap()));
    }
    let mut compared = 0;
    for (name, bytes) in files {
        let Ok(frame) = header(&bytes) else { continue };
        if !frame.progressive || name.starts_with("malformed") || name.starts_with("bomb") {
            continue;
        }
        let mut decoder = sys::Decoder::new(&bytes, soon(), 100).unwrap();
        let channels = decoder.header().unwrap().channels as usize;
        let (width, height) = decoder.start(8, false, channels).unwrap();
        let mut all = vec![0; width as usize * height as usize * channels];
        decoder.read(&mut all).unwrap();
        let thumbnail = decode(&bytes, &DecodeRequest { target: Some((1, 1)), ..whole() }).unwrap().bitmap;
        if thumbnail.layout == Layout::Cmyk {
            all.iter_mut().for_each(|ink| *ink = 255 - *ink);
        }
        assert!(thumbnail.data == all, "{name}");
        compared += 1;
    }
    assert!(compared >= 2);
}

#[test]
fn a_cut_file_gives_its_upper_part_or_an_error() {
    let made = picture(400, 320, Layout::Rgb);
    let setup = EncodeOptions { progressive: Some(false), ..options() };
    let bytes = encode(&made, &setup).unwrap();
    let good = decode(&bytes, &whole()).unwrap().bitmap;
    let half = decode(&bytes[..bytes.len() / 2], &whole()).unwrap().bitmap;
    let top = Rect { x: 0, y: 0, width: 400, height: 128 };
    assert_same(&crop(&good, top), &crop(&half, top), "the upper part");
    assert!(decode(&bytes[..700], &whole()).is_err(), "next to nothing is there");
}

#[test]
fn cut_files_of_every_kind_end_in_order() {
    for (name, bytes) in corpus(300_000) {
        for sixteenth in 0..16 {
            let cut = &bytes[..bytes.len() * sixteenth / 16];
            let (Ok(frame), true) = (header(cut), name != "bomb/jpeg_sof_65500.jpg") else { continue };
            for target in [None, Some((frame.width.div_ceil(8), frame.height.div_ceil(8)))] {
                if let Ok(decoded) = decode(cut, &DecodeRequest { target, ..whole() }) {
                    let Bitmap { width, height, layout, data } = decoded.bitmap;
                    assert_eq!(data.len(), width as usize * height as usize * layout.channels(), "{name}");
                }
            }
        }
    }
}

#[test]
fn changed_bytes_end_in_order() {
    let mut seed = 11;
    for progressive in [false, true] {
        let setup = EncodeOptions { progressive: Some(progressive), ..options() };
        let bytes = encode(&picture(97, 61, Layout::Rgb), &setup).unwrap();
        for _ in 0..400 {
            let mut changed = bytes.clone();
            for _ in 0..1 + random(&mut seed) % 8 {
                let at = random(&mut seed) as usize % changed.len();
                changed[at] = random(&mut seed) as u8;
            }
            if header(&changed).is_ok_and(|f| f.width * f.height < 4_000_000) {
                let region = Some(Rect { x: 13, y: 9, width: 50, height: 40 });
                let _ = decode(&changed, &DecodeRequest { target: Some((20, 20)), ..whole() });
                let _ = decode(&changed, &DecodeRequest { region, ..whole() });
            }
        }
    }
}

#[test]
fn thousands_of_scans_are_refused() {
    let setup = EncodeOptions { progressive: Some(true), ..options() };
    let bytes = encode(&picture(64, 64, Layout::Gray), &setup).unwrap();
    let last = bytes.windows(2).rposition(|w| w == [0xFF, 0xDA]).unwrap();
    let (scan, end) = (&bytes[last..bytes.len() - 2], bytes.len() - 2);
    let many = [&bytes[..end], &scan.repeat(150), &bytes[end..]].concat();
    let error = decode(&many, &whole()).err().unwrap();
    assert!(error.to_string().contains("more than 100 scans"), "{error}");
    let mut decoder = sys::Decoder::new(&many, soon(), 100).unwrap();
    decoder.header().unwrap();
    decoder.start(1, true, 1).unwrap_err();
}
