//! What can go wrong with an account. No text and no code of a failed sign-in, recovery or lockout tells whether there
//! is such an account; only registration says that a name is taken.

use std::borrow::Cow;

use super::Scope;
use crate::auth::AccessError;
use crate::db::DbError;
use crate::error::{Detail, Fault, Kind};
use crate::workers::WorkersError;

#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// A field of a request.
    #[error("`{field}` {why}")]
    Invalid { field: &'static str, why: &'static str },
    /// Unknown, without a password, disabled and wrong are one.
    #[error("the name or the password is wrong")]
    WrongPassword,
    #[error("too many failed attempts from this address; try again in {retry_after_s} s")]
    TooManyAttempts { retry_after_s: u64 },
    /// An access token, refresh token or API key.
    #[error("the token is wrong or was revoked; sign in again")]
    BadToken,
    #[error("the token has expired")]
    TokenExpired,
    #[error("this needs the scope `{scope}`, which the account or its key lacks")]
    MissingScope { scope: Scope },
    #[error("registration is closed here")]
    RegistrationClosed,
    #[error("registration needs an invitation, and this one is wrong, used or expired")]
    BadInvite,
    /// Wrong, used and expired are one.
    #[error("the link is wrong, was used or has expired; ask for a new one")]
    BadLink,
    #[error("the name or the e-mail address is taken")]
    NameTaken,
    /// Nobody could undo it.
    #[error("this is the last administrator; make another one first")]
    LastAdmin,
    /// For administrators and for one's own things only.
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    #[error("the password hash cannot be read: {0}")]
    Hash(String),
    #[error("no randomness for a secret: {0}")]
    Random(String),
    #[error("the secret file {}: {source}", path.display())]
    Secret { path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Workers(#[from] WorkersError),
}

impl From<AccessError> for AccountsError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Wrong => Self::BadToken,
            AccessError::Expired => Self::TokenExpired,
        }
    }
}

impl Fault for AccountsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } => Kind::BadRequest,
            Self::WrongPassword | Self::BadToken | Self::TokenExpired => Kind::Unauthorized,
            Self::TooManyAttempts { .. } => Kind::RateLimited,
            Self::MissingScope { .. } | Self::RegistrationClosed | Self::BadInvite => Kind::Forbidden,
            Self::BadLink => Kind::Expired,
            Self::NameTaken | Self::LastAdmin => Kind::Conflict,
            Self::NotFound { .. } => Kind::NotFound,
            Self::Hash(_) | Self::Random(_) | Self::Secret { .. } => Kind::Internal,
            Self::Db(error) => error.kind(),
            Self::Workers(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "bad_value",
            Self::WrongPassword => "wrong_password",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::BadToken => "bad_token",
            Self::TokenExpired => "token_expired",
            Self::MissingScope { .. } => "missing_scope",
            Self::RegistrationClosed => "registration_closed",
            Self::BadInvite => "bad_invite",
            Self::BadLink => "bad_link",
            Self::NameTaken => "name_taken",
            Self::LastAdmin => "last_admin",
            Self::NotFound { .. } => "not_found",
            Self::Hash(_) | Self::Random(_) | Self::Secret { .. } => "internal",
            Self::Db(error) => error.code(),
            Self::Workers(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Db(error) => error.message(),
            Self::Workers(error) => error.message(),
            _ if self.kind() == Kind::Internal => {
                Cow::Borrowed("something went wrong on our side; the log has the request id")
            }
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Invalid { field, .. } => Detail { option: Some((*field).to_owned()), ..Detail::default() },
            Self::TooManyAttempts { retry_after_s } => {
                Detail { retry_after: Some(*retry_after_s), ..Detail::default() }
            }
            Self::Db(error) => error.detail(),
            Self::Workers(error) => error.detail(),
            _ => Detail::default(),
        }
    }
}
