//! How recovery links and notices are sent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::units::{Language, Secret, Span};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// `smtp://user:password@host:587` or `smtps://…`; better by `smtp_env` or `smtp_file`. Unset: no mail is sent.
    pub smtp: Option<Secret>,
    /// The sender, `pixedge <noreply@example.com>`.
    pub from: String,
    /// How long sending one mail may take.
    pub timeout: Span,
    /// A folder with texts of one's own; those that it lacks are the built-in ones.
    pub templates: Option<PathBuf>,
    /// What mails are written in.
    pub language: MailLanguage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum MailLanguage {
    /// What the browser of whoever asked for the mail prefers; English where it says nothing.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "en")]
    English,
    #[serde(rename = "zh-CN")]
    Chinese,
}

impl MailLanguage {
    /// `None`: as asked for.
    pub fn to_room(self) -> Option<Language> {
        match self {
            Self::Auto => None,
            Self::English => Some(Language::English),
            Self::Chinese => Some(Language::Chinese),
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            smtp: None,
            from: String::new(),
            timeout: Span(Duration::from_secs(30)),
            templates: None,
            language: MailLanguage::default(),
        }
    }
}

impl Mail {
    pub(in crate::config) fn derive(&mut self, base: &Path) {
        if let Some(templates) = &mut self.templates {
            *templates = base.join(&*templates);
        }
    }

    pub fn validate(&self) -> Result<(), String> {
        let Some(smtp) = self.smtp.as_ref().map(Secret::expose) else { return Ok(()) };
        if !["smtp://", "smtps://"].iter().any(|s| smtp.strip_prefix(s).is_some_and(|rest| !rest.is_empty()))
        {
            return Err("`mail.smtp` is not a URL that begins with `smtp://` or `smtps://`".to_owned());
        }
        if !self.from.contains('@') {
            return Err(format!("`mail.from`: `{}` is not an address; mail needs a sender", self.from));
        }
        if self.timeout.0.as_secs() == 0 {
            return Err("`mail.timeout` is less than a second; give a time like `30s`".to_owned());
        }
        Ok(())
    }
}
