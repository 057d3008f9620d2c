//! What is told of a picture instead of showing it: `f_json`, `f_lqip`, `f_blurhash`, `f_thumbhash`. All of it comes
//! from one small picture, so that telling everything costs hardly more than telling one thing.

use std::collections::BTreeMap;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::codec::{self, Bitmap, EncodeRequest, Format, Header, Layout};
use crate::transform::palette::palette;
use crate::transform::plan::{Colour, Form, Kernel, Metadata, Told};
use crate::transform::render::{RenderError, in_time};
use crate::transform::steps::flatten::flatten;
use crate::transform::steps::fold::whole;
use crate::transform::steps::resample::{Area, resample};

/// What a file says of itself. Sides are as a viewer sees them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Original {
    format: &'static str,
    mime: &'static str,
    width: u32,
    height: u32,
    bytes: usize,
    frames: u32,
    has_alpha: bool,
    /// Bits per channel as stored.
    depth: u8,
    /// EXIF orientation of the stored picture, 1 = upright.
    orientation: u8,
    /// What the camera says, without place and serial numbers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exif: BTreeMap<&'static str, String>,
}

impl Original {
    pub(crate) fn of(bytes: &[u8], header: &Header, metadata: Metadata) -> Self {
        let (width, height) = header.oriented();
        Self {
            format: header.format.name(),
            mime: header.format.mime(),
            width,
            height,
            bytes: bytes.len(),
            frames: header.frames,
            has_alpha: header.has_alpha,
            depth: header.depth,
            orientation: header.orientation.exif(),
            exif: match metadata {
                Metadata::None => BTreeMap::new(),
                Metadata::Copyright | Metadata::All => codec::metadata::facts(bytes, header.format),
            },
        }
    }
}

/// The answer of `f_json`.
#[derive(Debug, Serialize)]
struct Description<'a> {
    /// Sides of the result that the spec describes.
    width: u32,
    height: u32,
    has_alpha: bool,
    /// Of the largest share; absent where nothing can be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    dominant: Option<String>,
    palette: Vec<Share>,
    blurhash: String,
    thumbhash: String,
    lqip: String,
    original: Option<&'a Original>,
}

#[derive(Debug, Serialize)]
struct Share {
    colour: String,
    share: f64,
}

/// The text of `told` about the small picture `bitmap`.
pub(crate) fn tell(
    bitmap: &Bitmap,
    told: Told,
    original: Option<&Original>,
    deadline: Instant,
) -> Result<Vec<u8>, RenderError> {
    Ok(match told.form {
        Form::Blurhash => blurhash(bitmap)?.into_bytes(),
        Form::Thumbhash => thumbhash(bitmap).into_bytes(),
        Form::Lqip => lqip(bitmap, deadline)?.into_bytes(),
        Form::Json => {
            let swatches = palette(bitmap);
            in_time(deadline)?;
            let colours = swatches.iter().map(|swatch| Share {
                colour: hex(swatch.colour),
                share: (swatch.share * 1000.0).round() / 1000.0,
            });
            let all = Description {
                width: told.width,
                height: told.height,
                has_alpha: bitmap.layout == Layout::Rgba,
                dominant: swatches.first().map(|swatch| hex(swatch.colour)),
                palette: colours.collect(),
                blurhash: blurhash(bitmap)?,
                thumbhash: thumbhash(bitmap),
                lqip: lqip(bitmap, deadline)?,
                original,
            };
            serde_json::to_vec(&all).map_err(|_| RenderError::Plan("its description is no JSON"))?
        }
    })
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Four components along the longer side and three along the other, as its authors advise. Transparency is white,
/// because the hash has none.
fn blurhash(bitmap: &Bitmap) -> Result<String, RenderError> {
    let (across, down) = match bitmap.width.cmp(&bitmap.height) {
        std::cmp::Ordering::Less => (3, 4),
        std::cmp::Ordering::Equal => (4, 4),
        std::cmp::Ordering::Greater => (4, 3),
    };
    let opaque = rgba(&flatten(bitmap.clone(), Colour::WHITE));
    blurhash::encode(across, down, bitmap.width, bitmap.height, &opaque)
        .map_err(|_| RenderError::Plan("its placeholder has no components"))
}

/// In base64, as its authors print it.
fn thumbhash(bitmap: &Bitmap) -> String {
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    STANDARD.encode(thumbhash::rgba_to_thumb_hash(width, height, &rgba(bitmap)))
}

/// A WebP of 24 pixels: some two hundred bytes that every browser shows at once.
fn lqip(bitmap: &Bitmap, deadline: Instant) -> Result<String, RenderError> {
    const SIDE: u32 = 24;
    let longer = bitmap.width.max(bitmap.height);
    let small = if longer <= SIDE {
        bitmap.clone()
    } else {
        let scaled = |side: u32| ((side * SIDE + longer / 2) / longer).max(1);
        let now = (bitmap.width, bitmap.height);
        let area = Area { left: 0.0, top: 0.0, width: f64::from(now.0), height: f64::from(now.1) };
        let size = (scaled(now.0), scaled(now.1));
        resample(std::borrow::Cow::Borrowed(bitmap), whole(now), area, size, Kernel::Linear, deadline)?
    };
    let request = EncodeRequest {
        format: Format::Webp,
        quality: 40,
        lossless: false,
        effort: 4,
        progressive: None,
        subsample_444: None,
        exif: None,
        icc: None,
        deadline,
    };
    Ok(format!("data:image/webp;base64,{}", STANDARD.encode(codec::encode(&small, &request)?)))
}

fn rgba(bitmap: &Bitmap) -> Vec<u8> {
    let pixels = bitmap.data.chunks_exact(bitmap.layout.channels());
    pixels
        .flat_map(|pixel| match (bitmap.layout, pixel) {
            (Layout::Rgba, &[r, g, b, a]) => [r, g, b, a],
            (Layout::Rgb, &[r, g, b]) => [r, g, b, 255],
            (_, pixel) => [pixel[0], pixel[0], pixel[0], 255],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tell_all(bitmap: &Bitmap, form: Form) -> String {
        let told = Told { form, width: 640, height: 427 };
        let text = tell(bitmap, told, None, Instant::now() + Duration::from_secs(60)).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn gradient(layout: Layout, width: u32, height: u32) -> Bitmap {
        let pixel = |x: u32, y: u32| {
            [(x * 255 / width) as u8, (y * 255 / height) as u8, 90, if x < width / 2 { 0 } else { 255 }]
        };
        let data = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let data = data.flat_map(|(x, y)| pixel(x, y)[..layout.channels()].to_vec()).collect();
        Bitmap { width, height, layout, data }
    }

    #[test]
    fn every_form_is_what_its_readers_expect() {
        let bitmap = gradient(Layout::Rgb, 64, 43);
        let hash = tell_all(&bitmap, Form::Blurhash);
        assert_eq!(hash.len(), 4 + 2 * 12);
        let back = blurhash::decode(&hash, 64, 43, 1.0).unwrap();
        assert!(back[..4][0] < 80 && back[63 * 4] > 170, "dark left, red right");
        let thumb = STANDARD.decode(tell_all(&bitmap, Form::Thumbhash)).unwrap();
        let [r, g, b, a] = thumbhash::thumb_hash_to_average_rgba(&thumb).unwrap().into();
        assert!((r - 0.5_f32).abs() < 0.1 && (g - 0.5_f32).abs() < 0.1 && b < 0.5 && a == 1.0);
        let url = tell_all(&bitmap, Form::Lqip);
        let file = STANDARD.decode(url.strip_prefix("data:image/webp;base64,").unwrap()).unwrap();
        assert!(Format::sniff(&file) == Some(Format::Webp) && file.len() < 400, "{}", file.len());
    }

    #[test]
    fn json_holds_all_of_them() {
        let bitmap = gradient(Layout::Rgba, 30, 40);
        let all: serde_json::Value = serde_json::from_str(&tell_all(&bitmap, Form::Json)).unwrap();
        assert_eq!((&all["width"], &all["has_alpha"]), (&640.into(), &true.into()));
        for (name, form) in
            [("blurhash", Form::Blurhash), ("thumbhash", Form::Thumbhash), ("lqip", Form::Lqip)]
        {
            assert_eq!(all[name], tell_all(&bitmap, form));
        }
        assert_eq!(all["palette"][0]["colour"], all["dominant"]);
    }

    #[test]
    fn one_pixel_and_gray_ones_are_told_too() {
        for (layout, width, height) in [(Layout::Gray, 1, 1), (Layout::Rgba, 1, 64), (Layout::Gray, 64, 1)] {
            let bitmap = gradient(layout, width, height);
            assert!(tell_all(&bitmap, Form::Json).contains("\"blurhash\":\""));
        }
    }
}
