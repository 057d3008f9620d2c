//! Who asks and what that allows: signatures are checked and policies applied before any I/O, so that whoever forges a
//! signature learns nothing and costs next to nothing.

use crate::auth::Caller;
use crate::cache;
use crate::delivery::memo::Asked;
use crate::delivery::personal::Right;
use crate::delivery::policy::broader;
use crate::delivery::signed::{self, Bare, LIBRARY};
use crate::delivery::{Delivery, DeliveryError, Request};
use crate::transform::{Client, Named, Spec, Subject, Target, UrlContext};
use crate::units::Policy;

impl Delivery {
    /// What a URL means and whose it is. A wrong signature is an error, never nobody's.
    pub(super) fn read(&self, request: Request<'_>) -> Result<(Target, Caller), DeliveryError> {
        let bare = Bare::of(request.path)?;
        let target = Target::parse(&bare.path, request.query, &self.url_context())?;
        let caller = match bare.claim(&target)? {
            None => Caller::Anyone,
            Some(claim) => {
                let message = signed::message(claim.scope, &bare.path, request.query, &target)?;
                let source = signed::source(&target.subject);
                Caller::Signed(self.keys.verify(&claim, &message, source, now_s())?)
            }
        };
        Ok((target, caller))
    }

    fn url_context(&self) -> UrlContext<'_> {
        UrlContext {
            presets: &self.presets,
            ipx_source: self.ipx_source.as_deref(),
            ignored_query: &self.ignored_query,
        }
    }

    /// The policy that holds, and the spec that will be rendered: what was asked for, or what the policy makes of it.
    pub(super) fn authorise(
        &self,
        asked: &Asked,
        client: &Client,
        right: &Right,
    ) -> Result<(Policy, Spec), DeliveryError> {
        let own = self.policy_of(&asked.target.subject)?;
        let policy = match (asked.caller.grant(), right) {
            // One's own picture in any form, and the original as it was uploaded.
            (_, Right::Own(_)) => return Ok((Policy::Open, asked.target.spec.clone().untouched())),
            // Who was given a link was given a picture to look at, whatever strangers may ask.
            (_, Right::Share(..)) => broader(own, Policy::Ladder),
            (None, Right::Url) => own,
            (Some(grant), Right::Url) if grant.scope().covers_spec() => {
                return Ok((Policy::Open, asked.target.spec.clone()));
            }
            // Who may ask something unsigned may ask it signed too.
            (Some(grant), Right::Url) => broader(own, grant.policy()),
        };
        Ok((policy, self.policies.apply(policy, &asked.target.spec, client)?))
    }

    /// Whether the caller's own signature is for this picture too.
    pub(super) fn may_name(
        &self,
        named: &Named<'_>,
        caller: &Caller,
        policy: Policy,
        right: &Right,
    ) -> Result<bool, DeliveryError> {
        if matches!(right, Right::Own(_)) {
            return Ok(false);
        }
        if let Some(grant) = caller.grant().filter(|grant| grant.scope().covers_spec()) {
            grant.check_source(LIBRARY)?;
            return Ok(true);
        }
        if named.trusted || broader(self.policies.library, policy) == self.policies.library {
            return Ok(false);
        }
        Err(DeliveryError::NeedsSignature {
            option: named.option.to_owned(),
            why: "the pictures of the library may be asked less freely (`library.unsigned`)",
        })
    }

    /// The description of an image is given to whoever may ask for the image in any form.
    pub(super) fn authorise_info(&self, asked: &Asked, right: &Right) -> Result<(), DeliveryError> {
        if right.is_personal()
            || asked.caller.is_signed()
            || self.policy_of(&asked.target.subject)? != Policy::Signed
        {
            return Ok(());
        }
        Err(DeliveryError::NeedsSignature {
            option: "sig".to_owned(),
            why: "unsigned requests are switched off",
        })
    }

    fn policy_of(&self, subject: &Subject) -> Result<Policy, DeliveryError> {
        match subject {
            Subject::Image { .. } => Ok(self.policies.library),
            Subject::Object { source, .. } => {
                let found = self.origins.sources().get(source);
                Ok(found.ok_or_else(|| DeliveryError::NoSource(source.clone()))?.policy())
            }
        }
    }
}

/// Unix seconds.
pub(super) fn now_s() -> u64 {
    cache::now_ms() / 1000
}

/// Milliseconds since 1970, as rows keep them.
pub(super) fn now_ms() -> i64 {
    i64::try_from(cache::now_ms()).unwrap_or(i64::MAX)
}
