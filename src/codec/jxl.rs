//! JPEG XL in: a still, or the first frame of an animation; and lossless JPEG XL out. The decoder turns it upright by itself and gives eight bits
//! whatever the file has.

mod frames;

use ::jxl::api::{
    AlphaMode, Event, ExtraChannel, JxlBasicInfo, JxlColorEncoding, JxlColorProfile, JxlColorType,
    JxlDataFormat, JxlDecoder, JxlDecoderOptions, JxlOutputBuffer, JxlPixelFormat, ProfileLevel,
};
use ::jxl::error::Error;

pub(super) use frames::Frames;

use super::probe::Stop;
use super::walk::Cut;
use super::{
    Bitmap, CodecError, DecodeRequest, Decoded, Format, Header, Layout, Limits, Orientation, Rect,
    check_deadline, shrink,
};

/// So much of the file is decoded between two looks at the clock.
const PIECE: usize = 64 << 10;

/// Up to the colour profile; an animation to its end, because only there is known how many frames it has.
pub(super) fn header(prefix: &[u8], total: u64, limits: &Limits) -> Result<Header, Stop> {
    let mut decoder = JxlDecoder::new(options(limits.max_pixels, false));
    let mut rest = prefix;
    match decoder.process(&mut rest, None, None) {
        Ok(Event::NeedMoreInput { size_hint }) => {
            return Err(Cut { needed: prefix.len().saturating_add(size_hint.max(1)) }.into());
        }
        Ok(_) => {}
        Err(error) => return Err(broken(error).into()),
    }
    let Some(info) = decoder.basic_info() else { return Err(Stop::Broken("it has no header")) };
    let side = |side: usize| u32::try_from(side).map_err(|_| Stop::Broken("its sides are too long"));
    Ok(Header {
        format: Format::Jxl,
        width: side(info.size.0)?,
        height: side(info.size.1)?,
        orientation: Orientation::UPRIGHT,
        frames: if info.animation.is_some() { count(prefix, total, limits)? } else { 1 },
        has_alpha: has_alpha(info),
        depth: info.bit_depth.bits_per_sample().min(32) as u8,
        progressive: true,
    })
}

fn count(prefix: &[u8], total: u64, limits: &Limits) -> Result<u32, Stop> {
    if (prefix.len() as u64) < total {
        return Err(Cut { needed: usize::MAX }.into());
    }
    let mut decoder = JxlDecoder::new(options(limits.max_pixels, true));
    let mut rest = prefix;
    loop {
        let event = decoder.process(&mut rest, None, None);
        let frames = u32::try_from(decoder.scanned_frames().len()).unwrap_or(u32::MAX);
        if frames > limits.max_frames {
            return Err(Stop::Frames(frames));
        }
        match event {
            Ok(Event::Complete | Event::FrameComplete { has_more_frames: false }) => return Ok(frames.max(1)),
            // Cut within a frame: the decoder says whether there is enough of the first.
            Ok(Event::NeedMoreInput { .. }) | Err(_) => return Ok(frames.max(1)),
            Ok(_) => {}
        }
    }
}

/// How long the codestream is, behind which anything can be appended.
pub(super) fn length(bytes: &[u8]) -> Option<u64> {
    let mut decoder = JxlDecoder::new(options(u64::MAX / 8, true));
    let mut rest = bytes;
    loop {
        match decoder.process(&mut rest, None, None) {
            Ok(Event::Complete) => return decoder.file_length(),
            Ok(Event::NeedMoreInput { .. }) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let mut decoder = JxlDecoder::new(options(pixels, false));
    let mut shown = bytes.len().min(PIECE);
    let mut rest = &bytes[..shown];
    let mut output: Option<Output> = None;
    loop {
        check_deadline(request.deadline)?;
        let event = match &mut output {
            None => decoder.process(&mut rest, None, None),
            Some(output) => {
                let rows = header.height as usize;
                let buffer = JxlOutputBuffer::new(&mut output.data, rows, output.stride);
                decoder.process(&mut rest, Some(&mut [buffer]), None)
            }
        };
        match event.map_err(broken)? {
            Event::NeedMoreInput { .. } if shown < bytes.len() => {
                let unread = rest.len();
                let next = bytes.len().min(shown + PIECE);
                rest = &bytes[shown - unread..next];
                shown = next;
            }
            Event::NeedMoreInput { .. } | Event::Complete => {
                return Err(undecodable("it ends before its last pixel"));
            }
            Event::BasicInfo => output = Some(Output::of(&mut decoder, header)?),
            Event::FrameHeader => {}
            Event::FrameComplete { .. } => break,
        }
    }
    let output = output.ok_or_else(|| undecodable("it has no header"))?;
    let icc = profile(&decoder);
    drop(decoder);
    let convert: Option<shrink::Convert> = match (output.samples, output.layout) {
        (2, _) => Some(|row, out| {
            out.extend(row.as_chunks::<2>().0.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]));
        }),
        // The format stores how much light is left.
        (_, Layout::Cmyk) => Some(|row, out| out.extend(row.iter().map(|ink| 255 - ink))),
        _ => None,
    };
    let rows = output.data.chunks_exact(output.stride);
    let bitmap = shrink::cut(rows, output.samples, convert, output.layout, region, request.target);
    Ok(Decoded { bitmap, icc })
}

/// The picture in eight bits, the decoder's planes of two to four bytes a sample, and the result.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let samples = if header.has_alpha { 4 } else { 3 };
    pixels * (4 + samples * 8) + shrink::memory(header, request) + (16 << 20)
}

/// For an animation: what the decoder keeps of earlier frames, four of them at most, with samples of four bytes; and the
/// frame that is given.
pub(super) fn frames_memory(header: &Header) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let samples = if header.has_alpha { 4 } else { 3 };
    pixels * (8 + samples * (8 + 4 * 4)) + (16 << 20)
}

/// The whole picture as the decoder writes it.
struct Output {
    data: Vec<u8>,
    stride: usize,
    samples: usize,
    layout: Layout,
}

impl Output {
    fn of(decoder: &mut JxlDecoder, header: &Header) -> Result<Self, CodecError> {
        let info = decoder.basic_info().ok_or_else(|| undecodable("it has no header"))?;
        if info.size != (header.width as usize, header.height as usize) || has_alpha(info) != header.has_alpha
        {
            return Err(undecodable("the header changed its mind"));
        }
        let extra = info.extra_channels.len();
        let has_black = info.extra_channels.iter().any(|channel| channel.ec_type == ExtraChannel::Black);
        let profile = decoder.embedded_color_profile();
        let is_gray = profile.is_some_and(|profile| profile.channels() == 1);
        let is_inks = has_black && profile.is_some_and(JxlColorProfile::is_cmyk);
        let (color_type, layout) = match (is_inks, is_gray, header.has_alpha) {
            (true, _, _) => (JxlColorType::Cmyk, Layout::Cmyk),
            (_, true, true) => (JxlColorType::GrayscaleAlpha, Layout::Rgba),
            (_, true, false) => (JxlColorType::Grayscale, Layout::Gray),
            (_, false, true) => (JxlColorType::Rgba, Layout::Rgba),
            (_, false, false) => (JxlColorType::Rgb, Layout::Rgb),
        };
        let format = JxlPixelFormat {
            color_type,
            color_data_format: Some(JxlDataFormat::U8 { bit_depth: 8 }),
            extra_channel_format: vec![None; extra],
        };
        decoder.set_pixel_format(format).map_err(broken)?;
        let samples = color_type.samples_per_pixel();
        let stride = header.width as usize * samples;
        Ok(Self { data: vec![0; stride * header.height as usize], stride, samples, layout })
    }
}

fn options(max_pixels: u64, scan: bool) -> JxlDecoderOptions {
    /// Colours, alpha and a few more.
    const CHANNELS: u64 = 8;
    let mut options = JxlDecoderOptions::default();
    // Sides are rounded up inside.
    options.sample_limit = usize::try_from(max_pixels.max(1 << 16).saturating_mul(CHANNELS)).ok();
    options.alpha_mode = AlphaMode::Unpremultiplied;
    options.max_profile_level = ProfileLevel::Main10;
    options.scan_frames_only = scan;
    options
}

fn has_alpha(info: &JxlBasicInfo) -> bool {
    info.extra_channels.iter().any(|channel| channel.ec_type == ExtraChannel::Alpha)
}

/// That of the samples as they come out.
fn profile(decoder: &JxlDecoder) -> Option<Vec<u8>> {
    let profile = decoder.output_color_profile()?;
    let is_srgb = [false, true]
        .into_iter()
        .any(|gray| profile.same_color_encoding(&JxlColorProfile::Simple(JxlColorEncoding::srgb(gray))));
    if is_srgb { None } else { profile.try_as_icc().map(|icc| icc.into_owned()) }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: Error) -> CodecError {
    undecodable(&error.to_string())
}

fn undecodable(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Jxl, reason: reason.to_owned() }
}

/// Lossless, on one thread: prediction from the neighbours and a fixed tree, a little smaller than PNG and as fast.
pub(super) fn encode(bitmap: &Bitmap) -> Result<Vec<u8>, CodecError> {
    use zune_core::bit_depth::BitDepth;
    use zune_core::colorspace::ColorSpace;
    use zune_core::options::EncoderOptions;
    let space = match bitmap.layout {
        Layout::Gray => ColorSpace::Luma,
        Layout::Rgb => ColorSpace::RGB,
        Layout::Rgba | Layout::Cmyk => ColorSpace::RGBA,
    };
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let options = EncoderOptions::new(width, height, space, BitDepth::Eight).set_num_threads(1);
    let mut bytes = Vec::new();
    zune_jpegxl::JxlSimpleEncoder::new(&bitmap.data, options)
        .encode(&mut bytes)
        .map_err(|error| CodecError::Encode { format: Format::Jxl, reason: format!("{error:?}") })?;
    Ok(bytes)
}
