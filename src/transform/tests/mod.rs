//! The grammar as a whole: the design's vectors, the properties that must hold for every spec, and each rule of
//! the URL forms, the resolver and the unsigned policy by example.

mod animations;
mod canonical;
mod originals;
mod policy;
mod properties;
mod resolving;
mod speed;
mod urls;
mod vectors;

use crate::codec::{Format, Header, Orientation};
use crate::error::Fault as _;
use crate::transform::{
    Accepts, Client, Plan, Presets, ResolveLimits, SourceFacts, Spec, SpecError, resolve,
};

fn parse(text: &str) -> Result<Spec, SpecError> {
    Spec::parse(text, &Presets::default())
}

/// The canonical text, or the code of the error.
fn canonical(text: &str) -> String {
    parse(text).map_or_else(|error| error.code().to_owned(), |spec| spec.to_string())
}

fn source(format: Format, width: u32, height: u32) -> SourceFacts {
    let header = Header {
        format,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha: false,
        depth: 8,
        progressive: false,
    };
    SourceFacts { header, focal: None }
}

const WEBP: Client = Client { accepts: Accepts { avif: false, webp: true }, dpr: None, width: None };

fn plan(source: &SourceFacts, text: &str) -> Result<Plan, SpecError> {
    resolve(&parse(text)?, source, &WEBP, &ResolveLimits::default())
}

/// The printed plan, or the code of the error.
fn planned(source: &SourceFacts, text: &str) -> String {
    plan(source, text).map_or_else(|error| error.code().to_owned(), |plan| plan.to_string())
}
