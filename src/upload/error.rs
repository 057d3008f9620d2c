//! Why a picture did not come in.

use std::borrow::Cow;

use crate::codec::{CodecError, Format};
use crate::db::DbError;
use crate::error::{Detail, Fault, Kind};
use crate::library::{IdError, ImageId, LibraryError};
use crate::net::NetError;
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
    #[error("it is no URL of a picture: `http://…` or `https://…`, without a login")]
    Url,
    #[error("the server of the URL answered with status {status}")]
    FetchStatus { status: u16 },
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("this key belongs to another upload: a repeat must send the same")]
    OtherAttempt,
    #[error("the first upload with this key is still under way")]
    UnderWay,
    #[error("this is no upload URL that was made here")]
    BadTicket,
    #[error("this upload URL was used, or is being used")]
    TicketUsed,
    #[error("this upload URL has expired")]
    TicketExpired,
    #[error("there is no such upload")]
    NoUpload,
    #[error("this upload has expired; begin it anew")]
    UploadExpired,
    #[error("the upload stands at {received} bytes, and the next part must begin there")]
    Offset { received: u64 },
    #[error("the bytes do not have the checksum that came with them")]
    Checksum,
    #[error("the body did not arrive whole")]
    Torn,
    /// The storage gave back other bytes than it took.
    #[error("what was received of this upload is lost; begin it anew")]
    Lost,
    #[error("the upload is in too many parts; begin it anew, with larger ones")]
    TooManyPieces,
    #[error("where these pictures are kept nobody else can put them; send them here")]
    NoPresigning,
    #[error("nothing has arrived at the URL of this upload")]
    NotArrived,
    #[error("the upload was completed")]
    Completed,
    #[error("the upload is being completed")]
    Completing,
    #[error("{announced} bytes were announced, and {found} arrived")]
    OtherLength { announced: u64, found: u64 },
    #[error("types: {0}")]
    Types(String),
    #[error("no randomness: {0}")]
    Random(String),
    #[error(transparent)]
    Db(#[from] DbError),
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
    pub fn is_about_the_file(&self) -> bool {
        match self {
            Self::Codec(_)
            | Self::Unmeasured { .. }
            | Self::TooManyBytes { .. }
            | Self::Type { .. }
            | Self::OtherLength { .. }
            | Self::Id(_)
            | Self::Storage(StorageError::Changed) => true,
            Self::File(error) => !matches!(error, FsError::Root { .. }),
            _ => false,
        }
    }
}

impl UploadError {
    /// Whether no further try can bring the same upload to a good end.
    pub(super) fn ends_upload(&self) -> bool {
        self.is_about_the_file()
            || matches!(
                self,
                Self::Lost
                    | Self::Storage(StorageError::Missing { .. })
                    | Self::Library(LibraryError::Missing { .. } | LibraryError::NotFound { .. })
            )
    }
}

impl Fault for UploadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Codec(error) => error.kind(),
            Self::Unmeasured { .. } | Self::OtherAttempt => Kind::Unprocessable,
            Self::Url | Self::Types(_) => Kind::BadRequest,
            Self::FetchStatus { .. } => Kind::SourceFailed,
            Self::Net(error) => match error.kind() {
                Kind::NotFound => Kind::BadRequest,
                kind => kind,
            },
            Self::UnderWay
            | Self::TicketUsed
            | Self::Offset { .. }
            | Self::NotArrived
            | Self::Completed
            | Self::Completing => Kind::Conflict,
            Self::BadTicket => Kind::Forbidden,
            Self::TicketExpired | Self::UploadExpired | Self::Lost => Kind::Expired,
            Self::NoUpload => Kind::NotFound,
            Self::Checksum => Kind::ChecksumMismatch,
            Self::Torn => Kind::BadRequest,
            Self::TooManyPieces | Self::NoPresigning => Kind::Unprocessable,
            Self::OtherLength { announced, found } if found > announced => Kind::TooLarge,
            Self::OtherLength { .. } => Kind::Unprocessable,
            Self::Db(error) => error.kind(),
            Self::Id(_) => Kind::BadRequest,
            Self::TooManyBytes { .. } => Kind::TooLarge,
            Self::Type { .. } => Kind::UnsupportedMedia,
            Self::File(_) | Self::Unread(_) | Self::Random(_) => Kind::Internal,
            Self::Storage(error) => error.kind(),
            Self::Library(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Codec(error) => error.code(),
            Self::Unmeasured { .. } => "undecodable",
            Self::Id(_) | Self::Types(_) => "bad_value",
            Self::Url => "bad_url",
            Self::FetchStatus { .. } => "source_failed",
            Self::Net(error) => match error.kind() {
                Kind::NotFound => "bad_url",
                _ => error.code(),
            },
            Self::OtherAttempt => "idempotency_mismatch",
            Self::UnderWay => "upload_under_way",
            Self::BadTicket => "bad_ticket",
            Self::TicketUsed => "ticket_used",
            Self::TicketExpired | Self::UploadExpired => "expired",
            Self::NoUpload => "not_found",
            Self::Offset { .. } => "upload_offset",
            Self::Checksum => "checksum_mismatch",
            Self::Torn => "bad_body",
            Self::Lost => "upload_lost",
            Self::TooManyPieces => "too_many_parts",
            Self::NoPresigning => "no_presigning",
            Self::NotArrived => "upload_missing",
            Self::Completed => "upload_completed",
            Self::Completing => "upload_under_way",
            Self::OtherLength { .. } => "other_length",
            Self::Db(error) => error.code(),
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::Type { .. } => "type_not_allowed",
            Self::File(_) | Self::Unread(_) | Self::Random(_) => "internal",
            Self::Storage(error) => error.code(),
            Self::Library(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Codec(error) => error.message(),
            Self::Storage(error) => error.message(),
            Self::Library(error) => error.message(),
            Self::Db(error) => error.message(),
            Self::Net(error) => error.message(),
            Self::File(_) | Self::Unread(_) | Self::Random(_) => {
                Cow::Borrowed("something went wrong on our side; the log has the request id")
            }
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Codec(error) => error.detail(),
            Self::Storage(error) => error.detail(),
            Self::Library(error) => error.detail(),
            Self::Db(error) => error.detail(),
            Self::UnderWay | Self::Completing => Detail { retry_after: Some(5), ..Detail::default() },
            _ => Detail::default(),
        }
    }
}
