//! Why a picture could not be read or written, and whose fault that is.

use super::Format;
use crate::error::{Detail, Fault, Kind};

/// What can go wrong between bytes and pixels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// No magic number that we know.
    #[error("these bytes are not a picture in a format that is known here")]
    NotAnImage,
    /// A picture in a format, or a variant of one, that is not decoded here.
    #[error("this {format:?} picture cannot be read: {why}")]
    Unsupported { format: Format, why: &'static str },
    /// The format is known and the file is broken.
    #[error("this {format:?} file cannot be decoded: {reason}")]
    Undecodable { format: Format, reason: String },
    #[error("the picture has {pixels} pixels; the limit is {limit}")]
    TooManyPixels { pixels: u64, limit: u64 },
    #[error("the picture has {frames} frames; the limit is {limit}")]
    TooManyFrames { frames: u32, limit: u32 },
    #[error("the file has {bytes} bytes; the limit is {limit}")]
    TooManyBytes { bytes: u64, limit: u64 },
    /// The target format cannot hold a picture of this size.
    #[error("the result would have {width}x{height} pixels; {format:?} holds at most {limit} a side")]
    ResultTooLarge { format: Format, width: u32, height: u32, limit: u32 },
    /// The deadline of the request passed while decoding or encoding.
    #[error("the picture took longer than the time limit")]
    TimedOut,
    /// An encoder refused pixels that we made: our own mistake, or no memory.
    #[error("encoding {format:?} failed: {reason}")]
    Encode { format: Format, reason: String },
}

impl CodecError {
    /// Whether the file is to blame: no other request for it would fare better.
    pub fn is_of_the_source(&self) -> bool {
        !matches!(self, Self::ResultTooLarge { .. } | Self::TimedOut | Self::Encode { .. })
    }
}

impl Fault for CodecError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotAnImage | Self::Unsupported { .. } => Kind::UnsupportedMedia,
            Self::Undecodable { .. }
            | Self::TooManyPixels { .. }
            | Self::TooManyFrames { .. }
            | Self::ResultTooLarge { .. } => Kind::Unprocessable,
            Self::TooManyBytes { .. } => Kind::TooLarge,
            Self::TimedOut => Kind::Overloaded,
            Self::Encode { .. } => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotAnImage | Self::Unsupported { .. } => "not_an_image",
            Self::Undecodable { .. } => "undecodable",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::TooManyFrames { .. } => "too_many_frames",
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::ResultTooLarge { .. } => "result_too_large",
            Self::TimedOut => "overloaded",
            Self::Encode { .. } => "internal",
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::TimedOut => Detail { retry_after: Some(5), ..Detail::default() },
            _ => Detail::default(),
        }
    }
}
