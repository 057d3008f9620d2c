//! What may be asked without a signature: everything (`open`), the ladder of usual sizes (`ladder`), or nothing until
//! signatures say otherwise (`presets`, `signed`).

use crate::delivery::error::DeliveryError;
use crate::transform::plan::Metadata;
use crate::transform::{Client, Ladder, Spec, Target};
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
            Policy::Presets => Err(DeliveryError::NeedsSignature {
                option: "sig".to_owned(),
                why: "the policy `presets` is not built yet and refuses everything",
            }),
            Policy::Signed => Err(DeliveryError::NeedsSignature {
                option: "sig".to_owned(),
                why: "unsigned requests are switched off",
            }),
        }
    }
}

/// Signatures are not built yet, and one that nobody checks must not pass for a right one.
pub(crate) fn no_signature(target: &Target) -> Result<(), DeliveryError> {
    let extras = &target.extras;
    let given = [
        ("sig", &extras.signature),
        ("kid", &extras.key_id),
        ("exp", &extras.expires),
        ("sc", &extras.scope),
    ];
    match given.into_iter().find(|(_, value)| value.is_some()) {
        Some((key, _)) => Err(DeliveryError::NoKeys(key)),
        None => Ok(()),
    }
}
