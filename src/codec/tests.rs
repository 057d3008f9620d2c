//! The room's promises on pictures made here: what is encoded can be read again, limits and deadlines hold.

use std::time::{Duration, Instant};

use super::*;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A picture with soft and hard edges in every channel.
fn bitmap(layout: Layout, width: u32, height: u32) -> Bitmap {
    let channels = layout.channels() as u32;
    let sample = |index: u32| {
        let (x, y, c) = (index / channels % width, index / channels / width, index % channels);
        (x * 255 / width + y * c * 40 / height + if (x / 8 + y / 8) % 2 == 0 { 30 } else { 0 }).min(255) as u8
    };
    Bitmap { width, height, layout, data: (0..width * height * channels).map(sample).collect() }
}

fn request(format: Format) -> EncodeRequest<'static> {
    EncodeRequest {
        format,
        quality: 90,
        lossless: false,
        effort: 2,
        progressive: None,
        subsample_444: Some(true),
        exif: None,
        icc: None,
        deadline: soon(),
    }
}

fn header(bytes: &[u8]) -> Header {
    match probe(bytes, bytes.len() as u64, &Limits::default()).unwrap() {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => panic!("there is no more than all"),
    }
}

fn decoded(bytes: &[u8]) -> Decoded {
    decode(bytes, &header(bytes), &DecodeRequest { region: None, target: None, deadline: soon() }).unwrap()
}

#[test]
fn lossless_means_every_sample() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let picture = bitmap(layout, 61, 37);
        for effort in [0, 2, 9] {
            let file = encode(&picture, &EncodeRequest { effort, ..request(Format::Png) }).unwrap();
            assert!(decoded(&file).bitmap == picture, "{layout:?} {effort}");
        }
        let webp = EncodeRequest { lossless: true, ..request(Format::Webp) };
        let result = decoded(&encode(&picture, &webp).unwrap()).bitmap;
        let expected: Vec<u8> = match layout {
            Layout::Gray => picture.data.iter().flat_map(|&gray| [gray; 3]).collect(),
            _ => picture.data,
        };
        assert!(result.data == expected, "{layout:?}");
    }
}

#[test]
fn a_large_png_is_written_row_by_row_and_is_the_same_picture() {
    let picture = bitmap(Layout::Rgb, 1500, 1000);
    assert!(decoded(&encode(&picture, &request(Format::Png)).unwrap()).bitmap == picture);
}

#[test]
fn lossy_means_nearly() {
    for format in [Format::Jpeg, Format::Webp] {
        for layout in [Layout::Gray, Layout::Rgb] {
            let picture = bitmap(layout, 64, 48);
            let result = decoded(&encode(&picture, &request(format)).unwrap()).bitmap;
            let step = result.layout.channels() / layout.channels();
            let off: u32 = picture
                .data
                .iter()
                .zip(result.data.iter().step_by(step))
                .map(|(&a, &b)| u32::from(a.abs_diff(b)))
                .sum();
            assert!(off < picture.data.len() as u32 * 10, "{format:?} {layout:?}: {off}");
        }
    }
}

#[test]
fn avif_is_avif_with_and_without_alpha() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let exif = b"II*\0\x08\0\0\0 marked".as_slice();
        let icc = colour::p3_profile().unwrap();
        let (exif, icc) = (Some(exif), Some(icc.as_slice()));
        let request = EncodeRequest { effort: avif::effort::LARGE, exif, icc, ..request(Format::Avif) };
        let file = encode(&bitmap(layout, 31, 23), &request).unwrap();
        assert_eq!(Format::sniff(&file), Some(Format::Avif));
        assert!(file.windows(icc.unwrap().len()).any(|window| Some(window) == icc));
        assert!(file.windows(7).any(|window| window == b" marked"));
        assert!(matches!(strip(&file, Format::Avif), Err(StripError::Private { .. })), "it holds EXIF");
    }
    let effort = avif::effort::LARGE;
    let plain = encode(&bitmap(Layout::Rgb, 32, 24), &EncodeRequest { effort, ..request(Format::Avif) });
    assert!(strip(&plain.unwrap(), Format::Avif).is_ok());
}

#[test]
fn avif_grows_with_its_quality_and_its_chroma_and_is_the_same_every_time() {
    let picture = bitmap(Layout::Rgb, 64, 48);
    let sized = |quality, full| {
        let effort = avif::effort::LARGE;
        let request = EncodeRequest { quality, effort, subsample_444: Some(full), ..request(Format::Avif) };
        let file = encode(&picture, &request).unwrap();
        assert!(file == encode(&picture, &request).unwrap());
        file.len()
    };
    assert!(sized(20, false) < sized(60, false) && sized(60, false) < sized(95, false));
    assert!(!avif::HAS_420 || sized(80, false) < sized(80, true));
    if avif::HAS_LOSSLESS {
        let request = EncodeRequest { lossless: true, effort: avif::effort::LARGE, ..request(Format::Avif) };
        assert!(encode(&picture, &request).unwrap().len() > sized(95, true));
    }
}

#[test]
fn exif_and_profile_come_back() {
    let rights = exif::Rights { artist: None, copyright: Some(b"(c) 2026 Ada".to_vec()) };
    let block = exif::write(Orientation::from_exif(6), &rights).unwrap();
    let icc: Vec<u8> = (0..=255).cycle().take(3000).collect();
    for format in [Format::Jpeg, Format::Png, Format::Webp] {
        for layout in [Layout::Rgb, Layout::Rgba] {
            if layout == Layout::Rgba && !format.can_have_alpha() {
                continue;
            }
            let request = EncodeRequest { exif: Some(&block), icc: Some(&icc), ..request(format) };
            let file = encode(&bitmap(layout, 40, 30), &request).unwrap();
            let header = header(&file);
            assert_eq!((header.width, header.height, header.has_alpha), (40, 30, layout == Layout::Rgba));
            assert_eq!(header.orientation, Orientation::from_exif(6), "{format:?}");
            assert_eq!(decoded(&file).icc.as_deref(), Some(&icc[..]), "{format:?}");
            let kept = metadata::extract(&file, format, metadata::Keep::Copyright).unwrap();
            assert_eq!(exif::rights(&kept), rights, "{format:?}");
            // There is nothing private in it, so it stays as it is but for the order of its parts.
            let stripped = strip(&file, format).unwrap();
            assert_eq!(super::tests::header(&stripped), header);
            let anonymous = strip_rights_too(&file, format).unwrap();
            assert_eq!(metadata::rights(&anonymous, format), exif::Rights::default(), "{format:?}");
            assert_eq!(super::tests::header(&anonymous), header);
        }
    }
}

#[test]
fn a_deadline_ends_the_work() {
    let past = Instant::now();
    let picture = bitmap(Layout::Rgb, 64, 64);
    for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif] {
        let late = EncodeRequest { deadline: past, ..request(format) };
        assert_eq!(encode(&picture, &late), Err(CodecError::TimedOut), "{format:?}");
    }
    for format in [Format::Jpeg, Format::Png, Format::Webp] {
        let file = encode(&picture, &request(format)).unwrap();
        let late = DecodeRequest { region: None, target: None, deadline: past };
        assert_eq!(decode(&file, &header(&file), &late).err(), Some(CodecError::TimedOut), "{format:?}");
    }
    // This takes seconds, so the deadline passes within libwebp.
    let slow =
        EncodeRequest { deadline: past + Duration::from_millis(50), effort: 6, ..request(Format::Webp) };
    assert_eq!(encode(&bitmap(Layout::Rgb, 4000, 3000), &slow), Err(CodecError::TimedOut));
}

#[test]
fn what_cannot_be_written_says_so() {
    let wide = bitmap(Layout::Gray, 16_384, 1);
    assert!(matches!(
        encode(&wide, &request(Format::Webp)),
        Err(CodecError::ResultTooLarge { limit: 16_383, .. })
    ));
    assert!(matches!(encode(&wide, &request(Format::Heic)), Err(CodecError::Unsupported { .. })));
    let short = Bitmap { data: vec![0; 5], ..bitmap(Layout::Rgb, 4, 4) };
    assert!(matches!(encode(&short, &request(Format::Png)), Err(CodecError::Encode { .. })));
}

#[test]
fn a_region_outside_of_the_picture_is_an_error() {
    let file = encode(&bitmap(Layout::Rgb, 10, 10), &request(Format::Png)).unwrap();
    for (x, y, width, height) in [(5, 0, 6, 1), (0, 0, 0, 1), (u32::MAX, 0, 2, 2), (0, 10, 1, 1)] {
        let region = Some(Rect { x, y, width, height });
        let request = DecodeRequest { region, target: None, deadline: soon() };
        assert!(decode(&file, &header(&file), &request).is_err());
    }
}

#[test]
fn limits_are_kept_from_the_header() {
    let file = encode(&bitmap(Layout::Rgb, 100, 50), &request(Format::Png)).unwrap();
    let length = file.len() as u64;
    let limits = Limits { max_pixels: 4999, ..Limits::default() };
    let refused = CodecError::TooManyPixels { pixels: 5000, limit: 4999 };
    assert_eq!(probe(&file[..200], length, &limits), Err(refused));
    let limits = Limits { max_bytes: 10, ..Limits::default() };
    assert_eq!(probe(&file, length, &limits), Err(CodecError::TooManyBytes { bytes: length, limit: 10 }));
    let progressive = EncodeRequest { progressive: Some(true), ..request(Format::Jpeg) };
    let file = encode(&bitmap(Layout::Rgb, 100, 50), &progressive).unwrap();
    let limits = Limits { max_pixels_progressive: 4999, ..Limits::default() };
    assert!(matches!(probe(&file, file.len() as u64, &limits), Err(CodecError::TooManyPixels { .. })));
    // A lossless file cannot be decoded scaled either.
    let mut lossless = encode(&bitmap(Layout::Rgb, 100, 50), &request(Format::Jpeg)).unwrap();
    let frame = lossless.windows(2).position(|marker| matches!(marker, [0xFF, 0xC0..=0xC2])).unwrap();
    lossless[frame + 1] = 0xC3;
    assert!(matches!(
        probe(&lossless, lossless.len() as u64, &limits),
        Err(CodecError::TooManyPixels { .. })
    ));
    assert_eq!(probe(b"GIF89", 1000, &limits), Ok(Probe::NeedMore(1000)));
    assert_eq!(probe(b"not a picture", 13, &limits), Err(CodecError::NotAnImage));
}

#[test]
fn what_is_reserved_follows_what_is_asked_for() {
    let header = Header {
        format: Format::Jpeg,
        width: 4000,
        height: 3000,
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha: false,
        depth: 8,
        progressive: false,
    };
    let memory = |header: &Header, target| {
        decode_memory(header, &DecodeRequest { region: None, target, deadline: soon() })
    };
    let small = Some((300, 225));
    assert!(memory(&header, small) < 4_000_000);
    assert!(memory(&header, None) > 36_000_000);
    assert!(memory(&Header { progressive: true, ..header }, small) > 36_000_000);
    let png = Header { format: Format::Png, ..header };
    assert!(memory(&png, small) < 10_000_000);
    assert!(memory(&Header { progressive: true, ..png }, small) > 36_000_000);
    let gif = Header { format: Format::Gif, ..header };
    assert!(memory(&gif, small) >= 4000 * 3000 * 4 * 2);
    let webp = Header { format: Format::Webp, ..gif };
    assert!(memory(&webp, small) < 4_000_000);
    assert!(memory(&Header { progressive: true, ..webp }, small) > 48_000_000);
}

#[test]
fn a_png_may_carry_more_text_than_pixels() {
    let file = encode(&bitmap(Layout::Rgb, 10, 10), &request(Format::Png)).unwrap();
    for (kind, megabytes) in [(*b"tEXt", 10), (*b"iTXt", 10), (*b"prVt", 10), (*b"eXIf", 1)] {
        let chunk = strip::png_chunk(kind, &vec![b'a'; megabytes << 20]);
        // Behind the header, which ends at byte 33.
        let fat = [&file[..33], &chunk, &file[33..]].concat();
        assert!(decoded(&fat).bitmap == decoded(&file).bitmap, "{kind:?}");
        assert!(*strip(&fat, Format::Png).unwrap() == file, "{kind:?}");
    }
}

/// 43 bytes that once took a gigabyte: what is said of a first frame counts, whether or not its data are there.
#[test]
fn a_gif_is_as_large_as_its_first_frame_even_if_that_is_cut() {
    let file = |width: u16, rest: &[u8]| {
        let frame = [&[0x2C, 0, 0, 0, 0][..], &width.to_le_bytes(), &[2, 0, 0, 2], rest].concat();
        [b"GIF89a\x03\0\x01\0\x80\0\0eee\xFF\xFF\xFF".as_slice(), &frame].concat()
    };
    let probed = |file: &[u8]| probe(file, file.len() as u64, &Limits::default());
    for rest in [&[][..], &[9, 1], &[2, 1, 0, 0, 0x3B]] {
        let header = probed(&file(700, rest));
        assert!(matches!(&header, Ok(Probe::Complete(h)) if (h.width, h.height) == (700, 2)), "{header:?}");
    }
    let limits = Limits { max_pixels: 1000, ..Limits::default() };
    let cut = file(65_000, &[]);
    assert!(matches!(probe(&cut, cut.len() as u64, &limits), Err(CodecError::TooManyPixels { .. })));
    // Nothing of a frame at all.
    let none = &file(1, &[])[..20];
    assert!(matches!(probed(none), Err(CodecError::Undecodable { .. })));
}

/// Comments and repetitions may stand between a frame and what says how long it stays and what is clear in it.
#[test]
fn a_stripped_gif_keeps_what_belongs_to_its_frames() {
    const CONTROL: &[u8] = b"\x21\xF9\x04\x01\x2C\x01\x00\0";
    const COMMENT: &[u8] = b"\x21\xFE\x06secret\0";
    const REPEAT: &[u8] = b"\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0";
    const TEXT: &[u8] = b"\x21\x01\x0C\0\0\0\0\x01\0\x01\0\x08\x08\0\x01\x01x\0";
    const FRAME: &[u8] = b"\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    let head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF".as_slice();
    let file = |parts: &[&[u8]]| [&[head], parts, &[b";"]].concat().concat();
    for (given, kept) in [
        (vec![CONTROL, COMMENT, FRAME], vec![CONTROL, FRAME]),
        (vec![CONTROL, REPEAT, FRAME, COMMENT, FRAME], vec![REPEAT, CONTROL, FRAME, FRAME]),
        // A text has been its picture.
        (vec![CONTROL, TEXT, FRAME], vec![FRAME]),
    ] {
        let given = file(&given);
        let stripped = strip(&given, Format::Gif).unwrap();
        assert!(*stripped == file(&kept), "{}", stripped.escape_ascii());
    }
}
