//! `pixedge explain SPEC`.

use crate::app;
use crate::cli::Failure;
use crate::config::Config;
use crate::error::Fault;
use crate::transform::{Spec, SpecError};

pub(super) fn run(config: &Config, spec: &str) -> Result<(), Failure> {
    let presets = app::presets(config)?;
    let parsed = Spec::parse(spec, &presets).map_err(|error| Failure::usage(in_words(spec, &error)))?;
    let answer =
        serde_json::json!({ "canonical": parsed.to_string(), "supported": parsed.check_supported().is_ok() });
    println!("{answer}");
    Ok(())
}

/// The error with a pointer to the place it is about.
pub(super) fn in_words(spec: &str, error: &SpecError) -> String {
    let detail = error.detail();
    let mut text = format!("{}: {error}", error.code());
    if let Some(position) = detail.position {
        text.push_str(&format!("\n  {spec}\n  {:position$}^", ""));
    }
    if let Some(allowed) = detail.allowed {
        text.push_str(&format!("\n  allowed: {allowed}"));
    }
    if let Some(meant) = detail.did_you_mean {
        text.push_str(&format!("\n  did you mean `{meant}`?"));
    }
    text
}
