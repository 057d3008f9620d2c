//! Who may sign in.

use std::time::Duration;

use serde::Deserialize;

use super::MIN_SECRET;
use crate::units::{Secret, Span};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Whether uploading and managing need an account.
    pub required: bool,
    /// With `required: false`, that others than this machine may reach the server nevertheless.
    pub open_to_network: bool,
    /// Who may register.
    pub registration: Registration,
    /// How long an access token is valid.
    pub access_token: Span,
    /// Accounts that are made at start.
    pub users: Vec<User>,
    /// Who sends it as a bearer token may purge by `POST /v1/purge`; by `admin_key_env` or `admin_key_file`. Unset:
    /// nobody may.
    pub admin_key: Option<Secret>,
    /// What tokens are signed with, by `secret_env` or `secret_file`. Unset: made at first start, in `data_dir`.
    pub secret: Option<Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    Open,
    Invite,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub name: String,
    #[serde(default)]
    pub role: Role,
    pub email: Option<String>,
    /// Better by `password_env` or `password_file`: a password in this file is warned about.
    pub password: Option<Secret>,
    /// An argon2 or bcrypt hash, instead of a password.
    pub password_hash: Option<Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Admin,
    #[default]
    User,
    Guest,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            required: true,
            open_to_network: false,
            registration: Registration::Invite,
            access_token: Span(Duration::from_secs(3600)),
            users: Vec::new(),
            secret: None,
            admin_key: None,
        }
    }
}

impl Auth {
    pub fn validate(&self) -> Result<(), String> {
        if self.access_token.0.is_zero() {
            return Err(
                "`auth.access_token`: 0 would expire every token at once; give a time like `1h`".to_owned()
            );
        }
        for (name, secret) in [("secret", &self.secret), ("admin_key", &self.admin_key)] {
            if secret.as_ref().is_some_and(|secret| secret.expose().len() < MIN_SECRET) {
                return Err(format!(
                    "`auth.{name}` is shorter than {MIN_SECRET} bytes; make one with `openssl rand -hex 32`"
                ));
            }
        }
        for (index, user) in self.users.iter().enumerate() {
            user.validate(&format!("auth.users[{index}]"))?;
            let name = user.name.to_lowercase();
            if self.users[..index].iter().any(|other| other.name.to_lowercase() == name) {
                return Err(format!("`auth.users[{index}].name`: there is a user `{}` already", user.name));
            }
        }
        Ok(())
    }
}

impl User {
    fn validate(&self, section: &str) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.len() > 64 || self.name.chars().any(char::is_control) {
            return Err(format!(
                "`{section}.name`: `{}` is not a name of 1 to 64 bytes",
                self.name.escape_debug()
            ));
        }
        if self.name.contains('@') {
            return Err(format!(
                "`{section}.name`: `{}` has an `@`, which tells e-mail addresses from names; put it into `email`",
                self.name
            ));
        }
        if let Some(email) = &self.email
            && !email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        {
            return Err(format!("`{section}.email`: `{email}` is not an e-mail address"));
        }
        match (&self.password, &self.password_hash) {
            (None, None) => Err(format!(
                "`{section}.password_env` is missing: name a variable that holds the password (or give `password_file` or `password_hash`)"
            )),
            (Some(_), Some(_)) => {
                Err(format!("`{section}.password` and `{section}.password_hash` are both set; keep one"))
            }
            (Some(password), None) if !(8..=128).contains(&password.expose().chars().count()) => {
                Err(format!("`{section}.password` is not 8 to 128 characters long"))
            }
            (None, Some(hash)) if !hash.expose().starts_with('$') => {
                Err(format!("`{section}.password_hash` is not a hash like `$argon2id$…` or `$2b$…`"))
            }
            _ => Ok(()),
        }
    }
}
