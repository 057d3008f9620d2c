//! TIFF, BMP and ICO out: for programs, old ones among them, rather than for pages.

use std::borrow::Cow;
use std::io::Cursor;

use image::ExtendedColorType;
use image::codecs::bmp::BmpEncoder;
use tiff::TiffError;
use tiff::encoder::colortype::{ColorType, Gray8, RGB8, RGBA8};
use tiff::encoder::compression::DeflateLevel;
use tiff::encoder::{Compression, Predictor, TiffEncoder, TiffValue};
use tiff::tags::{ExtraSamples, Tag, Type};

use super::{Bitmap, CodecError, EncodeRequest, Format, Layout, check_deadline, exif, png};

/// Deflated with differences of neighbours, which every reader of the last twenty years knows. Profile, artist and
/// copyright go along.
pub(super) fn tiff(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    match bitmap.layout {
        Layout::Gray => tiff_of::<Gray8>(bitmap, request),
        Layout::Rgb => tiff_of::<RGB8>(bitmap, request),
        Layout::Rgba | Layout::Cmyk => tiff_of::<RGBA8>(bitmap, request),
    }
}

fn tiff_of<C: ColorType<Inner = u8>>(
    bitmap: &Bitmap,
    request: &EncodeRequest<'_>,
) -> Result<Vec<u8>, CodecError> {
    let mut file = Cursor::new(Vec::with_capacity(bitmap.data.len() / 2));
    let made: Result<(), TiffError> = (|| {
        let mut encoder = TiffEncoder::new(&mut file)?
            .with_compression(Compression::Deflate(DeflateLevel::Fast))
            .with_predictor(Predictor::Horizontal);
        let mut image = encoder.new_image::<C>(bitmap.width, bitmap.height)?;
        if bitmap.layout == Layout::Rgba {
            image.encoder().write_tag(Tag::ExtraSamples, ExtraSamples::UnassociatedAlpha.to_u16())?;
        }
        if let Some(icc) = request.icc {
            image.encoder().write_tag(Tag::IccProfile, Undefined(icc))?;
        }
        let rights = request.exif.map(exif::rights).unwrap_or_default();
        for (tag, text) in [(Tag::Artist, rights.artist), (Tag::Copyright, rights.copyright)] {
            if let Some(mut text) = text {
                text.push(0);
                image.encoder().write_tag(tag, Ascii(&text))?;
            }
        }
        image.write_data(&bitmap.data)
    })();
    made.map_err(|error| failed(Format::Tiff, &error))?;
    check_deadline(request.deadline)?;
    Ok(file.into_inner())
}

/// Three bytes a pixel, or one of gray; the format's own alpha is understood by few.
pub(super) fn bmp(bitmap: &Bitmap) -> Result<Vec<u8>, CodecError> {
    let (colour, data) = match bitmap.layout {
        Layout::Gray => (ExtendedColorType::L8, Cow::Borrowed(&bitmap.data)),
        Layout::Rgb => (ExtendedColorType::Rgb8, Cow::Borrowed(&bitmap.data)),
        Layout::Rgba | Layout::Cmyk => {
            let opaque = bitmap.data.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]);
            (ExtendedColorType::Rgb8, Cow::Owned(opaque.collect()))
        }
    };
    let mut file = Vec::with_capacity(data.len() + 1024);
    BmpEncoder::new(&mut file)
        .encode(&data, bitmap.width, bitmap.height, colour)
        .map_err(|error| failed(Format::Bmp, &error))?;
    Ok(file)
}

/// One picture, as a PNG within: what every browser and every Windows since Vista reads.
pub(super) fn ico(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    const HEAD: u32 = 6 + 16;
    let data = match bitmap.layout {
        Layout::Gray => bitmap.data.iter().flat_map(|&gray| [gray, gray, gray, 255]).collect(),
        Layout::Rgb => bitmap.data.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
        Layout::Rgba | Layout::Cmyk => bitmap.data.clone(),
    };
    // Windows wants 32 bits a pixel, so no palette, however few the colours.
    let full = Bitmap { layout: Layout::Rgba, data, ..*bitmap };
    let inside = png::encode_full(&full, &EncodeRequest { exif: None, icc: None, ..*request })?;
    // 256 is written as 0, which is what is left of it in a byte.
    let (width, height) = (bitmap.width as u8, bitmap.height as u8);
    let mut file = vec![0, 0, 1, 0, 1, 0, width, height, 0, 0, 1, 0, 32, 0];
    file.extend((inside.len() as u32).to_le_bytes());
    file.extend(HEAD.to_le_bytes());
    file.extend(inside);
    Ok(file)
}

fn failed(format: Format, error: &dyn std::fmt::Display) -> CodecError {
    CodecError::Encode { format, reason: error.to_string() }
}

/// A profile.
struct Undefined<'a>(&'a [u8]);

/// A text that ends with a NUL.
struct Ascii<'a>(&'a [u8]);

impl TiffValue for Undefined<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

impl TiffValue for Ascii<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::ASCII;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use image::ImageDecoder;
    use image::codecs::{bmp::BmpDecoder, ico::IcoDecoder, tiff::TiffDecoder};

    use super::*;
    use crate::codec::encode;

    fn bitmap(layout: Layout) -> Bitmap {
        let (width, height) = (33, 21);
        let samples = width * height * layout.channels() as u32;
        Bitmap { width, height, layout, data: (0..samples).map(|n| (n * 7 % 251) as u8).collect() }
    }

    fn request(format: Format) -> EncodeRequest<'static> {
        EncodeRequest {
            format,
            quality: 100,
            lossless: true,
            effort: 1,
            progressive: None,
            subsample_444: None,
            exif: None,
            icc: None,
            deadline: Instant::now() + Duration::from_secs(60),
        }
    }

    fn pixels(decoder: impl ImageDecoder) -> Vec<u8> {
        let mut data = vec![0; decoder.total_bytes() as usize];
        decoder.read_image(&mut data).unwrap();
        data
    }

    #[test]
    fn every_sample_survives() {
        for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
            let picture = bitmap(layout);
            let file = encode(&picture, &request(Format::Tiff)).unwrap();
            assert_eq!(Format::sniff(&file), Some(Format::Tiff));
            assert_eq!(pixels(TiffDecoder::new(Cursor::new(&file)).unwrap()), picture.data, "{layout:?}");
            let file = encode(&picture, &request(Format::Bmp)).unwrap();
            assert_eq!(Format::sniff(&file), Some(Format::Bmp));
            let bmp = pixels(BmpDecoder::new(Cursor::new(&file)).unwrap());
            match layout {
                Layout::Rgb => assert_eq!(bmp, picture.data),
                _ => assert!(bmp.starts_with(&[picture.data[0]])),
            }
            let file = encode(&picture, &request(Format::Ico)).unwrap();
            assert_eq!(Format::sniff(&file), Some(Format::Ico));
            let ico = pixels(IcoDecoder::new(Cursor::new(&file)).unwrap());
            assert_eq!(ico.len(), 33 * 21 * 4);
            if layout == Layout::Rgba {
                assert_eq!(ico, picture.data);
            }
        }
    }

    #[test]
    fn an_icon_has_its_limit() {
        let square =
            |side: u32| Bitmap { width: side, height: 1, layout: Layout::Gray, data: vec![9; side as usize] };
        let file = encode(&square(256), &request(Format::Ico)).unwrap();
        assert_eq!(IcoDecoder::new(Cursor::new(&file)).unwrap().dimensions(), (256, 1));
        let error = encode(&square(257), &request(Format::Ico)).unwrap_err();
        assert!(matches!(error, CodecError::ResultTooLarge { limit: 256, .. }), "{error}");
    }

    #[test]
    fn a_tiff_says_whose_it_is_and_in_which_colours() {
        let rights = exif::Rights { artist: Some(b"A. Durer".to_vec()), copyright: Some(b"nobody".to_vec()) };
        let block = exif::write(crate::codec::Orientation::UPRIGHT, &rights).unwrap();
        let icc = crate::codec::colour::p3_profile().unwrap();
        let request = EncodeRequest { exif: Some(&block), icc: Some(&icc), ..request(Format::Tiff) };
        let file = encode(&bitmap(Layout::Rgb), &request).unwrap();
        assert_eq!(exif::rights(&file), rights);
        let mut decoder = TiffDecoder::new(Cursor::new(&file)).unwrap();
        assert_eq!(decoder.icc_profile().unwrap(), Some(icc));
    }
}
