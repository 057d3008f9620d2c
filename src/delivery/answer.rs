//! Everything about an answer but its bytes: what it is called, how long it may be kept, what goes with it.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;

use crate::auth::Grant;
use crate::cache::{self, Entry, Key};
use crate::codec::Format;
use crate::delivery::conditional::{ETag, LastModified};
use crate::delivery::memo::{Answer, Asked};
use crate::delivery::named::Named;
use crate::delivery::origin::{Origin, Version};
use crate::delivery::respond::{self, Extras, Picture, Terms, Vary};
use crate::delivery::{Bill, Delivery, DeliveryError};
use crate::transform::plan::Plan;
use crate::transform::{Client, Spec, Subject, Target};

impl Delivery {
    /// Everything about the answer but its bytes.
    pub(super) async fn prepare(
        &self,
        asked: &Asked,
        spec: &Spec,
        (origin, named): (&Origin, Named),
        client: &Client,
        bill: &Bill,
    ) -> Result<Answer, DeliveryError> {
        let target = &asked.target;
        let plan = self.resolve(spec, origin, &named, client, bill).await?;
        let key = variant(&origin.version, &plan.to_string(), &named);
        let modified = |ms| LastModified::new(UNIX_EPOCH + Duration::from_millis(ms));
        // A result is as new as the newest picture in it.
        let newest = named.overlays.iter().chain([origin]).map(|origin| origin.modified_ms).max().flatten();
        let mut answer = Answer {
            key,
            etag: ETag::strong(key.etag().trim_matches('"')),
            last_modified: newest.and_then(modified),
            content_type: HeaderValue::from_static(plan.output.mime()),
            cache_control: None,
            vary: vary(&target.spec),
            extras: self.extras(target, spec, &plan, client),
            version: origin.version.clone(),
            overlays: named.overlays,
            plan,
        };
        if ends_ms(asked, &answer).is_none() && !answer.versions().any(Version::is_followed) {
            answer.cache_control = Some(self.cache_control(asked, &answer, None));
        }
        Ok(answer)
    }

    /// `left` is what the source of the picture says now, if anything.
    pub(super) fn cache_control(
        &self,
        asked: &Asked,
        answer: &Answer,
        left: Option<Duration>,
    ) -> HeaderValue {
        let target = &asked.target;
        let freshness = match &target.subject {
            Subject::Image { .. } => &self.library_freshness,
            Subject::Object { source, .. } => {
                self.source_freshness.get(source).unwrap_or(&self.library_freshness)
            }
        };
        // Rounded down when it is printed, so that no copy outlives its picture.
        let ends = ends_ms(asked, answer).map(|at| Duration::from_millis(at.saturating_sub(cache::now_ms())));
        // Those that are drawn on top were looked at when the answer was made; it is not remembered then.
        let overlays = answer.overlays.iter().filter_map(|overlay| overlay.version.left());
        freshness.header(Terms {
            versioned: target.extras.version.is_some(),
            private: answer.is_private(),
            unshared: self.guards(asked),
            unstored: answer.versions().any(Version::is_passing),
            at_most: overlays.chain(left).chain(ends).min(),
        })
    }

    fn extras(&self, target: &Target, spec: &Spec, plan: &Plan, client: &Client) -> Extras {
        let tag = tag(target);
        Extras {
            content_dpr: (client.dpr.is_some() && target.spec.varies().dpr)
                .then(|| respond::content_dpr(client.pixel_ratio().as_f64()))
                .flatten(),
            disposition: disposition(target, plan.output.extension()),
            cache_tag: respond::cache_tags([tag]),
            link: respond::canonical_link(&format!("{}{}", self.public_url, target.canonical_path(spec))),
        }
    }
}

/// When this answer ceases to be one, in milliseconds since 1970: with one of its images or with the signature.
fn ends_ms(asked: &Asked, answer: &Answer) -> Option<u64> {
    let images = answer.versions().filter_map(|version| version.expires_ms());
    let signature = asked.caller.grant().and_then(Grant::until).map(|at| at.saturating_mul(1000));
    images.chain(signature).min()
}

/// What a variant of an original is called.
pub(super) fn variant(version: &Version, plan: &str, named: &Named) -> Key {
    Key::variant(&version.identity(), version.generation(), plan, &named.keys())
}

pub(super) fn vary(asked: &Spec) -> Vary {
    let varies = asked.varies();
    Vary { accept: varies.accept, dpr: varies.dpr, width: varies.width }
}

/// What the entry alone knows of a picture that could have become one of several formats.
pub(super) fn settle(picture: &mut Picture<'_>, target: &Target, entry: &Entry) {
    if let Ok(mime) = HeaderValue::from_str(&entry.mime) {
        picture.content_type = mime;
    }
    if let Some(format) = Format::ALL.into_iter().find(|format| format.mime() == entry.mime) {
        picture.extras.disposition = disposition(target, format.extension());
    }
}

/// What a cache in front may be told to drop together.
fn tag(target: &Target) -> &str {
    match &target.subject {
        Subject::Image { id } => id,
        Subject::Object { source, .. } => source,
    }
}

fn disposition(target: &Target, extension: &str) -> Option<HeaderValue> {
    let name = target.extras.file_name.as_deref().or(target.name.as_deref());
    (target.extras.download || name.is_some())
        .then(|| respond::disposition(target.extras.download, Some(&file_name(name, tag(target), extension))))
}

/// The name to save under: as the URL says, or the image's id, always with the extension of what is sent.
fn file_name(name: Option<&str>, fallback: &str, extension: &str) -> String {
    let name = name.unwrap_or(fallback);
    let stem = match name.rsplit_once('.') {
        Some((stem, last)) if crate::codec::Format::from_name(last).is_some() && !stem.is_empty() => stem,
        _ => name,
    };
    format!("{stem}.{extension}")
}
