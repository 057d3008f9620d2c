//! `pixedge render IN SPEC OUT`: the engine on files.

use std::path::Path;
use std::time::Instant;

use crate::app;
use crate::cli::Failure;
use crate::cli::explain::in_words;
use crate::codec::{CodecError, Format, Probe, probe};
use crate::config::Config;
use crate::transform::render::render;
use crate::transform::{Accepts, Client, ResolveLimits, SourceFacts, Spec, resolve};

pub(super) fn run(config: &Config, input: &Path, spec: &str, output: &Path) -> Result<(), Failure> {
    let limits = app::codec_limits(config);
    let wrong = |error| Failure::usage(in_words(spec, &error));
    let parsed = Spec::parse(spec, &app::presets(config)?).map_err(wrong)?;
    let bytes =
        std::fs::read(input).map_err(|error| Failure::usage(format!("{}: {error}", input.display())))?;
    let header = match probe(&bytes, bytes.len() as u64, &limits)? {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => return Err(CodecError::NotAnImage.into()),
    };
    // The name of the output plays the part of `Accept`: `f_auto` gives what it says.
    let wanted = output.extension().and_then(|name| Format::from_name(name.to_str()?));
    let accepts = Accepts { avif: wanted == Some(Format::Avif), webp: wanted == Some(Format::Webp) };
    let client = Client { accepts, ..Client::default() };
    let facts = SourceFacts { header: header.clone(), focal: None };
    let limits = ResolveLimits { max_result_side: config.images.max_result_side };
    let plan = resolve(&parsed, &facts, &client, &limits).map_err(wrong)?;
    let made = render(&bytes, &header, &plan, Instant::now() + config.images.timeout.0)?;
    std::fs::write(output, &made.bytes)?;
    println!("{}x{} {} {} bytes", made.width, made.height, made.format.name(), made.bytes.len());
    Ok(())
}
