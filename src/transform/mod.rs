//! The URL grammar and the pixels it asks for: text → canonical [`Spec`] → resolved [`Plan`] → rendered bytes.
//! Knows nothing of HTTP, async or the database.

mod canonical;
mod chroma;
mod client;
mod colour;
pub mod cost;
pub mod docs;
mod domain;
mod describe;
mod draft;
mod encode;
mod error;
mod frames;
mod animate;
mod choices;
mod geometry;
pub mod json;
mod ladder;
pub mod mezzanine;
mod number;
mod overlays;
pub mod options;
mod palette;
mod picture;
pub mod plan;
mod presets;
pub mod quality;
mod query;
pub mod render;
mod resolve;
mod spec;
pub(crate) mod steps;
mod supported;
pub mod until;
mod url;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub use client::{Accepts, Client};
pub use domain::Domain;
pub use error::{Place, SpecError};
pub use ladder::Ladder;
pub use number::Decimal;
pub use plan::Plan;
pub use presets::Presets;
pub use query::Extras;
pub use resolve::{Haste, Resolution, ResolveLimits, SourceFacts, resolve, resolve_looking, resolve_seen};
pub use spec::{Named, Spec, Varies};
pub use url::{ObjectPath, Route, Subject, Target, UrlContext, is_image_id};
pub use value::Value;
pub use words::{Mode, Wanted};
