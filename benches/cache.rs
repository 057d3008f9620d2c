//! What a hit costs in the cache: memory, and the name it is found under. Disk is left to the load scripts, where it
//! competes with requests.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use pixedge::cache::{Cache, Config, Entry, Identity, Key, Lost};
use pixedge::telemetry::metrics::Metrics;
use pixedge::units::ByteSize;

#[derive(Debug)]
struct Failure;

impl From<Lost> for Failure {
    fn from(_: Lost) -> Self {
        Self
    }
}

fn key(n: u64) -> Key {
    Key::variant(&Identity::Content([7; 32]), n, "-> 300x225 webp q_80 e2 md_copyright", &[])
}

fn hit(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { memory: ByteSize(256 << 20), disk: ByteSize(0), ..Config::default() };
    let cache: Cache<Failure> =
        runtime.block_on(Cache::open(&config, folder.path().to_owned(), Arc::new(Metrics::new())));
    for n in 0..5000 {
        let entry = Entry {
            body: Bytes::from(vec![n as u8; 20_000]),
            mime: Cow::Borrowed("image/webp"),
            width: 300,
            height: 225,
            created_ms: 1,
            modified_ms: 1,
            expires_ms: None,
            extra: Bytes::new(),
            file: None,
        };
        cache.tiers().insert(key(n), &Arc::new(entry));
    }
    let found = key(77);
    c.bench_function("cache/memory hit", |b| b.iter(|| cache.get_memory(black_box(&found)).is_some()));
    c.bench_function("cache/memory miss", |b| {
        let absent = key(99_999);
        b.iter(|| cache.get_memory(black_box(&absent)).is_none());
    });
    c.bench_function("cache/key", |b| b.iter(|| key(black_box(3))));
}

criterion_group!(benches, hit);
criterion_main!(benches);
