//! What a URL means, without making the picture: `GET /explain/…` and `GET /info/<id>`.

use serde::Serialize;

use crate::delivery::memo::Asked;
use crate::delivery::{Delivery, DeliveryError, Request, client, tokens, variant};
use crate::transform::SpecError;

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
    #[serde(skip)]
    pub is_private: bool,
}

impl Delivery {
    pub async fn explain(&self, request: Request<'_>) -> Result<Explanation, DeliveryError> {
        let (asked, _) = self.admit(request, || Ok(Asked::new(self.read(request)?).into()))?;
        let client = client(request.headers);
        let (policy, spec) = self.authorise(&asked, &client)?;
        let origin = self.origins.find(&asked.target.subject, asked.caller.is_signed()).await?;
        self.authorise_named(&spec, &asked.caller, policy).await?;
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
            is_private: origin.version.is_private(),
        };
        let plan = match self.resolve(&spec, &origin, &client) {
            Ok(plan) => plan,
            Err(DeliveryError::Spec(error @ SpecError::Unsupported(_))) => {
                explanation.reason = Some(error.to_string());
                return Ok(explanation);
            }
            Err(error) => return Err(error),
        };
        let resolved = plan.to_string();
        explanation.supported = true;
        explanation.key = Some(variant(&origin.version, &resolved).to_string());
        explanation.format = Some(plan.output.format.name());
        (explanation.width, explanation.height) = (Some(plan.width), Some(plan.height));
        explanation.cost = Some(tokens(&origin, &plan));
        explanation.resolved = Some(resolved);
        Ok(explanation)
    }

    pub async fn info(&self, request: Request<'_>) -> Result<Info, DeliveryError> {
        let (asked, _) = self.admit(request, || Ok(Asked::new(self.read(request)?).into()))?;
        self.authorise_info(&asked)?;
        let origin = self.origins.find(&asked.target.subject, asked.caller.is_signed()).await?;
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
            is_private: origin.version.is_private(),
        })
    }
}
