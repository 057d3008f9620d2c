//! Our side of the comparisons of quality: encodes PNG files with one encoder alone and scores results.
//! `benches/quality/avif.py` and `fit.py` drive it over standard input, a command a line:
//! `encode PNG jpeg|webp|avif QUALITY EFFORT 420|444|auto TIMES OUT` answers CPU milliseconds and bytes;
//! `score REFERENCE.png RESULT.png` answers ssimulacra2.

use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use pixedge::codec::{Bitmap, EncodeRequest, Format, Layout, encode};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match *words.as_slice() {
            ["encode", png, format, quality, effort, chroma, times, file] => {
                let request = request(format, quality, effort, chroma);
                let (ms, bytes) = repeated(&open(png), &request, times.parse().expect("a number"));
                std::fs::write(file, &bytes).expect("a place to write to");
                format!("{ms:.3} {}", bytes.len())
            }
            ["score", reference, result] => {
                let score = compute_frame_ssimulacra2(frame(reference), frame(result));
                format!("{:.4}", score.expect("two pictures of one size"))
            }
            _ => panic!("not a command: {line}"),
        };
        writeln!(out, "{answer}").expect("standard output");
        out.flush().expect("standard output");
    }
}

fn request(format: &str, quality: &str, effort: &str, chroma: &str) -> EncodeRequest<'static> {
    EncodeRequest {
        format: match format {
            "jpeg" => Format::Jpeg,
            "webp" => Format::Webp,
            "avif" => Format::Avif,
            _ => panic!("not a lossy format: {format}"),
        },
        quality: quality.parse().expect("1…100"),
        lossless: false,
        effort: effort.parse().expect("a number"),
        progressive: None,
        subsample_444: match chroma {
            "444" => Some(true),
            "420" => Some(false),
            _ => None,
        },
        exif: None,
        icc: None,
        deadline: Instant::now() + Duration::from_secs(600),
    }
}

/// CPU milliseconds of one encoding, and its bytes.
fn repeated(bitmap: &Bitmap, request: &EncodeRequest<'_>, times: u32) -> (f64, Vec<u8>) {
    let before = thread_cpu();
    let mut bytes = Vec::new();
    for _ in 0..times {
        bytes = encode(bitmap, request).expect("a file");
    }
    ((thread_cpu() - before).as_secs_f64() * 1000.0 / f64::from(times), bytes)
}

/// An 8-bit PNG without alpha, as the scripts write them.
fn open(path: &str) -> Bitmap {
    let file = BufReader::new(std::fs::File::open(path).expect("the file"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut data = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut data).expect("pixels");
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight), "{path}");
    Bitmap { width: info.width, height: info.height, layout: Layout::Rgb, data }
}

fn frame(path: &str) -> Rgb {
    let bitmap = open(path);
    let samples = bitmap.data.as_chunks::<3>().0;
    let data = samples.iter().map(|rgb| rgb.map(|sample| f32::from(sample) / 255.0)).collect();
    let (transfer, primaries) = (TransferCharacteristic::SRGB, ColorPrimaries::BT709);
    Rgb::new(data, bitmap.width as usize, bitmap.height as usize, transfer, primaries).expect("a frame")
}

/// CPU time of this thread so far (Linux; nanosecond resolution).
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(stat.split_whitespace().next().expect("a field").parse().expect("a number"))
}
