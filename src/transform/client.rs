//! What a request says about its client, reduced to what can change a picture.

use crate::transform::number::Decimal;

/// The client's side of a negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Client {
    pub accepts: Accepts,
    /// Device pixels per CSS pixel, from a client hint.
    pub dpr: Option<f64>,
    /// Wanted width in device pixels, from a client hint.
    pub width: Option<u32>,
}

/// Formats that not every client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Accepts {
    pub avif: bool,
    pub webp: bool,
}

impl Client {
    /// The hint for `dpr_auto` within what `dpr` allows, snapped like it; 1 where there is none.
    pub fn pixel_ratio(&self) -> Decimal {
        let ratio = self.dpr.filter(|dpr| dpr.is_finite()).unwrap_or(1.0).clamp(0.5, 4.0);
        Decimal::ten_thousandths((ratio * 1e4).round() as i64).snapped_to_quarter()
    }
}
