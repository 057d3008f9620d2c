//! Passwords that belong to no account, such as a share's: hashed, verified and guarded against guessing like those of
//! accounts.

use std::net::IpAddr;

use super::lockout::{Subject, cleared};
use super::{Accounts, AccountsError};

impl Accounts {
    /// The hash of a password of some other thing. Any length from 1 to 128 will do: it is told to others and not chosen
    /// for life.
    pub async fn hash_other(&self, password: &str) -> Result<String, AccountsError> {
        if !(1..=128).contains(&password.chars().count()) {
            let why = "must be 1 to 128 characters long";
            return Err(AccountsError::Invalid { field: "password", why });
        }
        Ok(self.hasher.hash(password).await?.as_str().to_owned())
    }

    /// Whether it is the password of `what`. Failures make their address wait, longer each time, as with sign-ins.
    pub async fn verify_other(
        &self,
        what: &str,
        hash: &str,
        password: &str,
        address: IpAddr,
        now: i64,
    ) -> Result<bool, AccountsError> {
        let hash = hash.parse()?;
        let subject = Subject::other(what, address);
        self.attempt(&subject, now).await?;
        let verdict = match self.hasher.verify(Some(hash), password).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.unattempt(&subject).await;
                return Err(error);
            }
        };
        if verdict.right {
            let mut tx = self.db.write().await?;
            cleared(&mut tx, &subject).await?;
            tx.commit().await?;
        }
        Ok(verdict.right)
    }
}
