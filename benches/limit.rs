//! What a request pays to be held against its rate: the bucket's look-up and its update, alone and beside others.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use pixedge::limit::{Caller, Config, Limit, Limiter, REQUEST};
use pixedge::units::Rate;

fn limit(c: &mut Criterion) {
    // So high that nobody is refused.
    let limit = Some(Limit {
        rate: Rate { count: 1_000_000_000, per: std::time::Duration::from_secs(1) },
        burst: u64::from(u32::MAX),
    });
    let limiter = Limiter::new(&Config { per_address: limit, per_key: limit });
    let ask = |address: IpAddr, key| {
        let account = limiter.account(Caller { address, key });
        limiter.check(account, REQUEST).is_ok()
    };
    let one = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    c.bench_function("limit/one address", |b| b.iter(|| ask(black_box(one), None)));
    c.bench_function("limit/a key", |b| b.iter(|| ask(one, black_box(Some("k1")))));
    let mut n = 0_u32;
    c.bench_function("limit/50,000 addresses in turn", |b| {
        b.iter(|| {
            n = (n + 1) % 50_000;
            ask(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n * 7)), None)
        });
    });
    // With other nodes to tell; nobody takes the ledger, which is the dearest case.
    let shared = Limiter::new(&Config { per_address: limit, per_key: limit }).shared();
    let ask = |address: IpAddr, key| {
        let account = shared.account(Caller { address, key });
        shared.check(account, REQUEST).is_ok()
    };
    c.bench_function("limit/shared, one address", |b| b.iter(|| ask(black_box(one), None)));
    c.bench_function("limit/shared, a key", |b| b.iter(|| ask(one, black_box(Some("k1")))));
    let mut n = 0_u32;
    c.bench_function("limit/shared, 50,000 addresses in turn", |b| {
        b.iter(|| {
            n = (n + 1) % 50_000;
            ask(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n * 7)), None)
        });
    });
    let off = Limiter::new(&Config::default());
    c.bench_function("limit/switched off", |b| {
        b.iter(|| off.check(off.account(Caller { address: black_box(one), key: None }), REQUEST).is_ok());
    });
}

criterion_group!(benches, limit);
criterion_main!(benches);
