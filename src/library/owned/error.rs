//! What can go wrong with a storage that a user brings, in words for that user.

use std::borrow::Cow;

use crate::error::{Detail, Fault, Kind, Wrong};
use crate::storage::{SettingsError, Trouble};

#[derive(Debug, thiserror::Error)]
pub enum OwnedError {
    #[error("there is no storage `{id}`")]
    NotFound { id: String },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("`label` must be 1–64 printable letters")]
    Label,
    /// The old secret must not be sent to a new place.
    #[error("`secret` is needed again: what it is sent to has changed")]
    SecretAgain,
    #[error("the storage fails its test: {0}")]
    Trouble(#[from] Trouble),
    #[error("the pictures of this storage are not found under these settings; move them first")]
    ObjectsElsewhere,
    #[error("pictures lie in this storage; move or delete them first")]
    InUse,
    #[error("a user's storage takes that user's pictures only: say whose go there")]
    OthersPictures,
    #[error("you have {max} storages, and no more are allowed")]
    TooMany { max: u32 },
    #[error("the storage was changed at the same moment; look at it again")]
    Changed,
    #[error("users' own storages are switched off here")]
    Off,
    #[error("the credentials of storage `{name}` were sealed with another `auth.secret`; enter them again")]
    Locked { name: String },
    #[error("there is no randomness, or sealing failed")]
    Sealing,
    #[error("the settings of storage `{name}` are damaged: {why}")]
    Damaged { name: String, why: String },
}

impl Fault for OwnedError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Settings(_) | Self::Label | Self::SecretAgain | Self::OthersPictures => Kind::BadRequest,
            Self::Trouble(_) => Kind::Unprocessable,
            Self::ObjectsElsewhere
            | Self::InUse
            | Self::TooMany { .. }
            | Self::Changed
            | Self::Locked { .. } => Kind::Conflict,
            Self::Off => Kind::Forbidden,
            Self::Sealing | Self::Damaged { .. } => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Settings(_) | Self::Label | Self::SecretAgain => "invalid_fields",
            Self::Trouble(_) => "storage_test_failed",
            Self::ObjectsElsewhere | Self::InUse => "storage_in_use",
            Self::OthersPictures => "bad_value",
            Self::TooMany { .. } => "too_many_storages",
            Self::Changed => "storage_changed",
            Self::Off => "storages_off",
            Self::Locked { .. } => "storage_locked",
            Self::Sealing | Self::Damaged { .. } => "internal",
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Sealing | Self::Damaged { .. } => {
                Cow::Borrowed("something went wrong on our side; the log has the request id")
            }
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        let one = |field: &str, reason: &str| Detail {
            fields: vec![Wrong { field: field.to_owned(), reason: reason.to_owned(), did_you_mean: None }],
            ..Detail::default()
        };
        match self {
            Self::Settings(error) => one(error.field, error.fix),
            Self::Label => one("label", "must be 1–64 printable letters"),
            Self::SecretAgain => one("secret", "is needed again: what it is sent to has changed"),
            Self::Trouble(trouble) => {
                Detail { option: Some(trouble.problem.code().to_owned()), ..Detail::default() }
            }
            _ => Detail::default(),
        }
    }
}
