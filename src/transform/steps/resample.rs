//! Scaling, in gamma space like sharp and with premultiplied alpha; only the pixels of the result are computed.

use std::borrow::Cow;
use std::time::Instant;

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{Filter, FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::codec::{Bitmap, Layout, Rect};
use crate::transform::plan::Kernel;
use crate::transform::render::{RenderError, in_time};
use crate::transform::steps::crop::crop;
use crate::transform::steps::flatten::is_opaque;

/// A part of a picture whose borders may lie inside pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// What one band of the result may take in the resizer's intermediate buffer. The deadline is looked at between bands.
/// Each computes its filter weights anew, up to half a millisecond, so that small bands are dear: 512 KiB doubled the
/// time of 3 MP → 1 MP.
pub(crate) const BAND_BYTES: usize = 8 << 20;

/// How far the filter reaches, in pixels of the coarser of the two pictures.
pub(crate) fn support(kernel: Kernel) -> f64 {
    match kernel {
        Kernel::Nearest | Kernel::Linear => 1.0,
        Kernel::Cubic | Kernel::Mitchell | Kernel::Lanczos2 => 2.0,
        Kernel::Lanczos3 => 3.0,
    }
}

/// `area` of the `view` of `bitmap`, scaled to `size`. The filter sees past `area`, but not past `view`.
pub(crate) fn resample(
    mut bitmap: Cow<'_, Bitmap>,
    view: Rect,
    area: Area,
    size: (u32, u32),
    kernel: Kernel,
    deadline: Instant,
) -> Result<Bitmap, RenderError> {
    if let Some(rect) = copied(view, area, size) {
        return Ok(crop(bitmap.into_owned(), rect));
    }
    let pixel_type = match bitmap.layout {
        Layout::Gray => PixelType::U8,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba | Layout::Cmyk => PixelType::U8x4,
    };
    let weigh = bitmap.layout == Layout::Rgba && kernel != Kernel::Nearest && !is_opaque(&bitmap);
    if weigh {
        let bitmap = bitmap.to_mut();
        let mut image = Image::from_slice_u8(bitmap.width, bitmap.height, &mut bitmap.data, pixel_type)
            .map_err(refused)?;
        MulDiv::new().multiply_alpha_inplace(&mut image).map_err(refused)?;
    }
    let channels = bitmap.layout.channels();
    let mut data = vec![0; size.0 as usize * size.1 as usize * channels];
    let source = ImageRef::new(bitmap.width, bitmap.height, &bitmap.data, pixel_type).map_err(refused)?;
    let source = CroppedImage::new(&source, view.x, view.y, view.width, view.height).map_err(refused)?;
    let stride = size.0 as usize * channels;
    let rows = (BAND_BYTES / (view.width as usize * channels)).max(16);
    let enlarges = area.width < f64::from(size.0) && area.height < f64::from(size.1);
    let mut resizer = Resizer::new();
    let mut done = 0;
    for band in data.chunks_mut(rows * stride) {
        in_time(deadline)?;
        let rows = (band.len() / stride) as u32;
        let part = rows_of(area, done, rows, size.1);
        let mut target = Image::from_slice_u8(size.0, rows, band, pixel_type).map_err(refused)?;
        resizer
            .resize(&source, &mut target, &options(kernel, clamped(part, view), enlarges))
            .map_err(refused)?;
        done += rows;
    }
    if weigh {
        let mut image = Image::from_slice_u8(size.0, size.1, &mut data, pixel_type).map_err(refused)?;
        MulDiv::new().divide_alpha_inplace(&mut image).map_err(refused)?;
    }
    Ok(Bitmap { width: size.0, height: size.1, layout: bitmap.layout, data })
}

/// The rectangle of the bitmap that is the result already, where nothing is scaled or shifted by parts of a pixel.
fn copied(view: Rect, area: Area, size: (u32, u32)) -> Option<Rect> {
    let same = |from: f64, length: f64, side: u32| {
        const NOTHING: f64 = 1e-6;
        (from - from.round()).abs() < NOTHING && (length - f64::from(side)).abs() < NOTHING
    };
    (same(area.left, area.width, size.0) && same(area.top, area.height, size.1)).then(|| Rect {
        x: view.x + area.left.round() as u32,
        y: view.y + area.top.round() as u32,
        width: size.0,
        height: size.1,
    })
}

fn rows_of(area: Area, done: u32, rows: u32, all: u32) -> Area {
    let step = area.height / f64::from(all);
    Area { top: area.top + f64::from(done) * step, height: f64::from(rows) * step, ..area }
}

/// Rounding may put a border a billionth outside, which the resizer refuses.
fn clamped(area: Area, view: Rect) -> Area {
    let left = area.left.max(0.0);
    let top = area.top.max(0.0);
    let width = area.width.min(f64::from(view.width) - left);
    let height = area.height.min(f64::from(view.height) - top);
    Area { left, top, width, height }
}

fn options(kernel: Kernel, area: Area, enlarges: bool) -> ResizeOptions {
    let convolution = ResizeAlg::Convolution;
    let algorithm = match kernel {
        Kernel::Nearest => ResizeAlg::Nearest,
        Kernel::Linear => convolution(FilterType::Bilinear),
        Kernel::Cubic => convolution(FilterType::CatmullRom),
        // Lanczos rings around edges that are enlarged; libvips, too, takes the bicubic there.
        Kernel::Lanczos2 | Kernel::Lanczos3 if enlarges => convolution(FilterType::CatmullRom),
        Kernel::Mitchell => convolution(FilterType::Mitchell),
        Kernel::Lanczos2 => convolution(
            Filter::new("Lanczos2", lanczos2, 2.0).map_or(FilterType::CatmullRom, FilterType::Custom),
        ),
        Kernel::Lanczos3 => convolution(FilterType::Lanczos3),
    };
    // Alpha is weighed once for the whole picture, not once a band.
    ResizeOptions::new().resize_alg(algorithm).use_alpha(false).crop(
        area.left,
        area.top,
        area.width,
        area.height,
    )
}

fn refused(error: impl std::fmt::Display) -> RenderError {
    RenderError::Resize(error.to_string())
}

fn lanczos2(x: f64) -> f64 {
    let sinc =
        |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
    if x.abs() < 2.0 { sinc(x) * sinc(x / 2.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transform::steps::fold::whole;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn gradient(width: u32, height: u32, layout: Layout) -> Bitmap {
        let channels = layout.channels() as u32;
        let sample = |x: u32, y: u32, c: u32| ((x * 3 + y * 5 + c * 40) % 256) as u8;
        let data = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| (0..channels).map(move |c| sample(x, y, c))))
            .collect();
        Bitmap { width, height, layout, data }
    }

    fn all(bitmap: &Bitmap) -> (Rect, Area) {
        let (width, height) = (bitmap.width, bitmap.height);
        let area = Area { left: 0.0, top: 0.0, width: f64::from(width), height: f64::from(height) };
        (whole((width, height)), area)
    }

    /// The largest difference of two samples.
    fn distance(a: &Bitmap, b: &Bitmap) -> u8 {
        assert_eq!((a.width, a.height), (b.width, b.height));
        a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    #[test]
    fn a_window_equals_scaling_all_and_cropping() {
        for kernel in [Kernel::Linear, Kernel::Cubic, Kernel::Mitchell, Kernel::Lanczos2, Kernel::Lanczos3] {
            for size in [(67, 41), (300, 250)] {
                let picture = gradient(201, 150, Layout::Rgb);
                let (view, area) = all(&picture);
                let window = Rect { x: 11, y: 7, width: 40, height: 30 };
                let full = resample(Cow::Owned(picture.clone()), view, area, size, kernel, soon()).unwrap();
                let (sx, sy) = (201.0 / f64::from(size.0), 150.0 / f64::from(size.1));
                let part = Area { left: 11.0 * sx, top: 7.0 * sy, width: 40.0 * sx, height: 30.0 * sy };
                let fused = resample(Cow::Owned(picture), view, part, (40, 30), kernel, soon()).unwrap();
                assert!(distance(&crop(full, window), &fused) <= 1, "{kernel:?} {size:?}");
            }
        }
    }

    #[test]
    fn bands_leave_no_seams() {
        // At this width a band has 93 rows.
        let picture = gradient(30_000, 60, Layout::Rgb);
        let (view, area) = all(&picture);
        let banded =
            resample(Cow::Owned(picture.clone()), view, area, (600, 150), Kernel::Lanczos3, soon()).unwrap();
        let mut once = Image::new(600, 150, PixelType::U8x3);
        let source = ImageRef::new(30_000, 60, &picture.data, PixelType::U8x3).unwrap();
        Resizer::new().resize(&source, &mut once, &options(Kernel::Lanczos3, area, false)).unwrap();
        let once = Bitmap { data: once.into_vec(), ..banded };
        assert!(distance(&banded, &once) <= 1);
    }

    #[test]
    fn clear_pixels_do_not_bleed() {
        // A red half beside a fully transparent green one.
        let data =
            (0..64 * 4).flat_map(|i| if i % 64 < 32 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
        let picture = Bitmap { width: 64, height: 4, layout: Layout::Rgba, data };
        let (view, area) = all(&picture);
        let small = resample(Cow::Owned(picture), view, area, (9, 2), Kernel::Lanczos3, soon()).unwrap();
        for pixel in small.data.as_chunks::<4>().0 {
            assert!(pixel[3] < 8 || pixel[1] < 8, "{pixel:?}");
        }
    }

    #[test]
    fn late_is_late() {
        let picture = gradient(20, 20, Layout::Gray);
        let (view, area) = all(&picture);
        let late = resample(Cow::Owned(picture), view, area, (10, 10), Kernel::Lanczos3, Instant::now());
        assert!(matches!(late, Err(RenderError::Codec(crate::codec::CodecError::TimedOut))));
    }

    #[test]
    fn same_size_is_the_same_picture() {
        let picture = gradient(20, 10, Layout::Rgba);
        let (view, area) = all(&picture);
        let same =
            resample(Cow::Owned(picture.clone()), view, area, (20, 10), Kernel::Lanczos3, soon()).unwrap();
        assert!(same == picture);
    }
}
