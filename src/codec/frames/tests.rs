//! Whole files: what a viewer would see, for how long and how often.

use std::time::Duration;

use super::super::{DecodeRequest, EncodeRequest, Limits, Probe, decode, probe};
use super::*;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources");

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn header(bytes: &[u8]) -> Result<Header, CodecError> {
    match probe(bytes, bytes.len() as u64, &Limits::default())? {
        Probe::Complete(header) => Ok(header),
        Probe::NeedMore(_) => panic!("there is no more than all"),
    }
}

struct Animation {
    frames: Vec<Frame>,
    plays: u32,
}

impl Animation {
    fn delays(&self) -> Vec<u32> {
        self.frames.iter().map(|frame| frame.delay_ms).collect()
    }

    fn pixel(&self, frame: usize, at: usize) -> [u8; 4] {
        self.frames[frame].bitmap.data.as_chunks::<4>().0[at]
    }
}

fn read(bytes: &[u8]) -> Result<Animation, CodecError> {
    let mut reader = FrameReader::new(bytes, &header(bytes)?, soon())?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.read()? {
        frames.push(frame);
    }
    Ok(Animation { plays: reader.plays(), frames })
}

fn write(format: Format, plays: u32, frames: &[(Bitmap, u32)]) -> Vec<u8> {
    let request = EncodeRequest {
        format,
        quality: 100,
        lossless: true,
        effort: 2,
        progressive: None,
        subsample_444: None,
        exif: None,
        icc: None,
        deadline: soon(),
    };
    let size = (frames[0].0.width, frames[0].0.height);
    let mut writer = FrameWriter::new(size, plays, &request).unwrap();
    for (bitmap, delay_ms) in frames {
        writer.push(bitmap, *delay_ms).unwrap();
    }
    writer.finish().unwrap()
}

/// A square on a ground, which wanders; where `hole` it is the only thing there is.
fn wandering(count: u32, hole: bool) -> Vec<(Bitmap, u32)> {
    const SIDE: u32 = 24;
    let frame = |number: u32| {
        let pixel = |at: u32| {
            let (x, y) = (at % SIDE, at / SIDE);
            let inside = (number..number + 6).contains(&x) && (number..number + 6).contains(&y);
            match (inside, hole) {
                (true, _) => [250, 40, 20, 255],
                (false, true) => [0; 4],
                (false, false) => [(x * 10) as u8, (y * 10) as u8, 90, 255],
            }
        };
        let data = (0..SIDE * SIDE).flat_map(pixel).collect();
        (Bitmap { width: SIDE, height: SIDE, layout: Layout::Rgba, data }, 30 + number * 10)
    };
    (0..count).map(frame).collect()
}

#[test]
fn what_is_written_is_read_again() {
    for (format, plays, hole) in [Format::Gif, Format::Webp, Format::Png]
        .into_iter()
        .flat_map(|format| [(format, 0, false), (format, 1, true), (format, 3, true), (format, 4, false)])
    {
        let frames = wandering(5, hole);
        let file = write(format, plays, &frames);
        assert_eq!(file, write(format, plays, &frames), "{format:?}: the same again");
        let found = read(&file).unwrap();
        assert_eq!(found.plays, plays, "{format:?}");
        assert_eq!(found.delays(), [30, 40, 50, 60, 70], "{format:?}");
        for (number, (frame, (bitmap, _))) in found.frames.iter().zip(&frames).enumerate() {
            let furthest = frame.bitmap.data.iter().zip(&bitmap.data).map(|(a, b)| a.abs_diff(*b)).max();
            // More colours than a palette has.
            let allowed = if format == Format::Gif && !hole { 12 } else { 0 };
            assert!(furthest <= Some(allowed), "{format:?} {number} hole {hole}: {furthest:?}");
        }
    }
}

#[test]
fn frames_that_are_alike_become_one_that_stays_longer() {
    let mut frames = wandering(3, false);
    frames.insert(1, frames[0].clone());
    frames.push(frames[3].clone());
    for format in [Format::Gif, Format::Webp, Format::Png] {
        let found = read(&write(format, 0, &frames)).unwrap();
        assert_eq!(found.delays(), [60, 40, 100], "{format:?}");
    }
}

#[test]
fn no_delay_is_a_delay() {
    let frames: Vec<_> = wandering(3, false).into_iter().map(|(bitmap, _)| (bitmap, 0)).collect();
    for format in [Format::Gif, Format::Webp, Format::Png] {
        assert_eq!(read(&write(format, 0, &frames)).unwrap().delays(), [0, 0, 0], "{format:?}");
    }
}

#[test]
fn delays_that_gif_has_to_round_keep_their_sum() {
    let frames: Vec<_> = wandering(9, false).into_iter().map(|(bitmap, _)| (bitmap, 33)).collect();
    let delays = read(&write(Format::Gif, 0, &frames)).unwrap().delays();
    assert_eq!(delays.iter().sum::<u32>(), 300, "{delays:?}");
    assert!(delays.iter().all(|delay| [30, 40].contains(delay)), "{delays:?}");
}

#[test]
fn small_changes_cost_little() {
    let frames = wandering(12, false);
    for format in [Format::Gif, Format::Webp, Format::Png] {
        let (one, all) = (write(format, 0, &frames[..1]).len(), write(format, 0, &frames).len());
        assert!(all < one + 11 * 450, "{format:?}: {one} for one, {all} for twelve");
    }
}

#[test]
fn a_file_that_is_cut_has_the_frames_that_are_whole() {
    for format in [Format::Gif, Format::Webp, Format::Png] {
        let file = write(format, 0, &wandering(6, false));
        let mut most = 0;
        for length in (file.len() / 8..file.len()).step_by(37) {
            let Ok(found) = read(&file[..length]) else { continue };
            assert!(!found.frames.is_empty() && found.frames.len() >= most, "{format:?} {length}");
            most = found.frames.len();
            assert_eq!(found.pixel(0, 25), [250, 40, 20, 255], "{format:?} {length}");
        }
        assert!(most >= 4, "{format:?}: {most}");
    }
}

#[test]
fn one_frame_can_be_had_alone() {
    let file = write(Format::Png, 0, &wandering(4, false));
    let header = header(&file).unwrap();
    let third = FrameReader::new(&file, &header, soon()).unwrap().nth(2).unwrap();
    assert!(third == read(&file).unwrap().frames.remove(2));
    let late = FrameReader::new(&file, &header, soon()).unwrap().nth(4);
    assert!(late.is_err_and(|error| error.to_string().contains("only 4 of its frames")));
}

#[test]
fn the_deadline_ends_it() {
    let file = write(Format::Gif, 0, &wandering(4, false));
    let past = Instant::now();
    let reader = FrameReader::new(&file, &header(&file).unwrap(), past);
    assert!(reader.is_err_and(|error| error == CodecError::TimedOut));
}

/// Where there is a corpus.
#[test]
fn as_many_frames_as_the_manifest_says() {
    // It counts default images that are not part of the animation.
    const ONE_LESS: [&str; 2] =
        ["apng/image__fcTL-blend-source-transparent.png", "apng/image__fcTL-dispose-in-region-previous.png"];
    let manifest = std::fs::read_to_string(format!("{CORPUS}/manifest.jsonl")).unwrap_or_default();
    for line in manifest.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (path, format) = (row["path"].as_str().unwrap(), row["format"].as_str().unwrap());
        let frames = row["frames"].as_u64().unwrap_or(1) as usize;
        if !["gif", "webp", "apng", "avif"].contains(&format) || frames < 2 || row["expect"] != "ok" {
            continue;
        }
        let file = std::fs::read(format!("{CORPUS}/{path}")).unwrap();
        // It counts the pictures that an AVIF is made of, too; and what is refused is told elsewhere.
        if format == "avif" && !header(&file).is_ok_and(|header| header.frames > 1) {
            continue;
        }
        let found = read(&file).unwrap();
        assert_eq!(found.frames.len(), frames - usize::from(ONE_LESS.contains(&path)), "{path}");
    }
}

/// Broken files end in an error or in frames, never in a panic.
#[test]
fn broken_files_end() {
    const MUTANTS: usize = 60;
    for name in ["wheel.gif", "wheel.webp", "wheel.png", "animated.avif", "animated.jxl"] {
        let file = std::fs::read(format!("{SOURCES}/{name}")).unwrap();
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let mut next = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 16) as usize % below
        };
        for _ in 0..MUTANTS {
            let mut mutant = file.clone();
            for _ in 0..=next(6) {
                let at = next(mutant.len());
                mutant[at] = next(256) as u8;
            }
            mutant.truncate(file.len() - next(3) * next(file.len() / 2));
            let limits = Limits { max_pixels_summed: 4_000_000, ..Limits::default() };
            let Ok(Probe::Complete(header)) = probe(&mutant, mutant.len() as u64, &limits) else { continue };
            let Ok(mut reader) = FrameReader::new(&mutant, &header, soon()) else { continue };
            while let Ok(Some(frame)) = reader.read() {
                assert_eq!(frame.bitmap.data.len(), (header.width * header.height * 4) as usize);
            }
        }
    }
}

/// Five colours one after the other; and a drawing that grows.
#[test]
fn avif_and_jpeg_xl_move_too() {
    let file = std::fs::read(format!("{SOURCES}/animated.avif")).unwrap();
    let found = read(&file).unwrap();
    // Thirtieths of a second, whose sum is right.
    assert_eq!((found.delays(), found.plays), (vec![33, 34, 33, 33, 34], 1));
    let colours = [[0, 0, 0], [1, 0, 251], [0, 127, 0], [253, 0, 2], [252, 253, 2]];
    for (number, [r, g, b]) in colours.into_iter().enumerate() {
        let pixel = found.pixel(number, 75 * 150 + 75);
        let near = pixel.iter().zip([r, g, b, 255]).all(|(found, wanted)| found.abs_diff(wanted) <= 2);
        assert!(near, "{number}: {pixel:?}");
    }
    let file = std::fs::read(format!("{SOURCES}/animated.jxl")).unwrap();
    let found = read(&file).unwrap();
    assert_eq!(found.frames.len(), header(&file).unwrap().frames as usize);
    assert!(found.frames.len() > 1 && found.delays().iter().all(|&delay| delay > 0), "{:?}", found.delays());
    assert!(found.frames.windows(2).all(|two| two[0].bitmap != two[1].bitmap));
}

/// The first frame is what a still of the file is.
#[test]
fn first_frames_are_stills() {
    for name in ["animated.avif", "animated.jxl"] {
        let file = std::fs::read(format!("{SOURCES}/{name}")).unwrap();
        let all = header(&file).unwrap();
        let request = DecodeRequest { region: None, target: None, deadline: soon() };
        let still = decode(&file, &all, &request).unwrap();
        let mut reader = FrameReader::new(&file, &all, soon()).unwrap();
        assert_eq!(reader.icc(), still.icc.as_deref(), "{name}");
        let first = reader.read().unwrap().unwrap().bitmap;
        let channels = still.bitmap.layout.channels();
        let same = first
            .data
            .chunks_exact(4)
            .zip(still.bitmap.data.chunks_exact(channels))
            .all(|(one, other)| channels == 1 && one[0] == other[0] || one[..channels] == *other);
        assert!(same, "{name}");
        let third = FrameReader::new(&file, &all, soon()).unwrap().nth(2).unwrap();
        assert!(third.bitmap == read(&file).unwrap().frames[2].bitmap, "{name}");
    }
    // Of an AVIF that is cut nothing can be read.
    let file = std::fs::read(format!("{SOURCES}/animated.jxl")).unwrap();
    let cut = read(&file[..file.len() - file.len() / 8]).unwrap().frames.len();
    assert!((1..header(&file).unwrap().frames as usize).contains(&cut), "{cut}");
}
