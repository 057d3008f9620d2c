//! What a URL means, without making the picture: `GET /explain/…` and `GET /info/<id>`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::delivery::answer::variant;
use crate::delivery::memo::Asked;
use crate::delivery::miss::Order;
use crate::delivery::named::{Named, bill_of};
use crate::delivery::origin::Origin;
use crate::delivery::personal::Right;
use crate::delivery::{Delivery, DeliveryError, Request, client};
use crate::error::{Fault as _, Kind};
use crate::library::Image;
use crate::limit::Account;
use crate::transform::{Client, Presets, Spec, SpecError, Subject};

/// The answer of `/explain/…`.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The spec in the one form that all spellings share, after the policy.
    pub canonical: String,
    /// Geometry and output with nothing left to decide; `null` where the pixels of an option are not built.
    pub resolved: Option<String>,
    pub key: Option<String>,
    pub format: Option<&'static str>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Tokens that a miss takes from the caller's rate, beside the one of the request.
    pub cost: Option<u32>,
    pub policy: &'static str,
    pub supported: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip)]
    pub is_private: bool,
}

/// The answer of `/info/<id>`: what is known of the original. Sides are as a viewer sees them.
#[derive(Debug, Serialize)]
pub struct Info {
    pub format: &'static str,
    pub mime: &'static str,
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    pub frames: u32,
    pub has_alpha: bool,
    /// Bits per channel as stored.
    pub depth: u8,
    /// EXIF orientation of the stored picture, 1 = upright.
    pub orientation: u8,
    /// What its pixels and its camera say, under the names of `f_json`. Nothing where they cannot be read.
    #[serde(flatten)]
    pub told: Map<String, Value>,
    #[serde(skip)]
    pub is_private: bool,
}

impl Delivery {
    pub async fn explain(&self, request: Request<'_>) -> Result<Explanation, DeliveryError> {
        let (asked, account) = self.admit(request, || Ok(Asked::new(self.read(request)?).into()))?;
        let client = client(request.headers);
        let right = self.owner(request, &asked).await?;
        let (policy, spec) = self.allow(&asked, &client, &right).await?;
        let opens = |image: &Image| right.opens(image, asked.caller.is_signed());
        let origin = self.origins.find(&asked.target.subject, opens).await?;
        let named = self.named(&spec, &asked.caller, policy, &right).await?;
        let mut explanation = Explanation {
            canonical: spec.to_string(),
            resolved: None,
            key: None,
            format: None,
            width: None,
            height: None,
            cost: None,
            policy: policy.name(),
            supported: false,
            reason: None,
            is_private: right.is_personal() || origin.version.is_private(),
        };
        let plan = match self.resolve(&spec, &origin, &named, &client, &bill_of(self, account)).await {
            Ok(plan) => plan,
            Err(DeliveryError::Spec(error @ SpecError::Unsupported(_))) => {
                explanation.reason = Some(error.to_string());
                return Ok(explanation);
            }
            Err(error) => return Err(error),
        };
        let resolved = plan.to_string();
        explanation.supported = true;
        explanation.key = Some(variant(&origin.version, &resolved, &named).to_string());
        explanation.format = Some(plan.output.name());
        let (width, height) =
            plan.output.told.map_or((plan.width, plan.height), |told| (told.width, told.height));
        (explanation.width, explanation.height) = (Some(width), Some(height));
        let order = Order::new(origin, named.overlays, plan);
        explanation.cost = Some(order.tokens());
        explanation.resolved = Some(resolved);
        Ok(explanation)
    }

    pub async fn info(&self, request: Request<'_>) -> Result<Info, DeliveryError> {
        let (asked, account) = self.admit(request, || Ok(Asked::new(self.read(request)?).into()))?;
        let right = self.owner(request, &asked).await?;
        self.authorise_info(&asked, &right)?;
        let opens = |image: &Image| right.opens(image, asked.caller.is_signed());
        let origin = self.origins.find(&asked.target.subject, opens).await?;
        let told = match self.told(&origin, account).await {
            Ok(told) => told,
            // The picture, not the server: what its header says can still be told.
            Err(error) if matches!(error.kind(), Kind::UnsupportedMedia | Kind::Unprocessable) => Map::new(),
            Err(error) => return Err(error),
        };
        let (width, height) = origin.header.oriented();
        Ok(Info {
            format: origin.header.format.name(),
            mime: origin.header.format.mime(),
            width,
            height,
            bytes: origin.len,
            frames: origin.header.frames,
            has_alpha: origin.header.has_alpha,
            depth: origin.header.depth,
            orientation: origin.header.orientation.exif(),
            told,
            is_private: origin.version.is_private(),
        })
    }

    /// A share is for looking at the picture, so it is no right here.
    async fn owner(&self, request: Request<'_>, asked: &Asked) -> Result<Right, DeliveryError> {
        match &asked.target.subject {
            Subject::Image { id } => self.own(request, id).await,
            Subject::Object { .. } => Ok(Right::Url),
        }
    }

    /// `f_json` of the whole picture, made once and cached like any other result.
    async fn told(&self, origin: &Origin, account: Account) -> Result<Map<String, Value>, DeliveryError> {
        let spec = Spec::parse("f_json", &Presets::default())?;
        let (named, bill) = (Named::default(), bill_of(self, account));
        let plan = self.resolve(&spec, origin, &named, &Client::default(), &bill).await?;
        let key = variant(&origin.version, &plan.to_string(), &named);
        let found = match self.cache.get_memory(&key) {
            Some(found) => found,
            None => {
                let origin = origin.clone();
                let order = Order::new(origin, Vec::new(), plan);
                self.get_or_render(key, order, bill).await?
            }
        };
        self.metrics.cache(found.outcome.tier());
        let mut told: Map<String, Value> = serde_json::from_slice(&found.entry.body).unwrap_or_default();
        // These are said of the original, in the names of this answer.
        ["width", "height", "has_alpha"].into_iter().for_each(|name| drop(told.remove(name)));
        if let Some(Value::Object(mut original)) = told.remove("original")
            && let Some(exif) = original.remove("exif")
        {
            told.insert("exif".to_owned(), exif);
        }
        Ok(told)
    }
}
