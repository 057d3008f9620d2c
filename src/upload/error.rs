//! Why a picture did not come in.

use std::borrow::Cow;

use crate::codec::{CodecError, Format};
use crate::error::{Detail, Fault, Kind};
use crate::library::{IdError, ImageId, LibraryError};
use crate::storage::StorageError;
use crate::storage::fs::FsError;

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The probe asked for more bytes than there are.
    #[error("the header ends after {len} bytes; {needed} are needed")]
    Unmeasured { needed: u64, len: u64 },
    #[error("more than {limit} bytes are not taken")]
    TooManyBytes { limit: u64 },
    #[error("pictures of the type {} are not taken here", format.mime())]
    Type { format: Format },
    /// A file that we have just written.
    #[error("the temporary file cannot be read")]
    Unread(#[source] std::io::Error),
    #[error(transparent)]
    Id(IdError),
    #[error(transparent)]
    File(#[from] FsError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

impl UploadError {
    pub(super) fn no_image(id: &ImageId) -> Self {
        Self::Library(LibraryError::NotFound { id: id.to_string() })
    }

    /// Whether the next file may fare better: this one is to blame, and not a full disk or a lost database.
    pub(super) fn is_about_the_file(&self) -> bool {
        match self {
            Self::Codec(_)
            | Self::Unmeasured { .. }
            | Self::TooManyBytes { .. }
            | Self::Type { .. }
            | Self::Id(_)
            | Self::Storage(StorageError::Changed) => true,
            Self::File(error) => !matches!(error, FsError::Root { .. }),
            Self::Storage(_) | Self::Library(_) | Self::Unread(_) => false,
        }
    }
}

impl Fault for UploadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Codec(error) => error.kind(),
            Self::Unmeasured { .. } => Kind::Unprocessable,
            Self::Id(_) => Kind::BadRequest,
            Self::TooManyBytes { .. } => Kind::TooLarge,
            Self::Type { .. } => Kind::UnsupportedMedia,
            Self::File(_) | Self::Unread(_) => Kind::Internal,
            Self::Storage(error) => error.kind(),
            Self::Library(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Codec(error) => error.code(),
            Self::Unmeasured { .. } => "undecodable",
            Self::Id(_) => "bad_value",
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::Type { .. } => "type_not_allowed",
            Self::File(_) | Self::Unread(_) => "internal",
            Self::Storage(error) => error.code(),
            Self::Library(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Codec(error) => error.message(),
            Self::Storage(error) => error.message(),
            Self::Library(error) => error.message(),
            Self::File(_) | Self::Unread(_) => Cow::Borrowed("something went wrong on our side; the log has the request id"),
            Self::Unmeasured { .. } | Self::TooManyBytes { .. } | Self::Type { .. } | Self::Id(_) => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Codec(error) => error.detail(),
            Self::Storage(error) => error.detail(),
            Self::Library(error) => error.detail(),
            _ => Detail::default(),
        }
    }
}
