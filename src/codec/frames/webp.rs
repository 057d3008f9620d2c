//! The frames of an animated WebP, composed by libwebp.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ffi::c_int;
use std::ptr;

use libwebp_sys as sys;

use super::super::walk::Chunks;
use super::super::webp::{icc, riff};
use super::super::{CodecError, Format, Header};
use super::{Frame, bitmap};

/// Owns the file, because libwebp keeps a pointer to it: a field that is never touched while the decoder lives.
pub(super) struct Reader {
    decoder: *mut sys::WebPAnimDecoder,
    _file: Box<[u8]>,
    header: Header,
    icc: Option<Vec<u8>>,
    plays: u32,
    /// When the last frame ended.
    at_ms: c_int,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: the pointer came from WebPAnimDecoderNew and is deleted once, before the file is freed.
        unsafe { sys::WebPAnimDecoderDelete(self.decoder) }
    }
}

impl Reader {
    pub(super) fn new(bytes: &[u8], header: &Header) -> Result<Self, CodecError> {
        let file: Box<[u8]> = whole_frames(bytes).into();
        // SAFETY: plain numbers, for which zero is valid; initialised below.
        let mut options: sys::WebPAnimDecoderOptions = unsafe { std::mem::zeroed() };
        // SAFETY: writes to one value of ours.
        if unsafe { sys::WebPAnimDecoderOptionsInit(&raw mut options) } == 0 {
            return Err(broken("libwebp has another version"));
        }
        options.color_mode = sys::WEBP_CSP_MODE::MODE_RGBA;
        options.use_threads = 0;
        let data = sys::WebPData { bytes: file.as_ptr(), size: file.len() };
        // SAFETY: the bytes live in a box of their own, which the result keeps as long as the decoder.
        let decoder = unsafe { sys::WebPAnimDecoderNew(&raw const data, &raw const options) };
        if decoder.is_null() {
            return Err(broken("its frames do not fit together"));
        }
        let icc = icc(bytes);
        let mut reader = Self { decoder, _file: file, header: header.clone(), icc, plays: 1, at_ms: 0 };
        let mut info = sys::WebPAnimInfo::default();
        // SAFETY: the decoder is alive and `info` is ours.
        let known = unsafe { sys::WebPAnimDecoderGetInfo(reader.decoder, &raw mut info) } != 0;
        if !known || (info.canvas_width, info.canvas_height) != (header.width, header.height) {
            return Err(broken("the header changed its mind"));
        }
        reader.plays = info.loop_count;
        Ok(reader)
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        // SAFETY: the decoder is alive.
        if unsafe { sys::WebPAnimDecoderHasMoreFrames(self.decoder) } == 0 {
            return Ok(None);
        }
        let (mut pixels, mut end_ms) = (ptr::null_mut(), 0);
        // SAFETY: the decoder is alive, and both results are ours.
        let read = unsafe { sys::WebPAnimDecoderGetNext(self.decoder, &raw mut pixels, &raw mut end_ms) };
        if read == 0 || pixels.is_null() {
            return Err(broken("its bitstream is broken"));
        }
        let length = self.header.width as usize * self.header.height as usize * 4;
        // SAFETY: it points to the decoder's canvas of so many RGBA pixels, which stays until the next call.
        let data = unsafe { std::slice::from_raw_parts(pixels, length) }.to_vec();
        let delay_ms = end_ms.wrapping_sub(self.at_ms).max(0) as u32;
        self.at_ms = end_ms;
        Ok(Some(Frame { bitmap: bitmap(&self.header, data), delay_ms }))
    }

    pub(super) fn plays(&self) -> u32 {
        self.plays
    }

    pub(super) fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }
}

/// libwebp refuses a file that is cut short, so it is shown one of the chunks that are whole.
fn whole_frames(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut chunks = Chunks::webp(bytes);
    let mut whole = Vec::new();
    while !chunks.at_end() {
        match chunks.next() {
            Ok(chunk) => whole.push((chunk.kind, chunk.data)),
            Err(_) => return Cow::Owned(riff(&whole)),
        }
    }
    let says = bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    if says.saturating_add(8) > bytes.len() { Cow::Owned(riff(&whole)) } else { Cow::Borrowed(bytes) }
}

fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Webp, reason: reason.to_owned() }
}
