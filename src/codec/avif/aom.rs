//! The binding of libaom, and the settings with which it is worth its CPU.
//!
//! libaom's own defaults spend a quarter more bytes at equal ssimulacra2. What is set here was measured on photographs
//! (benches/README.md): still-picture mode, tuned by SSIM, with quantisation matrices as flat as the quality is high.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr;

use libaom_sys as sys;

use super::boxes::{Chroma, Stream, Streams};
use super::planes::{self, Planes};
use super::{Bitmap, CodecError, EncodeRequest, failed};
use crate::codec::{Layout, check_deadline};

/// BT.601, and green, blue, red as they are.
const BT601: u16 = 6;
const IDENTITY: u16 = 0;

/// The deadline is looked at before each stream: what libaom has begun it ends.
pub(super) fn encode(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Streams, CodecError> {
    let size = (bitmap.width, bitmap.height);
    let has_alpha = bitmap.layout == Layout::Rgba;
    let clean = (has_alpha && !request.lossless).then(|| planes::without_hidden_colours(bitmap));
    let visible = clean.as_ref().unwrap_or(bitmap);
    let full = request.subsample_444 == Some(true);
    let (planes, chroma, matrix) = match bitmap.layout {
        Layout::Gray => (planes::gray(visible), Chroma::None, BT601),
        _ if request.lossless => (planes::identity(visible), Chroma::Full, IDENTITY),
        _ if full => (planes::full(visible), Chroma::Full, BT601),
        _ => (planes::halved(visible), Chroma::Halved, BT601),
    };
    drop(clean);
    let quantizer = quantizer(request.quality);
    let coding = Coding { quantizer, lossless: request.lossless, speed: request.effort, chroma, matrix };
    check_deadline(request.deadline)?;
    let colour = Stream { data: stream(planes, size, &coding)?, chroma };
    let alpha = if has_alpha {
        // An edge of alpha is an edge of everything behind it, and flat alpha costs nothing.
        let coding = Coding { quantizer: quantizer / 2, chroma: Chroma::None, matrix: BT601, ..coding };
        check_deadline(request.deadline)?;
        Some(Stream { data: stream(planes::alpha(bitmap), size, &coding)?, chroma: Chroma::None })
    } else {
        None
    };
    Ok(Streams { colour, alpha, matrix })
}

struct Coding {
    /// 0…63, 0 is the best.
    quantizer: u32,
    lossless: bool,
    /// 0…9, 9 is the fastest.
    speed: u8,
    chroma: Chroma,
    matrix: u16,
}

/// The scale that libavif and sharp use, so that a `q` means about the same.
fn quantizer(quality: u8) -> u32 {
    ((100 - u32::from(quality.clamp(1, 100))) * 63 + 50) / 100
}

/// How flat the quantisation matrix is, 0…15: coarse quantisers gain from steep ones.
fn matrix_level(quantizer: u32) -> u32 {
    // What libaom makes of the 64 steps.
    let index = match quantizer {
        63 => 255,
        62 => 249,
        step => step * 4,
    };
    match index {
        0..=40 => 8,
        41..=100 => 7,
        101..=160 => 6,
        161..=200 => 5,
        201..=220 => 4,
        221..=240 => 3,
        _ => 2,
    }
}

fn stream(planes: Planes, size: (u32, u32), coding: &Coding) -> Result<Vec<u8>, CodecError> {
    let mut encoder = Encoder::new(size, coding)?;
    let speed = coding.speed.min(9);
    let level = matrix_level(coding.quantizer);
    let mut set = |name, value: u32| encoder.set(name, value);
    set(c"cpu-used", speed.into())?;
    set(c"color-primaries", 1)?;
    set(c"transfer-characteristics", 13)?;
    set(c"matrix-coefficients", coding.matrix.into())?;
    // Palettes quadrupled a photograph at speed 8.
    set(c"enable-palette", 0)?;
    if coding.lossless {
        set(c"lossless", 1)?;
    } else {
        set(c"cq-level", coding.quantizer)?;
        set(c"tune", 1)?;
        set(c"enable-qm", 1)?;
        set(c"qm-min", level)?;
        set(c"qm-max", level)?;
        encoder.set_text(c"dist-metric", c"qm-psnr")?;
        if speed == 9 {
            encoder.set(c"sharpness", 7)?;
        }
    }
    encoder.full_range()?;
    encoder.run(planes, size, coding.chroma)
}

/// A codec context that is destroyed with its scope. Boxed, because libaom keeps pointers into it.
struct Encoder(Box<sys::aom_codec_ctx_t>);

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised and is destroyed once. What it says then changes nothing any more.
        let _ = unsafe { sys::aom_codec_destroy(&raw mut *self.0) };
    }
}

impl Encoder {
    fn new((width, height): (u32, u32), coding: &Coding) -> Result<Self, CodecError> {
        // SAFETY: it has no arguments and returns a static description of the encoder.
        let interface = unsafe { sys::aom_codec_av1_cx() };
        let mut config = MaybeUninit::<sys::aom_codec_enc_cfg_t>::zeroed();
        // SAFETY: the interface is libaom's own and the configuration is written to, not read.
        let status = unsafe {
            sys::aom_codec_enc_config_default(interface, config.as_mut_ptr(), sys::AOM_USAGE_ALL_INTRA)
        };
        check(status, "its defaults")?;
        // SAFETY: zero is a value of each of its fields, and the call above has filled it.
        let mut config = unsafe { config.assume_init() };
        config.g_w = width;
        config.g_h = height;
        config.g_profile = u32::from(coding.chroma == Chroma::Full);
        config.g_threads = 1;
        // One frame, and none is waited for: a still picture.
        config.g_limit = 1;
        config.g_lag_in_frames = 0;
        config.rc_end_usage = sys::AOM_Q;
        config.rc_min_quantizer = if coding.lossless { 0 } else { coding.quantizer };
        config.rc_max_quantizer = config.rc_min_quantizer;
        config.monochrome = u32::from(coding.chroma == Chroma::None);
        // SAFETY: zero is a value of each of its fields.
        let mut context: Box<sys::aom_codec_ctx_t> = unsafe { Box::new(MaybeUninit::zeroed().assume_init()) };
        // SAFETY: context and configuration are initialised and outlive the call; the context stays where it is.
        let status = unsafe {
            sys::aom_codec_enc_init_ver(
                &raw mut *context,
                interface,
                &raw const config,
                0,
                sys::AOM_ENCODER_ABI_VERSION as i32,
            )
        };
        check(status, "a start")?;
        Ok(Self(context))
    }

    fn set(&mut self, name: &'static CStr, value: u32) -> Result<(), CodecError> {
        let value = CString::new(value.to_string()).map_err(|_| failed("a number is no text"))?;
        self.set_text(name, &value)
    }

    fn set_text(&mut self, name: &'static CStr, value: &CStr) -> Result<(), CodecError> {
        // SAFETY: the context is initialised; both texts end in a zero byte and are copied from.
        let status = unsafe { sys::aom_codec_set_option(&raw mut *self.0, name.as_ptr(), value.as_ptr()) };
        check(status, name.to_str().unwrap_or_default())
    }

    /// There is no option of that name.
    fn full_range(&mut self) -> Result<(), CodecError> {
        // SAFETY: the context is initialised, and this control takes an int.
        let status = unsafe {
            sys::aom_codec_control(
                &raw mut *self.0,
                sys::AV1E_SET_COLOR_RANGE as i32,
                sys::AOM_CR_FULL_RANGE as i32,
            )
        };
        check(status, "the range")
    }

    /// The stream of one frame.
    fn run(
        &mut self,
        mut planes: Planes,
        (width, height): (u32, u32),
        chroma: Chroma,
    ) -> Result<Vec<u8>, CodecError> {
        let format = if chroma == Chroma::Full { sys::AOM_IMG_FMT_I444 } else { sys::AOM_IMG_FMT_I420 };
        let halves = (width.div_ceil(2), height.div_ceil(2));
        let (chroma_width, chroma_height) = if chroma == Chroma::Full { (width, height) } else { halves };
        let samples = |(width, height): (u32, u32)| width as usize * height as usize;
        // Without colours libaom still wants planes to read.
        let [mut blue, mut red] = planes.chroma.take().unwrap_or_else(|| {
            let gray = vec![128; samples((chroma_width, chroma_height))];
            [gray.clone(), gray]
        });
        if planes.luma.len() != samples((width, height))
            || [&blue, &red].iter().any(|plane| plane.len() != samples((chroma_width, chroma_height)))
        {
            return Err(failed("the planes are not those of the picture"));
        }
        let mut image = MaybeUninit::<sys::aom_image_t>::zeroed();
        // SAFETY: the description is written to; the samples are not looked at here.
        let wrapped = unsafe {
            sys::aom_img_wrap(image.as_mut_ptr(), format, width, height, 1, planes.luma.as_mut_ptr())
        };
        if wrapped.is_null() {
            return Err(failed("libaom takes no picture of this size"));
        }
        // SAFETY: `aom_img_wrap` has filled it.
        let mut image = unsafe { image.assume_init() };
        image.planes = [planes.luma.as_mut_ptr(), blue.as_mut_ptr(), red.as_mut_ptr()];
        image.stride = [width as i32, chroma_width as i32, chroma_width as i32];
        image.range = sys::AOM_CR_FULL_RANGE;
        image.monochrome = i32::from(chroma == Chroma::None);
        // SAFETY: the context is initialised; each plane holds as many rows of its stride as the size says (checked
        // above), is not written to, and lives until the end of this function.
        let status = unsafe { sys::aom_codec_encode(&raw mut *self.0, &raw const image, 0, 1, 0) };
        check(status, "the picture")?;
        let mut stream = self.packets();
        // SAFETY: as above; no picture means that there are no more.
        let status = unsafe { sys::aom_codec_encode(&raw mut *self.0, ptr::null(), 0, 1, 0) };
        check(status, "the end")?;
        stream.extend(self.packets());
        if stream.is_empty() { Err(failed("libaom wrote nothing")) } else { Ok(stream) }
    }

    fn packets(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut next = ptr::null();
        loop {
            // SAFETY: the context is initialised, and `next` is what the last call left there.
            let packet = unsafe { sys::aom_codec_get_cx_data(&raw mut *self.0, &raw mut next) };
            // SAFETY: a packet that is not null is valid until the next call of the codec.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return all };
            if packet.kind == sys::AOM_CODEC_CX_FRAME_PKT {
                // SAFETY: the kind says which field of the union is meant; its buffer has `sz` bytes.
                unsafe {
                    let frame = packet.data.frame;
                    all.extend_from_slice(std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz));
                }
            }
        }
    }
}

fn check(status: sys::aom_codec_err_t, what: &str) -> Result<(), CodecError> {
    if status == sys::AOM_CODEC_OK {
        return Ok(());
    }
    // SAFETY: it takes any number and returns a static text.
    let text = unsafe { sys::aom_codec_err_to_string(status) };
    let text = if text.is_null() {
        "unknown".into()
    } else {
        // SAFETY: the text ends in a zero byte and is never freed.
        unsafe { CStr::from_ptr(text) }.to_string_lossy()
    };
    Err(failed(&format!("libaom refused {what}: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_is_finer_and_flatter() {
        assert_eq!((quantizer(100), quantizer(1), quantizer(50)), (0, 62, 32));
        let levels: Vec<u32> = (1..=100).map(|quality| matrix_level(quantizer(quality))).collect();
        assert!(levels.is_sorted() && levels[0] == 2 && levels[99] == 8, "{levels:?}");
    }
}
