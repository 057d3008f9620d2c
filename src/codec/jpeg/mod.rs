//! JPEG by libjpeg-turbo's libjpeg interface: scaled and cropped decoding into the file's own colour space, and
//! encoding. All of libjpeg's jumping stays in `shim.c`; this room checks headers before libjpeg sees them.

mod decode;
mod encode;
mod markers;
mod sys;
#[cfg(test)]
mod tests;

pub(crate) use decode::decode;
pub(crate) use encode::{EncodeOptions, encode};
#[cfg(test)]
use markers::header;

use super::{CodecError, Format};

/// libjpeg's own bound on a side.
pub(crate) const MAX_SIDE: u32 = 65_500;

fn broken(reason: impl Into<String>) -> CodecError {
    CodecError::Undecodable { format: Format::Jpeg, reason: reason.into() }
}
