//! Colour by colour: brightness, contrast, saturation, hue, gamma, gray, sepia, negative, tint, duotone and opacity.
//! Each reads and writes 8-bit sRGB and is computed in integers or from tables, so that equal plans give equal bytes.
//! Brightness, contrast, saturation, hue, sepia and negative are those of the W3C's Filter Effects Module Level 1.

use std::time::Instant;

use crate::codec::{Bitmap, Layout};
use crate::transform::plan::{Adjust, Colour};
use crate::transform::render::{RenderError, in_time};

/// What one pixel goes through.
enum Stage {
    /// The same curve for each channel.
    Curve(Box<[u8; 256]>),
    /// Rows for red, green and blue, in 1/65536.
    Matrix([[i32; 3]; 3]),
    /// From luminance to a colour, which replaces the pixel by so many 1/256.
    Ramp(Box<[[u8; 3]; 256]>, u32),
}

const ONE: f64 = 65_536.0;
/// Rec. 709, as in sRGB; also the weights that the module's matrices are made of.
const LUMA: [f64; 3] = [0.2126, 0.7152, 0.0722];
/// Between two looks at the clock.
const PIXELS: usize = 1 << 18;

/// All of `adjusts`, in their order.
pub(crate) fn adjust(bitmap: Bitmap, adjusts: &[Adjust], deadline: Instant) -> Result<Bitmap, RenderError> {
    let opacity = adjusts.iter().rev().find_map(|adjust| match adjust {
        Adjust::Opacity(percent) => Some(*percent),
        _ => None,
    });
    let stages: Vec<Stage> = adjusts.iter().filter_map(|adjust| stage(*adjust)).collect();
    let stages = fused(stages);
    // The last word: what is a ramp of grays has one channel.
    let gray_again = matches!(adjusts.iter().rfind(|a| !matches!(a, Adjust::Opacity(_))), Some(Adjust::Gray));
    let mut bitmap = match bitmap.layout {
        Layout::Gray if stages.iter().any(|stage| !matches!(stage, Stage::Curve(_))) && !gray_again => {
            expanded(&bitmap)
        }
        _ => bitmap,
    };
    let luminance = Luminance::new();
    let channels = bitmap.layout.channels();
    for part in bitmap.data.chunks_mut(PIXELS * channels) {
        in_time(deadline)?;
        for stage in &stages {
            run(stage, part, channels, &luminance);
        }
    }
    if gray_again && bitmap.layout == Layout::Rgb {
        bitmap.data = bitmap.data.as_chunks::<3>().0.iter().map(|&[value, ..]| value).collect();
        bitmap.layout = Layout::Gray;
    }
    Ok(match opacity {
        Some(percent) => faded(bitmap, percent),
        None => bitmap,
    })
}

fn run(stage: &Stage, part: &mut [u8], channels: usize, luminance: &Luminance) {
    match (stage, channels) {
        (Stage::Curve(curve), 1 | 3) => part.iter_mut().for_each(|v| *v = curve[usize::from(*v)]),
        (Stage::Curve(curve), _) => {
            for [r, g, b, _] in part.as_chunks_mut::<4>().0 {
                (*r, *g, *b) = (curve[usize::from(*r)], curve[usize::from(*g)], curve[usize::from(*b)]);
            }
        }
        // A gray that stays gray: rows of a matrix that keeps white white keep it too.
        (Stage::Matrix(_), 1) => {}
        (Stage::Ramp(ramp, strength), 1) => {
            part.iter_mut().for_each(|v| *v = mixed(*v, ramp[usize::from(*v)][0], *strength));
        }
        (stage, 3) => {
            part.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = one(stage, *pixel, luminance))
        }
        (stage, _) => {
            for [r, g, b, _] in part.as_chunks_mut::<4>().0 {
                [*r, *g, *b] = one(stage, [*r, *g, *b], luminance);
            }
        }
    }
}

fn one(stage: &Stage, pixel: [u8; 3], luminance: &Luminance) -> [u8; 3] {
    match stage {
        Stage::Curve(curve) => pixel.map(|v| curve[usize::from(v)]),
        Stage::Matrix(rows) => rows.map(|row| {
            let sum: i32 = row.iter().zip(pixel).map(|(weight, v)| weight * i32::from(v)).sum();
            ((sum + (1 << 15)) >> 16).clamp(0, 255) as u8
        }),
        Stage::Ramp(ramp, strength) => {
            let to = ramp[usize::from(luminance.of(pixel))];
            [0, 1, 2].map(|c| mixed(pixel[c], to[c], *strength))
        }
    }
}

fn mixed(from: u8, to: u8, strength: u32) -> u8 {
    ((u32::from(from) * (256 - strength) + u32::from(to) * strength + 128) >> 8) as u8
}

fn stage(adjust: Adjust) -> Option<Stage> {
    let curve = |f: &dyn Fn(f64) -> f64| {
        let value = |v: usize| (f(v as f64 / 255.0) * 255.0).round().clamp(0.0, 255.0) as u8;
        Some(Stage::Curve(Box::new(std::array::from_fn(value))))
    };
    match adjust {
        Adjust::Brightness(by) => curve(&|v| v * by.as_f64()),
        Adjust::Contrast(by) => curve(&|v| (v - 0.5) * by.as_f64() + 0.5),
        Adjust::Gamma(gamma) => curve(&|v| v.powf(1.0 / gamma.as_f64())),
        Adjust::Negate => curve(&|v| 1.0 - v),
        Adjust::Saturation(by) => Some(matrix(saturation(by.as_f64()))),
        Adjust::Hue(degrees) => Some(matrix(hue(degrees.as_f64()))),
        Adjust::Sepia(percent) => Some(matrix(sepia(percent.as_f64() / 100.0))),
        Adjust::Gray => Some(Stage::Ramp(Box::new(std::array::from_fn(|v| [v as u8; 3])), 256)),
        Adjust::Tint(colour) => Some(Stage::Ramp(Box::new(tint(colour)), 256)),
        Adjust::Duotone(dark, light, percent) => {
            let strength = (percent.as_f64() * 2.56).round() as u32;
            Some(Stage::Ramp(Box::new(gradient(dark, light)), strength))
        }
        Adjust::Opacity(_) => None,
    }
}

/// Neighbouring curves are one curve.
fn fused(stages: Vec<Stage>) -> Vec<Stage> {
    let mut out: Vec<Stage> = Vec::with_capacity(stages.len());
    for stage in stages {
        match (out.last_mut(), stage) {
            (Some(Stage::Curve(before)), Stage::Curve(after)) => {
                before.iter_mut().for_each(|v| *v = after[usize::from(*v)]);
            }
            (_, stage) => out.push(stage),
        }
    }
    out
}

fn matrix(rows: [[f64; 3]; 3]) -> Stage {
    Stage::Matrix(rows.map(|row| row.map(|weight| (weight * ONE).round() as i32)))
}

fn saturation(by: f64) -> [[f64; 3]; 3] {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| LUMA[column] * (1.0 - by) + if row == column { by } else { 0.0 })
    })
}

/// Filter Effects §13.1.3.
fn hue(degrees: f64) -> [[f64; 3]; 3] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [
        [
            0.213 + cos * 0.787 - sin * 0.213,
            0.715 - cos * 0.715 - sin * 0.715,
            0.072 - cos * 0.072 + sin * 0.928,
        ],
        [
            0.213 - cos * 0.213 + sin * 0.143,
            0.715 + cos * 0.285 + sin * 0.140,
            0.072 - cos * 0.072 - sin * 0.283,
        ],
        [
            0.213 - cos * 0.213 - sin * 0.787,
            0.715 - cos * 0.715 + sin * 0.715,
            0.072 + cos * 0.928 + sin * 0.072,
        ],
    ]
}

/// Filter Effects §13.1.2.
fn sepia(amount: f64) -> [[f64; 3]; 3] {
    let rest = 1.0 - amount;
    [
        [0.393 + 0.607 * rest, 0.769 - 0.769 * rest, 0.189 - 0.189 * rest],
        [0.349 - 0.349 * rest, 0.686 + 0.314 * rest, 0.168 - 0.168 * rest],
        [0.272 - 0.272 * rest, 0.534 - 0.534 * rest, 0.131 + 0.869 * rest],
    ]
}

/// The hue and the chroma of `colour` at every luminance: CIELAB with D65, like sharp's `tint`.
fn tint(colour: Colour) -> [[u8; 3]; 256] {
    let [_, a, b] = lab([colour.r, colour.g, colour.b].map(|v| to_linear(f64::from(v) / 255.0)));
    std::array::from_fn(|v| {
        let gray = to_linear(v as f64 / 255.0);
        let [lightness, ..] = lab([gray; 3]);
        from_lab([lightness, a, b]).map(|v| (from_linear(v.clamp(0.0, 1.0)) * 255.0).round() as u8)
    })
}

fn gradient(dark: Colour, light: Colour) -> [[u8; 3]; 256] {
    let between = |from: u8, to: u8, v: usize| {
        ((usize::from(from) * (255 - v) + usize::from(to) * v + 127) / 255) as u8
    };
    std::array::from_fn(|v| {
        [between(dark.r, light.r, v), between(dark.g, light.g, v), between(dark.b, light.b, v)]
    })
}

const XYZ: [[f64; 3]; 3] = [
    [0.412_390_8, 0.357_584_3, 0.180_480_8],
    [0.212_639, 0.715_168_7, 0.072_192_3],
    [0.019_330_8, 0.119_194_8, 0.950_532_2],
];
const RGB: [[f64; 3]; 3] = [
    [3.240_969_9, -1.537_383_2, -0.498_610_8],
    [-0.969_243_6, 1.875_967_5, 0.041_555_1],
    [0.055_630_1, -0.203_977, 1.056_971_5],
];
const WHITE: [f64; 3] = [0.950_455_9, 1.0, 1.089_057_8];

fn times(matrix: [[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn lab(linear: [f64; 3]) -> [f64; 3] {
    let xyz = times(XYZ, linear);
    let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let [x, y, z] = [0, 1, 2].map(|i| f(xyz[i] / WHITE[i]));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn from_lab([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let y = (lightness + 16.0) / 116.0;
    let f = |t: f64| if t > 0.206_893 { t * t * t } else { (t - 16.0 / 116.0) / 7.787 };
    let xyz = [f(y + a / 500.0), f(y), f(y - b / 200.0)];
    times(RGB, [0, 1, 2].map(|i| xyz[i] * WHITE[i]))
}

fn to_linear(v: f64) -> f64 {
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn from_linear(v: f64) -> f64 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

/// Luminance of sRGB, added in linear light and written with sRGB's curve again.
struct Luminance {
    /// Weighted linear light of each channel's values, in 1/65535.
    linear: [[u32; 256]; 3],
    /// From linear light to sRGB, by its upper 12 bits.
    curve: Box<[u8; 4096]>,
    /// The same for its darkest sixteenth, where the curve is steep.
    dark: Box<[u8; 4096]>,
}

impl Luminance {
    fn new() -> Self {
        let linear = LUMA.map(|weight| {
            std::array::from_fn(|v| (to_linear(v as f64 / 255.0) * weight * 65_535.0 * 16.0).round() as u32)
        });
        let curve = |steps: f64| {
            Box::new(std::array::from_fn(|v| (from_linear((v as f64 + 0.5) / steps) * 255.0).round() as u8))
        };
        Self { linear, curve: curve(4096.0), dark: curve(65_536.0) }
    }

    fn of(&self, [r, g, b]: [u8; 3]) -> u8 {
        if r == g && g == b {
            return r;
        }
        let sum =
            self.linear[0][usize::from(r)] + self.linear[1][usize::from(g)] + self.linear[2][usize::from(b)];
        // Nearly in 1/2^20.
        if sum < 1 << 16 {
            return self.dark[(sum >> 4) as usize];
        }
        self.curve[((sum >> 8) as usize).min(4095)]
    }
}

fn expanded(gray: &Bitmap) -> Bitmap {
    let data = gray.data.iter().flat_map(|&v| [v; 3]).collect();
    Bitmap { width: gray.width, height: gray.height, layout: Layout::Rgb, data }
}

fn faded(bitmap: Bitmap, percent: crate::transform::Decimal) -> Bitmap {
    let keep = ((percent.of(255) + 50) / 100) as u32;
    let fade = |alpha: u32| ((alpha * keep + 127) / 255) as u8;
    let whole = fade(255);
    let data = match bitmap.layout {
        Layout::Gray => bitmap.data.iter().flat_map(|&v| [v, v, v, whole]).collect(),
        Layout::Rgb => {
            bitmap.data.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, whole]).collect()
        }
        Layout::Rgba | Layout::Cmyk => {
            let mut data = bitmap.data;
            data.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel[3] = fade(u32::from(pixel[3])));
            data
        }
    };
    Bitmap { layout: Layout::Rgba, data, ..bitmap }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transform::Decimal;

    fn one_of(adjusts: &[Adjust], pixel: [u8; 3]) -> Vec<u8> {
        let bitmap = Bitmap { width: 1, height: 1, layout: Layout::Rgb, data: pixel.to_vec() };
        adjust(bitmap, adjusts, Instant::now() + Duration::from_secs(60)).unwrap().data
    }

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn each_does_what_its_name_says() {
        let photo = [200, 100, 50];
        let rows: [(Adjust, &[u8]); 12] = [
            (Adjust::Brightness(number("0.5")), &[100, 50, 25]),
            (Adjust::Brightness(number("2")), &[255, 200, 100]),
            (Adjust::Contrast(number("0")), &[128, 128, 128]),
            (Adjust::Contrast(number("2")), &[255, 73, 0]),
            (Adjust::Saturation(number("1")), &[200, 100, 50]),
            (Adjust::Saturation(number("0")), &[118, 118, 118]),
            (Adjust::Hue(number("0")), &[200, 100, 50]),
            (Adjust::Gamma(number("1")), &[200, 100, 50]),
            (Adjust::Negate, &[55, 155, 205]),
            (Adjust::Sepia(number("0")), &[200, 100, 50]),
            (Adjust::Sepia(number("100")), &[165, 147, 114]),
            (Adjust::Gray, &[128]),
        ];
        for (adjust, expected) in rows {
            assert_eq!(one_of(&[adjust], photo), expected, "{adjust:?}");
        }
        let (black, white) = (Colour { r: 0, g: 0, b: 0, a: 255 }, Colour::WHITE);
        let duotone = |percent| Adjust::Duotone(black, white, number(percent));
        assert_eq!(one_of(&[duotone("100")], photo), [128, 128, 128]);
        assert_eq!(one_of(&[duotone("0")], photo), photo);
        let sky = Adjust::Tint(Colour { r: 0, g: 100, b: 255, a: 255 });
        assert_eq!((one_of(&[sky], [0; 3]).len(), one_of(&[sky], [255; 3])[2]), (3, 255));
        let [r, _, b] = one_of(&[sky], [128; 3])[..] else { panic!() };
        assert!(b > 200 && r < 128, "{r} {b}");
        assert_eq!(one_of(&[Adjust::Opacity(number("50"))], photo), [200, 100, 50, 128]);
    }

    #[test]
    fn order_counts_and_curves_are_fused_exactly() {
        let (bright, negative) = (Adjust::Brightness(number("0.3")), Adjust::Negate);
        assert_eq!(one_of(&[bright, negative], [200, 9, 0]), [195, 252, 255]);
        assert_eq!(one_of(&[negative, bright], [200, 9, 0]), [17, 74, 77]);
        assert_eq!(fused(vec![stage(bright).unwrap(), stage(negative).unwrap()]).len(), 1);
    }

    #[test]
    fn luminance_is_exact_enough_everywhere() {
        let luminance = Luminance::new();
        let mut worst = 0;
        for r in (0..=255).step_by(15) {
            for g in 0..=255_u8 {
                for b in (0..=255).step_by(51) {
                    let exact = [r, g, b].map(|v| to_linear(f64::from(v) / 255.0));
                    let exact = exact.iter().zip(LUMA).map(|(v, weight)| v * weight).sum();
                    let exact = (from_linear(exact) * 255.0).round() as u8;
                    worst = worst.max(exact.abs_diff(luminance.of([r, g, b])));
                }
            }
        }
        assert!(worst <= 1, "{worst}");
        assert!((0..=255).all(|v| luminance.of([v; 3]) == v));
    }
}
