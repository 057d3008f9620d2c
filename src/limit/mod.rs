//! How much one caller may ask: a bucket of tokens for each address and one for each key. A request takes one token;
//! a picture that has to be made takes more, by the worker time it is estimated to need. Several nodes may share what
//! was spent: [`Limiter::shared`].

mod ban;
mod share;
mod store;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::nanos::Nanos;
use governor::{Quota as Gcra, RateLimiter};

use self::share::Ledger;
use self::store::{Slot, Slots};
use crate::error::{Detail, Fault, Kind, Quota};
use crate::units::Rate;

pub use self::ban::{Ban, BanRule, Banned, Bans, Counts};
pub use self::share::Spending;

/// `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Config {
    pub per_address: Option<Limit>,
    pub per_key: Option<Limit>,
}

/// So many tokens in a time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub rate: Rate,
    /// From 1 to `u32::MAX`, and to what comes in within a century; what lies outside is taken as the nearest.
    pub burst: u64,
}

/// Who asks. A key is one that has been verified: naming a key costs nobody anything.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub address: IpAddr,
    pub key: Option<&'a str>,
}

/// The bucket that pays for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account {
    kind: AccountKind,
    slot: Slot,
}

impl Account {
    /// Tells accounts apart, as far as 64 bits do.
    pub fn number(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AccountKind {
    Address,
    Key,
}

/// What a request takes.
pub const REQUEST: u32 = 1;

/// Tokens for a second of a worker's time. At the default of 50/s one address can keep one worker busy and no more,
/// and its burst of 200 is as much as the default queue of 4 s holds.
pub const TOKENS_PER_SECOND: f64 = 50.0;

/// Tokens for work that is estimated to keep a worker busy for so long.
pub fn tokens(seconds: f64) -> u32 {
    // Saturates, and `NaN` is 0.
    (seconds * TOKENS_PER_SECOND).ceil() as u32
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("too much was asked from this address; ask again in {retry_after_s} s")]
    Address { account: Account, quota: Quota, retry_after_s: u64 },
    #[error("too much was asked with this key; ask again in {retry_after_s} s")]
    Key { account: Account, quota: Quota, retry_after_s: u64 },
}

/// The buckets of one server. Cheap to ask: a look-up and one compare-and-swap.
#[derive(Debug)]
pub struct Limiter<C: Clock = DefaultClock> {
    addresses: Option<Buckets<C>>,
    keys: Option<Buckets<C>>,
    names: RandomState,
    /// What others shall know; `None` where there are no others.
    ledger: Option<Ledger>,
}

#[derive(Debug)]
struct Buckets<C: Clock> {
    limiter: RateLimiter<Slot, Slots, C, StateInformationMiddleware>,
    /// The limiter's.
    slots: Slots,
    clock: C,
    /// What the limiter counts its time from.
    since: C::Instant,
    period: Duration,
    name: &'static str,
    burst: NonZeroU32,
    /// The time in which an empty bucket fills.
    window: Duration,
    /// Tokens that come in during the window, in whole seconds of at least one.
    quota: u64,
}

/// Addresses or keys that have a bucket of their own, at some fifty bytes each. What happens above it: [`Slot`].
const MOST_SLOTS: usize = 100_000;

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Limiter {
    pub fn new(config: &Config) -> Self {
        Self::with_clock(config, &DefaultClock::default(), MOST_SLOTS)
    }
}

impl<C: Clock + Clone> Limiter<C> {
    fn with_clock(config: &Config, clock: &C, most: usize) -> Self {
        let buckets =
            |name, limit: Option<Limit>| limit.map(|limit| Buckets::new(name, limit, clock.clone(), most));
        Self {
            addresses: buckets("address", config.per_address),
            keys: buckets("key", config.per_key),
            names: RandomState::new(),
            ledger: None,
        }
    }

    /// Writes down what is spent, for other nodes: [`Limiter::spending`].
    #[must_use]
    pub fn shared(self) -> Self {
        Self { ledger: Some(Ledger::new()), ..self }
    }

    /// The bucket of the key if there is one, else of the address.
    pub fn account(&self, caller: Caller<'_>) -> Account {
        match caller.key {
            // A hash that nobody can aim at, instead of an allocation for each request.
            Some(key) => Account { kind: AccountKind::Key, slot: Slot::key(self.name(key)) },
            None => Account { kind: AccountKind::Address, slot: Slot::address(caller.address) },
        }
    }

    /// Takes tokens for a request; `None` where there is no limit.
    pub fn check(&self, account: Account, tokens: u32) -> Result<Option<Quota>, LimitError> {
        let (Some(buckets), Some(tokens)) = (self.buckets(account), NonZeroU32::new(tokens)) else {
            return Ok(None);
        };
        let quota = buckets.take(account, tokens)?;
        if let Some(ledger) = &self.ledger {
            ledger.add(account.slot, tokens.min(buckets.burst).get(), buckets.burst.get());
        }
        Ok(Some(quota))
    }

    /// Takes tokens for work that a request has caused. Work that is dearer than a burst would never be let through,
    /// so it is taken as what a full bucket holds after the request itself was paid.
    pub fn charge(&self, account: Account, tokens: u32) -> Result<Option<Quota>, LimitError> {
        let most = self.buckets(account).map_or(0, |buckets| buckets.burst.get() - REQUEST);
        self.check(account, tokens.min(most))
    }

    /// Forgets buckets that are full again, which are like new ones. To be called every now and then.
    pub fn sweep(&self) {
        for buckets in [&self.addresses, &self.keys].into_iter().flatten() {
            buckets.limiter.retain_recent();
            buckets.limiter.shrink_to_fit();
        }
    }

    /// Buckets that are kept.
    pub fn len(&self) -> usize {
        [&self.addresses, &self.keys].into_iter().flatten().map(|buckets| buckets.limiter.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn name(&self, key: &str) -> u64 {
        if self.ledger.is_none() {
            return self.names.hash_one(key);
        }
        // The same on all nodes.
        let hash = blake3::hash(key.as_bytes());
        hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn buckets(&self, account: Account) -> Option<&Buckets<C>> {
        match account.kind {
            AccountKind::Address => self.addresses.as_ref(),
            AccountKind::Key => self.keys.as_ref(),
        }
    }
}

impl<C: Clock + Clone> Buckets<C> {
    fn new(name: &'static str, limit: Limit, clock: C, most: usize) -> Self {
        let Limit { rate, burst } = limit;
        let count = u32::try_from(rate.count).unwrap_or(u32::MAX).max(1);
        // Rounded down, a rate of more than one in a nanosecond would be a period of nothing.
        let period = (rate.per / count).max(Duration::from_nanos(1));
        // governor counts nanoseconds in 64 bits and does not expect them to overflow.
        let longest = (CENTURY.as_nanos() / period.as_nanos()).max(1);
        let burst = u32::try_from(longest.min(burst.into())).unwrap_or(u32::MAX);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let window = period.saturating_mul(burst.get());
        let seconds = window.as_secs_f64().ceil().max(1.0);
        // `with_period` has an answer for every period that is not zero.
        let quota = Gcra::with_period(period).unwrap_or(Gcra::per_second(NonZeroU32::MIN)).allow_burst(burst);
        let (slots, since) = (Slots::new(most), clock.now());
        let limiter = RateLimiter::new(quota, slots.clone(), clock.clone());
        let quota = (seconds / period.as_secs_f64()).round() as u64;
        Self { limiter, slots, clock, since, period, name, burst, window, quota }
    }

    fn take(&self, account: Account, tokens: NonZeroU32) -> Result<Quota, LimitError> {
        let taken = if tokens == NonZeroU32::MIN {
            self.limiter.check_key(&account.slot)
        } else {
            // More than a burst never fits, and `charge` asks for no more.
            match self.limiter.check_key_n(&account.slot, tokens.min(self.burst)) {
                Ok(taken) => taken,
                Err(_) => return Ok(self.quota(self.burst.get())),
            }
        };
        taken.map(|state| self.quota(StateSnapshot::remaining_burst_capacity(&state))).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            let retry_after_s = wait.as_secs_f64().ceil().max(1.0) as u64;
            let quota = Quota { left: 0, reset_s: retry_after_s, ..self.quota(0) };
            match account.kind {
                AccountKind::Address => LimitError::Address { account, quota, retry_after_s },
                AccountKind::Key => LimitError::Key { account, quota, retry_after_s },
            }
        })
    }

    /// The time in which so many tokens come in.
    fn comes_in(&self, tokens: u64) -> Duration {
        self.period.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    /// As far as a bucket may be from full: empty, and in debt by as much again for what was taken elsewhere at the same
    /// time.
    fn deepest(&self) -> Duration {
        self.window.saturating_mul(2)
    }

    /// The bucket is at least so far from full.
    fn owe(&self, slot: Slot, missing: Duration) {
        let missing = Nanos::from(missing.min(self.deepest()));
        self.slots.advance(slot, self.clock.now().duration_since(self.since) + missing);
    }

    fn quota(&self, left: u32) -> Quota {
        let used = self.burst.get().saturating_sub(left);
        let reset = self.window.as_secs_f64() * f64::from(used) / f64::from(self.burst.get());
        Quota {
            policy: self.name,
            count: self.quota,
            window_s: self.window.as_secs_f64().ceil().max(1.0) as u64,
            left: left.into(),
            reset_s: reset.ceil() as u64,
        }
    }
}

impl LimitError {
    /// Whose tokens were too few.
    pub fn account(&self) -> Account {
        match self {
            Self::Address { account, .. } | Self::Key { account, .. } => *account,
        }
    }

    /// The label under which a refusal is counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Address { .. } => "rate_address",
            Self::Key { .. } => "rate_key",
        }
    }
}

impl Fault for LimitError {
    fn kind(&self) -> Kind {
        Kind::RateLimited
    }

    fn code(&self) -> &'static str {
        "rate_limited"
    }

    fn detail(&self) -> Detail {
        let (Self::Address { quota, retry_after_s, .. } | Self::Key { quota, retry_after_s, .. }) = self;
        Detail { retry_after: Some(*retry_after_s), quota: Some(*quota), ..Detail::default() }
    }
}
