//! Prints how long parsing, resolving and printing take. Not a test of speed: `cargo test -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use crate::codec::Format;
use crate::transform::{Presets, ResolveLimits, Target, UrlContext, resolve};

use super::{WEBP, source};

#[test]
#[ignore = "prints times"]
fn times() {
    let presets = Presets::default();
    let context = UrlContext { presets: &presets, ipx_source: None, ignored_query: &[] };
    let (source, limits) = (source(Format::Jpeg, 4032, 3024), ResolveLimits::default());
    for path in [
        "/i/k3Jd9s/w_300,fmt_webp",
        "/i/k3Jd9s/w_300,h_200,c_fill,g_ne,q_80,f_webp/cat.webp",
        "/i/k3Jd9s/ex_10:10:2000:2000,w_300,h_200,c_pad,b_red,q_80,f_webp,md_none/a_90/flip,pad_10",
    ] {
        const ROUNDS: u32 = 100_000;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(Target::parse(black_box(path), None, &context).unwrap());
        }
        let parsed = start.elapsed() / ROUNDS;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let target = Target::parse(black_box(path), None, &context).unwrap();
            let plan = resolve(&target.spec, &source, &WEBP, &limits).unwrap();
            black_box(blake3::hash(plan.to_string().as_bytes()));
        }
        println!("{parsed:?} to parse, {:?} in all for {path}", start.elapsed() / ROUNDS);
    }
}
