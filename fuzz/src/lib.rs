//! What the fuzz targets do with their bytes. Plain functions, so that every case that was ever found is run again by
//! the tests below, without a fuzzer.
//!
//! None of them may panic, hang or take memory that was not reserved. What a picture means is not looked at here.

use std::time::{Duration, Instant};

use pixedge::codec::metadata::Keep;
use pixedge::codec::{self, Bitmap, Header, Layout, Limits, Probe};
use pixedge::transform::plan::Look;
use pixedge::transform::render::{self, RenderError};
use pixedge::transform::{
    Client, Presets, ResolveLimits, SourceFacts, Spec, SpecError, Target, UrlContext, resolve,
    resolve_looking,
};

/// What is made of each picture; its first byte says which.
const SPECS: [&str; 8] = [
    "w_40,f_webp",
    "w_33,h_20,c_fill,g_auto,f_png",
    "a_90/w_17,f_jpg,md_all",
    "ex_0.2:0.1:0.5:0.6,w_30,blur_2,gray,f_png",
    "trim,w_20,f_gif",
    "f_orig",
    "w_20,r_4,pad_3,b_auto,f_webp,q_lossless,md_all,cs_keep",
    "f_json",
];

/// Small enough that hundreds are made in a second.
const LIMITS: Limits = Limits {
    max_pixels: 1 << 18,
    max_pixels_summed: 1 << 20,
    max_pixels_progressive: 1 << 18,
    max_frames: 20,
    max_bytes: 1 << 20,
};

/// Far beyond what one of these pictures takes, also where fuzzers share a core: passing it is the hang that is looked for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A spec, a path and a query: parsing, printing, resolving.
pub fn grammar(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let presets = Presets::default();
    if let Ok(spec) = Spec::parse(&text, &presets) {
        let printed = spec.to_string();
        let again = Spec::parse(&printed, &presets);
        assert!(again.is_ok_and(|again| again == spec), "{printed}");
        let header = Header {
            format: codec::Format::Jpeg,
            width: 4000,
            height: 3000,
            orientation: codec::Orientation::from_exif(6),
            frames: 1,
            has_alpha: false,
            depth: 8,
            progressive: false,
        };
        let facts = SourceFacts { header, focal: Some((0.3, 0.6)) };
        let _ = resolve(&spec, &facts, &Client::default(), &ResolveLimits::default());
    }
    let context = UrlContext { presets: &presets, ipx_source: Some("s"), ignored_query: &[] };
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*text, None),
    };
    let _ = Target::parse(path, query, &context);
}

/// Bytes that may be a picture of any format but SVG: header, pixels, operations, encoders.
pub fn picture(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    // An SVG is drawn by a process of its own.
    if codec::Format::sniff(bytes) == Some(codec::Format::Svg) {
        return;
    }
    let Ok(Probe::Complete(header)) = codec::probe(bytes, bytes.len() as u64, &LIMITS) else { return };
    let spec = SPECS[usize::from(choice) % SPECS.len()];
    let Ok(spec) = Spec::parse(spec, &Presets::default()) else { unreachable!("{spec} is a spec") };
    let facts = SourceFacts { header: header.clone(), focal: None };
    let deadline = Instant::now() + PATIENCE;
    let look = |wanted: &Look| render::look(bytes, &header, wanted, &[], deadline).map_err(Stop::from);
    let plan = resolve_looking(&spec, &facts, &Client::default(), &ResolveLimits::default(), look);
    if let Ok(plan) = plan
        && let Ok(made) = render::render(bytes, &header, &plan, deadline)
    {
        assert!(!made.bytes.is_empty() && made.width > 0 && made.height > 0, "an empty picture");
    }
    assert!(Instant::now() < deadline, "{spec} of {:?} took too long", header.format);
}

/// EXIF and what else is cut out of or read from files, and colour profiles.
pub fn metadata(data: &[u8]) {
    if let Some(format) = codec::Format::sniff(data) {
        for keep in [Keep::None, Keep::Copyright, Keep::All] {
            let _ = codec::metadata::extract(data, format, keep);
        }
        let _ = codec::metadata::facts(data, format);
        let _ = codec::strip(data, format);
        let _ = codec::strip_rights_too(data, format);
    }
    let layout = match data.first().map_or(0, |byte| byte % 4) {
        0 => Layout::Gray,
        1 => Layout::Rgb,
        2 => Layout::Rgba,
        _ => Layout::Cmyk,
    };
    let bitmap = Bitmap { width: 4, height: 4, layout, data: vec![77; 16 * layout.channels()] };
    let profile = data.get(1..).unwrap_or_default();
    let _ = codec::colour::to_srgb(bitmap.clone(), Some(profile));
    let _ = codec::colour::to_p3(bitmap, Some(profile));
    if codec::colour::can_keep(profile) {
        let _ = codec::colour::from_srgb([1, 2, 3], profile);
    }
}

/// The size of a drawing and its cleaning, which run in the server and in the process that may be killed. Drawing itself
/// is known to abort, which is why it has that process.
pub fn svg(data: &[u8]) {
    let limits = LIMITS;
    let _ = codec::probe(data, data.len() as u64, &limits);
    if let Ok(clean) = codec::svg::cleaned_here(data) {
        // What is clean stays as it is.
        let again = codec::svg::cleaned_here(clean.as_bytes());
        assert!(again.as_ref() == Ok(&clean), "{again:?} of {clean}");
    }
}

/// Why there is no plan.
struct Stop;

impl From<SpecError> for Stop {
    fn from(_: SpecError) -> Self {
        Self
    }
}

impl From<RenderError> for Stop {
    fn from(_: RenderError) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `regressions/<target>-<what>` holds what once went wrong, or nearly.
    #[test]
    fn what_was_found_stays_fixed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let data = std::fs::read(&path).unwrap();
            match name.split('-').next() {
                Some("grammar") => grammar(&data),
                Some("picture") => picture(&data),
                Some("metadata") => metadata(&data),
                Some("svg") => svg(&data),
                _ => assert_eq!(name, "README.md"),
            }
        }
    }

    #[test]
    fn the_targets_take_fixtures() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/sources");
        for file in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            metadata(&bytes);
            svg(&bytes);
            picture(&[&[3], &bytes[..]].concat());
        }
        for spec in SPECS {
            grammar(spec.as_bytes());
            grammar(format!("/i/demo/{spec}?dl=1").as_bytes());
        }
    }
}
