//! A house of accounts over a real database, for the tests of the files beneath.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use super::*;
use crate::db;
use crate::error::{Fault, Kind};
use crate::telemetry::metrics::Metrics;
use crate::workers;

mod admission;
mod keys;
mod links;
mod sessions;
mod settle;

/// Some time in 2026.
const NOW: i64 = 1_790_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const PASSWORD: &str = "password123";

const CHEAP: HashCost = HashCost { memory_kib: 8, passes: 1 };

fn cheap_workers() -> Workers {
    Workers::start(&workers::Config::default(), Arc::new(Metrics::new())).unwrap()
}

/// For the tests of other rooms.
pub(crate) fn over(db: Db) -> Accounts {
    let config = Config { hash: CHEAP, ..Config::default() };
    Accounts::new(db, cheap_workers(), &Secret::new("secret of the tests"), &config).unwrap()
}

/// Accounts over a real database, with hashes that cost next to nothing.
struct House {
    accounts: Accounts,
    workers: Workers,
    dir: tempfile::TempDir,
}

impl House {
    async fn new(registration: Registration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = db::testing::open(dir.path()).await;
        let workers = cheap_workers();
        let config = Config { registration, hash: CHEAP, ..Config::default() };
        let accounts =
            Accounts::new(db, workers.clone(), &Secret::new("secret of the tests"), &config).unwrap();
        Self { accounts, workers, dir }
    }

    async fn user(&self, name: &str, role: Role) -> User {
        let email = format!("{name}@Example.com");
        let new = NewUser { name, email: Some(&email), password: Some(PASSWORD) };
        self.accounts.create_user(&new, role, NOW).await.unwrap()
    }

    async fn login(&self, name: &str, password: &str, from: &str, now: i64) -> Result<Signed, AccountsError> {
        self.accounts.login(name, password, address(from), now).await
    }

    fn verified(&self) -> u64 {
        self.accounts.hasher.verified.load(Ordering::Relaxed)
    }

    /// The whole database as a file.
    async fn bytes(self) -> Vec<u8> {
        let file = self.dir.path().join("copy.db");
        db::backup::write(&self.accounts.db, &file, &[], &mut |_| {}).await.unwrap();
        std::fs::read(file).unwrap()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn refused<T>(result: Result<T, AccountsError>, code: &str) -> AccountsError {
    let Err(error) = result else { panic!("not refused with {code}") };
    assert_eq!(error.code(), code, "{error}");
    error
}
