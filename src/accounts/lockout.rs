//! Guessing passwords: each account makes each address wait, longer each time. An account is never locked as a whole,
//! so nobody can keep its owner out from elsewhere; what one address asks altogether is for `limit` to bound.

use std::net::IpAddr;

use super::{Accounts, AccountsError, store, token};
use crate::db::Tx;

/// Failures that cost nothing.
const FREE: i64 = 5;
const FIRST_WAIT: i64 = 15_000;
const LONGEST_WAIT: i64 = 15 * 60_000;
/// Failures are forgotten after this time without another.
const FORGOTTEN_AFTER: i64 = 60 * 60_000;

/// One account as seen from one address, or one name that has no account.
pub(super) struct Subject(String);

impl Subject {
    pub(super) fn new(account: Option<i64>, login: &str, address: IpAddr) -> Self {
        let who = match account {
            // One count for the name and the e-mail address.
            Some(pk) => format!("account {pk}"),
            None => format!("name {}", login.trim().to_lowercase()),
        };
        Self::other(&who, address)
    }

    /// Something else with a password.
    pub(super) fn other(what: &str, address: IpAddr) -> Self {
        Self(token::hash(&format!("{what}\n{}", network(address))))
    }
}

impl Accounts {
    /// Counts an attempt before its password is looked at, so that guesses that come at once are counted as well, or
    /// refuses it. [`cleared`] takes it back.
    pub(super) async fn attempt(&self, subject: &Subject, now: i64) -> Result<(), AccountsError> {
        let mut tx = self.db.write().await?;
        let (failures, locked_until) = store::failures(&mut tx, &subject.0, now - FORGOTTEN_AFTER).await?;
        if locked_until > now {
            let retry_after_s = (locked_until - now).div_euclid(1000) as u64 + 1;
            return Err(AccountsError::TooManyAttempts { retry_after_s });
        }
        let failures = failures + 1;
        let locked_until = if failures < FREE { 0 } else { now + wait(failures) };
        store::note_failure(&mut tx, &subject.0, failures, locked_until, now).await?;
        Ok(tx.commit().await?)
    }

    /// The password was never looked at: a server that is too busy must not lock anybody out as well.
    pub(super) async fn unattempt(&self, subject: &Subject) {
        if let Err(error) = store::take_failure_back(&self.db, &subject.0).await {
            tracing::warn!(%error, "a sign-in that was not looked at stays counted as failed");
        }
    }
}

/// The attempt succeeded.
pub(super) async fn cleared(tx: &mut Tx, subject: &Subject) -> Result<(), AccountsError> {
    Ok(store::forget_failures(tx, &subject.0).await?)
}

fn wait(failures: i64) -> i64 {
    let doublings = (failures - FREE).clamp(0, 16);
    (FIRST_WAIT << doublings).min(LONGEST_WAIT)
}

/// Who has one IPv6 address has 2⁶⁴ of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            IpAddr::V6(bits.into())
        }
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        assert_eq!([5, 6, 7, 10, 11, 1000].map(wait), [15_000, 30_000, 60_000, 480_000, 900_000, 900_000]);
    }

    #[test]
    fn an_address_is_its_network() {
        let subject =
            |account, login, address: &str| Subject::new(account, login, address.parse().unwrap()).0;
        assert_eq!(subject(None, "Ana", "::ffff:1.2.3.4"), subject(None, "ana ", "1.2.3.4"));
        assert_eq!(subject(Some(1), "ana", "2001:db8::1"), subject(Some(1), "a@b", "2001:db8::ffff:2"));
        assert_ne!(subject(None, "ana", "2001:db8::1"), subject(None, "ana", "2001:db8:0:1::1"));
        assert_ne!(subject(None, "ana", "1.2.3.4"), subject(None, "ana", "1.2.3.5"));
        assert_ne!(subject(Some(1), "", "1.2.3.4"), subject(Some(2), "", "1.2.3.4"));
    }
}
