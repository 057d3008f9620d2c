//! What may be asked without a signature: everything (`open`), the ladder of usual sizes (`ladder`), or nothing until
//! signatures say otherwise (`presets`, `signed`).

use crate::delivery::error::DeliveryError;
use crate::transform::plan::{Metadata, Plan};
use crate::transform::{Ladder, Spec};
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
    pub(crate) fn apply(&self, policy: Policy, spec: &Spec) -> Result<Spec, DeliveryError> {
        match policy {
            Policy::Open => Ok(spec.clone()),
            Policy::Ladder => Ok(self.ladder.apply(spec)?),
            Policy::Presets | Policy::Signed => Err(DeliveryError::NeedsSignature {
                option: "sig".to_owned(),
                why: "unsigned requests are switched off for it",
            }),
        }
    }
}

/// Metadata with places and serial numbers leaves only with the owner or a signature, whatever the policy.
pub(crate) fn output_allowed(plan: &Plan) -> Result<(), DeliveryError> {
    if plan.output.metadata == Metadata::All {
        return Err(DeliveryError::NeedsSignature {
            option: "md".to_owned(),
            why: "`md_all` keeps GPS position and serial numbers",
        });
    }
    Ok(())
}
