//! What the parts of a miss cost, each for itself: decode at full and at a quarter of the size, resize, encode, per format.
//! On the demo photograph, so that figures of two checkouts can be compared.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pixedge::codec::{self, Bitmap, DecodeRequest, EncodeRequest, Format, Header, Layout, Limits, Probe};
use pixedge::transform::mezzanine::{Mezzanine, Need};
use pixedge::transform::render::render_from;
use pixedge::transform::{Client, Presets, ResolveLimits, SourceFacts, Spec, resolve};

const PHOTO: &[u8] = include_bytes!("../fixtures/demo/demo.jpg");
const OUT: [(Format, u8); 4] = [(Format::Jpeg, 0), (Format::Png, 2), (Format::Webp, 2), (Format::Avif, 10)];

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn header(bytes: &[u8]) -> Header {
    match codec::probe(bytes, bytes.len() as u64, &Limits::default()).expect("a picture") {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => panic!("cut off"),
    }
}

fn decoded(bytes: &[u8], target: Option<(u32, u32)>) -> Bitmap {
    let request = DecodeRequest { region: None, target, deadline: soon() };
    codec::decode(bytes, &header(bytes), &request).expect("pixels").bitmap
}

fn encoded(bitmap: &Bitmap, format: Format, effort: u8) -> Vec<u8> {
    let request = EncodeRequest {
        format,
        quality: 80,
        lossless: false,
        effort,
        progressive: None,
        subsample_444: None,
        exif: None,
        icc: None,
        deadline: soon(),
    };
    codec::encode(bitmap, &request).expect("a file")
}

fn decode(c: &mut Criterion) {
    let photo = decoded(PHOTO, None);
    let (width, height) = (photo.width, photo.height);
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(u64::from(width) * u64::from(height)));
    for (format, effort) in OUT.into_iter().filter(|(format, _)| *format != Format::Avif) {
        let file = encoded(&photo, format, effort);
        for (name, target) in [("whole", None), ("quarter", Some((width / 4, height / 4)))] {
            group.bench_function(format!("{}/{name}", format.name()), |b| {
                b.iter(|| decoded(black_box(&file), target));
            });
        }
    }
    group.finish();
}

fn resize(c: &mut Criterion) {
    let header = header(PHOTO);
    let facts = SourceFacts { header: header.clone(), focal: None };
    let plan = |spec: &str| {
        let spec = Spec::parse(spec, &Presets::default()).expect("a spec");
        resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).expect("a plan")
    };
    let mut group = c.benchmark_group("resize and encode");
    for spec in ["w_640,f_jpg", "w_320,f_jpg", "w_320,f_webp"] {
        let plan = plan(spec);
        let need = Need::of(&header, &plan).expect("a resize");
        let mezzanine = Mezzanine::decode(PHOTO, &header, need, soon()).expect("pixels");
        group.bench_function(spec, |b| {
            b.iter(|| render_from(black_box(&mezzanine), &header, &plan, soon().into()));
        });
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let photo = decoded(PHOTO, None);
    let small = Bitmap {
        width: 320,
        height: 240,
        layout: Layout::Rgb,
        data: (0..240).flat_map(|y| photo.data[y * photo.width as usize * 3..][..320 * 3].to_vec()).collect(),
    };
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(320 * 240)).sample_size(20);
    for (format, effort) in OUT {
        group.bench_function(format.name(), |b| b.iter(|| encoded(black_box(&small), format, effort)));
    }
    group.finish();
}

criterion_group!(benches, decode, resize, encode);
criterion_main!(benches);
