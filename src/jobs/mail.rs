//! The job `mail`: sends a link. Once it is sent, or can never be, its secret is not in the table any more.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Failure, Job, Work};
use crate::accounts::MailOrder;
use crate::db::now_ms;
use crate::error::with_causes;
use crate::mail::{Letter, MailError, Mailer, Subject};
use crate::units::Language;

pub struct MailJob {
    /// `None` where no mail server is configured.
    pub mailer: Option<Arc<Mailer>>,
    /// Where the links lead.
    pub public_url: String,
    /// What all mails are written in; `None`: what each asks for.
    pub language: Option<Language>,
}

impl Job for MailJob {
    fn kind(&self) -> &'static str {
        MailOrder::KIND
    }

    fn is_urgent(&self) -> bool {
        true
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let (mailer, public_url, language) = (self.mailer.clone(), self.public_url.clone(), self.language);
        async move {
            let order: MailOrder =
                serde_json::from_value(work.payload).map_err(|error| never(error.to_string()))?;
            let minutes = (order.expires_at - now_ms()) / 60_000;
            if minutes < 1 {
                return Err(never("the link ended before it could be sent"));
            }
            let Some(mailer) = mailer else { return Err(never("`mail.smtp` is not configured")) };
            let Some(subject) = Subject::of(&order.subject) else {
                return Err(never(format!("`{}` is no subject of a mail", order.subject)));
            };
            let link = match subject {
                Subject::Recovery => format!("{public_url}/recover/{}", order.token),
                Subject::Deletion => format!("{public_url}/goodbye/{}", order.token),
                Subject::Key => format!("{public_url}/api/recover_token?check={}", order.token),
            };
            // As clients of old know it, and as people write it into their own texts.
            let address = utf8_percent_encode(&order.to, NON_ALPHANUMERIC);
            let goodbye = order.goodbye.as_ref();
            let goodbye =
                goodbye.map(|secret| format!("{public_url}/api/remove_token?mail={address}&check={secret}"));
            let site = public_url.split_once("://").map_or(public_url.as_str(), |(_, host)| host);
            let letter = Letter {
                subject,
                language: language.unwrap_or_else(|| Language::of(&order.language)),
                to: &order.to,
                name: &order.name,
                link: &link,
                goodbye: goodbye.as_deref().unwrap_or_default(),
                site,
                minutes,
            };
            // The same for every attempt, so that a mail that was accepted after all is recognised as the same.
            let id = &blake3::hash(order.token.as_bytes()).to_hex()[..32];
            match mailer.send(&letter, id).await {
                Ok(()) => Ok(json!({})),
                Err(error) if is_hopeless(&error) => Err(never(with_causes(&error))),
                Err(error) => Err(Failure::again(with_causes(&error))),
            }
        }
        .boxed()
    }
}

/// What the server refuses for good, and what nobody can send.
fn is_hopeless(error: &MailError) -> bool {
    match error {
        MailError::Smtp(error) => error.is_permanent(),
        MailError::To(_) | MailError::Message(_) => true,
        _ => false,
    }
}

fn never(error: impl Into<String>) -> Failure {
    Failure::Never { error: error.into(), forget: true }
}
