//! What a request costs before the cache is asked: parse, resolve and key. The promise is under 10 µs together. And what a
//! forged signature costs, which has to be less than what it keeps from happening.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pixedge::auth::{Claim, KeyConfig, Keys, Scope, Wish};
use pixedge::cache::{Identity, Key};
use pixedge::codec::{Format, Header, Orientation};
use pixedge::transform::{Client, Ladder, Presets, ResolveLimits, SourceFacts, Target, UrlContext, resolve};
use pixedge::units::{Policy, Secret};

const PATHS: [(&str, &str); 3] = [
    ("short", "/i/k3Jd9sQ0aB/w_300,fmt_webp"),
    ("usual", "/i/k3Jd9sQ0aB/w_300,h_200,c_fill,g_ne,dpr_2,q_80,f_auto/photo.jpg"),
    ("chain", "/r/photos/ex_0.1:0.1:0.8:0.8,w_800/a_90,b_fff,pad_10/w_300,q_auto:eco,f_webp/2026/11/a.jpg"),
];

fn spec(c: &mut Criterion) {
    let facts = SourceFacts {
        header: Header {
            format: Format::Jpeg,
            width: 4032,
            height: 3024,
            orientation: Orientation::from_exif(6),
            frames: 1,
            has_alpha: false,
            depth: 8,
            progressive: false,
        },
        focal: None,
    };
    let presets = Presets::default();
    let context = UrlContext { presets: &presets, ipx_source: None, ignored_query: &[] };
    let (client, limits, ladder) = (Client::default(), ResolveLimits::default(), Ladder::new(&[]));
    for (name, path) in PATHS {
        let target = Target::parse(path, None, &context).expect("a target");
        let plan = resolve(&target.spec, &facts, &client, &limits).expect("a plan");
        c.bench_function(&format!("parse/{name}"), |b| {
            b.iter(|| Target::parse(black_box(path), None, &context));
        });
        c.bench_function(&format!("resolve/{name}"), |b| {
            b.iter(|| resolve(black_box(&target.spec), &facts, &client, &limits));
        });
        c.bench_function(&format!("key/{name}"), |b| {
            b.iter(|| Key::variant(&Identity::Content([7; 32]), 0, &black_box(&plan).to_string(), &[]));
        });
        c.bench_function(&format!("parse+resolve+key/{name}"), |b| {
            b.iter(|| {
                let target = Target::parse(black_box(path), None, &context).expect("a target");
                let plan = resolve(&target.spec, &facts, &client, &limits).expect("a plan");
                Key::variant(&Identity::Content([7; 32]), 0, &plan.to_string(), &[])
            });
        });
    }
    let target = Target::parse(PATHS[0].1, None, &context).expect("a target");
    c.bench_function("ladder/short", |b| b.iter(|| ladder.apply(black_box(&target.spec), &client)));
}

fn signature(c: &mut Criterion) {
    let config = |kid: &str| KeyConfig {
        kid: kid.to_owned(),
        secret: Secret::new(format!("0123456789abcdef0123456789abcdef {kid}")),
        not_before: None,
        not_after: None,
        scopes: vec![Scope::Url],
        sources: Vec::new(),
        policy: Policy::Ladder,
        min_signature: 32,
    };
    let keys = Keys::new(["k1", "k2", "k3", "k4"].map(config));
    let target = &PATHS[2].1[1..];
    let wish = Wish { kid: Some("k1"), scope: Scope::Url, expires: Some(2_000_000_000), source: "photos" };
    let right = keys.sign(&wish, target, 0).expect("a signature").1;
    let forged = "A".repeat(right.len());
    for (name, sig, kid) in
        [("right", &right, Some("k1")), ("forged", &forged, Some("k1")), ("forged, no kid", &forged, None)]
    {
        c.bench_function(&format!("signature/{name}"), |b| {
            b.iter(|| {
                let claim = Claim::in_query(Some(black_box(sig)), kid, Some("2000000000"), None);
                keys.verify(&claim.ok()??, black_box(target), "photos", 0).ok()
            });
        });
    }
}

criterion_group!(benches, spec, signature);
criterion_main!(benches);
