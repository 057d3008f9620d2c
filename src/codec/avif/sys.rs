//! The binding of libavif's decoder, which has dav1d under it: a file opened from as much of its beginning as its header
//! takes, and its pictures, one after another, in bands of rows.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use libavif_sys as sys;

/// What libavif, which checks before it allocates, takes at most; our own limits are stricter and told apart.
const SIZE_LIMIT: u32 = sys::AVIF_DEFAULT_IMAGE_SIZE_LIMIT;
const SIDE_LIMIT: u32 = 65_536;

/// Why there is no reader, or no picture.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file must be known up to here.
    Needs(u64),
    Broken(String),
}

/// What the file says of its picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Info {
    /// As coded, before its crop.
    pub(super) width: u32,
    pub(super) height: u32,
    /// What is left of it after the crop: x, y, width, height.
    pub(super) crop: (u32, u32, u32, u32),
    /// Quarter turns against the clock, and then a mirror: `Some(false)` exchanges top and bottom.
    pub(super) turns: u8,
    pub(super) mirror: Option<bool>,
    pub(super) depth: u8,
    pub(super) has_alpha: bool,
    pub(super) is_gray: bool,
    pub(super) frames: u32,
    /// By the numbers of H.273.
    pub(super) primaries: u16,
    pub(super) transfer: u16,
}

impl Info {
    /// What may be decoded for it: a tile of a grid can be larger than what the grid shows of it.
    pub(super) fn most_pixels(&self) -> u64 {
        (u64::from(self.width) * u64::from(self.height)).saturating_mul(2).max(1 << 20)
    }
}

/// What libavif reads from. It keeps a pointer to `io`, whose `data` leads back here.
struct Source {
    io: sys::avifIO,
    bytes: *const u8,
    have: usize,
    total: u64,
    needed: u64,
    /// Where a box begins that reaches to the end of the file, and its head with its true size.
    open_end: Option<(u64, [u8; HEAD])>,
}

/// As many bytes as libavif reads where it expects a box.
const HEAD: usize = 32;

/// A file whose header has been read. Its bytes are borrowed for as long as libavif may look at them.
pub(super) struct Reader<'a> {
    decoder: NonNull<sys::avifDecoder>,
    source: NonNull<Source>,
    _bytes: PhantomData<&'a [u8]>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: both were made by `open` and are freed once, the decoder first, because it points to the source.
        unsafe {
            sys::avifDecoderDestroy(self.decoder.as_ptr());
            drop(Box::from_raw(self.source.as_ptr()));
        }
    }
}

impl<'a> Reader<'a> {
    /// Opens a file of `total` bytes that begins with `prefix`; at most `frames` are allowed to be in it.
    pub(super) fn open(prefix: &'a [u8], total: u64, frames: u32) -> Result<Self, Failure> {
        let source = Box::new(Source {
            io: sys::avifIO {
                destroy: None,
                read: Some(read),
                write: None,
                sizeHint: total,
                persistent: sys::AVIF_TRUE as i32,
                data: ptr::null_mut(),
            },
            bytes: prefix.as_ptr(),
            have: prefix.len(),
            total,
            needed: 0,
            open_end: open_end(prefix, total),
        });
        // SAFETY: it has no arguments and returns a decoder of our own, or null.
        let decoder = NonNull::new(unsafe { sys::avifDecoderCreate() })
            .ok_or_else(|| Failure::Broken("there is no memory for it".to_owned()))?;
        // SAFETY: a pointer out of a box is not null; `Drop` puts it back.
        let source = unsafe { NonNull::new_unchecked(Box::into_raw(source)) };
        let reader = Self { decoder, source, _bytes: PhantomData };
        // SAFETY: decoder and source are valid until `reader` is dropped; libavif frees no source without `destroy`.
        let status = unsafe {
            let source = source.as_ptr();
            (*source).io.data = source.cast();
            let settings = &mut *decoder.as_ptr();
            settings.codecChoice = sys::AVIF_CODEC_CHOICE_DAV1D;
            settings.maxThreads = 1;
            settings.ignoreExif = sys::AVIF_TRUE as i32;
            settings.ignoreXMP = sys::AVIF_TRUE as i32;
            settings.imageSizeLimit = SIZE_LIMIT;
            settings.imageDimensionLimit = SIDE_LIMIT;
            // One more than may be, so that too many are told from a broken file.
            settings.imageCountLimit = frames.saturating_add(1);
            // Browsers show files without `pixi` and with a crop that makes no sense.
            settings.strictFlags = sys::AVIF_STRICT_DISABLED;
            sys::avifDecoderSetIO(decoder.as_ptr(), &raw mut (*source).io);
            sys::avifDecoderParse(decoder.as_ptr())
        };
        reader.check(status)?;
        Ok(reader)
    }

    pub(super) fn info(&self) -> Info {
        // SAFETY: after `avifDecoderParse` succeeded the decoder has an image, which lives as long as it.
        let (decoder, image) = unsafe { (self.decoder.as_ref(), &*self.decoder.as_ref().image) };
        let flag = |flag: u32| image.transformFlags & flag != 0;
        let mut crop = sys::avifCropRect { x: 0, y: 0, width: image.width, height: image.height };
        if flag(sys::AVIF_TRANSFORM_CLAP) {
            let mut found = sys::avifCropRect::default();
            let mut diagnostics = sys::avifDiagnostics::default();
            // SAFETY: the pointers are to locals and to the image, and nothing of them is kept.
            let valid = unsafe {
                sys::avifCropRectConvertCleanApertureBox(
                    &raw mut found,
                    &raw const image.clap,
                    image.width,
                    image.height,
                    image.yuvFormat,
                    &raw mut diagnostics,
                )
            };
            let ends = |start: u32, length: u32, side: u32| {
                length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
            };
            // A crop that makes no sense is none, as in browsers.
            if valid != 0
                && ends(found.x, found.width, image.width)
                && ends(found.y, found.height, image.height)
            {
                crop = found;
            }
        }
        Info {
            width: image.width,
            height: image.height,
            crop: (crop.x, crop.y, crop.width, crop.height),
            turns: if flag(sys::AVIF_TRANSFORM_IROT) { image.irot.angle & 3 } else { 0 },
            mirror: flag(sys::AVIF_TRANSFORM_IMIR).then_some(image.imir.axis == 1),
            depth: image.depth as u8,
            has_alpha: decoder.alphaPresent != 0,
            is_gray: image.yuvFormat == sys::AVIF_PIXEL_FORMAT_YUV400,
            frames: u32::try_from(decoder.imageCount).unwrap_or(0).max(1),
            primaries: image.colorPrimaries,
            transfer: image.transferCharacteristics,
        }
    }

    pub(super) fn icc(&self) -> Option<Vec<u8>> {
        // SAFETY: the image lives as long as the decoder; its profile is `size` bytes, or none.
        unsafe {
            let icc = &(*self.decoder.as_ref().image).icc;
            (!icc.data.is_null() && icc.size > 0)
                .then(|| std::slice::from_raw_parts(icc.data, icc.size).to_vec())
        }
    }

    /// How often an animation is shown, 0 = for ever, also where the file does not say.
    pub(super) fn plays(&self) -> u32 {
        // SAFETY: the decoder is valid; the count was set by `avifDecoderParse`.
        let repetitions = unsafe { self.decoder.as_ref().repetitionCount };
        u32::try_from(repetitions).map_or(0, |repetitions| repetitions.saturating_add(1))
    }

    /// For how many milliseconds the picture that was decoded last is shown.
    pub(super) fn duration_ms(&self) -> f64 {
        // SAFETY: the decoder is valid; the timing was set with the picture.
        unsafe { self.decoder.as_ref().imageTiming.duration * 1000.0 }
    }

    /// Decodes the next picture. Its planes may not have more pixels than `limit`, whatever the header said.
    pub(super) fn picture(&mut self, limit: u64) -> Result<Picture<'_>, Failure> {
        let before = self.info();
        // SAFETY: the decoder is valid; dav1d is only started now and takes the limit over.
        let status = unsafe {
            self.decoder.as_mut().imageSizeLimit =
                u32::try_from(limit).unwrap_or(SIZE_LIMIT).clamp(1, SIZE_LIMIT);
            sys::avifDecoderNextImage(self.decoder.as_ptr())
        };
        self.check(status)?;
        let after = self.info();
        if (before.width, before.height) != (after.width, after.height) {
            return Err(Failure::Broken("its pixels have another size than its header".to_owned()));
        }
        // SAFETY: it has no arguments and returns an image of our own, or null.
        let view = NonNull::new(unsafe { sys::avifImageCreateEmpty() })
            .ok_or_else(|| Failure::Broken("there is no memory for it".to_owned()))?;
        Ok(Picture { reader: self, view, width: after.width, height: after.height })
    }

    fn check(&self, status: sys::avifResult) -> Result<(), Failure> {
        match status {
            sys::AVIF_RESULT_OK => Ok(()),
            // SAFETY: the source lives as long as `self`.
            sys::AVIF_RESULT_WAITING_ON_IO => Err(Failure::Needs(unsafe { self.source.as_ref() }.needed)),
            _ => {
                // SAFETY: libavif's buffer of diagnostics and its static texts both end in a zero byte.
                let (text, more) = unsafe {
                    let more = CStr::from_ptr(self.decoder.as_ref().diag.error.as_ptr());
                    (CStr::from_ptr(sys::avifResultToString(status)), more)
                };
                let (text, more) = (text.to_string_lossy(), more.to_string_lossy());
                Err(Failure::Broken(if more.is_empty() {
                    text.into_owned()
                } else {
                    format!("{text}: {more}")
                }))
            }
        }
    }
}

/// Shows libavif the part of the file that it asks for, which may end with the file.
unsafe extern "C" fn read(
    io: *mut sys::avifIO,
    flags: u32,
    offset: u64,
    size: usize,
    out: *mut sys::avifROData,
) -> sys::avifResult {
    // SAFETY: libavif passes the `io` it was given, whose `data` is the source that holds it.
    let source = unsafe { &mut *(*io).data.cast::<Source>() };
    if flags != 0 || offset > source.total {
        return sys::AVIF_RESULT_IO_ERROR;
    }
    let end = offset.saturating_add(size as u64).min(source.total);
    if end > source.have as u64 {
        source.needed = end;
        return sys::AVIF_RESULT_WAITING_ON_IO;
    }
    if let Some((at, head)) = &source.open_end
        && (*at, HEAD) == (offset, size)
    {
        // SAFETY: the head lives in the source, which outlives the decoder and is not changed.
        unsafe { *out = sys::avifROData { data: head.as_ptr(), size: (end - offset) as usize } };
        return sys::AVIF_RESULT_OK;
    }
    // SAFETY: offset ≤ end ≤ have, so the part lies within the borrowed bytes, which outlive the decoder.
    unsafe {
        *out = sys::avifROData { data: source.bytes.add(offset as usize), size: (end - offset) as usize };
    }
    sys::AVIF_RESULT_OK
}

/// A box of size 0 reaches to the end of the file, which libavif does not know.
fn open_end(prefix: &[u8], total: u64) -> Option<(u64, [u8; HEAD])> {
    let mut at = 0_usize;
    loop {
        let rest = prefix.get(at..)?;
        let size = match u32::from_be_bytes(*rest.first_chunk()?) {
            0 => {
                let mut head = [0; HEAD];
                let length = rest.len().min(HEAD);
                head[..length].copy_from_slice(&rest[..length]);
                head[..4].copy_from_slice(&u32::try_from(total - at as u64).ok()?.to_be_bytes());
                return Some((at as u64, head));
            }
            1 => usize::try_from(u64::from_be_bytes(*rest.get(8..)?.first_chunk()?)).ok()?,
            size => size as usize,
        };
        at = at.checked_add(size.max(8))?;
    }
}

/// A decoded picture, still in planes.
pub(super) struct Picture<'r> {
    reader: &'r Reader<'r>,
    view: NonNull<sys::avifImage>,
    width: u32,
    height: u32,
}

impl Drop for Picture<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `Reader::picture` and freed once; the planes that it looks at are not its own.
        unsafe { sys::avifImageDestroy(self.view.as_ptr()) }
    }
}

impl Picture<'_> {
    /// Rows `from..from + rows` with straight alpha, or without; `from` is even. `T` is `u8` or `u16`.
    pub(super) fn rows<T: Sample>(
        &mut self,
        from: u32,
        rows: u32,
        with_alpha: bool,
        out: &mut Vec<T>,
    ) -> Result<(), Failure> {
        let channels = if with_alpha { 4 } else { 3 };
        if !from.is_multiple_of(2) || rows == 0 || from.checked_add(rows).is_none_or(|end| end > self.height)
        {
            return Err(Failure::Broken("there are no such rows".to_owned()));
        }
        out.clear();
        out.resize(self.width as usize * channels * rows as usize, T::default());
        let rect = sys::avifCropRect { x: 0, y: from, width: self.width, height: rows };
        // SAFETY: the image of the decoder is valid and keeps its planes while the reader is borrowed; libavif checks
        // that the rectangle lies within it. The pixels are `rows` rows of `rowBytes`, and outlive the call.
        let status = unsafe {
            let image = self.reader.decoder.as_ref().image;
            let status = sys::avifImageSetViewRect(self.view.as_ptr(), image, &raw const rect);
            if status == sys::AVIF_RESULT_OK {
                let mut rgb = sys::avifRGBImage::default();
                sys::avifRGBImageSetDefaults(&raw mut rgb, self.view.as_ptr());
                rgb.depth = T::BITS;
                rgb.format = if with_alpha { sys::AVIF_RGB_FORMAT_RGBA } else { sys::AVIF_RGB_FORMAT_RGB };
                rgb.ignoreAlpha = i32::from(!with_alpha);
                rgb.maxThreads = 1;
                rgb.pixels = out.as_mut_ptr().cast();
                rgb.rowBytes = self.width * channels as u32 * (T::BITS / 8);
                sys::avifImageYUVToRGB(self.view.as_ptr(), &raw mut rgb)
            } else {
                status
            }
        };
        self.reader.check(status)
    }
}

/// What libavif can be asked for.
pub(super) trait Sample: Copy + Default {
    const BITS: u32;
}

impl Sample for u8 {
    const BITS: u32 = 8;
}

impl Sample for u16 {
    const BITS: u32 = 16;
}
