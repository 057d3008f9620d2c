//! The binding: `shim.h` in Rust and owning handles around it, so that the rest of the room is safe code.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Instant;

// The shim calls into the library that this crate builds; nothing else in Rust names it, and an unnamed crate
// would not be linked.
use turbojpeg_sys as _;

use super::{CodecError, Format, broken};

const OK: c_int = 0;
const TIMED_OUT: c_int = 2;
const TOO_MANY_SCANS: c_int = 3;
const FULL: c_int = 4;
const NO_MEMORY: c_int = 5;

#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) components: u32,
    pub(crate) precision: u32,
    /// Channels that come out: 1, 3 or 4; 0 when libjpeg knows no conversion.
    pub(crate) channels: u32,
    pub(crate) adobe: u32,
}

/// What libjpeg had to invent.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Damage {
    pub(crate) warnings: u32,
    /// Rows of the full-size picture that were intact before the first warning.
    pub(crate) lines: u32,
    pub(crate) truncated: u32,
}

#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct EncodeSetup {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: u32,
    pub(crate) quality: u32,
    pub(crate) full_chroma: u32,
    pub(crate) progressive: u32,
    pub(crate) optimize: u32,
    /// 0 = no cap.
    pub(crate) max_bytes: usize,
}

#[repr(C)]
struct RawDecoder {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawEncoder {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn px_decoder_new(bytes: *const u8, len: usize, time_left: i64, max_scans: u32) -> *mut RawDecoder;
    fn px_decoder_header(d: *mut RawDecoder, out: *mut Header) -> c_int;
    fn px_decoder_start(
        d: *mut RawDecoder,
        denominator: u32,
        smooth_blocks: u32,
        width: *mut u32,
        height: *mut u32,
    ) -> c_int;
    fn px_decoder_crop(d: *mut RawDecoder, x: *mut u32, width: *mut u32) -> c_int;
    fn px_decoder_skip(d: *mut RawDecoder, rows: u32) -> c_int;
    fn px_decoder_read(d: *mut RawDecoder, out: *mut u8, stride: usize, rows: u32) -> c_int;
    fn px_decoder_damage(d: *const RawDecoder, out: *mut Damage);
    fn px_decoder_message(d: *const RawDecoder) -> *const c_char;
    fn px_decoder_free(d: *mut RawDecoder);

    fn px_encoder_new(time_left: i64) -> *mut RawEncoder;
    fn px_encoder_start(e: *mut RawEncoder, options: *const EncodeSetup) -> c_int;
    fn px_encoder_marker(e: *mut RawEncoder, n: u32, bytes: *const u8, len: usize) -> c_int;
    fn px_encoder_icc(e: *mut RawEncoder, bytes: *const u8, len: usize) -> c_int;
    fn px_encoder_write(e: *mut RawEncoder, rows: *const u8, stride: usize, count: u32) -> c_int;
    fn px_encoder_finish(e: *mut RawEncoder, bytes: *mut *const u8, len: *mut usize) -> c_int;
    fn px_encoder_message(e: *const RawEncoder) -> *const c_char;
    fn px_encoder_free(e: *mut RawEncoder);

    fn px_find_ff(bytes: *const u8, len: usize, from: usize) -> usize;
}

fn nanoseconds_until(deadline: Instant) -> i64 {
    i64::try_from(deadline.saturating_duration_since(Instant::now()).as_nanos()).unwrap_or(i64::MAX)
}

/// Offset of the next `0xFF` at or after `from`, or the length.
pub(crate) fn find_ff(bytes: &[u8], from: usize) -> usize {
    // SAFETY: pointer and length are one slice's; the shim reads nothing at or past `len`.
    unsafe { px_find_ff(bytes.as_ptr(), bytes.len(), from) }
}

/// A decompressor that reads from borrowed bytes and checks the deadline as it goes.
pub(crate) struct Decoder<'a> {
    raw: NonNull<RawDecoder>,
    row_bytes: usize,
    _bytes: PhantomData<&'a [u8]>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8], deadline: Instant, max_scans: u32) -> Result<Self, CodecError> {
        // SAFETY: the lifetime keeps the bytes alive for as long as the handle.
        let raw =
            unsafe { px_decoder_new(bytes.as_ptr(), bytes.len(), nanoseconds_until(deadline), max_scans) };
        let raw = NonNull::new(raw).ok_or_else(|| broken("there is no memory for it"))?;
        Ok(Self { raw, row_bytes: 0, _bytes: PhantomData })
    }

    pub(crate) fn header(&mut self) -> Result<Header, CodecError> {
        let mut header = Header::default();
        // SAFETY: the handle is valid until dropped, `header` is laid out as the shim's struct.
        let status = unsafe { px_decoder_header(self.raw.as_ptr(), &raw mut header) };
        self.check(status)?;
        Ok(header)
    }

    /// Starts decoding at 1/`denominator`; gives the sides that come out. Call once, after [`Self::header`].
    pub(crate) fn start(
        &mut self,
        denominator: u32,
        smooth_blocks: bool,
        channels: usize,
    ) -> Result<(u32, u32), CodecError> {
        let (mut width, mut height) = (0, 0);
        // SAFETY: the handle is valid, the out-pointers are locals.
        let status = unsafe {
            px_decoder_start(
                self.raw.as_ptr(),
                denominator,
                u32::from(smooth_blocks),
                &raw mut width,
                &raw mut height,
            )
        };
        self.check(status)?;
        self.row_bytes = width as usize * channels;
        Ok((width, height))
    }

    /// Narrows what [`Self::read`] delivers; gives the columns that really come, which begin at or before `x`.
    pub(crate) fn crop(&mut self, x: u32, width: u32, channels: usize) -> Result<(u32, u32), CodecError> {
        let (mut x, mut width) = (x, width);
        // SAFETY: the handle is valid, the pointers are locals; libjpeg checks the range itself.
        let status = unsafe { px_decoder_crop(self.raw.as_ptr(), &raw mut x, &raw mut width) };
        self.check(status)?;
        self.row_bytes = width as usize * channels;
        Ok((x, width))
    }

    pub(crate) fn skip(&mut self, rows: u32) -> Result<(), CodecError> {
        if rows == 0 {
            return Ok(());
        }
        // SAFETY: the handle is valid.
        let status = unsafe { px_decoder_skip(self.raw.as_ptr(), rows) };
        self.check(status)
    }

    /// Fills `out` with whole rows; its length must be a multiple of a row's.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<(), CodecError> {
        let rows = out.len().checked_div(self.row_bytes).unwrap_or(0);
        debug_assert_eq!(rows * self.row_bytes, out.len());
        // SAFETY: `rows * row_bytes` is within `out`, and the shim refuses a stride that is less than a row.
        let status =
            unsafe { px_decoder_read(self.raw.as_ptr(), out.as_mut_ptr(), self.row_bytes, rows as u32) };
        self.check(status)
    }

    pub(crate) fn damage(&self) -> Damage {
        let mut damage = Damage::default();
        // SAFETY: the handle is valid, `damage` is laid out as the shim's struct.
        unsafe { px_decoder_damage(self.raw.as_ptr(), &raw mut damage) };
        damage
    }

    /// What libjpeg said last: its error, or the first warning.
    pub(crate) fn message(&self) -> String {
        // SAFETY: the shim's buffer is zero-terminated and lives as long as the handle.
        text(unsafe { px_decoder_message(self.raw.as_ptr()) })
    }

    fn check(&self, status: c_int) -> Result<(), CodecError> {
        match status {
            OK => Ok(()),
            TIMED_OUT => Err(CodecError::TimedOut),
            TOO_MANY_SCANS => Err(broken("it has too many scans")),
            NO_MEMORY => Err(broken("there is no memory for it")),
            _ => Err(broken(self.message())),
        }
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        // SAFETY: made by px_decoder_new and freed only here.
        unsafe { px_decoder_free(self.raw.as_ptr()) }
    }
}

/// A compressor that collects its output in memory.
pub(crate) struct Encoder {
    raw: NonNull<RawEncoder>,
    row_bytes: usize,
}

/// How far a capped encoding came.
pub(crate) enum Encoded {
    Done,
    /// The cap on the output was reached; the encoder can only be dropped.
    Full,
}

impl Encoder {
    /// `None` when the headers alone reach the cap.
    pub(crate) fn start(setup: &EncodeSetup, deadline: Instant) -> Result<Option<Self>, CodecError> {
        // SAFETY: no pointers go in.
        let raw = unsafe { px_encoder_new(nanoseconds_until(deadline)) };
        let raw = NonNull::new(raw).ok_or_else(|| failed("no memory"))?;
        let encoder = Self { raw, row_bytes: setup.width as usize * setup.channels as usize };
        // SAFETY: the handle is valid, `setup` is laid out as the shim's struct and only read.
        let status = unsafe { px_encoder_start(encoder.raw.as_ptr(), setup) };
        match encoder.check(status)? {
            Encoded::Done => Ok(Some(encoder)),
            Encoded::Full => Ok(None),
        }
    }

    /// Writes an `APPn` segment; before the first row.
    pub(crate) fn app(&mut self, n: u32, bytes: &[u8]) -> Result<Encoded, CodecError> {
        // SAFETY: pointer and length are one slice's, copied during the call.
        let status = unsafe { px_encoder_marker(self.raw.as_ptr(), n, bytes.as_ptr(), bytes.len()) };
        self.check(status)
    }

    /// Writes the profile in as many segments as it needs; before the first row.
    pub(crate) fn icc(&mut self, bytes: &[u8]) -> Result<Encoded, CodecError> {
        // SAFETY: pointer and length are one slice's, copied during the call.
        let status = unsafe { px_encoder_icc(self.raw.as_ptr(), bytes.as_ptr(), bytes.len()) };
        self.check(status)
    }

    /// Takes whole rows.
    pub(crate) fn write(&mut self, rows: &[u8]) -> Result<Encoded, CodecError> {
        let count = rows.len().checked_div(self.row_bytes).unwrap_or(0);
        debug_assert_eq!(count * self.row_bytes, rows.len());
        // SAFETY: `count * row_bytes` is within `rows`, and libjpeg only reads its input rows.
        let status =
            unsafe { px_encoder_write(self.raw.as_ptr(), rows.as_ptr(), self.row_bytes, count as u32) };
        self.check(status)
    }

    /// The file, or `None` if it reached the cap.
    pub(crate) fn finish(self) -> Result<Option<Vec<u8>>, CodecError> {
        let (mut bytes, mut len) = (std::ptr::null(), 0);
        // SAFETY: the handle is valid, the out-pointers are locals.
        let status = unsafe { px_encoder_finish(self.raw.as_ptr(), &raw mut bytes, &raw mut len) };
        match self.check(status)? {
            // SAFETY: on success the shim hands out its buffer, which lives until `self` is dropped, below.
            Encoded::Done => Ok(Some(unsafe { std::slice::from_raw_parts(bytes, len) }.to_vec())),
            Encoded::Full => Ok(None),
        }
    }

    fn check(&self, status: c_int) -> Result<Encoded, CodecError> {
        match status {
            OK => Ok(Encoded::Done),
            FULL => Ok(Encoded::Full),
            TIMED_OUT => Err(CodecError::TimedOut),
            NO_MEMORY => Err(failed("no memory")),
            // SAFETY: the shim's buffer is zero-terminated and lives as long as the handle.
            _ => Err(failed(text(unsafe { px_encoder_message(self.raw.as_ptr()) }))),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by px_encoder_new and freed only here.
        unsafe { px_encoder_free(self.raw.as_ptr()) }
    }
}

fn failed(reason: impl Into<String>) -> CodecError {
    CodecError::Encode { format: Format::Jpeg, reason: reason.into() }
}

fn text(message: *const c_char) -> String {
    // SAFETY: callers pass the shim's message buffer, which is zero-terminated.
    unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
}
