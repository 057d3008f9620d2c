//! Accounts and the words for them: names, addresses, roles and scopes.

use std::fmt;
use std::str::FromStr;

use super::AccountsError;

/// One account. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The integer key, for tables that refer to accounts and for clients that want numbers.
    pub pk: i64,
    pub id: String,
    pub name: String,
    pub email: Option<String>,
    pub role: Role,
    /// `None` = as much as there is.
    pub quota_bytes: Option<u64>,
    pub quota_files: Option<u64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub disabled_at: Option<i64>,
    /// Raised when all tokens of the account shall end.
    pub(super) generation: i64,
}

/// What an account is made of; checked where it is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewUser<'a> {
    pub name: &'a str,
    pub email: Option<&'a str>,
    /// Accounts without one sign in by keys and links.
    pub password: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    Admin,
    #[default]
    User,
    /// Looks and uploads nothing.
    Guest,
}

/// One thing that a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// See one's own pictures and settings.
    Read,
    Upload,
    /// Change and delete.
    Manage,
    /// What administrators do.
    Admin,
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

/// Text that is no role or scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not one of {allowed}")]
pub struct WordError {
    given: String,
    allowed: &'static str,
}

impl NewUser<'_> {
    /// The name as it is shown and as it is compared, and the address in small letters.
    pub(super) fn checked(&self) -> Result<Checked, AccountsError> {
        let name = self.name.trim();
        if name.is_empty() || name.len() > 64 || name.chars().any(|c| c.is_control() || c == '@') {
            let why = "must be 1 to 64 bytes without `@` and control characters";
            return Err(AccountsError::Invalid { field: "name", why });
        }
        let email = self.email.map(email_key).transpose()?;
        if let Some(password) = self.password {
            check_password(password)?;
        }
        Ok(Checked { name: name.to_owned(), name_key: name.to_lowercase(), email })
    }
}

pub(super) struct Checked {
    pub name: String,
    pub name_key: String,
    pub email: Option<String>,
}

/// Length only: rules about digits make passwords worse.
pub(super) fn check_password(password: &str) -> Result<(), AccountsError> {
    match password.chars().count() {
        8..=128 => Ok(()),
        _ => Err(AccountsError::Invalid { field: "password", why: "must be 8 to 128 characters long" }),
    }
}

/// An address as it is compared: in small letters. Whether it exists, only a mail can tell.
pub(super) fn email_key(email: &str) -> Result<String, AccountsError> {
    let email = email.trim();
    let right = email.len() <= 254
        && !email.chars().any(|c| c.is_control() || c.is_whitespace())
        && email.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if right {
        Ok(email.to_lowercase())
    } else {
        Err(AccountsError::Invalid { field: "email", why: "is not an e-mail address" })
    }
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Guest => "guest",
        }
    }

    pub fn scopes(self) -> Scopes {
        match self {
            Self::Admin => Scopes::of(&[Scope::Read, Scope::Upload, Scope::Manage, Scope::Admin]),
            Self::User => Scopes::of(&[Scope::Read, Scope::Upload, Scope::Manage]),
            Self::Guest => Scopes::of(&[Scope::Read]),
        }
    }
}

impl Scope {
    const ALL: [Self; 4] = [Self::Read, Self::Upload, Self::Manage, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Upload => "upload",
            Self::Manage => "manage",
            Self::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Scopes {
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromStr for Role {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        [Self::Admin, Self::User, Self::Guest]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| WordError { given: text.to_owned(), allowed: "`admin`, `user`, `guest`" })
    }
}

impl FromStr for Scope {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| WordError {
            given: text.to_owned(),
            allowed: "`read`, `upload`, `manage`, `admin`",
        })
    }
}

impl FromStr for Scopes {
    type Err = WordError;
    /// Words with spaces between them, as OAuth writes scopes.
    fn from_str(text: &str) -> Result<Self, WordError> {
        text.split_whitespace().try_fold(Self::default(), |scopes, word| {
            word.parse::<Scope>().map(|scope| Self(scopes.0 | scope.bit()))
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "))
    }
}
