//! How recovery links and notices are sent.

use serde::Deserialize;

use crate::units::Secret;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// `smtp://user:password@host:587` or `smtps://…`; better by `smtp_env` or `smtp_file`. Unset: no mail is sent.
    pub smtp: Option<Secret>,
    /// The sender, `pixedge <noreply@example.com>`.
    pub from: String,
}

impl Mail {
    pub fn validate(&self) -> Result<(), String> {
        let Some(smtp) = self.smtp.as_ref().map(Secret::expose) else { return Ok(()) };
        if !["smtp://", "smtps://"].iter().any(|s| smtp.strip_prefix(s).is_some_and(|rest| !rest.is_empty()))
        {
            return Err("`mail.smtp` is not a URL that begins with `smtp://` or `smtps://`".to_owned());
        }
        if !self.from.contains('@') {
            return Err(format!("`mail.from`: `{}` is not an address; mail needs a sender", self.from));
        }
        Ok(())
    }
}
