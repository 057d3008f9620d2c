//! One decode for several variants: a picture as it was decoded, large enough for all of them, and halves of it from
//! which the smaller ones are made.
//!
//! A variant from a decode for other sizes differs in the last bit here and there from one with a decode of its own,
//! whose scale is its own; [`Mezzanine::is_own`] tells them apart.

use std::sync::OnceLock;
use std::time::Instant;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::codec::metadata::Keep;
use crate::codec::{self, Bitmap, DecodeRequest, Decoded, Header, Layout};
use crate::transform::plan::{Form, Frames, Metadata, Plan};
use crate::transform::render::RenderError;
use crate::transform::steps::fold::Folded;

/// A whole picture, decoded, and what else of the original its variants need.
pub struct Mezzanine {
    pub(crate) icc: Option<Vec<u8>>,
    /// The EXIF block of a result that keeps no more than the rights.
    pub(crate) rights: Option<Vec<u8>>,
    bitmap: Bitmap,
    decoded_for: Need,
    /// Each half as large as the one before, made when it is first asked for.
    halves: [OnceLock<Bitmap>; HALVES],
}

/// The size below which a decoder must not go, in stored orientation; `None` = the picture's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Need {
    size: Option<(u32, u32)>,
    /// A part of the picture will be looked at, for which nobody would decode all of it.
    part: bool,
}

const HALVES: usize = 3;

impl Need {
    /// What a plan needs of a common decode; `None` where it takes one of its own: the region of a crop is its own,
    /// and all metadata are only in the original's bytes.
    pub fn of(header: &Header, plan: &Plan) -> Option<Self> {
        let folded = Self::folded(header, plan)?;
        let request = folded.request(header, Instant::now());
        request.region.is_none().then_some(Self { size: request.target, part: false })
    }

    /// What a crop needs of the whole picture, should it be there.
    pub fn of_part(header: &Header, plan: &Plan) -> Option<Self> {
        let folded = Self::folded(header, plan)?;
        folded.request(header, Instant::now()).region?;
        Some(Self { size: Some(folded.enough(header)), part: true })
    }

    /// The geometry of a plan that only needs pixels which others need too.
    fn folded<'p>(header: &Header, plan: &'p Plan) -> Option<Folded<'p>> {
        let says_all = plan.output.told.is_some_and(|told| told.form == Form::Json);
        if plan.output.original || says_all || plan.output.metadata == Metadata::All {
            return None;
        }
        // The pixels of other frames, and the bytes of other pictures, are in nobody's decode.
        if plan.frames != Frames::First || plan.draws_pictures() {
            return None;
        }
        Folded::of(header, plan).filter(|folded| folded.kernel.is_some())
    }

    /// What is enough for both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let size = self.size.zip(other.size).map(|(one, two)| (one.0.max(two.0), one.1.max(two.1)));
        Self { size, part: false }
    }

    pub(crate) fn request(self, deadline: Instant) -> DecodeRequest {
        DecodeRequest { region: None, target: self.size, deadline }
    }
}

impl Mezzanine {
    /// The picture, decoded as small as `need` allows.
    pub fn decode(bytes: &[u8], header: &Header, need: Need, deadline: Instant) -> Result<Self, RenderError> {
        let Decoded { bitmap, icc } = codec::decode(bytes, header, &need.request(deadline))?;
        let rights = codec::metadata::extract(bytes, header.format, Keep::Copyright);
        Ok(Self { icc, rights, bitmap, decoded_for: need, halves: Default::default() })
    }

    /// Whether it is large enough.
    pub fn covers(&self, header: &Header, need: Need) -> bool {
        let (width, height) = need.size.unwrap_or((header.width, header.height));
        self.bitmap.width >= width && self.bitmap.height >= height
    }

    /// Whether it is what `need` alone would have been given.
    pub fn is_own(&self, need: Need) -> bool {
        self.decoded_for == need
    }

    /// Sides in pixels, as stored.
    pub fn size(&self) -> (u32, u32) {
        (self.bitmap.width, self.bitmap.height)
    }

    /// What it takes in memory with all of its halves, in bytes.
    pub fn weight(&self) -> usize {
        let metadata = [&self.icc, &self.rights].into_iter().flatten().map(Vec::len).sum::<usize>();
        self.bitmap.data.len() / 3 * 4 + metadata
    }

    /// The smallest of the halves that is large enough.
    pub(crate) fn level(&self, need: Need) -> Result<&Bitmap, RenderError> {
        let mut level = &self.bitmap;
        let Some((width, height)) = need.size.filter(|_| !self.is_own(need)) else { return Ok(level) };
        // Straight alpha cannot be averaged.
        if !matches!(level.layout, Layout::Gray | Layout::Rgb) {
            return Ok(level);
        }
        for half in &self.halves {
            let size = (level.width.div_ceil(2), level.height.div_ceil(2));
            if size.0 < width || size.1 < height {
                break;
            }
            level = match half.get() {
                Some(half) => half,
                None => {
                    let made = halved(level, size)?;
                    half.get_or_init(|| made)
                }
            };
        }
        Ok(level)
    }
}

/// The mean of four pixels each.
fn halved(bitmap: &Bitmap, size: (u32, u32)) -> Result<Bitmap, RenderError> {
    let pixel_type = if bitmap.layout == Layout::Gray { PixelType::U8 } else { PixelType::U8x3 };
    let refused = |error: &dyn std::fmt::Display| RenderError::Resize(error.to_string());
    let mut data = vec![0; size.0 as usize * size.1 as usize * bitmap.layout.channels()];
    let source = ImageRef::new(bitmap.width, bitmap.height, &bitmap.data, pixel_type)
        .map_err(|error| refused(&error))?;
    let mut target =
        Image::from_slice_u8(size.0, size.1, &mut data, pixel_type).map_err(|error| refused(&error))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| refused(&error))?;
    Ok(Bitmap { width: size.0, height: size.1, layout: bitmap.layout, data })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::{Limits, Probe};
    use crate::transform::render::{render, render_from};
    use crate::transform::{Client, Presets, ResolveLimits, SourceFacts, Spec, resolve};

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/");

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    struct Photo {
        bytes: Vec<u8>,
        header: Header,
    }

    impl Photo {
        fn open(name: &str) -> Self {
            let bytes = std::fs::read(format!("{FOLDER}{name}")).unwrap();
            let probe = codec::probe(&bytes, bytes.len() as u64, &Limits::default()).unwrap();
            let Probe::Complete(header) = probe else { panic!("{name} is cut off") };
            Self { bytes, header }
        }

        fn plan(&self, spec: &str) -> Plan {
            let spec = Spec::parse(spec, &Presets::default()).unwrap();
            let facts = SourceFacts { header: self.header.clone(), focal: None };
            resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).unwrap()
        }

        fn need(&self, spec: &str) -> Option<Need> {
            Need::of(&self.header, &self.plan(spec))
        }
    }

    fn pixels(file: &[u8]) -> Bitmap {
        let probe = codec::probe(file, file.len() as u64, &Limits::default()).unwrap();
        let Probe::Complete(header) = probe else { panic!("the result is cut off") };
        codec::decode(file, &header, &Need { size: None, part: false }.request(soon())).unwrap().bitmap
    }

    #[test]
    fn what_can_share_a_decode() {
        let photo = Photo::open("demo/demo.jpg");
        for spec in ["w_300,f_webp", "w_300,a_90,f_png", "w_300,pad_10,f_jpg", "w_120,f_jpg,md_none"] {
            assert!(photo.need(spec).is_some(), "{spec}");
        }
        for spec in ["f_orig", "ex_10:10:200:300,w_60,f_png", "f_webp", "w_300,f_jpg,md_all"] {
            assert!(photo.need(spec).is_none(), "{spec}");
        }
    }

    #[test]
    fn a_decode_of_its_own_gives_the_same_bytes() {
        for name in ["demo/demo.jpg", "demo/demo-alpha.png", "sources/icc-wide.jpg", "sources/gray-alpha.png"]
        {
            let photo = Photo::open(name);
            for spec in ["w_100,f_png", "w_60,f_jpg", "w_100,a_90+w_50,pad_5,f_webp"] {
                let spec = spec.replace('+', "/");
                let plan = photo.plan(&spec);
                let Some(need) = Need::of(&photo.header, &plan) else { panic!("{name} {spec}") };
                let shared = Mezzanine::decode(&photo.bytes, &photo.header, need, soon()).unwrap();
                let alone = render(&photo.bytes, &photo.header, &plan, soon()).unwrap();
                let from = render_from(&shared, &photo.header, &plan, soon().into()).unwrap();
                assert!(alone.bytes == from.bytes, "{name} {spec}");
            }
        }
    }

    #[test]
    fn a_common_decode_gives_nearly_the_same_picture() {
        for name in ["demo/demo.jpg", "demo/demo-alpha.png", "sources/photo.webp"] {
            let photo = Photo::open(name);
            let large = photo.need("w_150,f_png").unwrap();
            let small = photo.plan("w_60,f_png");
            let need = Need::of(&photo.header, &small).unwrap();
            let shared = Mezzanine::decode(&photo.bytes, &photo.header, large.and(need), soon()).unwrap();
            assert!(shared.covers(&photo.header, need) && shared.covers(&photo.header, large), "{name}");
            let alone = pixels(&render(&photo.bytes, &photo.header, &small, soon()).unwrap().bytes);
            let from = pixels(&render_from(&shared, &photo.header, &small, soon().into()).unwrap().bytes);
            assert_eq!((alone.width, alone.height, alone.layout), (from.width, from.height, from.layout));
            let sum: u64 = alone.data.iter().zip(&from.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = sum as f64 / alone.data.len() as f64;
            // What the decoder averages at one scale and the filter at the other: a hard edge shows it.
            assert!(mean < 2.5, "{name}: {mean}");
        }
    }

    #[test]
    fn a_crop_of_the_whole_is_nearly_the_crop() {
        let photo = Photo::open("demo/demo.jpg");
        let whole = Need { size: None, part: false };
        let shared = Mezzanine::decode(&photo.bytes, &photo.header, whole, soon()).unwrap();
        for spec in [
            "ex_100:50:600:500,w_150,f_png",
            "w_120,h_200,c_fill,g_e,f_png",
            "a_90/ex_7:9:300:300,w_90,f_png",
        ] {
            let plan = photo.plan(&spec.replace('+', "/"));
            assert!(Need::of(&photo.header, &plan).is_none(), "{spec}");
            let need = Need::of_part(&photo.header, &plan).unwrap();
            assert!(shared.covers(&photo.header, need) && !shared.is_own(need), "{spec}");
            let alone = pixels(&render(&photo.bytes, &photo.header, &plan, soon()).unwrap().bytes);
            let from = pixels(&render_from(&shared, &photo.header, &plan, soon().into()).unwrap().bytes);
            assert_eq!((alone.width, alone.height, alone.layout), (from.width, from.height, from.layout));
            let sum: u64 = alone.data.iter().zip(&from.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = sum as f64 / alone.data.len() as f64;
            assert!(mean < 1.5, "{spec}: {mean}");
        }
    }

    #[test]
    fn halves_are_taken_only_while_they_are_enough() {
        let photo = Photo::open("demo/demo.jpg");
        let shared =
            Mezzanine::decode(&photo.bytes, &photo.header, Need { size: None, part: false }, soon()).unwrap();
        let (width, height) = shared.size();
        let level = |w: u32, h: u32| shared.level(Need { size: Some((w, h)), part: false }).unwrap().width;
        assert_eq!(level(width, height), width);
        assert_eq!(level(width / 2 + 1, 1), width);
        assert_eq!(level(width / 2, height / 2), width.div_ceil(2));
        assert_eq!(level(1, 1), width.div_ceil(8));
        assert!(shared.weight() >= (width * height * 3) as usize);
    }
}
