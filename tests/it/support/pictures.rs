//! Pictures made for a test: photo-like content, so that encoders work as hard as on real ones, and different for every seed.

use std::time::{Duration, Instant};

use pixedge::codec::{self, Bitmap, EncodeRequest, Format, Header, Layout, Limits, Probe};

/// A smooth scene with texture; `seed` moves it, so that two seeds share no bytes.
pub fn scene(width: u32, height: u32, seed: u32) -> Bitmap {
    let mut noise = seed.wrapping_mul(2_654_435_761).max(1);
    let shift = seed as f32;
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let grain = (noise >> 28) as f32;
            let (u, v) = (x as f32 / 97.0 + shift, y as f32 / 71.0);
            let base = 128.0 + 60.0 * (u.sin() + v.cos()) / 2.0;
            data.push((base + grain) as u8);
            data.push((base * 0.8 + 20.0 * (u + v).sin() + 24.0 + grain) as u8);
            data.push((220.0 - base * 0.6 + grain) as u8);
        }
    }
    Bitmap { width, height, layout: Layout::Rgb, data }
}

/// [`scene`] as a file of the format.
pub fn encoded(format: Format, width: u32, height: u32, seed: u32) -> Vec<u8> {
    encode(&scene(width, height, seed), format)
}

pub fn encode(bitmap: &Bitmap, format: Format) -> Vec<u8> {
    let request = EncodeRequest {
        format,
        quality: 85,
        lossless: false,
        effort: if format == Format::Webp { 2 } else { 0 },
        progressive: Some(false),
        subsample_444: None,
        exif: None,
        icc: None,
        deadline: Instant::now() + Duration::from_secs(60),
    };
    codec::encode(bitmap, &request).unwrap()
}

/// What the header of a file says; panics where it is no picture.
pub fn header(bytes: &[u8]) -> Header {
    match codec::probe(bytes, bytes.len() as u64, &Limits::default()).unwrap() {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => panic!("a whole file needs no more bytes"),
    }
}
