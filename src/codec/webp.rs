//! WebP in and out through the libwebp that the `webp` crate brings: decoding crops and scales on the way, encoding
//! can be stopped at the deadline. Chunks around the pixels are read and written here.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::time::Instant;

use libwebp_sys as sys;

use super::shrink::{self, Shrink};
use super::walk::Chunks;
use super::{
    Bitmap, CodecError, DecodeRequest, Decoded, EncodeRequest, Format, Header, Layout, Rect, check_deadline,
};

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let icc = icc(bytes);
    let layout = if header.has_alpha { Layout::Rgba } else { Layout::Rgb };
    let (target, deadline) = (request.target, request.deadline);
    let bitmap = match first_frame(bytes, header)? {
        None => picture(bytes, (header.width, header.height), layout, region, target, deadline)?,
        Some(frame) if frame.covers(header) => {
            picture(frame.data, (header.width, header.height), layout, region, target, deadline)?
        }
        Some(frame) => on_canvas(&frame, region, deadline)?,
    };
    Ok(Decoded { bitmap, icc })
}

/// libwebp keeps a lossless picture whole at four bytes a pixel, and a lossy one's alpha at one.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    let region = request.region.map_or((header.width, header.height), |r| (r.width, r.height));
    let (out_width, out_height) = shrink::size(region, request.target);
    let kept = if header.progressive { 4 } else { u64::from(header.has_alpha) };
    // A region with an odd corner is cropped before it shrinks.
    let odd = request.region.is_some_and(|r| r.x % 2 + r.y % 2 > 0);
    let cropped = if odd { u64::from(region.0 + 1) * u64::from(region.1 + 1) * 4 } else { 0 };
    // A first frame that is smaller than its canvas is decoded before it is put there.
    let frame = if header.frames > 1 { width * height * 4 } else { 0 };
    kept * width * height + frame + width * 200 + u64::from(out_width) * u64::from(out_height) * 4 + cropped
}

/// The first frame of an animation.
struct Frame<'a> {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    data: &'a [u8],
}

impl Frame<'_> {
    fn covers(&self, header: &Header) -> bool {
        (self.x, self.y, self.width, self.height) == (0, 0, header.width, header.height)
    }
}

fn first_frame<'a>(bytes: &'a [u8], header: &Header) -> Result<Option<Frame<'a>>, CodecError> {
    let mut chunks = Chunks::webp(bytes);
    while !chunks.at_end() {
        let Ok(chunk) = chunks.next() else { break };
        if &chunk.kind != b"ANMF" {
            continue;
        }
        let &[x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, _, _, _, _, ref data @ ..] = chunk.data else {
            return Err(broken("its first frame has no header"));
        };
        let number = |b0, b1, b2| u32::from_le_bytes([b0, b1, b2, 0]);
        let frame = Frame {
            x: number(x0, x1, x2) * 2,
            y: number(y0, y1, y2) * 2,
            width: number(w0, w1, w2) + 1,
            height: number(h0, h1, h2) + 1,
            data,
        };
        if frame.x + frame.width > header.width || frame.y + frame.height > header.height {
            return Err(broken("its first frame leaves the canvas"));
        }
        return Ok(Some(frame));
    }
    // Cut short before its first frame is complete, an animation is decoded as a still and refused there.
    Ok(None)
}

/// A first frame that is smaller than its canvas stands on transparent ground, whatever the file calls its
/// background: browsers ignore that colour.
fn on_canvas(frame: &Frame<'_>, region: Rect, deadline: Instant) -> Result<Bitmap, CodecError> {
    let whole = Rect { x: 0, y: 0, width: frame.width, height: frame.height };
    let picture = picture(frame.data, (frame.width, frame.height), Layout::Rgba, whole, None, deadline)?;
    let (width, height) = (region.width as usize, region.height as usize);
    let mut data = vec![0; width * height * 4];
    let left = frame.x.max(region.x);
    let right = (frame.x + frame.width).min(region.x + region.width);
    let bottom = (frame.y + frame.height).min(region.y + region.height);
    for y in frame.y.max(region.y)..bottom {
        if left < right {
            let from = ((y - frame.y) * frame.width + left - frame.x) as usize * 4;
            let to = ((y - region.y) as usize * width + (left - region.x) as usize) * 4;
            let length = (right - left) as usize * 4;
            data[to..to + length].copy_from_slice(&picture.data[from..from + length]);
        }
    }
    Ok(Bitmap { width: region.width, height: region.height, layout: Layout::Rgba, data })
}

/// Decodes a region of a picture of `size`, averaged down towards `target`.
fn picture(
    data: &[u8],
    size: (u32, u32),
    layout: Layout,
    region: Rect,
    target: Option<(u32, u32)>,
    deadline: Instant,
) -> Result<Bitmap, CodecError> {
    let sides = (region.width, region.height);
    let scaled = shrink::size(sides, target);
    let (odd_x, odd_y) = (region.x % 2, region.y % 2);
    if (odd_x, odd_y) == (0, 0) {
        let data = run(data, size, layout, region, scaled, deadline)?;
        return Ok(Bitmap { width: scaled.0, height: scaled.1, layout, data });
    }
    // libwebp moves the corner of a crop to even numbers, so such a region is cut out of a larger one.
    let even = Rect {
        x: region.x - odd_x,
        y: region.y - odd_y,
        width: region.width + odd_x,
        height: region.height + odd_y,
    };
    let pixels = run(data, size, layout, even, (even.width, even.height), deadline)?;
    let channels = layout.channels();
    let mut shrink = Shrink::new(layout, sides, scaled);
    for row in pixels.chunks_exact(even.width as usize * channels).skip(odd_y as usize) {
        shrink.push(&row[odd_x as usize * channels..]);
    }
    Ok(Bitmap { width: scaled.0, height: scaled.1, layout, data: shrink.finish() })
}

/// An incremental decoder that ends with its scope.
struct Decoder(*mut sys::WebPIDecoder);

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from WebPIDecode and is deleted once.
        unsafe { sys::WebPIDelete(self.0) }
    }
}

/// The samples of `region`, scaled to `scaled`; the deadline is checked between pieces of the file.
fn run(
    data: &[u8],
    size: (u32, u32),
    layout: Layout,
    region: Rect,
    scaled: (u32, u32),
    deadline: Instant,
) -> Result<Vec<u8>, CodecError> {
    const PIECE: usize = 128 << 10;
    let mut config = sys::WebPDecoderConfig::new().map_err(|()| broken("libwebp has another version"))?;
    let (colorspace, channels) = match layout {
        Layout::Rgba => (sys::WEBP_CSP_MODE::MODE_RGBA, 4),
        _ => (sys::WEBP_CSP_MODE::MODE_RGB, 3),
    };
    // SAFETY: pointer and length belong to one slice; `input` is written, nothing is kept.
    let status = unsafe { sys::WebPGetFeatures(data.as_ptr(), data.len(), &raw mut config.input) };
    if status != sys::VP8StatusCode::VP8_STATUS_OK {
        return Err(broken(reason(status)));
    }
    if (config.input.width, config.input.height) != (size.0 as c_int, size.1 as c_int) {
        return Err(broken("its pixels have another size than its header"));
    }
    let stride = scaled.0 as usize * channels;
    let mut samples = vec![0; stride * scaled.1 as usize];
    config.output.colorspace = colorspace;
    config.output.is_external_memory = 1;
    config.output.u.RGBA =
        sys::WebPRGBABuffer { rgba: samples.as_mut_ptr(), stride: stride as c_int, size: samples.len() };
    if (region.x, region.y, region.width, region.height) != (0, 0, size.0, size.1) {
        config.options.use_cropping = 1;
        config.options.crop_left = region.x as c_int;
        config.options.crop_top = region.y as c_int;
        config.options.crop_width = region.width as c_int;
        config.options.crop_height = region.height as c_int;
    }
    if scaled != (region.width, region.height) {
        config.options.use_scaling = 1;
        config.options.scaled_width = scaled.0 as c_int;
        config.options.scaled_height = scaled.1 as c_int;
    }
    // SAFETY: `config` and `samples` live until after the decoder is dropped, are not moved and not touched
    // meanwhile; libwebp checks that its output fits the stride and size given with the buffer.
    let decoder = Decoder(unsafe { sys::WebPIDecode(data.as_ptr(), data.len(), &raw mut config) });
    if decoder.0.is_null() {
        return Err(broken("libwebp refuses it"));
    }
    let mut end = 0;
    loop {
        check_deadline(deadline)?;
        end = data.len().min(end + PIECE);
        // SAFETY: the decoder is alive, and every call shows it a longer part of the same slice.
        let status = unsafe { sys::WebPIUpdate(decoder.0, data.as_ptr(), end) };
        match status {
            sys::VP8StatusCode::VP8_STATUS_OK => break,
            sys::VP8StatusCode::VP8_STATUS_SUSPENDED if end < data.len() => {}
            status => return Err(broken(reason(status))),
        }
    }
    drop(decoder);
    Ok(samples)
}

fn reason(status: sys::VP8StatusCode) -> &'static str {
    match status {
        sys::VP8StatusCode::VP8_STATUS_SUSPENDED | sys::VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA => {
            "it ends before its last pixel"
        }
        sys::VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY => "it needs too much memory",
        sys::VP8StatusCode::VP8_STATUS_UNSUPPORTED_FEATURE => "it uses a feature that libwebp does not have",
        _ => "its bitstream is broken",
    }
}

fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Webp, reason: reason.to_owned() }
}

pub(super) fn icc(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut chunks = Chunks::webp(bytes);
    let extended = chunks.next().ok()?;
    // The profile is the first chunk after the header, if there is one.
    let next = chunks.next().ok()?;
    (&extended.kind == b"VP8X" && &next.kind == b"ICCP").then(|| next.data.to_vec())
}

/// What the callbacks of one encode share.
struct Sink {
    file: Vec<u8>,
    deadline: Instant,
    timed_out: bool,
}

/// A picture whose planes are freed with its scope.
pub(super) struct Picture(pub(super) sys::WebPPicture);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and freeing what was never allocated is allowed.
        unsafe { sys::WebPPictureFree(&raw mut self.0) }
    }
}

pub(super) fn encode(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    let failed = |reason: &str| CodecError::Encode { format: Format::Webp, reason: reason.to_owned() };
    let mut config = sys::WebPConfig::new().map_err(|()| failed("libwebp has another version"))?;
    config.quality = f32::from(request.quality.clamp(1, 100));
    config.method = c_int::from(request.effort.min(6));
    config.lossless = c_int::from(request.lossless);
    // Lossless means the colours under full transparency too.
    config.exact = c_int::from(request.lossless);
    // What the format has instead of full chroma: the halving looks at what will be shown.
    config.use_sharp_yuv = c_int::from(request.subsample_444 == Some(true) && !request.lossless);
    let mut picture = Picture(sys::WebPPicture::new().map_err(|()| failed("libwebp has another version"))?);
    picture.0.use_argb = c_int::from(request.lossless || config.use_sharp_yuv != 0);
    picture.0.width = bitmap.width as c_int;
    picture.0.height = bitmap.height as c_int;
    let (samples, stride);
    let gray;
    (samples, stride) = match bitmap.layout {
        Layout::Rgba => (&bitmap.data, bitmap.width * 4),
        Layout::Rgb => (&bitmap.data, bitmap.width * 3),
        Layout::Gray | Layout::Cmyk => {
            gray = bitmap.data.iter().flat_map(|&gray| [gray; 3]).collect();
            (&gray, bitmap.width * 3)
        }
    };
    // SAFETY: `encode` has checked that the samples are height × stride bytes; they are copied.
    let imported = unsafe {
        match bitmap.layout {
            Layout::Rgba => sys::WebPPictureImportRGBA(&raw mut picture.0, samples.as_ptr(), stride as c_int),
            _ => sys::WebPPictureImportRGB(&raw mut picture.0, samples.as_ptr(), stride as c_int),
        }
    };
    if imported == 0 {
        return Err(failed("no memory for its planes"));
    }
    let mut sink = Sink { file: Vec::new(), deadline: request.deadline, timed_out: false };
    picture.0.writer = Some(write);
    picture.0.progress_hook = Some(go_on);
    picture.0.custom_ptr = (&raw mut sink).cast::<c_void>();
    picture.0.user_data = (&raw mut sink).cast::<c_void>();
    // SAFETY: config and picture are initialised; `sink` outlives the call, and its callbacks are the only ones
    // that use it, one at a time.
    let done = unsafe { sys::WebPEncode(&raw const config, &raw mut picture.0) };
    if sink.timed_out {
        return Err(CodecError::TimedOut);
    }
    if done == 0 {
        return Err(failed(&format!("{:?}", picture.0.error_code)));
    }
    let has_alpha = bitmap.layout == Layout::Rgba;
    with_metadata(sink.file, (bitmap.width, bitmap.height), has_alpha, request.icc, request.exif)
        .ok_or_else(|| failed("libwebp wrote no picture"))
}

unsafe extern "C" fn write(data: *const u8, length: usize, picture: *const sys::WebPPicture) -> c_int {
    // SAFETY: libwebp passes the picture it was given, whose `custom_ptr` is the sink of this encode, and `length`
    // readable bytes, of which there may be none.
    unsafe {
        if length > 0 {
            let sink = &mut *(*picture).custom_ptr.cast::<Sink>();
            sink.file.extend_from_slice(std::slice::from_raw_parts(data, length));
        }
    }
    1
}

unsafe extern "C" fn go_on(_percent: c_int, picture: *const sys::WebPPicture) -> c_int {
    // SAFETY: as for `write`; `user_data` is the same sink.
    let sink = unsafe { &mut *(*picture).user_data.cast::<Sink>() };
    sink.timed_out |= check_deadline(sink.deadline).is_err();
    c_int::from(!sink.timed_out)
}

/// Puts profile and EXIF around the pixels, for which the file must be in the extended form.
fn with_metadata(
    file: Vec<u8>,
    size: (u32, u32),
    has_alpha: bool,
    icc: Option<&[u8]>,
    exif: Option<&[u8]>,
) -> Option<Vec<u8>> {
    if icc.is_none() && exif.is_none() {
        return Some(file);
    }
    let mut pixels = Vec::new();
    let mut chunks = Chunks::webp(&file);
    while !chunks.at_end() {
        let chunk = chunks.next().ok()?;
        if matches!(&chunk.kind, b"ALPH" | b"VP8 " | b"VP8L") {
            pixels.push((chunk.kind, chunk.data));
        }
    }
    let mut head = vec![
        if icc.is_some() { 0x20 } else { 0 }
            | if has_alpha { 0x10 } else { 0 }
            | if exif.is_some() { 0x08 } else { 0 },
        0,
        0,
        0,
    ];
    head.extend(&(size.0 - 1).to_le_bytes()[..3]);
    head.extend(&(size.1 - 1).to_le_bytes()[..3]);
    let mut all = vec![(*b"VP8X", head.as_slice())];
    all.extend(icc.map(|icc| (*b"ICCP", icc)));
    all.extend(pixels);
    all.extend(exif.map(|exif| (*b"EXIF", exif)));
    Some(riff(&all))
}

/// A WebP file of these chunks.
pub(super) fn riff(chunks: &[([u8; 4], &[u8])]) -> Vec<u8> {
    let length = 4 + chunks.iter().map(|(_, data)| 8 + data.len().next_multiple_of(2)).sum::<usize>();
    let mut file = Vec::with_capacity(8 + length);
    file.extend(b"RIFF");
    file.extend((length as u32).to_le_bytes());
    file.extend(b"WEBP");
    for (kind, data) in chunks {
        file.extend(kind);
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(*data);
        file.resize(file.len().next_multiple_of(2), 0);
    }
    file
}
