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

pub(crate) fn animate(
    bytes: &[u8],
    header: &Header,
    plan: &Plan,
    others: &[Other],
    deadline: Instant,
) -> Result<Rendered, RenderError> {
    let folded = folded(header, plan)?;
    let scene = Scene { header, plan, others, folded: &folded, is_whole: false, deadline };
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
            deadline,
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
    let mut reader = FrameReader::new(bytes, scene.header, scene.deadline)?;
    let icc = reader.icc().map(<[u8]>::to_vec);
    let mut choices = Choices::default();
    let mut writer: Option<FrameWriter> = None;
    for _ in 0..plan.frames.count(scene.header) {
        let begun = Instant::now();
        let Some(frame) = reader.next()? else { break };
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
    use crate::codec::{Limits, Probe, probe};
    use crate::transform::render::render;
    use crate::transform::{Client, Presets, ResolveLimits, SourceFacts, Spec, resolve};

    #[test]
    fn one_off() {
        let Ok(jobs) = std::env::var("JOBS") else { return };
        for job in jobs.lines() {
            let [source, spec, out] = job.split(' ').collect::<Vec<_>>()[..] else { panic!("{job}") };
            let bytes = std::fs::read(source).unwrap();
            let Probe::Complete(header) = probe(&bytes, bytes.len() as u64, &Limits::default()).unwrap()
            else {
                panic!("cut")
            };
            let facts = SourceFacts { header: header.clone(), focal: None };
            let plan = resolve(
                &Spec::parse(spec, &Presets::default()).unwrap(),
                &facts,
                &Client::default(),
                &ResolveLimits::default(),
            )
            .unwrap();
            let deadline = Instant::now() + Duration::from_secs(100);
            let rendered = render(&bytes, &header, &plan, deadline).unwrap();
            println!("{source} {plan} {} bytes {:?}", rendered.bytes.len(), rendered.timings);
            std::fs::write(out, rendered.bytes).unwrap();
        }
    }
}
