//! The buckets with a clock that is moved by hand.

use governor::clock::FakeRelativeClock;

use super::*;

fn limit(rate: &str, burst: u64) -> Option<Limit> {
    Some(Limit { rate: rate.parse().unwrap(), burst })
}

fn limiter(config: Config) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Limiter::with_clock(&config, &clock, 100), clock)
}

fn address<C: Clock + Clone>(limiter: &Limiter<C>, address: &str) -> Account {
    limiter.account(Caller { address: address.parse().unwrap(), key: None })
}

fn key<C: Clock + Clone>(limiter: &Limiter<C>, key: &str) -> Account {
    limiter.account(Caller { address: [192, 0, 2, 1].into(), key: Some(key) })
}

#[test]
fn over_the_burst_is_refused_until_tokens_have_come_in() {
    let (limiter, clock) = limiter(Config { per_address: limit("2/s", 4), per_key: None });
    let (one, other) = (address(&limiter, "192.0.2.1"), address(&limiter, "192.0.2.2"));
    for left in (0..4).rev() {
        assert_eq!(limiter.check(one, 1).unwrap().unwrap().left, left);
    }
    let error = limiter.check(one, 1).unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.reason()),
        (Kind::RateLimited, "rate_limited", "rate_address")
    );
    let detail = error.detail();
    assert_eq!(detail.retry_after, Some(1));
    assert_eq!(detail.quota, Some(Quota { policy: "address", count: 4, window_s: 2, left: 0, reset_s: 1 }));
    assert!(limiter.check(other, 1).is_ok(), "somebody else's bucket");
    clock.advance(Duration::from_millis(500));
    assert!(limiter.check(one, 1).is_ok());
    assert!(limiter.check(one, 1).is_err());
}

#[test]
fn no_limit_is_no_limit() {
    let (limiter, _) = limiter(Config::default());
    let one = address(&limiter, "192.0.2.1");
    assert!((0..10_000).all(|_| limiter.check(one, 1_000) == Ok(None)));
    assert!(limiter.is_empty());
}

#[test]
fn work_is_paid_by_the_second_and_never_out_of_reach() {
    let (limiter, clock) = limiter(Config { per_address: limit("50/s", 200), per_key: None });
    let one = address(&limiter, "192.0.2.1");
    assert_eq!((tokens(0.0005), tokens(0.02), tokens(0.5), tokens(f64::NAN)), (1, 1, 25, 0));
    limiter.check(one, REQUEST).unwrap();
    assert_eq!(limiter.charge(one, tokens(2.0)).unwrap().unwrap().left, 99);
    limiter.check(one, REQUEST).unwrap();
    let error = limiter.charge(one, tokens(1000.0)).unwrap_err();
    assert_eq!(error.detail().retry_after, Some(3));
    // Who waits as long as he was told gets the dearest picture.
    clock.advance(Duration::from_secs(3));
    limiter.check(one, REQUEST).unwrap();
    assert!(limiter.charge(one, u32::MAX).is_ok());
    assert!(limiter.check(one, REQUEST).is_err());
}

#[test]
fn a_burst_of_one_leaves_work_free() {
    let (limiter, _) = limiter(Config { per_address: limit("1/s", 1), per_key: None });
    let one = address(&limiter, "192.0.2.1");
    limiter.check(one, REQUEST).unwrap();
    assert_eq!(limiter.charge(one, 500), Ok(None));
}

#[test]
fn an_ipv6_customer_is_one_address_and_a_mapped_address_the_ipv4_one() {
    let (limiter, _) = limiter(Config::default());
    let same = |a: &str, b: &str| address(&limiter, a) == address(&limiter, b);
    assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
    assert!(!same("192.0.2.1", "192.0.2.2"));
}

#[test]
fn a_key_pays_for_itself_and_not_with_its_address() {
    let (limiter, _) = limiter(Config { per_address: limit("1/s", 2), per_key: limit("1/s", 3) });
    let (here, a, b) = (address(&limiter, "192.0.2.1"), key(&limiter, "a"), key(&limiter, "b"));
    assert!((0..3).all(|_| limiter.check(a, 1).is_ok()));
    let error = limiter.check(a, 1).unwrap_err();
    assert_eq!((error.account(), error.reason()), (a, "rate_key"));
    assert!(limiter.check(b, 1).is_ok());
    assert!((0..2).all(|_| limiter.check(here, 1).is_ok()));
}

#[test]
fn what_is_full_again_is_forgotten() {
    let (limiter, clock) = limiter(Config { per_address: limit("1/s", 10), per_key: limit("1/s", 10) });
    for last in 0..50 {
        limiter.check(address(&limiter, &format!("192.0.2.{last}")), 1).unwrap();
    }
    limiter.check(key(&limiter, "a"), 5).unwrap();
    limiter.sweep();
    assert_eq!(limiter.len(), 51);
    clock.advance(Duration::from_secs(3));
    limiter.sweep();
    assert_eq!(limiter.len(), 1, "the key is not full yet");
    clock.advance(Duration::from_secs(5));
    limiter.sweep();
    assert!(limiter.is_empty());
}

#[test]
fn made_up_addresses_fill_no_memory_and_share_among_themselves() {
    let (limiter, clock) = limiter(Config { per_address: limit("1/s", 5), per_key: None });
    let old = address(&limiter, "192.0.2.1");
    limiter.check(old, 1).unwrap();
    let made_up = |n: u32| address(&limiter, &format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff));
    let served = (0..10_000).filter(|n| limiter.check(made_up(*n), 1).is_ok()).count();
    // One for each that got a bucket, then the one bucket that the rest of the /32 shares.
    assert_eq!(served, 99 + 5);
    assert!(limiter.len() <= 101, "{}", limiter.len());
    assert_eq!(limiter.check(old, 1).unwrap().unwrap().left, 3, "who has a bucket keeps it");
    let newcomer = address(&limiter, "198.51.100.7");
    assert_eq!(
        limiter.check(newcomer, 1).unwrap().unwrap().left,
        4,
        "of a network that nobody else is new from"
    );
    // From everywhere at once: the last resort is one bucket, and still no more memory.
    for n in 0..10_000_u32 {
        let _ = limiter.check(address(&limiter, &format!("{}.{}.1.1", n >> 8 & 0xff, n & 0xff)), 1);
    }
    assert!(limiter.len() <= 111, "{}", limiter.len());
    clock.advance(Duration::from_secs(10));
    limiter.sweep();
    assert!(limiter.is_empty());
    assert_eq!(limiter.check(made_up(20_000), 1).unwrap().unwrap().left, 4);
}

#[test]
fn extreme_rates_are_taken_as_near_as_they_can_be() {
    for (rate, burst) in [("1/d", 1), ("1/d", u64::from(u32::MAX)), ("99999999999/s", u64::MAX), ("1/s", 0)] {
        let (limiter, _) = limiter(Config { per_address: limit(rate, burst), per_key: None });
        let one = address(&limiter, "192.0.2.1");
        let quota = limiter.check(one, 1).unwrap().unwrap();
        assert!(quota.window_s >= 1 && quota.count >= 1, "{quota:?}");
        let _ = limiter.charge(one, u32::MAX);
    }
}

/// What Redis does, for buckets of which nobody else knows.
#[derive(Default)]
struct Sum(std::collections::HashMap<String, Duration>);

impl Sum {
    fn add<C: Clock + Clone>(&mut self, node: &Limiter<C>) {
        let spending = node.spending();
        let missing: Vec<_> = spending
            .spent
            .iter()
            .map(|spent| {
                let sum = self.0.entry(spent.bucket.clone()).or_default();
                *sum = (*sum + spent.takes).min(spent.most);
                Some(*sum)
            })
            .collect();
        node.learn(&spending, &missing);
    }
}

#[test]
fn what_was_spent_elsewhere_is_missing_here() {
    let clock = FakeRelativeClock::default();
    let config = Config { per_address: limit("10/s", 20), per_key: limit("1/s", 4) };
    let node = || Limiter::with_clock(&config, &clock, 100).shared();
    let (here, there) = (node(), node());
    let one = |node: &Limiter<_>| address(node, "192.0.2.1");
    let mut sum = Sum::default();
    here.check(one(&here), 15).unwrap();
    sum.add(&here);
    // Who has not asked there yet is known there after his first request.
    assert_eq!(there.check(one(&there), 1).unwrap().unwrap().left, 19);
    sum.add(&there);
    assert_eq!(there.check(one(&there), 1).unwrap().unwrap().left, 3);
    // Others and keys are not touched.
    assert_eq!(there.check(address(&there, "192.0.2.2"), 1).unwrap().unwrap().left, 19);
    assert_eq!(there.check(key(&there, "a"), 1).unwrap().unwrap().left, 3);
    assert_eq!(key(&here, "a"), key(&there, "a"), "by the same name on all nodes");

    // At the same time on both: too much was let through, and is paid back before anything else is.
    let two = |node: &Limiter<_>| address(node, "192.0.2.3");
    here.check(two(&here), 20).unwrap();
    there.check(two(&there), 20).unwrap();
    sum.add(&here);
    sum.add(&there);
    clock.advance(Duration::from_millis(1999));
    assert!(there.check(two(&there), 1).is_err());
    clock.advance(Duration::from_millis(101));
    assert!(there.check(two(&there), 1).is_ok());
}

#[test]
fn nobody_owes_more_than_a_burst() {
    let (limiter, clock) = limiter(Config { per_address: limit("10/s", 20), per_key: None });
    let limiter = limiter.shared();
    let one = address(&limiter, "192.0.2.1");
    limiter.check(one, 1).unwrap();
    let spending = limiter.spending();
    limiter.learn(&spending, &[Some(Duration::from_secs(1_000_000))]);
    let wait = limiter.check(one, 1).unwrap_err().detail().retry_after.unwrap();
    assert!(wait <= 3, "{wait}");
    clock.advance(Duration::from_secs(wait));
    assert!(limiter.check(one, 1).is_ok());
    // Without an answer everything is as if there were no others.
    let spending = limiter.spending();
    limiter.learn(&spending, &[None]);
    clock.advance(Duration::from_secs(60));
    assert_eq!(limiter.check(one, 1).unwrap().unwrap().left, 19);
}

#[test]
fn what_is_to_be_told_is_bounded() {
    let config = Config { per_address: limit("1/s", 1000), per_key: None };
    let limiter = Limiter::with_clock(&config, &FakeRelativeClock::default(), 100_000).shared();
    for n in 0..60_000 {
        let _ = limiter.check(address(&limiter, &std::net::Ipv4Addr::from_bits(n * 7919).to_string()), 1);
    }
    let told = limiter.spending().spent.len();
    assert!((16_000..=32_000).contains(&told), "{told}");
    assert!(limiter.spending().spent.is_empty());
}
