//! `pixedge render IN SPEC OUT`: the engine on files.

use std::path::Path;
use std::time::Instant;

use crate::app;
use crate::cli::Failure;
use crate::cli::explain::in_words;
use crate::codec::{CodecError, Format, Probe, probe};
use crate::config::Config;
use crate::transform::plan::Look;
use crate::transform::render::{RenderError, look, render};
use crate::transform::{Client, Haste, ResolveLimits, SourceFacts, Spec, SpecError, Wanted, resolve_looking};

pub(super) fn run(config: &Config, input: &Path, spec: &str, output: &Path) -> Result<(), Failure> {
    let limits = app::codec_limits(config);
    let named = named(output)?;
    let wrong = |error| Failure::usage(in_words(spec, &error));
    let parsed = Spec::parse(spec, &app::presets(config)?).map_err(wrong)?;
    let parsed = match parsed.format() {
        Wanted::Auto => {
            let wanted = Wanted::from_extension(named.extension()).unwrap_or(Wanted::Auto);
            parsed.with_format(wanted).map_err(wrong)?
        }
        _ => parsed,
    };
    let bytes =
        std::fs::read(input).map_err(|error| Failure::usage(format!("{}: {error}", input.display())))?;
    let header = match probe(&bytes, bytes.len() as u64, &limits)? {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => return Err(CodecError::NotAnImage.into()),
    };
    let facts = SourceFacts { header: header.clone(), focal: None };
    let limits = ResolveLimits { max_result_side: config.images.max_result_side, haste: Haste::Background };
    if let Some(named) = parsed.named_pictures().next() {
        let reason = "is a picture of the library, which this command does not open: ask a server";
        return Err(Failure::usage(format!("`{}_{}` {reason}", named.option, named.id)));
    }
    let deadline = Instant::now() + config.images.timeout.0;
    let look = |wanted: &Look| look(&bytes, &header, wanted, &[], deadline).map_err(Stop::Render);
    let plan =
        resolve_looking(&parsed, &facts, &Client::default(), &limits, look).map_err(|stop| match stop {
            Stop::Spec(error) => wrong(error),
            Stop::Render(error) => error.into(),
        })?;
    let conflict = |made: Format| {
        let (name, made) = (output.display(), made.extension());
        Failure::usage(format!("conflict: `{spec}` makes a .{made} of this picture, not {name}"))
    };
    if plan.output.rivals.is_empty() && plan.output.format != named {
        return Err(conflict(plan.output.format));
    }
    let made = render(&bytes, &header, &plan, deadline)?;
    if made.format != named {
        return Err(conflict(made.format));
    }
    std::fs::write(output, &made.bytes)
        .map_err(|error| Failure::usage(format!("{}: {error}", output.display())))?;
    println!("{}x{} {} {} bytes", made.width, made.height, made.format.name(), made.bytes.len());
    Ok(())
}

/// Why there is no plan.
enum Stop {
    Spec(SpecError),
    Render(RenderError),
}

impl From<SpecError> for Stop {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}

/// The format that the name of the output says. It counts where the spec leaves it open, as `f_auto` does: a file has no
/// `Accept` header; and it must fit what the spec makes.
fn named(output: &Path) -> Result<Format, Failure> {
    let extension = output.extension().and_then(|extension| extension.to_str());
    extension.and_then(Format::from_name).ok_or_else(|| {
        let name = output.display();
        Failure::usage(format!("{name}: name the output `….jpg`, `.png`, `.webp` or `.avif`"))
    })
}
