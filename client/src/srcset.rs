//! The candidates of a `srcset`: one spec for each width or density.

use crate::Error;

/// Where the size goes in a spec of several steps.
const MARK: &str = "{}";

/// What a `srcset` offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Widths(Vec<u32>),
    Densities(Vec<f32>),
}

impl Sizes {
    /// Widths in pixels; the browser chooses by the `sizes` attribute.
    pub fn widths(widths: impl IntoIterator<Item = u32>) -> Result<Self, Error> {
        let widths: Vec<_> = widths.into_iter().collect();
        if widths.is_empty() || widths.iter().any(|width| !(1..=16_384).contains(width)) {
            return Err(Error::Sizes(format!("{widths:?}")));
        }
        Ok(Self(Kind::Widths(widths)))
    }

    /// Pixels of the screen to one of the page; for a picture that is always shown in one size.
    pub fn densities(densities: impl IntoIterator<Item = f32>) -> Result<Self, Error> {
        let densities: Vec<_> = densities.into_iter().collect();
        if densities.is_empty() || densities.iter().any(|density| !(0.5..=4.0).contains(density)) {
            return Err(Error::Sizes(format!("{densities:?}")));
        }
        Ok(Self(Kind::Densities(densities)))
    }

    /// Each spec with its descriptor.
    pub(crate) fn apply(&self, spec: &str) -> Result<Vec<(String, String)>, Error> {
        match &self.0 {
            Kind::Widths(widths) => {
                let place = place(spec, "w", &["w", "width", "s", "size", "resize"])?;
                Ok(widths.iter().map(|width| (place(width.to_string()), format!("{width}w"))).collect())
            }
            Kind::Densities(densities) => {
                let place = place(spec, "dpr", &["dpr", "dppx"])?;
                Ok(densities
                    .iter()
                    .map(|density| (place(density.to_string()), format!("{density}x")))
                    .collect())
            }
        }
    }
}

/// How a size becomes part of the spec: at its mark, or as one more option of the only step.
fn place<'s>(
    spec: &'s str,
    option: &'static str,
    same: &'static [&'static str],
) -> Result<impl Fn(String) -> String + use<'s>, Error> {
    let marked = spec.contains(MARK);
    if !marked && spec.contains('/') {
        return Err(Error::Unmarked(spec.to_owned()));
    }
    let key = |written: &str| {
        let key = written.split(['_', '=']).next().unwrap_or_default().to_ascii_lowercase();
        same.iter().find(|same| **same == key).copied()
    };
    if let Some(option) = spec.split(['/', ',']).filter(|written| !written.contains(MARK)).find_map(key)
        && !marked
    {
        return Err(Error::Varies { spec: spec.to_owned(), option });
    }
    Ok(move |size: String| match (marked, spec) {
        (true, _) => spec.replace(MARK, &size),
        (false, "" | "_") => format!("{option}_{size}"),
        (false, _) => format!("{option}_{size},{spec}"),
    })
}
