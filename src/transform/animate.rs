//! Executes the plan of an animation: frame in, the same operations, frame out, so that only a few frames are ever
//! held.

use std::borrow::Cow;
use std::time::Instant;

use crate::codec::frames::{FrameReader, FrameWriter};
use crate::codec::metadata::{self, Keep};
use crate::codec::{EncodeRequest, Header};
use crate::transform::choices::Choices;
use crate::transform::encode::{fitted, full_chroma};
use crate::transform::plan::{Metadata, Plan};
use crate::transform::quality;
use crate::transform::render::{Other, RenderError, Rendered, Scene, Timings, folded, region_of, transform};
use crate::transform::until::Until;

pub(crate) fn animate(
    bytes: &[u8],
    header: &Header,
    plan: &Plan,
    others: &[Other],
    until: Until<'_>,
) -> Result<Rendered, RenderError> {
    let folded = folded(header, plan)?;
    let scene = Scene { header, plan, others, folded: &folded, is_whole: false, until };
    let keep = match plan.output.metadata {
        Metadata::None => Keep::None,
        Metadata::Copyright => Keep::Copyright,
        Metadata::All => Keep::All,
    };
    let exif = metadata::extract(bytes, header.format, keep);
    let setting = quality::setting(
        plan.output.format,
        plan.output.quality,
        u64::from(plan.width) * u64::from(plan.height),
    );
    let mut timings = Timings::default();
    let file = fitted(plan.output.max_bytes, setting, |quality| {
        let request = EncodeRequest {
            format: plan.output.format,
            quality,
            lossless: setting.lossless,
            effort: plan.output.effort,
            progressive: None,
            subsample_444: None,
            exif: exif.as_deref(),
            icc: None,
            deadline: until.deadline,
        };
        run(bytes, &scene, &request, &mut timings)
    })?;
    Ok(Rendered { bytes: file, width: plan.width, height: plan.height, format: plan.output.format, timings })
}

/// All frames at one quality.
fn run(
    bytes: &[u8],
    scene: &Scene<'_>,
    request: &EncodeRequest<'_>,
    timings: &mut Timings,
) -> Result<Vec<u8>, RenderError> {
    let plan = scene.plan;
    let mut reader = FrameReader::new(bytes, scene.header, scene.until.deadline)?;
    let icc = reader.icc().map(<[u8]>::to_vec);
    let mut choices = Choices::default();
    let mut writer: Option<FrameWriter> = None;
    for _ in 0..plan.frames.count(scene.header) {
        let begun = Instant::now();
        let Some(frame) = reader.read()? else { break };
        let decoded = Instant::now();
        let bitmap = region_of(frame.bitmap, scene.folded, scene.header);
        choices.rewind();
        let (bitmap, working) = transform(Cow::Owned(bitmap), icc.as_deref(), scene, &mut choices)?;
        if (bitmap.width, bitmap.height) != (plan.width, plan.height) {
            return Err(RenderError::Plan("its operations do not lead to its size"));
        }
        let transformed = Instant::now();
        let writer = match &mut writer {
            Some(writer) => writer,
            None => {
                let full = full_chroma(&bitmap, &plan.output, request.lossless);
                let request =
                    EncodeRequest { icc: working.profile(&bitmap), subsample_444: Some(full), ..*request };
                writer.insert(FrameWriter::new((plan.width, plan.height), reader.plays(), &request)?)
            }
        };
        writer.push(&bitmap, frame.delay_ms)?;
        timings.decode += decoded - begun;
        timings.transform += transformed - decoded;
        timings.encode += transformed.elapsed();
    }
    let begun = Instant::now();
    let file = writer.ok_or(RenderError::Plan("it has no frame"))?.finish()?;
    timings.encode += begun.elapsed();
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::{DecodeRequest, Limits, Probe, probe};
    use crate::transform::render::render;
    use crate::transform::{Client, Presets, ResolveLimits, SourceFacts, Spec, resolve};

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/");

    fn header(bytes: &[u8]) -> Header {
        match probe(bytes, bytes.len() as u64, &Limits::default()).unwrap() {
            Probe::Complete(header) => header,
            Probe::NeedMore(_) => panic!("cut"),
        }
    }

    fn made(name: &str, spec: &str) -> Result<Vec<u8>, RenderError> {
        let bytes = std::fs::read(format!("{FOLDER}{name}")).unwrap();
        let header = header(&bytes);
        let facts = SourceFacts { header: header.clone(), focal: None };
        let spec = Spec::parse(spec, &Presets::default()).unwrap();
        let plan = resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        render(&bytes, &header, &plan, deadline).map(|rendered| rendered.bytes)
    }

    #[test]
    fn a_cap_on_bytes_is_kept_by_all_frames_together() {
        let free = made("wheel.gif", "w_60,f_webp,q_90").unwrap();
        let cap = free.len() * 3 / 4;
        let capped = made("wheel.gif", &format!("w_60,f_webp,q_90,mb_{cap}")).unwrap();
        assert!(capped.len() <= cap && header(&capped).frames == 8, "{} of {cap}", capped.len());
        let error = made("wheel.gif", "w_60,f_gif,mb_300").unwrap_err();
        assert!(matches!(error, RenderError::OverCap { cap: 300, .. }), "{error}");
    }

    #[test]
    fn a_document_has_pages_and_no_frames() {
        let ground = |spec: &str| {
            let file = made("pages.tiff", spec).unwrap();
            let header = header(&file);
            assert_eq!((header.width, header.height, header.frames), (48, 32, 1), "{spec}");
            let request = DecodeRequest {
                region: None,
                target: None,
                deadline: Instant::now() + Duration::from_secs(60),
            };
            let bitmap = crate::codec::decode(&file, &header, &request).unwrap().bitmap;
            bitmap.data[..bitmap.layout.channels()].to_vec()
        };
        assert_eq!(ground("f_png"), [220, 200, 40]);
        assert_eq!(ground("pg_0,f_png"), [220, 200, 40]);
        let palette = ground("pg_1,f_png");
        assert!(
            palette.iter().zip([40_u8, 160, 90]).all(|(found, own)| found.abs_diff(own) <= 2),
            "{palette:?}"
        );
        let gray = ground("pg_2,f_png")[0];
        assert!((95..115).contains(&gray), "{gray}");
        assert_eq!(ground("f_gif"), [220, 200, 40]);
        let error = made("pages.tiff", "pg_3,f_png").unwrap_err().to_string();
        assert!(error.contains("30x20") && error.contains("48x32"), "{error}");
    }

    /// The square wanders up and down beside the wheel: a crop that followed it would show another part each time.
    #[test]
    fn what_is_chosen_is_chosen_once() {
        let file = made("wheel.gif", "w_20,h_20,c_crop,g_entropy,f_png,an_1").unwrap();
        let still = made("wheel.gif", "w_20,h_20,c_crop,g_entropy,f_png").unwrap();
        let pixels = |bytes: &[u8]| {
            let header = header(bytes);
            let deadline = Instant::now() + Duration::from_secs(60);
            FrameReader::new(bytes, &header, deadline).unwrap().read().unwrap().unwrap().bitmap.data
        };
        assert!(pixels(&file) == pixels(&still));
        let whole = made("wheel.gif", "f_png,an_1").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let third = |bytes: &[u8]| FrameReader::new(bytes, &header(bytes), deadline).unwrap().nth(3).unwrap();
        let rows = |bitmap: &crate::codec::Bitmap| -> Vec<Vec<u8>> {
            bitmap.data.chunks_exact(bitmap.width as usize * 4).map(<[u8]>::to_vec).collect()
        };
        let (large, small) = (rows(&third(&whole).bitmap), rows(&third(&file).bitmap));
        let first =
            rows(&FrameReader::new(&whole, &header(&whole), deadline).unwrap().nth(0).unwrap().bitmap);
        let start = rows(&FrameReader::new(&file, &header(&file), deadline).unwrap().nth(0).unwrap().bitmap);
        let corners = |large: &[Vec<u8>], small: &[Vec<u8>]| -> Vec<(usize, usize)> {
            let fits =
                |x: usize, y: usize| (0..20).all(|row| large[y + row][x * 4..(x + 20) * 4] == small[row]);
            (0..=28).flat_map(|y| (0..=44).map(move |x| (x, y))).filter(|&(x, y)| fits(x, y)).collect()
        };
        assert_eq!(corners(&first, &start), corners(&large, &small));
    }
}
