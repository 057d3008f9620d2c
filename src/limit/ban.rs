//! Addresses that are answered nothing for a while because they made too many requests that count against them. What
//! counts is for the caller to say; here it is added up, in memory that does not grow with the number of addresses.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use super::store::Slot;
use crate::error::{Detail, Fault, Kind};
use crate::units::Cidr;

/// More than `requests` within `within` is a ban for `lasts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BanRule {
    pub requests: u32,
    pub within: Duration,
    pub lasts: Duration,
    pub counts: Counts,
}

/// Which requests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    Misuse,
    All,
}

/// An address that is answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// Of IPv6 a /64.
    pub block: Cidr,
    /// Milliseconds since 1970.
    pub until: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too much of what came from this address was misuse (`http.ban`); it is answered again in {retry_after_s} s"
)]
pub struct Banned {
    pub retry_after_s: u64,
}

/// The addresses under one rule. The time comes in as milliseconds since 1970.
#[derive(Debug)]
pub struct Bans {
    rule: BanRule,
    /// Proxies speak for everybody behind them, so none of them is ever banned.
    never: Vec<Cidr>,
    shards: Vec<Mutex<Shard>>,
    /// Bans that are held, ended ones included: while there are none, nobody waits for a lock.
    held: AtomicUsize,
    names: RandomState,
}

/// The least recently seen go first: who keeps asking stays known.
#[derive(Debug)]
struct Shard {
    windows: LruCache<Slot, Window>,
    /// Until when.
    banned: LruCache<Slot, i64>,
}

/// Begins with the first request that counts, so that nobody is banned who has not really made so many within the time.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: i64,
    count: u32,
}

/// Addresses that are counted, and as many that are banned: a few megabytes.
const MOST: usize = 65_536;
const SHARDS: usize = 16;

impl Bans {
    pub fn new(rule: BanRule, never: Vec<Cidr>) -> Self {
        Self::holding(rule, never, MOST)
    }

    fn holding(rule: BanRule, never: Vec<Cidr>, most: usize) -> Self {
        let most = NonZeroUsize::new(most / SHARDS).unwrap_or(NonZeroUsize::MIN);
        let shard = || Mutex::new(Shard { windows: LruCache::new(most), banned: LruCache::new(most) });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { rule, never, shards, held: AtomicUsize::new(0), names: RandomState::new() }
    }

    /// Refuses an address that is banned. Refusals do not count: a ban ends when it was said to.
    pub fn check(&self, address: IpAddr, now: i64) -> Result<(), Banned> {
        if self.held.load(Relaxed) == 0 {
            return Ok(());
        }
        let slot = Slot::address(address);
        let mut shard = self.shard(slot);
        match shard.banned.get(&slot).map(|until| until - now) {
            Some(rest) if rest > 0 => Err(Banned { retry_after_s: rest.unsigned_abs().div_ceil(1000) }),
            Some(_) => {
                shard.banned.pop(&slot);
                self.held.fetch_sub(1, Relaxed);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Counts a request that was answered; `true` if the address is banned from now on.
    pub fn count(&self, address: IpAddr, is_misuse: bool, now: i64) -> bool {
        if !(is_misuse || self.rule.counts == Counts::All) || self.spares(address) {
            return false;
        }
        let slot = Slot::address(address);
        let mut shard = self.shard(slot);
        let within = millis(self.rule.within);
        let window = shard.windows.get_or_insert_mut(slot, || Window { since: now, count: 0 });
        // Also where the clock was put back.
        if !(0..within).contains(&(now - window.since)) {
            *window = Window { since: now, count: 0 };
        }
        window.count += 1;
        if window.count <= self.rule.requests {
            return false;
        }
        shard.windows.pop(&slot);
        let until = now.saturating_add(millis(self.rule.lasts));
        // What falls out, be it the older ban of this address, makes room for what comes in.
        if shard.banned.push(slot, until).is_none() {
            self.held.fetch_add(1, Relaxed);
        }
        true
    }

    /// Who is banned now, those first who are so the longest.
    pub fn list(&self, now: i64) -> Vec<Ban> {
        let mut bans: Vec<Ban> = self
            .shards
            .iter()
            .flat_map(|shard| {
                let shard = locked(shard);
                let all = shard.banned.iter().filter(|(_, until)| **until > now);
                all.filter_map(|(slot, until)| Some(Ban { block: slot.block()?, until: *until }))
                    .collect::<Vec<_>>()
            })
            .collect();
        bans.sort_by_key(|ban| (std::cmp::Reverse(ban.until), ban.block.to_string()));
        bans
    }

    /// Ends the bans of addresses within a block; how many there were.
    pub fn lift(&self, block: Cidr) -> usize {
        let mut lifted = 0;
        for shard in &self.shards {
            let mut shard = locked(shard);
            let inside: Vec<Slot> = shard
                .banned
                .iter()
                .map(|(slot, _)| *slot)
                .filter(|slot| {
                    slot.block().is_some_and(|banned| banned == block || block.contains(banned.network()))
                })
                .collect();
            for slot in &inside {
                shard.banned.pop(slot);
            }
            lifted += inside.len();
        }
        self.held.fetch_sub(lifted, Relaxed);
        lifted
    }

    /// Trusted proxies, and whoever cannot be told apart because a proxy wrote what is no address.
    fn spares(&self, address: IpAddr) -> bool {
        address.is_unspecified() || self.never.iter().any(|block| block.contains(address))
    }

    fn shard(&self, slot: Slot) -> MutexGuard<'_, Shard> {
        let index = self.names.hash_one(slot) as usize % self.shards.len();
        locked(&self.shards[index])
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Fault for Banned {
    fn kind(&self) -> Kind {
        Kind::RateLimited
    }

    fn code(&self) -> &'static str {
        "banned"
    }

    fn detail(&self) -> Detail {
        Detail { retry_after: Some(self.retry_after_s), ..Detail::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: BanRule = BanRule {
        requests: 3,
        within: Duration::from_secs(10),
        lasts: Duration::from_secs(60),
        counts: Counts::Misuse,
    };
    const NOON: i64 = 1_700_000_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    /// Whether each of the misuses at these seconds brought a ban.
    fn misuse(bans: &Bans, address: &str, seconds: &[i64]) -> Vec<bool> {
        seconds.iter().map(|s| bans.count(ip(address), true, NOON + s * 1000)).collect()
    }

    #[test]
    fn more_than_so_many_within_the_time_is_a_ban_and_it_ends() {
        let bans = Bans::new(RULE, Vec::new());
        let asks = |second: i64| bans.check(ip("203.0.113.7"), NOON + second * 1000);
        assert_eq!(misuse(&bans, "203.0.113.7", &[0, 1, 2]), [false; 3]);
        assert_eq!(asks(3), Ok(()));
        assert_eq!(misuse(&bans, "203.0.113.7", &[9]), [true]);
        assert_eq!(asks(9), Err(Banned { retry_after_s: 60 }));
        assert_eq!(bans.check(ip("203.0.113.7"), NOON + 68_999), Err(Banned { retry_after_s: 1 }));
        assert_eq!(bans.check(ip("203.0.113.8"), NOON + 9000), Ok(()));
        assert_eq!(asks(69), Ok(()));
        assert_eq!(bans.held.load(Relaxed), 0);
        // From the beginning, not from where it stood.
        assert_eq!(misuse(&bans, "203.0.113.7", &[69, 69, 69, 69]), [false, false, false, true]);
    }

    #[test]
    fn who_is_slow_or_behaves_is_not_banned() {
        let bans = Bans::new(RULE, Vec::new());
        assert_eq!(misuse(&bans, "203.0.113.7", &[0, 4, 8, 10, 14, 18, 20]), [false; 7]);
        assert!((0..100).all(|n| !bans.count(ip("203.0.113.8"), false, NOON + n)));
        // A clock that was put back by an hour begins anew.
        assert_eq!(misuse(&bans, "203.0.113.9", &[0, 0, 0, -3600, -3600, -3600]), [false; 6]);
        let all = Bans::new(BanRule { counts: Counts::All, ..RULE }, Vec::new());
        let counted: Vec<bool> = (0..4).map(|n| all.count(ip("203.0.113.8"), false, NOON + n)).collect();
        assert_eq!(counted, [false, false, false, true]);
    }

    #[test]
    fn an_ipv6_customer_is_one_and_a_proxy_is_nobody() {
        let bans = Bans::new(RULE, vec![cidr("10.0.0.0/8"), cidr("2001:db8:1::/48")]);
        let counted: Vec<bool> =
            (1..=4).map(|n| bans.count(ip(&format!("2001:db8::{n}")), true, NOON)).collect();
        assert_eq!(counted, [false, false, false, true]);
        assert!(bans.check(ip("2001:db8::ffff:1"), NOON).is_err());
        assert!(bans.check(ip("2001:db8:0:1::1"), NOON).is_ok());
        for spared in ["10.1.2.3", "2001:db8:1::9", "0.0.0.0", "::ffff:10.0.0.1"] {
            assert_eq!(misuse(&bans, spared, &[0; 9]), [false; 9], "{spared}");
        }
        assert_eq!(bans.list(NOON), [Ban { block: cidr("2001:db8::/64"), until: NOON + 60_000 }]);
    }

    #[test]
    fn bans_are_listed_and_lifted() {
        let bans = Bans::new(RULE, Vec::new());
        for (second, address) in [(0, "203.0.113.7"), (1, "203.0.113.8"), (2, "2001:db8::1")] {
            misuse(&bans, address, &[second; 4]);
        }
        let listed =
            |now: i64| bans.list(now).into_iter().map(|ban| ban.block.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(NOON + 3000), ["2001:db8::/64", "203.0.113.8/32", "203.0.113.7/32"]);
        assert_eq!(listed(NOON + 60_500), ["2001:db8::/64", "203.0.113.8/32"]);
        for (block, lifted) in [("203.0.113.9", 0), ("2001:db8::/64", 1), ("203.0.113.0/24", 2), ("::/0", 0)]
        {
            assert_eq!(bans.lift(cidr(block)), lifted, "{block}");
        }
        assert_eq!((listed(NOON).len(), bans.held.load(Relaxed)), (0, 0));
        assert!(bans.check(ip("203.0.113.7"), NOON + 3000).is_ok());
    }

    #[test]
    fn made_up_addresses_fill_no_memory_and_push_out_only_who_is_gone() {
        let bans = Bans::holding(RULE, Vec::new(), 1024);
        misuse(&bans, "203.0.113.7", &[0; 4]);
        for n in 0..20_000_u32 {
            for _ in 0..4 {
                bans.count(IpAddr::V4(n.into()), true, NOON);
            }
            // Who is banned and goes on asking stays so.
            assert!(bans.check(ip("203.0.113.7"), NOON).is_err(), "{n}");
        }
        let (windows, banned) = bans.shards.iter().map(locked).fold((0, 0), |(windows, banned), shard| {
            (windows + shard.windows.len(), banned + shard.banned.len())
        });
        assert!(windows <= 1024 && banned <= 1024, "{windows} {banned}");
        assert_eq!(bans.held.load(Relaxed), banned);
    }
}
