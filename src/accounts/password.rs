//! Passwords: argon2id for ours, bcrypt for those of imported users, on the workers' threads alone, since one takes
//! tens of milliseconds and megabytes.

use std::str::FromStr;
#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

use super::AccountsError;
use crate::workers::{Class, Estimate, Workers};

/// What one guess shall cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    pub memory_kib: u32,
    pub passes: u32,
}

impl Default for HashCost {
    /// OWASP's first choice for argon2id on one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

/// A hash that can be verified, in the words of its table: `$argon2id$…` or `$2b$…`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// Makes and verifies hashes.
#[derive(Clone)]
pub(super) struct Hasher {
    workers: Workers,
    argon2: Argon2<'static>,
    cost: HashCost,
    /// Of a password that nobody has: what is verified where there is no account.
    nobody: PasswordHash,
    #[cfg(test)]
    pub(super) verified: Arc<AtomicU64>,
}

/// What came of a verification.
pub(super) struct Verdict {
    pub right: bool,
    /// The right password under today's costs, where the stored hash is of another kind.
    pub renewed: Option<PasswordHash>,
}

impl Hasher {
    pub(super) fn new(workers: Workers, cost: HashCost) -> Result<Self, AccountsError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None)
            .map_err(|error| AccountsError::Hash(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut unknown = [0; 32];
        fill(&mut unknown)?;
        let nobody = make(&argon2, &unknown)?;
        Ok(Self {
            workers,
            argon2,
            cost,
            nobody,
            #[cfg(test)]
            verified: Arc::default(),
        })
    }

    pub(super) async fn hash(&self, password: &str) -> Result<PasswordHash, AccountsError> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        self.run(self.estimate(), move || make(&argon2, password.as_bytes())).await?
    }

    /// Verifies against `hash`, and with equal work where there is none. An imported hash takes its own time, which
    /// ends with the first sign-in.
    pub(super) async fn verify(
        &self,
        hash: Option<PasswordHash>,
        password: &str,
    ) -> Result<Verdict, AccountsError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let estimate = hash.estimate().unwrap_or_else(|| self.estimate());
        let (hasher, password) = (self.clone(), password.to_owned());
        self.run(estimate, move || {
            #[cfg(test)]
            hasher.verified.fetch_add(1, Ordering::Relaxed);
            let right = hash.matches(password.as_bytes()) && known;
            let renewed = right && !hash.is_current(hasher.cost);
            let renewed = renewed.then(|| make(&hasher.argon2, password.as_bytes())).transpose()?;
            Ok(Verdict { right, renewed })
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        mut estimate: Estimate,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountsError> {
        // A small budget is for pictures; whoever owns the server must still get in.
        estimate.memory = estimate.memory.min(self.workers.budget());
        let permit = self.workers.admit(Class::Interactive, estimate).await?;
        Ok(permit.run(|_| work()).await?)
    }

    fn estimate(&self) -> Estimate {
        argon2_estimate(self.cost.memory_kib, self.cost.passes)
    }
}

impl PasswordHash {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn matches(&self, password: &[u8]) -> bool {
        if is_bcrypt(&self.0) {
            return bcrypt::verify(password, &self.0).unwrap_or(false);
        }
        // Algorithm and costs are the hash's own.
        phc::PasswordHash::new(&self.0)
            .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    }

    fn is_current(&self, cost: HashCost) -> bool {
        phc::PasswordHash::new(&self.0).is_ok_and(|hash| {
            let params = Params::try_from(&hash);
            hash.algorithm.as_str() == "argon2id"
                && params
                    .is_ok_and(|p| (p.m_cost(), p.t_cost(), p.p_cost()) == (cost.memory_kib, cost.passes, 1))
        })
    }

    fn estimate(&self) -> Option<Estimate> {
        if let Ok(parts) = bcrypt::HashParts::from_str(&self.0) {
            // Each step doubles; 12 is a quarter of a second.
            let seconds = 0.25 * 2f64.powi(parts.get_cost() as i32 - 12);
            return Some(Estimate { seconds, memory: 1 << 20 });
        }
        let hash = phc::PasswordHash::new(&self.0).ok()?;
        let params = Params::try_from(&hash).ok()?;
        Some(argon2_estimate(params.m_cost(), params.t_cost()))
    }
}

/// Hashes come from configurations and imports; one that is too costly would be a way to stop the server.
impl FromStr for PasswordHash {
    type Err = AccountsError;

    fn from_str(text: &str) -> Result<Self, AccountsError> {
        let wrong = |why: String| Err(AccountsError::Hash(why));
        if is_bcrypt(text) {
            return match bcrypt::HashParts::from_str(text) {
                Ok(parts) if (4..=MOST_BCRYPT).contains(&parts.get_cost()) => Ok(Self(text.to_owned())),
                Ok(parts) => wrong(format!("bcrypt of cost {}, not 4 to {MOST_BCRYPT}", parts.get_cost())),
                Err(error) => wrong(error.to_string()),
            };
        }
        let hash = match phc::PasswordHash::new(text) {
            Ok(hash) if hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some() => hash,
            _ => return wrong("it is neither `$argon2id$…` nor `$2b$…`".to_owned()),
        };
        match Params::try_from(&hash) {
            Ok(p) if p.m_cost() <= MOST_KIB && p.t_cost() <= MOST_PASSES && p.p_cost() <= MOST_LANES => {
                Ok(Self(text.to_owned()))
            }
            Ok(_) => wrong(format!("argon2 beyond m={MOST_KIB},t={MOST_PASSES},p={MOST_LANES}")),
            Err(error) => wrong(error.to_string()),
        }
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// About a second.
const MOST_BCRYPT: u32 = 14;
const MOST_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 10;
const MOST_LANES: u32 = 16;

fn is_bcrypt(text: &str) -> bool {
    text.starts_with("$2")
}

fn argon2_estimate(memory_kib: u32, passes: u32) -> Estimate {
    // A core fills about 1.5 GiB a second.
    let seconds = f64::from(memory_kib) * f64::from(passes) / (1.5 * 1024.0 * 1024.0);
    Estimate { seconds, memory: u64::from(memory_kib) << 10 }
}

fn make(argon2: &Argon2<'_>, password: &[u8]) -> Result<PasswordHash, AccountsError> {
    let mut salt = [0; 16];
    fill(&mut salt)?;
    let hash = argon2.hash_password_with_salt(password, &salt);
    hash.map(|hash| PasswordHash(hash.to_string())).map_err(|error| AccountsError::Hash(error.to_string()))
}

fn fill(bytes: &mut [u8]) -> Result<(), AccountsError> {
    getrandom::fill(bytes).map_err(|error| AccountsError::Random(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_would_stop_the_server_are_refused() {
        let digest = "c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG";
        for good in [
            format!("$argon2id$v=19$m=19456,t=2,p=1${digest}"),
            "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW".to_owned(),
        ] {
            good.parse::<PasswordHash>().unwrap();
        }
        for bad in [
            String::new(),
            "plain".to_owned(),
            "$2b$31$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW".to_owned(),
            "$2b$12$short".to_owned(),
            format!("$argon2id$v=19$m=4194304,t=2,p=1${digest}"),
            format!("$argon2id$v=19$m=19456,t=4000,p=1${digest}"),
            "$argon2id$v=19$m=19456,t=2,p=1".to_owned(),
            "$pbkdf2-sha256$i=1000$c29tZXNhbHQ$RdescudvJCsgt3ub".to_owned(),
        ] {
            assert!(bad.parse::<PasswordHash>().is_err(), "{bad}");
        }
    }
}
