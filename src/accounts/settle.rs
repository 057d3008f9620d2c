//! People who come from another system, and what of an account goes with it elsewhere.

use super::user::email_key;
use super::{Accounts, AccountsError, NewUser, PasswordHash, Quota, Role, User, store};

/// Somebody who had an account elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Newcomer<'a> {
    pub name: &'a str,
    pub email: Option<&'a str>,
    /// As the other system kept it; one that cannot be verified here is left out.
    pub password_hash: Option<&'a str>,
    pub role: Role,
    pub disabled: bool,
    pub quota: Quota,
    /// Milliseconds since 1970.
    pub created_at: Option<i64>,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub user: User,
    /// Otherwise the account was there, and stays as it is.
    pub is_new: bool,
    /// Why the old password does not open it, where it does not.
    pub locked: Option<String>,
}

impl Accounts {
    /// The account that somebody has here: the one with the same e-mail address, for those without one that of the same
    /// name. Else one is made, under another name where somebody has theirs.
    pub async fn settle(&self, newcomer: &Newcomer<'_>, now: i64) -> Result<Settled, AccountsError> {
        let email = newcomer.email.and_then(|email| email_key(email).ok());
        if let Some(user) = self.settled(newcomer, email.as_deref()).await? {
            return Ok(Settled { user, is_new: false, locked: None });
        }
        let (hash, locked) = match newcomer.password_hash.map(str::parse::<PasswordHash>) {
            Some(Ok(hash)) => (Some(hash), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, Some("it had no password".to_owned())),
        };
        let wanted = name_of(newcomer.name, email.as_deref());
        for number in 1..=MOST_NAMESAKES {
            let name = if number == 1 { wanted.clone() } else { format!("{wanted}-{number}") };
            let new = NewUser { name: &name, email: email.as_deref(), password: None };
            let checked = new.checked()?;
            let mut tx = self.db.write().await?;
            let created_at = newcomer.created_at.unwrap_or(now);
            let user = match store::insert(&mut tx, &checked, newcomer.role, hash.as_ref(), created_at).await
            {
                Err(AccountsError::NameTaken) => continue,
                made => made?,
            };
            if newcomer.quota != Quota::default() {
                store::set_quota(&mut tx, user.pk, newcomer.quota, now).await?;
            }
            if newcomer.disabled {
                store::set_disabled(&mut tx, user.pk, Some(now), now).await?;
            }
            tx.commit().await?;
            return Ok(Settled { user: self.user(user.pk).await?, is_new: true, locked });
        }
        Err(AccountsError::NameTaken)
    }

    /// Whom [`Accounts::settle`] would find rather than make.
    pub async fn find_settled(&self, newcomer: &Newcomer<'_>) -> Result<Option<User>, AccountsError> {
        let email = newcomer.email.and_then(|email| email_key(email).ok());
        self.settled(newcomer, email.as_deref()).await
    }

    async fn settled(
        &self,
        newcomer: &Newcomer<'_>,
        email: Option<&str>,
    ) -> Result<Option<User>, AccountsError> {
        let login = email.map_or_else(|| name_of(newcomer.name, None), str::to_owned);
        Ok(store::by_login(&self.db, &login).await?.map(|(user, _)| user))
    }

    /// The hash of an account's password, to take it elsewhere.
    pub async fn password_hash(&self, user: i64) -> Result<Option<String>, AccountsError> {
        Ok(store::password_hash(&self.db, user).await?)
    }
}

/// A name that can be one here.
fn name_of(given: &str, email: Option<&str>) -> String {
    let from_email = || email.and_then(|email| email.split('@').next()).unwrap_or_default();
    let given = if given.trim().is_empty() { from_email() } else { given };
    // Nobody shall be taken for an address.
    let local = given.split('@').next().filter(|local| !local.is_empty()).unwrap_or(given);
    let plain: String = local.chars().filter(|c| !c.is_control() && *c != '@').collect();
    let mut end = plain.len().min(LONGEST_NAME);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    match plain[..end].trim() {
        "" => "user".to_owned(),
        name => name.to_owned(),
    }
}

/// There is room for a number behind it.
const LONGEST_NAME: usize = 58;
const MOST_NAMESAKES: u32 = 999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names() {
        for (given, email, name) in [
            ("ana", None, "ana"),
            ("", Some("li@example.org"), "li"),
            ("a\u{0}b@c", None, "ab"),
            ("@", None, "user"),
            (" \n", None, "user"),
        ] {
            assert_eq!(name_of(given, email), name);
        }
        assert!(name_of(&"猫".repeat(99), None).len() <= LONGEST_NAME);
    }
}
