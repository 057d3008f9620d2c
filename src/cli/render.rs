//! `pixedge render IN SPEC OUT`: the engine on files.

use std::path::Path;
use std::time::Instant;

use crate::app;
use crate::cli::Failure;
use crate::cli::explain::in_words;
use crate::codec::{CodecError, Format, Probe, probe};
use crate::config::Config;
use crate::transform::render::render;
use crate::transform::{Client, ResolveLimits, SourceFacts, Spec, resolve};

pub(super) fn run(config: &Config, input: &Path, spec: &str, output: &Path) -> Result<(), Failure> {
    let limits = app::codec_limits(config);
    let text = with_format(spec, output)?;
    let wrong = |error| Failure::usage(in_words(&text, &error));
    let parsed = Spec::parse(&text, &app::presets(config)?).map_err(wrong)?;
    let bytes =
        std::fs::read(input).map_err(|error| Failure::usage(format!("{}: {error}", input.display())))?;
    let header = match probe(&bytes, bytes.len() as u64, &limits)? {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => return Err(CodecError::NotAnImage.into()),
    };
    let facts = SourceFacts { header: header.clone(), focal: None };
    let limits = ResolveLimits { max_result_side: config.images.max_result_side };
    let plan = resolve(&parsed, &facts, &Client::default(), &limits).map_err(wrong)?;
    let made = render(&bytes, &header, &plan, Instant::now() + config.images.timeout.0)?;
    std::fs::write(output, &made.bytes)
        .map_err(|error| Failure::usage(format!("{}: {error}", output.display())))?;
    println!("{}x{} {} {} bytes", made.width, made.height, made.format.name(), made.bytes.len());
    Ok(())
}

/// The spec with the format that the name of the output says; a spec that says another is then a conflict.
fn with_format(spec: &str, output: &Path) -> Result<String, Failure> {
    let extension = output.extension().and_then(|extension| extension.to_str());
    let Some(format) = extension.and_then(Format::from_name) else {
        let name = output.display();
        return Err(Failure::usage(format!("{name}: name the output `….jpg`, `.png`, `.webp` or `.avif`")));
    };
    let named = format!("f_{}", format.extension());
    Ok(if spec == "_" { named } else { format!("{spec},{named}") })
}
