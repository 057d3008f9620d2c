//! Originals that cannot be shown to everybody, and what is shown instead.

use std::time::{Duration, Instant};

use crate::codec::{
    Bitmap, EncodeRequest, Format, Header, Layout, Limits, Orientation, Probe, StripError, avif, encode,
    probe, strip,
};
use crate::transform::render::{RenderError, Rendered, render};
use crate::transform::{Client, ResolveLimits, SourceFacts, resolve};

use super::parse;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// An AVIF with an EXIF block that says where it was taken.
fn private() -> (Vec<u8>, Header) {
    let bitmap = Bitmap { width: 16, height: 8, layout: Layout::Rgb, data: vec![90; 16 * 8 * 3] };
    let request = EncodeRequest {
        format: Format::Avif,
        quality: 60,
        lossless: false,
        effort: avif::effort::LARGE,
        progressive: None,
        subsample_444: None,
        exif: Some(b"II*\0\x08\0\0\0\x01\0\x25\x88\x04\0\x01\0\0\0\x1A\0\0\0\0\0\0\0somewhere"),
        icc: None,
        deadline: soon(),
    };
    let file = encode(&bitmap, &request).unwrap();
    let Ok(Probe::Complete(header)) = probe(&file, file.len() as u64, &Limits::default()) else {
        panic!("no header")
    };
    assert_eq!((header.width, header.orientation), (16, Orientation::UPRIGHT));
    (file, header)
}

fn made(spec: &str) -> Result<Rendered, RenderError> {
    let (file, header) = private();
    let facts = SourceFacts { header: header.clone(), focal: None };
    let limits = ResolveLimits::default();
    let plan = resolve(&parse(spec).unwrap(), &facts, &Client::default(), &limits).unwrap();
    render(&file, &header, &plan, soon())
}

#[test]
fn a_format_is_a_wish_for_a_picture_and_orig_one_for_the_file() {
    let refused = made("f_orig");
    assert!(matches!(refused, Err(RenderError::Original(StripError::Private { .. }))), "{refused:?}");
    let anew = made("f_avif").unwrap();
    assert_eq!((anew.format, anew.width, anew.height), (Format::Avif, 16, 8));
    assert!(strip(&anew.bytes, Format::Avif).is_ok_and(|shown| !shown.windows(9).any(|w| w == b"somewhere")));
    assert_eq!(made("f_avif,md_all").unwrap().bytes, private().0);
}
