//! Colours as the web shows them: samples in an embedded profile's space, or in inks, become sRGB.
//!
//! Runs after resizing, when there are few pixels left. A profile that is broken, unknown or for another number of
//! channels is ignored, as browsers do: a picture in slightly wrong colours is better than none.

use moxcms::{
    ColorProfile, DataColorSpace, Layout as CmsLayout, RenderingIntent, ToneReprCurve, TransformExecutor,
    TransformOptions,
};

use super::{Bitmap, CodecError, Layout};

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
            Ok(inks_to_rgb(bitmap, transform.as_deref()))
        }
        (Layout::Rgb | Layout::Rgba, Some(profile)) if profile.color_space == DataColorSpace::Rgb => {
            if !is_srgb(&profile) {
                convert_rgb(&mut bitmap, &profile);
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

fn convert_rgb(bitmap: &mut Bitmap, profile: &ColorProfile) {
    let (layout, channels) = match bitmap.layout {
        Layout::Rgba => (CmsLayout::Rgba, 4),
        _ => (CmsLayout::Rgb, 3),
    };
    let Some(transform) = transform(profile, layout, &ColorProfile::new_srgb(), layout) else { return };
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

/// Whether converting from this profile would change nothing that can be seen: the primaries and the curve of
/// sRGB. Cameras and editors embed it in many variants, so it is recognised by what it says, not by its bytes.
fn is_srgb(profile: &ColorProfile) -> bool {
    const STEPS: u8 = 16;
    if !profile.is_matrix_shaper() || profile.lut_a_to_b_perceptual.is_some() {
        return false;
    }
    let srgb = ColorProfile::new_srgb();
    let colorants = |p: &ColorProfile| {
        [p.red_colorant, p.green_colorant, p.blue_colorant].map(|c| [c.x, c.y, c.z]).concat()
    };
    let same_primaries =
        colorants(profile).into_iter().zip(colorants(&srgb)).all(|(a, b)| (a - b).abs() < 0.002);
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

fn inks_to_rgb(bitmap: Bitmap, transform: Option<&Transform>) -> Bitmap {
    let mut data = vec![0; bitmap.data.len() / 4 * 3];
    for (inks, rgb) in bitmap.data.chunks(BATCH * 4).zip(data.chunks_mut(BATCH * 3)) {
        if transform.is_none_or(|t| t.transform(inks, rgb).is_err()) {
            inks_without_profile(inks, rgb);
        }
    }
    Bitmap { width: bitmap.width, height: bitmap.height, layout: Layout::Rgb, data }
}

fn inks_without_profile(inks: &[u8], rgb: &mut [u8]) {
    for (inks, rgb) in inks.chunks_exact(4).zip(rgb.chunks_exact_mut(3)) {
        let paper = 255 - u32::from(inks[3]);
        for (ink, out) in inks.iter().zip(rgb) {
            *out = ((255 - u32::from(*ink)) * paper / 255) as u8;
        }
    }
}
