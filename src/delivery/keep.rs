//! Results that are kept: made like any other, stored by the library, and from then on what their URL answers, whatever
//! strangers may ask of other URLs.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::answer::variant;
use super::door::Viewer;
use super::memo::Asked;
use super::miss::{Kitchen, Order};
use super::named::bill_of;
use super::personal::Right;
use super::{Delivery, DeliveryError};
use crate::auth::Caller;
use crate::cache::{Entry, now_ms};
use crate::codec::Format;
use crate::library::{Image, NewVersion, Quota, Version};
use crate::limit;
use crate::transform::plan::{Metadata, Plan};
use crate::transform::{Client, Spec, Subject, Wanted};
use crate::units::Policy;

/// Who wants a result kept.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub spec: &'a str,
    pub viewer: Viewer,
    pub client: IpAddr,
    /// Of the image's owner.
    pub quota: Quota,
    pub now: i64,
}

impl Delivery {
    /// Whether a version of this spec could be asked for at all; what only the picture tells is not looked at.
    pub fn check_version(&self, spec: &str) -> Result<(), DeliveryError> {
        self.version_spec(spec).map(|_| ())
    }

    fn version_spec(&self, spec: &str) -> Result<Spec, DeliveryError> {
        let spec = Spec::parse(spec, &self.presets)?;
        if spec.metadata() == Metadata::All {
            // Whoever knows the URL sees a version.
            return Err(DeliveryError::NeedsSignature {
                option: "md".to_owned(),
                why: "`md_all` keeps GPS position and serial numbers, and a version is for others to see",
            });
        }
        Ok(spec)
    }

    /// Makes what `wish` asks of an image and keeps it, or finds that it is kept already, which is `true` then.
    pub async fn keep(&self, image: &Image, wish: &Wish<'_>) -> Result<(Version, bool), DeliveryError> {
        let spec = self.version_spec(wish.spec)?;
        let right = Right::Own(wish.viewer);
        let subject = Subject::Image { id: image.id.to_string() };
        let version = self.origins.version(&subject, |image| right.opens(image, false)).await?;
        let origin = self.origins.origin(version).await?;
        let named = self.named(&spec, &Caller::Anyone, Policy::Open, &right).await?;
        let account = self.limiter.account(limit::Caller { address: wish.client, key: None });
        let bill = bill_of(self, account);
        let client = Client::default();
        let mut plan = self.resolve(&spec, &origin, &named, &client, &bill).await?;
        // The URL of a version names its format: under `f_auto` everybody would get another one.
        let spec = match spec.format() {
            Wanted::Auto | Wanted::Best => {
                let wanted = Wanted::from_extension(plan.output.format.extension()).unwrap_or(Wanted::Auto);
                let spec = spec.with_format(wanted)?;
                plan = self.resolve(&spec, &origin, &named, &client, &bill).await?;
                spec
            }
            _ => spec,
        };
        let name = name_of(&plan, &named.overlays);
        let library = self.origins.library();
        if let Some(version) = library.version(image, &name).await? {
            return Ok((version, true));
        }
        let key = variant(&origin.version, &plan.to_string(), &named);
        let found = match self.cache.get_memory(&key) {
            Some(found) => found,
            None => {
                let order = Order::new(origin, named.overlays, plan.clone());
                self.get_or_render(key, order, bill).await?
            }
        };
        let new = NewVersion {
            variant: name,
            spec: spec.to_string(),
            format: plan.output.extension(),
            width: found.entry.width,
            height: found.entry.height,
            bytes: whole(&found.entry).await?,
        };
        Ok(library.keep_version(image, new, wish.quota, wish.now).await?)
    }

    /// What may be rendered for a request: what policies make of its spec, or just that where it names a version or a
    /// derivative.
    pub(super) async fn allow(
        &self,
        asked: &Asked,
        client: &Client,
        right: &Right,
    ) -> Result<(Policy, Spec), DeliveryError> {
        if self.is_derivative(&asked.target) {
            return Ok((self.policies.library, asked.target.spec.clone()));
        }
        if let Subject::Image { id } = &asked.target.subject
            && let Some(image) = self.origins.library().find(id).await?
            && image.versions > 0
            && right.opens(&image, asked.caller.is_signed())
            && self.origins.library().has_version(&image, &asked.target.spec.to_string()).await?
        {
            return Ok((self.policies.library, asked.target.spec.clone()));
        }
        self.authorise(asked, client, right)
    }
}

impl Kitchen {
    /// The result out of its storage, where it is one that is kept.
    pub(super) async fn kept(&self, order: &Order) -> Result<Option<Entry>, DeliveryError> {
        let Some(image) = order.origin.version.image().filter(|image| image.versions > 0) else {
            return Ok(None);
        };
        let library = self.origins.library();
        let name = name_of(&order.plan, &order.overlays);
        let Some(version) = library.version(image, &name).await? else { return Ok(None) };
        let body = match library.read_version(&version, LARGEST).await {
            Ok(body) => body,
            Err(error) => {
                // It can still be made.
                tracing::warn!(%error, version = version.id, "a version cannot be read");
                return Ok(None);
            }
        };
        let mime = Format::from_name(&version.format).map_or("application/octet-stream", Format::mime);
        Ok(Some(Entry {
            body,
            mime: Cow::Borrowed(mime),
            width: version.width,
            height: version.height,
            created_ms: now_ms(),
            modified_ms: order.origin.modified_ms.unwrap_or_else(now_ms),
            expires_ms: None,
            extra: Bytes::new(),
            file: None,
        }))
    }
}

/// Tells results of one content apart. Neither purges nor engines have a part in it: what is kept stays as it is.
fn name_of(plan: &Plan, overlays: &[super::origin::Origin]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(plan.to_string().as_bytes());
    for image in overlays.iter().filter_map(|overlay| overlay.version.image()) {
        hasher.update(&image.sha256.0);
    }
    hasher.finalize().to_hex().to_string()
}

async fn whole(entry: &Entry) -> Result<Bytes, DeliveryError> {
    let Some(file) = &entry.file else { return Ok(entry.body.clone()) };
    let pieces = file.stream(0..file.len()).await.map_err(DeliveryError::Cache)?;
    let pieces: Vec<Bytes> = pieces.try_collect().await.map_err(DeliveryError::Cache)?;
    Ok(pieces.concat().into())
}

/// More than any result has.
const LARGEST: u64 = 1 << 30;
