//! The pictures that a spec names beside its own: what is drawn on top, and what is shown where the source is missing
//! or broken. And what has to be seen of a picture before its spec can be resolved.

use std::sync::Arc;

use bytes::Bytes;

use crate::auth::Caller;
use crate::cache::Key;
use crate::codec::Rect;
use crate::delivery::memo::Asked;
use crate::delivery::origin::{Origin, Version};
use crate::delivery::personal::Right;
use crate::delivery::{Bill, Delivery, DeliveryError, payer_of};
use crate::library::Image;
use crate::transform::cost::{self, Decoding};
use crate::transform::plan::{Look, Plan};
use crate::transform::{Client, Resolution, SourceFacts, Spec, Subject, resolve_seen};
use crate::units::Policy;
use crate::{codec, limit};

/// What is drawn on a picture, each in the version that was found. A fallback is not among it: a picture that is there
/// does not depend on what would be shown without it.
#[derive(Default)]
pub(crate) struct Named {
    /// In the order of the spec.
    pub(crate) overlays: Vec<Origin>,
}

impl Named {
    /// What tells results with these pictures from results with others.
    pub(crate) fn keys(&self) -> Vec<[u8; 32]> {
        self.overlays.iter().map(|origin| *origin.version.original().as_bytes()).collect()
    }
}

impl Delivery {
    /// Finds the pictures that are drawn on top, where the caller may have them: by the same rules as its own, lest a
    /// right to one picture be a way to all others. A fallback is looked for where it is needed.
    pub(super) async fn named(
        &self,
        spec: &Spec,
        caller: &Caller,
        policy: Policy,
        right: &Right,
    ) -> Result<Named, DeliveryError> {
        let mut found = Named::default();
        for named in spec.named_pictures() {
            let signed = self.may_name(&named, caller, policy, right)?;
            if !named.is_fallback {
                let opens = |image: &Image| right.opens_named(image, signed);
                let subject = Subject::Image { id: named.id.to_owned() };
                let version = self.origins.version(&subject, opens).await.map_err(|error| match error {
                    DeliveryError::NoImage(id) => {
                        DeliveryError::NoNamed { option: format!("{}_{id}", named.option) }
                    }
                    error => error,
                })?;
                found.overlays.push(self.origins.origin(version).await?);
            }
        }
        Ok(found)
    }

    /// The picture to show instead, if the spec names one that the caller may have.
    pub(super) async fn fallback(
        &self,
        asked: &Asked,
        client: &Client,
        right: &Right,
    ) -> Result<Option<Version>, DeliveryError> {
        let (policy, spec) = self.authorise(asked, client, right)?;
        let Some(named) = spec.named_pictures().find(|named| named.is_fallback) else { return Ok(None) };
        let signed = self.may_name(&named, &asked.caller, policy, right)?;
        let opens = |image: &Image| right.opens_named(image, signed);
        let version = self.origins.version(&Subject::Image { id: named.id.to_owned() }, opens).await?;
        Ok(Some(version))
    }

    /// Decides everything about a picture, looking at its pixels where the spec needs that.
    pub(super) async fn resolve(
        &self,
        spec: &Spec,
        origin: &Origin,
        named: &Named,
        client: &Client,
        bill: &Bill,
    ) -> Result<Plan, DeliveryError> {
        let facts = SourceFacts { header: origin.header.clone(), focal: origin.focal };
        let mut seen = Vec::new();
        loop {
            match resolve_seen(spec, &facts, client, &self.resolve_limits, &seen)? {
                Resolution::Plan(plan) => return Ok(plan),
                Resolution::Look(look) => seen.push(self.look(*look, origin, named, bill).await?),
            }
        }
    }

    /// Looked at once and remembered like a result, so that neither a hit nor another width has to look again.
    async fn look(
        &self,
        look: Look,
        origin: &Origin,
        named: &Named,
        bill: &Bill,
    ) -> Result<Rect, DeliveryError> {
        let version = &origin.version;
        let key = Key::variant(&version.identity(), version.generation(), &look.to_string(), &named.keys());
        let (kitchen, origin, overlays) = (self.kitchen.clone(), origin.clone(), named.overlays.clone());
        let bill = bill.clone();
        let (width, height) = (look.width, look.height);
        let work = move |commit| async move {
            bill.pay(limit::tokens(cost::seconds(&origin.header, &look.plan(), Decoding::Own)))?;
            kitchen.look(origin, overlays, look, payer_of(bill.account), commit).await
        };
        let found = match self.cache.get_memory(&key) {
            Some(found) => found,
            None => self.cache.get_or_render(key, work).await.map_err(DeliveryError::Shared)?,
        };
        // What lies on a disk may be anything: a rectangle that leaves the picture would be refused much later.
        rect_of(&found.entry.body)
            .filter(|rect| fits(rect, width, height))
            .ok_or(DeliveryError::Cache(std::io::ErrorKind::InvalidData.into()))
    }
}

/// What was seen, as the cache keeps it.
pub(crate) fn bytes_of(rect: Rect) -> Bytes {
    let Rect { x, y, width, height } = rect;
    Bytes::from([x, y, width, height].map(u32::to_le_bytes).concat())
}

fn rect_of(bytes: &Bytes) -> Option<Rect> {
    let ([x, y, width, height], []) = bytes.as_chunks::<4>() else { return None };
    let [x, y, width, height] = [x, y, width, height].map(|side| u32::from_le_bytes(*side));
    Some(Rect { x, y, width, height })
}

fn fits(rect: &Rect, width: u32, height: u32) -> bool {
    let inside = |from: u32, length: u32, side: u32| {
        length > 0 && from.checked_add(length).is_some_and(|end| end <= side)
    };
    inside(rect.x, rect.width, width) && inside(rect.y, rect.height, height)
}

/// Whether another picture may take the place of the one that failed: it is not there, cannot be reached, or is none.
pub(crate) fn is_missing(error: &DeliveryError) -> bool {
    let broken = |error: &codec::CodecError| error.is_of_the_source();
    match error {
        DeliveryError::NoImage(_) | DeliveryError::Source(_) | DeliveryError::Library(_) => true,
        DeliveryError::Codec(error) => broken(error),
        DeliveryError::Render(crate::transform::render::RenderError::Codec(error)) => broken(error),
        DeliveryError::Shared(error) => is_missing(error),
        _ => false,
    }
}

/// Kept apart from [`Bill`]'s other uses: who waits for a look has not started to wait for the picture.
pub(crate) fn bill_of(delivery: &Delivery, account: limit::Account) -> Bill {
    Bill { limiter: Arc::clone(&delivery.limiter), account, charged: Arc::default() }
}
