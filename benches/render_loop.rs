//! One side of a side-by-side measurement: renders a file again and again on one thread, as often as standard input asks.
//! `cargo bench --bench render_loop -- FILE SPEC` reads a number of repetitions a line and answers the CPU milliseconds
//! they took. `benches/beside_sharp/run.py` drives it.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use pixedge::codec::{self, Header, Limits, Probe};
use pixedge::transform::plan::Plan;
use pixedge::transform::render::render;
use pixedge::transform::{Client, Presets, ResolveLimits, SourceFacts, Spec, resolve};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [file, spec] = args.as_slice() else {
        eprintln!("render_loop: needs FILE SPEC; see benches/beside_sharp/run.py");
        return;
    };
    pixedge::codec::malloc::tune();
    let bytes = std::fs::read(file).expect("the file");
    let (header, plan) = prepare(&bytes, spec);
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let times: u32 = line.expect("a line").trim().parse().expect("a number of repetitions");
        let before = thread_cpu();
        let mut size = 0;
        for _ in 0..times {
            let deadline = Instant::now() + Duration::from_secs(60);
            size = render(&bytes, &header, &plan, deadline).expect("a picture").bytes.len();
        }
        let spent = thread_cpu() - before;
        writeln!(out, "{:.3} {size}", spent.as_secs_f64() * 1000.0).expect("standard output");
        out.flush().expect("standard output");
    }
}

/// What a server does once, before a miss.
fn prepare(bytes: &[u8], spec: &str) -> (Header, Plan) {
    let Probe::Complete(header) =
        codec::probe(bytes, bytes.len() as u64, &Limits::default()).expect("a picture")
    else {
        panic!("the file is cut off");
    };
    let spec = Spec::parse(spec, &Presets::default()).expect("the spec");
    let facts = SourceFacts { header: header.clone(), focal: None };
    let plan = resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).expect("a plan");
    (header, plan)
}

/// CPU time of this thread so far (Linux; nanosecond resolution).
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(stat.split_whitespace().next().expect("a field").parse().expect("a number"))
}
