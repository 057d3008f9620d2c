//! Colours as the web shows them: samples in an embedded profile's space, or in inks, become sRGB.
//!
//! Runs after resizing, when there are few pixels left. A profile that is broken, unknown or for another number of
//! channels is ignored, as browsers do: a picture in slightly wrong colours is better than none.

use moxcms::{
    ColorProfile, DataColorSpace, Layout as CmsLayout, RenderingIntent, ToneReprCurve, TransformExecutor,
    TransformOptions,
};

use super::{Bitmap, CodecError, Format, Layout};

/// The order in which a profile's tables are tried: perceptual is what profiles for pictures are made for, and
/// what sharp and browsers use.
const INTENTS: [RenderingIntent; 3] =
    [RenderingIntent::Perceptual, RenderingIntent::RelativeColorimetric, RenderingIntent::Saturation];

/// Pixels that are converted at a time, so that no second bitmap is needed.
const BATCH: usize = 4096;

/// Makes `bitmap` sRGB: `Gray`, `Rgb` and `Rgba` keep their layout, `Cmyk` becomes `Rgb`. `None` means that the
/// samples are sRGB already; inks without a profile are taken for common offset printing.
pub fn to_srgb(mut bitmap: Bitmap, icc: Option<&[u8]>) -> Result<Bitmap, CodecError> {
    let profile = icc.and_then(|icc| ColorProfile::new_from_slice(icc).ok());
    match (bitmap.layout, profile) {
        (Layout::Cmyk, profile) => {
            let transform =
                profile.filter(|p| p.color_space == DataColorSpace::Cmyk).and_then(|p| cmyk_transform(&p));
            Ok(inks_to_rgb(&bitmap, transform.as_deref()))
        }
        (Layout::Rgb | Layout::Rgba, Some(profile)) if profile.color_space == DataColorSpace::Rgb => {
            let srgb = ColorProfile::new_srgb();
            if !is(&profile, &srgb) {
                convert_rgb(&mut bitmap, &profile, &srgb);
            }
            Ok(bitmap)
        }
        (_, Some(profile)) if profile.color_space == DataColorSpace::Gray => {
            if let Some(table) = gray_table(&profile) {
                apply_table(&mut bitmap, &table);
            }
            Ok(bitmap)
        }
        _ => Ok(bitmap),
    }
}

/// Makes `bitmap` Display P3, which holds a quarter more colours than sRGB. Grays are the same in both.
pub fn to_p3(bitmap: Bitmap, icc: Option<&[u8]>) -> Result<Bitmap, CodecError> {
    let p3 = ColorProfile::new_display_p3();
    let profile = icc.and_then(|icc| ColorProfile::new_from_slice(icc).ok());
    let (mut bitmap, profile) = match profile {
        Some(profile) if bitmap.layout != Layout::Cmyk && profile.color_space == DataColorSpace::Rgb => {
            (bitmap, profile)
        }
        _ => (to_srgb(bitmap, icc)?, ColorProfile::new_srgb()),
    };
    if matches!(bitmap.layout, Layout::Rgb | Layout::Rgba) && !is(&profile, &p3) {
        convert_rgb(&mut bitmap, &profile, &p3);
    }
    Ok(bitmap)
}

/// The profile of what [`to_p3`] makes, always the same bytes.
pub fn p3_profile() -> Result<Vec<u8>, CodecError> {
    /// Where the header says when the profile was made; the library says "now".
    const MADE: std::ops::Range<usize> = 24..36;
    let mut bytes = ColorProfile::new_display_p3()
        .encode()
        .map_err(|error| CodecError::Encode { format: Format::Png, reason: error.to_string() })?;
    if let Some(made) = bytes.get_mut(MADE) {
        made.copy_from_slice(&[0x07, 0xE1, 0, 7, 0, 7, 0, 0, 0, 0, 0, 0]);
    }
    Ok(bytes)
}

/// Whether a result can keep its samples in this profile's space: it is RGB, of a sensible length, and understood.
pub fn can_keep(icc: &[u8]) -> bool {
    /// Tables of tables; a profile of a display or a working space has some kilobytes.
    const LONGEST: usize = 1 << 20;
    icc.len() <= LONGEST
        && ColorProfile::new_from_slice(icc).is_ok_and(|profile| {
            profile.color_space == DataColorSpace::Rgb
                && transform(&ColorProfile::new_srgb(), CmsLayout::Rgb, &profile, CmsLayout::Rgb).is_some()
        })
}

/// A picture in sRGB, as another one whose colours are those of `icc` takes it.
pub fn enter(mut bitmap: Bitmap, icc: &[u8]) -> Bitmap {
    if let Ok(profile) = ColorProfile::new_from_slice(icc)
        && bitmap.layout != Layout::Gray
    {
        convert_rgb(&mut bitmap, &ColorProfile::new_srgb(), &profile);
    }
    bitmap
}

/// A colour of sRGB in the space of an RGB profile.
pub fn from_srgb(colour: [u8; 3], icc: &[u8]) -> [u8; 3] {
    let mut out = colour;
    let converted = ColorProfile::new_from_slice(icc).ok().and_then(|profile| {
        let transform = transform(&ColorProfile::new_srgb(), CmsLayout::Rgb, &profile, CmsLayout::Rgb)?;
        transform.transform(&colour, &mut out).ok()
    });
    converted.map_or(colour, |()| out)
}

type Transform = dyn TransformExecutor<u8> + Send + Sync;

fn transform(
    from: &ColorProfile,
    from_layout: CmsLayout,
    to: &ColorProfile,
    to_layout: CmsLayout,
) -> Option<std::sync::Arc<Transform>> {
    INTENTS.into_iter().find_map(|rendering_intent| {
        let options = TransformOptions { rendering_intent, ..TransformOptions::default() };
        from.create_transform_8bit(from_layout, to, to_layout, options).ok()
    })
}

fn convert_rgb(bitmap: &mut Bitmap, from: &ColorProfile, to: &ColorProfile) {
    let (layout, channels) = match bitmap.layout {
        Layout::Rgba => (CmsLayout::Rgba, 4),
        _ => (CmsLayout::Rgb, 3),
    };
    let Some(transform) = transform(from, layout, to, layout) else { return };
    let mut copy = [0; BATCH * 4];
    for pixels in bitmap.data.chunks_mut(BATCH * channels) {
        let copy = &mut copy[..pixels.len()];
        copy.copy_from_slice(pixels);
        if transform.transform(copy, pixels).is_err() {
            // Only lengths can be wrong, so this is the first batch and nothing has been changed.
            pixels.copy_from_slice(copy);
            return;
        }
        if channels == 4 {
            pixels.iter_mut().zip(copy).skip(3).step_by(4).for_each(|(new, old)| *new = *old);
        }
    }
}

/// Whether converting between these profiles would change nothing that can be seen: the same primaries, and both the
/// curve of sRGB. Cameras and editors embed it in many variants, so it is recognised by what it says, not by its bytes.
fn is(profile: &ColorProfile, other: &ColorProfile) -> bool {
    const STEPS: u8 = 16;
    if !profile.is_matrix_shaper() || profile.lut_a_to_b_perceptual.is_some() {
        return false;
    }
    let colorants = |p: &ColorProfile| {
        [p.red_colorant, p.green_colorant, p.blue_colorant].map(|c| [c.x, c.y, c.z]).concat()
    };
    let same_primaries =
        colorants(profile).into_iter().zip(colorants(other)).all(|(a, b)| (a - b).abs() < 0.002);
    same_primaries
        && [&profile.red_trc, &profile.green_trc, &profile.blue_trc].into_iter().all(|curve| {
            (0..=STEPS).all(|step| {
                let at = f64::from(step) / f64::from(STEPS);
                curve_at(curve.as_ref(), at).is_some_and(|y| (y - srgb_to_linear(at)).abs() < 0.002)
            })
        })
}

/// The value of a tone curve at `x`, both 0…1; `None` for the kinds that sRGB is never written in.
fn curve_at(curve: Option<&ToneReprCurve>, x: f64) -> Option<f64> {
    match curve? {
        ToneReprCurve::Lut(table) if table.len() > 1 => {
            let position = x * (table.len() - 1) as f64;
            let below = (position as usize).min(table.len() - 2);
            let (a, b) = (f64::from(table[below]), f64::from(table[below + 1]));
            Some((a + (b - a) * (position - below as f64)) / 65535.0)
        }
        ToneReprCurve::Parametric(p) if p.len() == 5 => {
            let [g, a, b, c, d] = [p[0], p[1], p[2], p[3], p[4]].map(f64::from);
            Some(if x >= d { (a * x + b).max(0.0).powf(g) } else { c * x })
        }
        _ => None,
    }
}

fn srgb_to_linear(x: f64) -> f64 {
    if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
}

/// The gray profile as a table of sRGB values.
fn gray_table(profile: &ColorProfile) -> Option<[u8; 256]> {
    let mut gray = ColorProfile::new_gray_with_gamma(2.2);
    gray.gray_trc = ColorProfile::new_srgb().red_trc;
    let transform = transform(profile, CmsLayout::Gray, &gray, CmsLayout::Gray)?;
    let all: [u8; 256] = std::array::from_fn(|i| i as u8);
    let mut table = [0; 256];
    transform.transform(&all, &mut table).ok()?;
    Some(table)
}

/// Also for gray pictures that a decoder made RGB; alpha is left alone.
fn apply_table(bitmap: &mut Bitmap, table: &[u8; 256]) {
    let alpha = if bitmap.layout == Layout::Rgba { 3 } else { usize::MAX };
    for pixel in bitmap.data.chunks_exact_mut(bitmap.layout.channels()) {
        for (channel, sample) in pixel.iter_mut().enumerate() {
            if channel != alpha {
                *sample = table[usize::from(*sample)];
            }
        }
    }
}

fn cmyk_transform(profile: &ColorProfile) -> Option<std::sync::Arc<Transform>> {
    // Four inks go in where the library says RGBA.
    transform(profile, CmsLayout::Rgba, &ColorProfile::new_srgb(), CmsLayout::Rgb)
}

fn inks_to_rgb(bitmap: &Bitmap, transform: Option<&Transform>) -> Bitmap {
    let mut data = vec![0; bitmap.data.len() / 4 * 3];
    let mut press = None;
    for (inks, rgb) in bitmap.data.chunks(BATCH * 4).zip(data.chunks_mut(BATCH * 3)) {
        if transform.is_none_or(|t| t.transform(inks, rgb).is_err()) {
            press.get_or_insert_with(Press::new).print(inks, rgb);
        }
    }
    Bitmap { width: bitmap.width, height: bitmap.height, layout: Layout::Rgb, data }
}

/// The colours of the sixteen ways to print the four inks solidly over each other, and how each ink's tone spreads
/// between them: common coated offset printing, fitted to how sharp shows files without a profile (32 dB on a
/// grid of all inks; the textbook formula `(1 − ink) × (1 − black)` has 22). White paper is exactly white; values
/// out of range are what makes the mixtures come out right.
struct Press {
    /// Ink as a fraction of the area it covers, by sample.
    coverage: [[f32; 256]; 4],
}

/// Cyan is bit 0 of the index, magenta 1, yellow 2, black 3.
const SOLIDS: [[f32; 3]; 16] = [
    [255.0, 255.0, 255.0],
    [-82.0, 141.0, 200.0],
    [215.0, 15.0, 118.0],
    [45.0, 27.0, 119.0],
    [239.0, 209.0, -7.0],
    [-30.0, 142.0, 55.0],
    [220.0, 31.0, 24.0],
    [38.0, 25.0, 31.0],
    [13.0, 5.0, 3.0],
    [2.0, 16.0, 19.0],
    [24.0, 5.0, 13.0],
    [-8.0, -10.0, 5.0],
    [23.0, 20.0, 6.0],
    [-5.0, 9.0, -10.0],
    [19.0, -4.0, -18.0],
    [-3.0, -7.0, -10.0],
];
const SPREAD: [f32; 4] = [1.184, 1.096, 1.197, 1.236];

impl Press {
    fn new() -> Self {
        let coverage = SPREAD.map(|spread| std::array::from_fn(|ink| (ink as f32 / 255.0).powf(spread)));
        Self { coverage }
    }

    /// Mixes the solids by the share of the area in which each combination of inks meets.
    fn print(&self, inks: &[u8], rgb: &mut [u8]) {
        for (inks, rgb) in inks.chunks_exact(4).zip(rgb.chunks_exact_mut(3)) {
            let mut mix = SOLIDS;
            let mut count = SOLIDS.len();
            for (table, ink) in self.coverage.iter().zip(inks) {
                let covered = table[usize::from(*ink)];
                count /= 2;
                for i in 0..count {
                    let (without, with) = (mix[2 * i], mix[2 * i + 1]);
                    mix[i] = std::array::from_fn(|c| without[c] + (with[c] - without[c]) * covered);
                }
            }
            for (out, value) in rgb.iter_mut().zip(mix[0]) {
                // The conversion saturates.
                *out = (value + 0.5) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::jpeg;
    use crate::codec::{DecodeRequest, Decoded};

    fn pixels(layout: Layout, data: &[u8]) -> Bitmap {
        Bitmap { width: (data.len() / layout.channels()) as u32, height: 1, layout, data: data.to_vec() }
    }

    fn converted(layout: Layout, data: &[u8], profile: &ColorProfile) -> Vec<u8> {
        let icc = profile.encode().unwrap();
        to_srgb(pixels(layout, data), Some(&icc)).unwrap().data
    }

    fn from_corpus(name: &str) -> Option<(Decoded, Vec<u8>)> {
        let corpus = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"));
        let Ok(bytes) = std::fs::read(corpus.join(name)) else {
            println!("NOT RUN: the shared corpus is not here");
            return None;
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let request = DecodeRequest { region: None, target: None, deadline };
        let reference = std::fs::read(corpus.join("reference").join(format!("{name}.w300.png")));
        Some((jpeg::decode(&bytes, &request).unwrap(), reference.unwrap_or_default()))
    }

    fn psnr(a: &[u8], b: &[u8]) -> f64 {
        assert_eq!(a.len(), b.len());
        let squares: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        10.0 * (65025.0 / (squares / a.len() as f64).max(1e-9)).log10()
    }

    fn is_srgb(profile: &ColorProfile) -> bool {
        is(profile, &ColorProfile::new_srgb())
    }

    #[test]
    fn p3_holds_what_srgb_cannot_and_says_so_in_the_same_bytes_every_time() {
        let icc = p3_profile().unwrap();
        assert_eq!(icc, p3_profile().unwrap());
        let profile = ColorProfile::new_from_slice(&icc).unwrap();
        assert!(is(&profile, &ColorProfile::new_display_p3()) && !is_srgb(&profile));
        let data = [255, 0, 0, 90, 90, 90];
        let red = to_p3(pixels(Layout::Rgb, &data), None).unwrap().data;
        assert!(red[0] < 240 && red[1] > 40, "less saturated in numbers: {red:?}");
        assert!(red[3..].iter().all(|v| v.abs_diff(90) <= 1), "{red:?}");
        assert_eq!(from_srgb([255, 0, 0], &icc), red[..3]);
        assert_eq!(to_p3(pixels(Layout::Rgb, &data), Some(&icc)).unwrap().data, data);
        let back = to_srgb(pixels(Layout::Rgb, &red), Some(&icc)).unwrap().data;
        assert!(back.iter().zip(data).all(|(a, b)| a.abs_diff(b) <= 2), "{back:?}");
        assert!(can_keep(&icc) && !can_keep(b"no profile"));
        assert!(!can_keep(&ColorProfile::new_gray_with_gamma(2.2).encode().unwrap()));
    }

    #[test]
    fn srgb_is_left_alone_in_every_spelling() {
        let data: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v / 2]).collect();
        let srgb = ColorProfile::new_srgb();
        assert!(is_srgb(&ColorProfile::new_from_slice(&srgb.encode().unwrap()).unwrap()));
        assert_eq!(converted(Layout::Rgb, &data, &srgb), data);
        for name in ["jpeg/sharp__320x240.jpg", "jpeg/image__cat.jpg", "jpeg/gen__icc_srgb.jpg"] {
            let Some((decoded, _)) = from_corpus(name) else { return };
            assert!(is_srgb(&ColorProfile::new_from_slice(&decoded.icc.unwrap()).unwrap()), "{name}");
        }
        assert!(!is_srgb(&ColorProfile::new_display_p3()));
        assert!(!is_srgb(&ColorProfile::new_adobe_rgb()));
    }

    #[test]
    fn wider_spaces_become_srgb_and_alpha_stays() {
        // Display P3's (255, 128, 0) lies outside of sRGB in red; its grays are sRGB's.
        let p3 = ColorProfile::new_display_p3();
        let out = converted(Layout::Rgba, &[255, 128, 0, 7, 90, 90, 90, 200, 100, 150, 100, 0], &p3);
        assert_eq!((out[0], out[3], out[7], out[11]), (255, 7, 200, 0));
        assert!(out[1] < 125, "less green than the number said: {out:?}");
        assert!(out[4..7].iter().all(|v| v.abs_diff(90) <= 1), "{out:?}");
        assert!(out[8] < 92 && out[9] > 150, "more saturated in numbers: {out:?}");
    }

    #[test]
    fn gray_profiles_bend_the_tone_only() {
        let linear = ColorProfile::new_gray_with_gamma(1.0);
        let expected = |v: u8| {
            let y = f64::from(v) / 255.0;
            let s = if y <= 0.0031308 { y * 12.92 } else { 1.055 * y.powf(1.0 / 2.4) - 0.055 };
            (s * 255.0).round() as u8
        };
        let out = converted(Layout::Gray, &[0, 55, 128, 255], &linear);
        for (got, v) in out.iter().zip([0, 55, 128, 255]) {
            assert!(got.abs_diff(expected(v)) <= 1, "{v} became {got}");
        }
        let rgba = converted(Layout::Rgba, &[128, 128, 128, 128], &linear);
        assert_eq!(rgba, [out[2], out[2], out[2], 128]);
    }

    #[test]
    fn profiles_that_do_not_fit_are_ignored() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let data = [10, 200, 30, 40, 50, 60];
        for icc in [&b""[..], b"not a profile", &p3[..100], &p3[..p3.len() / 2]] {
            assert_eq!(to_srgb(pixels(Layout::Rgb, &data), Some(icc)).unwrap().data, data);
        }
        let gray = to_srgb(pixels(Layout::Gray, &data), Some(&p3)).unwrap();
        assert_eq!((gray.layout, &gray.data[..]), (Layout::Gray, &data[..]));
        let inks = to_srgb(pixels(Layout::Cmyk, &[0; 4]), Some(&p3)).unwrap();
        assert_eq!((inks.layout, &inks.data[..]), (Layout::Rgb, &[255, 255, 255][..]));
    }

    #[test]
    fn inks_without_a_profile_look_printed() {
        let print = |inks: [u8; 4]| to_srgb(pixels(Layout::Cmyk, &inks), None).unwrap().data;
        assert_eq!(print([0; 4]), [255, 255, 255]);
        assert!(print([255; 4]).iter().all(|v| *v < 10));
        assert!(print([0, 0, 0, 255]).iter().all(|v| *v < 30));
        let (cyan, red) = (print([255, 0, 0, 0]), print([0, 255, 255, 0]));
        assert!(cyan[0] < 10 && cyan[1] > 120 && cyan[2] > 180, "{cyan:?}");
        assert!(red[0] > 200 && red[1] < 50 && red[2] < 50, "{red:?}");
    }

    #[test]
    fn inks_with_and_without_their_profile_are_the_same_picture() {
        let name = "jpeg/sharp__Channel_digital_image_CMYK_color";
        let (Some((with, _)), Some((without, _))) =
            (from_corpus(&format!("{name}.jpg")), from_corpus(&format!("{name}_no_profile.jpg")))
        else {
            return;
        };
        let icc = with.icc.unwrap();
        let with = to_srgb(with.bitmap, Some(&icc)).unwrap();
        let without = to_srgb(without.bitmap, None).unwrap();
        assert_eq!(with.layout, Layout::Rgb);
        let alike = psnr(&with.data, &without.data);
        assert!(alike > 25.0, "{alike}");
    }

    #[test]
    fn an_embedded_profile_gives_the_colours_of_the_reference() {
        // Small enough that the reference was not resized; it was mirrored, by its EXIF.
        let Some((decoded, reference)) = from_corpus("jpeg/image__portrait_2.jpg") else { return };
        let icc = decoded.icc.unwrap();
        let mut ours = to_srgb(decoded.bitmap, Some(&icc)).unwrap();
        for row in ours.data.chunks_exact_mut(ours.width as usize * 3) {
            let mirrored: Vec<u8> = row.chunks_exact(3).rev().flatten().copied().collect();
            row.copy_from_slice(&mirrored);
        }
        let mut reader = png::Decoder::new(std::io::Cursor::new(reference)).read_info().unwrap();
        let mut theirs = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut theirs).unwrap();
        assert!(psnr(&ours.data, &theirs) > 45.0, "{}", psnr(&ours.data, &theirs));
    }

    #[test]
    fn broken_profiles_never_panic() {
        let mut profiles = vec![
            ColorProfile::new_display_p3().encode().unwrap(),
            ColorProfile::new_gray_with_gamma(1.8).encode().unwrap(),
        ];
        let name = "jpeg/codec-corpus__Kiara_limited_progressive_four_components.jpg";
        profiles.extend(from_corpus(name).and_then(|(d, _)| d.icc));
        let mut seed = 5_u32;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed as usize
        };
        for profile in profiles {
            let rounds = if profile.len() > 10_000 { 30 } else { 500 };
            for _ in 0..rounds {
                let mut changed = profile.clone();
                for _ in 0..1 + next() % 6 {
                    // Mostly in the header and the tag table, where a change has consequences.
                    let at = next() % if next() % 4 == 0 { changed.len() } else { changed.len().min(600) };
                    changed[at] = next() as u8;
                }
                changed.truncate(changed.len() - next() % 3 * next() % 50);
                for layout in [Layout::Gray, Layout::Rgba, Layout::Cmyk] {
                    let _ = to_srgb(pixels(layout, &[1, 2, 3, 4, 250, 251, 252, 253]), Some(&changed));
                }
            }
        }
    }
}
