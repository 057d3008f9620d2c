//! Why a mail was not sent: whether it may go later is what the queue wants to know.

use std::path::PathBuf;

use crate::error::{Fault, Kind};
use crate::net::NetError;

#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("`mail.smtp`: {0}")]
    Url(String),
    #[error("`mail.from`: `{given}` is not an address like `pixedge <noreply@example.com>`")]
    From { given: String },
    #[error("`mail.templates`: {}: {why}", path.display())]
    Template { path: PathBuf, why: String },
    #[error("`{0}` is not an address")]
    To(String),
    #[error("the mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the mail server asks for TLS, or `mail.smtp` does, and the other side does not offer it")]
    NoTls,
    #[error("a password would go to the mail server unencrypted; use smtps://, or a server with STARTTLS")]
    OpenPassword,
    #[error("the mail server did not answer in time")]
    Timeout,
    #[error("the mail server refused: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
}

impl Fault for MailError {
    fn kind(&self) -> Kind {
        match self {
            Self::To(_) => Kind::BadRequest,
            Self::Smtp(error) if error.is_permanent() => Kind::Unprocessable,
            Self::Smtp(_) | Self::Net(_) => Kind::SourceFailed,
            Self::Timeout => Kind::SourceTimeout,
            _ => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self.kind() {
            Kind::BadRequest => "bad_value",
            Kind::Unprocessable => "mail_refused",
            Kind::SourceFailed => "source_failed",
            Kind::SourceTimeout => "source_timeout",
            _ => "internal",
        }
    }
}
