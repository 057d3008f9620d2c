//! What may be asked without a signature: everything (`open`), the ladder of usual sizes (`ladder`), presets of the
//! configuration (`presets`) or nothing (`signed`).

use crate::delivery::error::DeliveryError;
use crate::transform::plan::Metadata;
use crate::transform::{Client, Ladder, Spec};
use crate::units::Policy;

/// The policies of one server.
#[derive(Debug, Clone)]
pub struct Policies {
    /// For `/i/`; each source has its own.
    pub library: Policy,
    pub ladder: Ladder,
}

impl Policies {
    /// The spec that is rendered for an unsigned request.
    pub(crate) fn apply(&self, policy: Policy, spec: &Spec, client: &Client) -> Result<Spec, DeliveryError> {
        if spec.metadata() == Metadata::All {
            return Err(DeliveryError::NeedsSignature {
                option: "md".to_owned(),
                why: "`md_all` keeps GPS position and serial numbers",
            });
        }
        match policy {
            Policy::Open => Ok(spec.clone()),
            Policy::Ladder => Ok(self.ladder.apply(spec, client)?),
            Policy::Presets => Ok(self.ladder.apply_presets(spec, client)?),
            Policy::Signed => Err(DeliveryError::NeedsSignature {
                option: "sig".to_owned(),
                why: "unsigned requests are switched off",
            }),
        }
    }
}

/// The one of two policies that allows more; each allows all that the ones before it do.
pub(crate) fn broader(one: Policy, other: Policy) -> Policy {
    let rank = |policy| match policy {
        Policy::Signed => 0,
        Policy::Presets => 1,
        Policy::Ladder => 2,
        Policy::Open => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}
