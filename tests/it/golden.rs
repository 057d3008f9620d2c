//! Pictures as they should look: every line of `fixtures/golden.txt` is rendered, and its decoded pixels are compared
//! with the accepted ones in `fixtures/golden/`. `UPDATE_GOLDEN=1` accepts what is rendered now.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pixedge::codec::frames::{FrameReader, is_animated};
use pixedge::codec::{self, Bitmap, DecodeRequest, EncodeRequest, Format, Header, Layout, Limits, Probe};
use pixedge::transform::render::{Other, Rendered, look, render_with};
use pixedge::transform::{Client, Presets, Resolution, ResolveLimits, SourceFacts, Spec, resolve_seen};

use crate::support::Home;

/// One line of the table.
struct Case {
    source: String,
    spec: String,
    size: (u32, u32),
    format: String,
    /// `None` = the pixels cannot be looked at.
    max_diff: Option<u8>,
}

#[test]
fn golden_pictures() {
    let accept = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let table = std::fs::read_to_string(fixtures().join("golden.txt")).unwrap();
    let cases: Vec<Case> = table.lines().filter_map(Case::parse).collect();
    assert!(cases.len() > 50, "the table was not read");
    let mut failures = String::new();
    for case in &cases {
        if let Err(why) = check(case, accept) {
            writeln!(failures, "{}  {}: {why}", case.source, case.spec).unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}UPDATE_GOLDEN=1 accepts the pictures as they are now");
}

#[test]
fn no_golden_picture_is_left_over() {
    let table = std::fs::read_to_string(fixtures().join("golden.txt")).unwrap();
    let wanted: Vec<PathBuf> = table.lines().filter_map(Case::parse).map(|case| case.golden()).collect();
    for entry in std::fs::read_dir(fixtures().join("golden")).unwrap() {
        let path = entry.unwrap().path();
        assert!(wanted.contains(&path), "no line of golden.txt makes {}", path.display());
    }
}

/// The eight EXIF orientations are the same picture, whatever is done to it.
#[test]
fn every_orientation_looks_the_same() {
    for name in ["landscape", "portrait"] {
        for spec in [
            "w_120,f_png",
            "w_50,h_50,c_fill,g_ne,f_png",
            "ex_20:10:100:120,w_40,a_90,f_png",
            "w_60,h_90,c_pad,g_se,b_f00,f_png",
        ] {
            let upright = pixels(&rendered(&format!("sources/{name}-exif1.jpg"), spec).unwrap().bytes);
            for value in 2..=8 {
                let other =
                    pixels(&rendered(&format!("sources/{name}-exif{value}.jpg"), spec).unwrap().bytes);
                let difference = mean_difference(&upright, &other);
                // The stored pictures went through JPEG in eight positions, so they are not quite equal.
                assert!(difference < 3.0, "{name} {value} {spec}: {difference}");
            }
        }
    }
}

#[test]
fn the_orientation_of_png_and_webp_counts_too() {
    let upright = pixels(&rendered("sources/landscape-exif1.jpg", "w_60,f_png").unwrap().bytes);
    for source in ["sources/orientation-exif6.png", "sources/orientation-exif8.webp"] {
        let other = pixels(&rendered(source, "w_60,f_png").unwrap().bytes);
        assert!(mean_difference(&upright, &other) < 6.0, "{source}");
    }
}

/// A profile that is ignored would leave the reds and greens pale.
#[test]
fn wide_colours_become_the_same_srgb() {
    let plain = pixels(&rendered("sources/landscape-exif1.jpg", "w_60,f_png").unwrap().bytes);
    for source in ["sources/icc-wide.jpg", "sources/icc-wide.png"] {
        let wide = pixels(&rendered(source, "w_60,f_png").unwrap().bytes);
        let difference = mean_difference(&plain, &wide);
        assert!(difference < 4.0, "{source}: {difference}");
    }
}

/// Whatever is done to an animation, it takes as long and is shown as often as before.
#[test]
fn animations_keep_their_time() {
    let time = |bytes: &[u8]| {
        let header = probed(bytes).unwrap();
        let mut reader = FrameReader::new(bytes, &header, soon()).unwrap();
        let mut delays = Vec::new();
        while let Some(frame) = reader.read().unwrap() {
            delays.push(frame.delay_ms);
        }
        (delays, reader.plays())
    };
    for source in ["sources/wheel.gif", "sources/wheel.webp", "sources/wheel.png"] {
        for spec in ["w_30,f_webp", "w_30,f_gif", "w_30,f_png,an_1", "w_30,h_30,c_fill,g_auto,f_gif"] {
            let file = rendered(source, spec).unwrap().bytes;
            assert_eq!(time(&file), (vec![40, 50, 60, 70, 80, 90, 100, 310], 3), "{source} {spec}");
        }
        let file = rendered(source, "w_30,f_webp,mf_3").unwrap().bytes;
        assert_eq!(time(&file), (vec![40, 50, 60], 3), "{source}");
    }
}

/// Those that only come in.
#[test]
fn avif_and_jpeg_xl_keep_their_time() {
    for (source, spec) in [("sources/animated.avif", "w_30,f_webp"), ("sources/animated.jxl", "w_30,f_gif")] {
        let before = std::fs::read(fixtures().join(source)).unwrap();
        let after = rendered(source, spec).unwrap().bytes;
        let sum = |bytes: &[u8]| {
            let header = probed(bytes).unwrap();
            let mut reader = FrameReader::new(bytes, &header, soon()).unwrap();
            let mut sum = 0;
            while let Some(frame) = reader.read().unwrap() {
                sum += frame.delay_ms;
            }
            (header.frames, sum / 10, reader.plays())
        };
        assert_eq!(sum(&before), sum(&after), "{source}");
    }
}

#[test]
fn a_frame_that_is_not_there_is_refused_with_their_number() {
    let error = rendered("sources/wheel.gif", "pg_8,f_png").unwrap_err();
    assert!(error.contains("pg_8") && error.contains("8 frames"), "{error}");
}

impl Case {
    fn parse(line: &str) -> Option<Self> {
        if line.trim().is_empty() || line.starts_with('#') {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [source, spec, size, format, max_diff] = words[..] else { panic!("not a case: {line}") };
        let (width, height) = size.split_once('x').unwrap_or_else(|| panic!("no size: {line}"));
        let max_diff = max_diff.strip_prefix("max_diff=").unwrap_or_else(|| panic!("no max_diff: {line}"));
        Some(Self {
            source: source.to_owned(),
            spec: spec.to_owned(),
            size: (width.parse().unwrap(), height.parse().unwrap()),
            format: format.to_owned(),
            max_diff: (max_diff != "-").then(|| max_diff.parse().unwrap()),
        })
    }

    fn golden(&self) -> PathBuf {
        let source = self.source.rsplit('/').next().unwrap();
        let spec = self.spec.replace('/', "+").replace(':', ".");
        fixtures().join("golden").join(format!("{source}--{spec}.png"))
    }
}

fn check(case: &Case, accept: bool) -> Result<(), String> {
    let rendered = rendered(&case.source, &case.spec)?;
    let header = probed(&rendered.bytes)?;
    if (rendered.width, rendered.height) != case.size {
        return Err(format!("is {}x{}", rendered.width, rendered.height));
    }
    if format!("{:?}", header.format).to_lowercase() != case.format || header.format != rendered.format {
        return Err(format!("is {:?}", header.format));
    }
    let Some(max_diff) = case.max_diff else { return Ok(()) };
    let picture = pixels(&rendered.bytes);
    if (picture.width, picture.height) != (case.size.0, case.size.1 * header.frames) {
        return Err(format!("holds {}x{} pixels", picture.width, picture.height));
    }
    let golden = case.golden();
    if accept {
        std::fs::write(&golden, png(&picture)).unwrap();
        return Ok(());
    }
    let golden = std::fs::read(&golden).map_err(|error| format!("{}: {error}", golden.display()))?;
    let found = largest_difference(&picture, &pixels(&golden));
    if found <= max_diff { Ok(()) } else { Err(format!("differs by {found}, more than {max_diff}")) }
}

fn rendered(source: &str, spec: &str) -> Result<Rendered, String> {
    let bytes = std::fs::read(fixtures().join(source)).map_err(|error| format!("{source}: {error}"))?;
    let header = probed(&bytes)?;
    if header.format == Format::Svg {
        return by_the_binary(source, spec);
    }
    let facts = SourceFacts { header: header.clone(), focal: None };
    let spec = Spec::parse(spec, &Presets::default()).map_err(|error| error.to_string())?;
    let others = spec.named_pictures().map(|named| other(named.id)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = Vec::new();
    let plan = loop {
        match resolve_seen(&spec, &facts, &Client::default(), &ResolveLimits::default(), &seen) {
            Ok(Resolution::Plan(plan)) => break plan,
            Ok(Resolution::Look(wanted)) => {
                let found = look(&bytes, &header, &wanted, &others, soon());
                seen.push(found.map_err(|error| error.to_string())?);
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    render_with(&bytes, &header, &plan, &others, soon().into()).map_err(|error| error.to_string())
}

/// An overlay is named by what its file is called before the dot.
fn other(id: &str) -> Result<Other, String> {
    let file = ["png", "jpg"]
        .into_iter()
        .find_map(|extension| std::fs::read(fixtures().join(format!("sources/{id}.{extension}"))).ok());
    let bytes = file.ok_or_else(|| format!("no file for {id}"))?;
    Ok(Other { header: probed(&bytes)?, bytes: bytes.into() })
}

/// Only the real program can start itself anew to draw.
fn by_the_binary(source: &str, spec: &str) -> Result<Rendered, String> {
    let out = tempfile::tempdir().unwrap();
    let name = spec.split(['/', ',']).find_map(|option| option.strip_prefix("f_")).unwrap_or("png");
    let (input, out) = (fixtures().join(source), out.path().join(format!("out.{name}")));
    Home::new("").run(&["render", input.to_str().unwrap(), spec, out.to_str().unwrap()]);
    let bytes = std::fs::read(out).unwrap();
    let Header { format, width, height, .. } = probed(&bytes)?;
    Ok(Rendered { bytes, width, height, format, timings: Default::default() })
}

fn probed(bytes: &[u8]) -> Result<Header, String> {
    match codec::probe(bytes, bytes.len() as u64, &Limits::default()) {
        Ok(Probe::Complete(header)) => Ok(header),
        Ok(Probe::NeedMore(_)) => Err("the file is cut".to_owned()),
        // What is not decoded yet has no header either; the encoder's word has to do.
        Err(codec::CodecError::Unsupported { format, .. }) => Ok(Header {
            format,
            width: 0,
            height: 0,
            orientation: codec::Orientation::UPRIGHT,
            frames: 1,
            has_alpha: true,
            depth: 8,
            progressive: false,
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// As straight RGBA; the frames of an animation one below the other.
fn pixels(bytes: &[u8]) -> Bitmap {
    let header = probed(bytes).unwrap();
    if is_animated(&header) {
        let mut reader = FrameReader::new(bytes, &header, soon()).unwrap();
        let mut data = Vec::new();
        while let Some(frame) = reader.read().unwrap() {
            data.extend(frame.bitmap.data);
        }
        let height = header.height * header.frames;
        return Bitmap { width: header.width, height, layout: Layout::Rgba, data };
    }
    let request = DecodeRequest { region: None, target: None, deadline: soon() };
    let decoded = codec::decode(bytes, &probed(bytes).unwrap(), &request).unwrap();
    let bitmap = codec::colour::to_srgb(decoded.bitmap, decoded.icc.as_deref()).unwrap();
    let data = bitmap.data.chunks_exact(bitmap.layout.channels()).flat_map(|pixel| match *pixel {
        [gray] => [gray, gray, gray, 255],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, a] => [r, g, b, a],
        _ => unreachable!(),
    });
    Bitmap { data: data.collect(), layout: Layout::Rgba, ..bitmap }
}

fn png(bitmap: &Bitmap) -> Vec<u8> {
    let request = EncodeRequest {
        format: Format::Png,
        quality: 100,
        lossless: true,
        effort: 9,
        progressive: None,
        subsample_444: None,
        exif: None,
        icc: None,
        deadline: soon(),
    };
    codec::encode(bitmap, &request).unwrap()
}

/// Colours count as far as they can be seen.
fn seen(bitmap: &Bitmap) -> impl Iterator<Item = u8> + '_ {
    let weighed = |sample: u8, alpha: u8| (u32::from(sample) * u32::from(alpha) / 255) as u8;
    bitmap
        .data
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(move |&[r, g, b, a]| [weighed(r, a), weighed(g, a), weighed(b, a), a])
}

fn largest_difference(a: &Bitmap, b: &Bitmap) -> u8 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    seen(a).zip(seen(b)).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
}

fn mean_difference(a: &Bitmap, b: &Bitmap) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let sum: u64 = seen(a).zip(seen(b)).map(|(a, b)| u64::from(a.abs_diff(b))).sum();
    sum as f64 / a.data.len() as f64
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
