//! Mail by SMTP: the few letters that this server writes, and the way to the operator's mail server. Who writes what
//! and when is for the jobs; a letter is sent once, and whether to try again is for the queue.

mod error;
mod template;
mod transport;

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};

use crate::units::{Language, Secret};

pub use error::MailError;
pub use template::Subject;

use template::Templates;
use transport::Relay;

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct Config {
    /// `smtp://user:password@host:587` or `smtps://…`.
    pub smtp: Secret,
    pub from: String,
    /// For one mail, connecting included.
    pub timeout: Duration,
    /// The operator's own templates.
    pub templates: Option<PathBuf>,
}

/// Sends mail; cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Mailer {
    relay: Relay,
    from: Mailbox,
    timeout: Duration,
    templates: Templates,
}

/// One letter.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    pub subject: Subject,
    pub language: Language,
    /// The address.
    pub to: &'a str,
    /// How the account is called.
    pub name: &'a str,
    pub link: &'a str,
    /// A second link, which ends the account; empty where the letter has none.
    pub goodbye: &'a str,
    /// How the server is called.
    pub site: &'a str,
    /// How long the link is good.
    pub minutes: i64,
}

impl Mailer {
    pub fn new(config: &Config) -> Result<Self, MailError> {
        let from = config.from.parse().map_err(|_| MailError::From { given: config.from.clone() })?;
        Ok(Self {
            relay: Relay::of(config.smtp.expose()).map_err(MailError::Url)?,
            from,
            timeout: config.timeout,
            templates: Templates::load(config.templates.as_deref())?,
        })
    }

    /// Sends one letter. `id` makes its Message-ID: a letter that is sent twice by mistake looks like one.
    pub async fn send(&self, letter: &Letter<'_>, id: &str) -> Result<(), MailError> {
        let message = self.message(letter, id)?;
        let sending = self.relay.send(&message, self.timeout);
        tokio::time::timeout(self.timeout, sending).await.unwrap_or(Err(MailError::Timeout))
    }

    /// Whether the mail server would take a letter from here; sends none. For `pixedge check`.
    pub async fn check(&self) -> Result<String, MailError> {
        let checking = self.relay.check(self.timeout);
        tokio::time::timeout(self.timeout, checking).await.unwrap_or(Err(MailError::Timeout))
    }

    fn message(&self, letter: &Letter<'_>, id: &str) -> Result<Message, MailError> {
        let to = letter.to.parse().map_err(|_| MailError::To(letter.to.to_owned()))?;
        let minutes = letter.minutes.to_string();
        let words = [
            ("name", letter.name),
            ("link", letter.link),
            ("goodbye", letter.goodbye),
            ("site", letter.site),
            ("minutes", &minutes),
        ];
        let Some(filled) = self.templates.fill(letter.subject, letter.language, &words) else {
            let why = "a template without a subject".to_owned();
            return Err(MailError::Template { path: PathBuf::new(), why });
        };
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(filled.subject)
            .date_now()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(filled.text, filled.html))?)
    }
}

/// RFC 3834: nobody's absence note shall answer this.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer() -> Mailer {
        Mailer::new(&Config {
            smtp: Secret::new("smtp://127.0.0.1:25"),
            from: "图床 <noreply@example.com>".to_owned(),
            timeout: Duration::from_secs(1),
            templates: None,
        })
        .unwrap()
    }

    #[test]
    fn a_letter_has_the_headers_that_machines_look_for() {
        let letter = Letter {
            subject: Subject::Recovery,
            language: Language::Chinese,
            to: "ana@example.org",
            name: "ana\r\nBcc: victim@example.org",
            link: "https://img.example.com/recovery/abc",
            goodbye: "",
            site: "img.example.com",
            minutes: 60,
        };
        let text = String::from_utf8(mailer().message(&letter, "job1").unwrap().formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        for line in [
            "Message-ID: <job1@example.com>",
            "Auto-Submitted: auto-generated",
            "To: ana@example.org",
            "Date: ",
        ] {
            assert!(head.lines().any(|have| have.starts_with(line)), "{line}\n{head}");
        }
        assert!(head.is_ascii() && !head.contains("Bcc"), "{head}");
        assert!(
            text.contains("multipart/alternative") && text.contains("text/html; charset=utf-8"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let letter = Letter {
            subject: Subject::Deletion,
            language: Language::English,
            to: "ana@example.org\r\nRCPT TO:<x@y>",
            name: "",
            link: "",
            goodbye: "",
            site: "",
            minutes: 1,
        };
        assert!(matches!(mailer().message(&letter, "x"), Err(MailError::To(_))));
    }
}
