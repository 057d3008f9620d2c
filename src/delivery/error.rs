//! Why a picture request failed. Mostly somebody else's error, passed on with its kind and code.

use std::borrow::Cow;
use std::sync::Arc;

use crate::auth::AuthError;
use crate::cache::Lost;
use crate::codec::CodecError;
use crate::delivery::door::DoorError;
use crate::error::{Detail, Fault, Kind};
use crate::library::LibraryError;
use crate::limit::LimitError;
use crate::source::SourceError;
use crate::transform::SpecError;
use crate::transform::render::RenderError;
use crate::workers::WorkersError;

#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Workers(#[from] WorkersError),
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The same failure that another request for the same picture met.
    #[error(transparent)]
    Shared(Arc<Self>),
    /// No such image, or one that the caller must not learn of.
    #[error("there is no image `{0}`")]
    NoImage(String),
    /// The same of a picture that the spec names.
    #[error("there is no image to draw for `{option}`")]
    NoNamed { option: String },
    #[error("there is no source `{0}`")]
    NoSource(String),
    #[error("the source `{0}` has paths; whole URLs are for http sources with `hosts`")]
    NoAddress(String),
    /// Allowed, but not to everybody.
    #[error("`{option}` needs a signed URL here: {why}")]
    NeedsSignature { option: String, why: &'static str },
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Whoever knows accounts could not say who asks.
    #[error("{0}")]
    Door(DoorError),
    /// Also one whose image is gone.
    #[error("there is no such share")]
    NoShare,
    /// For who holds the token.
    #[error(
        "the share has ended: it was revoked, has expired, or was looked at as often as its owner allowed"
    )]
    ShareEnded,
    #[error("{}", if *given { "this is not the password of the share" } else { "the share needs a password" })]
    SharePassword { given: bool },
    #[error("this page may not embed pictures from here (`hotlink` of the configuration)")]
    Hotlink,
    /// The path form of a signature stands before the two kinds of address that can be signed.
    #[error("a signature in the path stands before `/i/…` or `/r/…`: `/s/<kid>.<sig>[.<exp>][.<scope>]/i/…`")]
    NotSignable,
    /// A large result that lies in the cache cannot be read.
    #[error("the cached result cannot be read")]
    Cache(#[source] std::io::Error),
    /// Header and bytes of the original belong to different versions of it.
    #[error("the original changed while it was being read; ask again")]
    Changed,
}

impl DeliveryError {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Spec(error) => error,
            Self::Source(error) => error,
            Self::Library(error) => error,
            Self::Codec(error) => error,
            Self::Render(error) => error,
            Self::Limit(error) => error,
            Self::Workers(error) => error,
            Self::Lost(error) => error,
            Self::Auth(error) => error,
            Self::Shared(error) => error.as_ref(),
            Self::Door(error) => error.as_ref(),
            Self::NoShare
            | Self::ShareEnded
            | Self::SharePassword { .. }
            | Self::Hotlink
            | Self::NoImage(_)
            | Self::NoNamed { .. }
            | Self::NoSource(_)
            | Self::NoAddress(_)
            | Self::NeedsSignature { .. }
            | Self::NotSignable
            | Self::Cache(_)
            | Self::Changed => return None,
        })
    }

    /// Whether somebody with another right than the URL's would have been answered otherwise.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::NoImage(_) | Self::NoNamed { .. } | Self::NeedsSignature { .. } | Self::Hotlink)
    }

    pub(crate) fn is_change(&self) -> bool {
        match self {
            Self::Changed | Self::Source(SourceError::Changed) => true,
            Self::Shared(error) => error.is_change(),
            _ => false,
        }
    }

    /// Whose rate it was that refused the work, where that was the reason.
    pub(crate) fn limited(&self) -> Option<&LimitError> {
        match self {
            Self::Limit(error) => Some(error),
            Self::Shared(error) => error.limited(),
            _ => None,
        }
    }

    /// Whether asking again at once would fail in the same way, so that the answer may be remembered for a moment.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self.kind(), Kind::NotFound | Kind::UnsupportedMedia | Kind::Unprocessable | Kind::TooLarge)
    }
}

impl Fault for DeliveryError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoImage(_)
            | Self::NoNamed { .. }
            | Self::NoSource(_)
            | Self::NoAddress(_)
            | Self::NotSignable => Kind::NotFound,
            Self::NeedsSignature { .. } | Self::Hotlink => Kind::Forbidden,
            Self::NoShare => Kind::NotFound,
            Self::ShareEnded => Kind::Expired,
            Self::SharePassword { .. } => Kind::Unauthorized,
            Self::Changed => Kind::SourceFailed,
            other => other.inner().map_or(Kind::Internal, Fault::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoImage(_)
            | Self::NoNamed { .. }
            | Self::NoSource(_)
            | Self::NoAddress(_)
            | Self::NotSignable => "not_found",
            Self::NeedsSignature { .. } => "needs_signature",
            Self::Hotlink => "hotlink",
            Self::NoShare => "not_found",
            Self::ShareEnded => "share_ended",
            Self::SharePassword { .. } => "share_password",
            Self::Changed => "source_failed",
            other => other.inner().map_or("internal", Fault::code),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self.inner() {
            Some(inner) => inner.message(),
            None => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::NeedsSignature { option, .. } | Self::NoNamed { option } => {
                Detail { option: Some(option.clone()), ..Detail::default() }
            }
            Self::SharePassword { .. } => {
                Detail { option: Some("X-Share-Password".to_owned()), ..Detail::default() }
            }
            other => other.inner().map(Fault::detail).unwrap_or_default(),
        }
    }
}
