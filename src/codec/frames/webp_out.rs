//! Animated WebP out: libwebp finds what changed between frames.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::time::Instant;

use libwebp_sys as sys;

use super::super::walk::Chunks;
use super::super::webp::{Picture, riff};
use super::super::{CodecError, EncodeRequest, Format, check_deadline};

/// The file format counts durations in 24 bits.
const MAX_DELAY_MS: u32 = (1 << 24) - 1;

pub(super) struct Writer {
    encoder: *mut sys::WebPAnimEncoder,
    config: sys::WebPConfig,
    size: (u32, u32),
    at_ms: c_int,
    /// Owned. The encoder keeps it as long as it lives.
    watch: *mut Watch,
    deadline: Instant,
    icc: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: the pointers came from WebPAnimEncoderNewInternal and from a box and are given back once, in this order.
        unsafe {
            sys::WebPAnimEncoderDelete(self.encoder);
            drop(Box::from_raw(self.watch));
        }
    }
}

impl Writer {
    pub(super) fn new(size: (u32, u32), plays: u32, request: &EncodeRequest<'_>) -> Result<Self, CodecError> {
        let abi = sys::WEBP_MUX_ABI_VERSION as c_int;
        let mut config = sys::WebPConfig::new().map_err(|()| failed("libwebp has another version"))?;
        config.quality = f32::from(request.quality.clamp(1, 100));
        config.method = c_int::from(request.effort.min(6));
        config.lossless = c_int::from(request.lossless);
        config.exact = c_int::from(request.lossless);
        config.use_sharp_yuv = c_int::from(request.subsample_444 == Some(true) && !request.lossless);
        // SAFETY: plain numbers, for which zero is valid; initialised below.
        let mut options: sys::WebPAnimEncoderOptions = unsafe { std::mem::zeroed() };
        // SAFETY: writes to one value of ours.
        if unsafe { sys::WebPAnimEncoderOptionsInitInternal(&raw mut options, abi) } == 0 {
            return Err(failed("libwebp has another version"));
        }
        options.anim_params.loop_count = plays.min(u32::from(u16::MAX)) as c_int;
        // Transparent, as browsers show it anyway.
        options.anim_params.bgcolor = 0;
        // No key frame but the first: nobody seeks in these, and each costs as much as a still.
        options.kmin = c_int::MAX - 1;
        options.kmax = c_int::MAX;
        // SAFETY: the options are initialised and copied.
        let encoder = unsafe {
            sys::WebPAnimEncoderNewInternal(size.0 as c_int, size.1 as c_int, &raw const options, abi)
        };
        if encoder.is_null() {
            return Err(failed("no memory for its canvases"));
        }
        Ok(Self {
            encoder,
            config,
            size,
            at_ms: 0,
            watch: Box::into_raw(Box::new(Watch(request.deadline))),
            deadline: request.deadline,
            icc: request.icc.map(<[u8]>::to_vec),
            exif: request.exif.map(<[u8]>::to_vec),
        })
    }

    pub(super) fn push(&mut self, pixels: &[u8], delay_ms: u32) -> Result<(), CodecError> {
        let mut picture =
            Picture(sys::WebPPicture::new().map_err(|()| failed("libwebp has another version"))?);
        picture.0.use_argb = 1;
        (picture.0.width, picture.0.height) = (self.size.0 as c_int, self.size.1 as c_int);
        let stride = picture.0.width * 4;
        // SAFETY: the caller has checked that there are height × stride bytes; they are copied.
        if unsafe { sys::WebPPictureImportRGBA(&raw mut picture.0, pixels.as_ptr(), stride) } == 0 {
            return Err(failed("no memory for its planes"));
        }
        picture.0.progress_hook = Some(go_on);
        picture.0.user_data = self.watch.cast::<c_void>();
        // SAFETY: encoder, picture and config are alive; what the encoder keeps of the picture is a copy and the watch,
        // which lives as long as it.
        let added = unsafe {
            sys::WebPAnimEncoderAdd(self.encoder, &raw mut picture.0, self.at_ms, &raw const self.config)
        };
        if added == 0 {
            return Err(self.error());
        }
        self.at_ms = self.at_ms.saturating_add(delay_ms.min(MAX_DELAY_MS) as c_int);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, CodecError> {
        check_deadline(self.deadline)?;
        // SAFETY: plain pointer and length, for which zero is valid.
        let mut data: sys::WebPData = unsafe { std::mem::zeroed() };
        // SAFETY: no frame means the end of the last; `data` is ours and is freed below.
        let done = unsafe {
            sys::WebPAnimEncoderAdd(self.encoder, ptr::null_mut(), self.at_ms, ptr::null()) != 0
                && sys::WebPAnimEncoderAssemble(self.encoder, &raw mut data) != 0
        };
        if !done || data.bytes.is_null() {
            return Err(self.error());
        }
        // SAFETY: libwebp gives so many bytes, which are copied and then freed once.
        let file = unsafe {
            let file = std::slice::from_raw_parts(data.bytes, data.size).to_vec();
            sys::WebPFree(data.bytes.cast_mut().cast::<c_void>());
            file
        };
        with_metadata(file, self.icc.as_deref(), self.exif.as_deref())
    }

    fn error(&self) -> CodecError {
        if check_deadline(self.deadline).is_err() {
            return CodecError::TimedOut;
        }
        // SAFETY: the encoder is alive, and what it says is a C string of its own or nothing.
        let text = unsafe {
            let text = sys::WebPAnimEncoderGetError(self.encoder);
            if text.is_null() { None } else { Some(CStr::from_ptr(text).to_string_lossy().into_owned()) }
        };
        failed(&text.unwrap_or_default())
    }
}

struct Watch(Instant);

unsafe extern "C" fn go_on(_percent: c_int, picture: *const sys::WebPPicture) -> c_int {
    // SAFETY: libwebp passes the picture it was given or a view of it, whose `user_data` is the watch of the encoder.
    let Watch(deadline) = unsafe { &*(*picture).user_data.cast::<Watch>() };
    c_int::from(check_deadline(*deadline).is_ok())
}

/// An animation has the extended header; one whose frames are all alike may be a simple still.
fn with_metadata(file: Vec<u8>, icc: Option<&[u8]>, exif: Option<&[u8]>) -> Result<Vec<u8>, CodecError> {
    if icc.is_none() && exif.is_none() {
        return Ok(file);
    }
    let mut chunks = Vec::new();
    let mut walk = Chunks::webp(&file);
    while !walk.at_end() {
        let chunk = walk.next().map_err(|_| failed("libwebp wrote half a chunk"))?;
        chunks.push((chunk.kind, chunk.data));
    }
    let Some((kind, head)) = chunks.first().copied() else { return Err(failed("libwebp wrote nothing")) };
    if &kind != b"VP8X" {
        return Ok(file);
    }
    let mut head = head.to_vec();
    head[0] |= if icc.is_some() { 0x20 } else { 0 } | if exif.is_some() { 0x08 } else { 0 };
    let mut all = vec![(kind, head.as_slice())];
    all.extend(icc.map(|icc| (*b"ICCP", icc)));
    all.extend(&chunks[1..]);
    all.extend(exif.map(|exif| (*b"EXIF", exif)));
    Ok(riff(&all))
}

fn failed(reason: &str) -> CodecError {
    CodecError::Encode { format: Format::Webp, reason: reason.to_owned() }
}
