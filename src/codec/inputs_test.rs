//! The formats that are only read, on files that encoders of other crates wrote here.

use std::io::Cursor;
use std::time::{Duration, Instant};

use ::tiff::encoder::{TiffEncoder, colortype};
use image::{ExtendedColorType, ImageEncoder};

use super::*;

fn header(bytes: &[u8]) -> Header {
    match probe(bytes, bytes.len() as u64, &Limits::default()).unwrap() {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => panic!("there is no more than all"),
    }
}

fn request() -> DecodeRequest {
    DecodeRequest { region: None, target: None, deadline: Instant::now() + Duration::from_secs(60) }
}

fn decoded(bytes: &[u8]) -> Bitmap {
    decode(bytes, &header(bytes), &request()).unwrap().bitmap
}

/// Soft slopes, a different one in each channel, and alpha that is never 0.
fn samples(width: u32, height: u32, channels: u32) -> Vec<u8> {
    let all = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..channels).map(move |c| (x, y, c))));
    all.map(|(x, y, c)| if c == 3 { 255 - (x * 2) as u8 } else { (x * (4 - c) + y * (c + 1)) as u8 })
        .collect()
}

fn mean_error(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn avif_comes_back_with_and_without_colours_and_alpha() {
    for (layout, channels) in [(Layout::Gray, 1), (Layout::Rgb, 3), (Layout::Rgba, 4)] {
        let picture = Bitmap { width: 50, height: 33, layout, data: samples(50, 33, channels) };
        let encode_request = EncodeRequest {
            format: Format::Avif,
            quality: 95,
            lossless: false,
            effort: 9,
            progressive: None,
            subsample_444: Some(true),
            exif: None,
            icc: None,
            deadline: request().deadline,
        };
        let file = encode(&picture, &encode_request).unwrap();
        let found = header(&file);
        assert_eq!((found.width, found.height, found.has_alpha, found.frames), (50, 33, channels == 4, 1));
        let result = decoded(&file);
        assert_eq!(result.layout, layout);
        assert!(mean_error(&result.data, &picture.data) < 4.0, "{layout:?}");
        let few = Limits { max_pixels: 50 * 33 - 1, ..Limits::default() };
        let refused = probe(&file, file.len() as u64, &few);
        assert!(matches!(refused, Err(CodecError::TooManyPixels { .. })), "{refused:?}");
    }
}

#[test]
fn heic_comes_back() {
    let data = samples(48, 40, 4);
    let file = ::heifer::encode_rgba8(48, 40, &data, &::heifer::EncodeOptions::default()).unwrap();
    let found = header(&file);
    assert_eq!((found.format, found.width, found.height, found.has_alpha), (Format::Heic, 48, 40, true));
    assert!(mean_error(&decoded(&file).data, &data) < 8.0);
}

#[test]
fn jpeg_xl_comes_out_with_its_alpha() {
    let file = include_bytes!("../../fixtures/sources/lossless.jxl");
    let found = header(file);
    assert_eq!((found.format, found.width, found.height, found.has_alpha), (Format::Jxl, 3, 3, true));
    assert_eq!(decoded(file).layout, Layout::Rgba);
    let appended = [&file[..], b"something private"].concat();
    assert!(strip(file, Format::Jxl).is_ok());
    assert!(strip(&appended, Format::Jxl).is_err());
}

#[test]
fn bmp_and_ico_come_back_to_the_last_bit() {
    let data = samples(31, 17, 3);
    let mut file = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut file)
        .write_image(&data, 31, 17, ExtendedColorType::Rgb8)
        .unwrap();
    assert_eq!(header(&file).format, Format::Bmp);
    assert!(decoded(&file).data == data);
    let data = samples(31, 17, 4);
    let mut file = Vec::new();
    image::codecs::ico::IcoEncoder::new(&mut file)
        .write_image(&data, 31, 17, ExtendedColorType::Rgba8)
        .unwrap();
    assert_eq!(header(&file).format, Format::Ico);
    assert!(decoded(&file).data == data);
    // The larger of two, whichever comes first.
    assert_eq!(header(&two_icons()).oriented(), (2, 1));
    assert_eq!(decoded(&two_icons()).data, [[1, 2, 3, 255], [4, 5, 6, 255]].concat());
}

/// One pixel of 32 bits, and two whose alpha is 0, so that only their masks count.
fn two_icons() -> Vec<u8> {
    let dib = |width: u32, pixels: &[u8]| {
        let mut dib = 40_u32.to_le_bytes().to_vec();
        dib.extend(width.to_le_bytes());
        dib.extend(2_u32.to_le_bytes());
        dib.extend([1, 0, 32, 0]);
        dib.extend([0; 24]);
        dib.extend(pixels);
        dib.extend([0; 4]);
        dib
    };
    let pictures = [dib(1, &[9, 9, 9, 255]), dib(2, &[3, 2, 1, 0, 6, 5, 4, 0])];
    let mut file = vec![0, 0, 1, 0, 2, 0];
    let mut offset = 6 + 2 * 16;
    for (picture, width) in pictures.iter().zip([1, 2]) {
        file.extend([width, 1, 0, 0, 1, 0, 32, 0]);
        file.extend((picture.len() as u32).to_le_bytes());
        file.extend((offset as u32).to_le_bytes());
        offset += picture.len();
    }
    file.extend(pictures.concat());
    file
}

fn tiff<C: colortype::ColorType>(width: u32, height: u32, data: &[C::Inner]) -> Vec<u8>
where
    [C::Inner]: ::tiff::encoder::TiffValue,
{
    let mut file = Cursor::new(Vec::new());
    TiffEncoder::new(&mut file).unwrap().write_image::<C>(width, height, data).unwrap();
    file.into_inner()
}

#[test]
fn tiff_of_any_depth_becomes_eight_bits() {
    let data = samples(40, 20, 3);
    let file = tiff::<colortype::RGB8>(40, 20, &data);
    assert_eq!(header(&file).depth, 8);
    assert!(decoded(&file).data == data);
    // Each half a step away from where it would round to another number.
    let wide: Vec<u16> = data.iter().map(|&v| u16::from(v) * 257 + if v == 255 { 0 } else { 128 }).collect();
    let file = tiff::<colortype::RGB16>(40, 20, &wide);
    assert_eq!(header(&file).depth, 16);
    assert!(decoded(&file).data == data);
    let floats: Vec<f32> = data.iter().map(|&v| f32::from(v) / 255.0).collect();
    assert!(decoded(&tiff::<colortype::RGB32Float>(40, 20, &floats)).data == data);
    let gray = samples(40, 20, 1);
    let result = decoded(&tiff::<colortype::Gray8>(40, 20, &gray));
    assert!(result.layout == Layout::Gray && result.data == gray);
    let inks = samples(40, 20, 4);
    let result = decoded(&tiff::<colortype::CMYK8>(40, 20, &inks));
    assert!(result.layout == Layout::Cmyk && result.data == inks);
}

/// A TIFF of one strip, little endian, with these entries of one short each behind the sides.
fn by_hand(width: u16, height: u16, entries: &[(u16, u16, u32, u32)], rest: &[u8]) -> Vec<u8> {
    let mut all = vec![(256, 3, 1, u32::from(width)), (257, 3, 1, u32::from(height))];
    all.extend(entries);
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((all.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in all {
        file.extend(u16::to_le_bytes(tag));
        file.extend(u16::to_le_bytes(kind));
        file.extend(u32::to_le_bytes(count));
        file.extend(u32::to_le_bytes(value));
    }
    file.extend([0; 4]);
    file.extend(rest);
    file
}

#[test]
fn palettes_of_few_bits_premultiplied_alpha_and_turns_are_understood() {
    // Two bits a pixel, four colours, on its side: the tags take 8 + 2 + 11 × 12 + 4 bytes.
    let at = 146;
    let map: Vec<u8> = [0_u16, 65_535, 0, 257, 0, 0, 65_535, 514, 0, 0, 0, 771]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let entries = [
        (258, 3, 1, 2),
        (259, 3, 1, 1),
        (262, 3, 1, 3),
        (273, 4, 1, at + 24),
        (274, 3, 1, 6),
        (277, 3, 1, 1),
        (278, 3, 1, 1),
        (279, 4, 1, 1),
        (320, 3, 12, at),
    ];
    let file = by_hand(4, 1, &entries, &[&map[..], &[0b0001_1011]].concat());
    let found = header(&file);
    assert_eq!((found.oriented(), found.orientation.exif(), found.depth), ((1, 4), 6, 2));
    assert_eq!(decoded(&file).data, [0, 0, 0, 255, 0, 0, 0, 255, 0, 1, 2, 3]);
    // The same with RGBA whose colours are halved already.
    let at = 8 + 2 + 11 * 12 + 4;
    let entries = [
        (258, 3, 4, at),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, at + 8),
        (277, 3, 1, 4),
        (278, 3, 1, 1),
        (279, 4, 1, 4),
        (284, 3, 1, 1),
        (338, 3, 1, 1),
    ];
    let bits = [8, 0].repeat(4);
    let file = by_hand(1, 1, &entries, &[&bits[..], &[50, 25, 0, 128]].concat());
    assert!(header(&file).has_alpha);
    assert_eq!(decoded(&file).data, [100, 50, 0, 128]);
    // What is told and what is appended.
    assert!(strip(&file, Format::Tiff).is_ok());
    assert!(strip(&[&file[..], b"something private"].concat(), Format::Tiff).is_err());
}

#[test]
fn what_is_not_read_says_so() {
    let entries =
        [(258, 3, 1, 1), (259, 3, 1, 2), (262, 3, 1, 0), (273, 4, 1, 8), (278, 3, 1, 1), (279, 4, 1, 1)];
    let file = by_hand(8, 1, &entries, &[]);
    let error = decode(&file, &header(&file), &request()).map(|_| ()).unwrap_err();
    assert!(matches!(error, CodecError::Unsupported { format: Format::Tiff, .. }), "{error}");
}

#[test]
fn the_deadline_counts_for_every_format() {
    let late = DecodeRequest { deadline: Instant::now(), ..request() };
    for file in [tiff::<colortype::Gray8>(4, 4, &[0; 16]), two_icons()] {
        let result = decode(&file, &header(&file), &late).map(|_| ());
        assert_eq!(result, Err(CodecError::TimedOut));
    }
}
