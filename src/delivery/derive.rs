//! Derivatives: variants that the configuration names, made of every new image before anybody asks, so that the first
//! who does finds them cached. They are results like any other, under the same keys; nothing else remembers them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::answer::variant;
use super::miss::Order;
use super::personal::Right;
use super::{Bill, Delivery, DeliveryError};
use crate::auth::Caller;
use crate::cache::{Entry, Key};
use crate::library::Image;
use crate::limit::{self, Limiter};
use crate::transform::plan::Metadata;
use crate::transform::{Accepts, Client, Presets, Spec, Subject, Target};
use crate::units::Policy;
use crate::workers::Class;

/// The derivatives of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Derivatives(Vec<Derivative>);

#[derive(Debug, Clone)]
struct Derivative {
    name: String,
    /// As the operator wrote it, for links.
    text: String,
    spec: Spec,
    /// Equal for all spellings.
    canonical: String,
}

impl Derivatives {
    /// Reads `name: spec`; an error names the field and what is wrong with it.
    pub fn new(texts: &BTreeMap<String, String>, presets: &Presets) -> Result<Self, String> {
        let read = |(name, text): (&String, &String)| {
            let field = format!("uploads.derivatives.{name}");
            let spec = Spec::parse(text.trim(), presets).map_err(|error| format!("`{field}`: {error}"))?;
            if spec.metadata() == Metadata::All {
                let why =
                    "`md_all` keeps GPS position and serial numbers, and derivatives are for others to see";
                return Err(format!("`{field}`: {why}; leave it out"));
            }
            let canonical = spec.to_string();
            Ok(Derivative { name: name.clone(), text: text.trim().to_owned(), spec, canonical })
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Delivery {
    /// Makes the derivatives of an image, for browsers and for clients that take whatever comes. Returns what they are
    /// called and what is in them; they are cached here already.
    pub async fn derive(&self, image: &Image) -> Result<Vec<(Key, Arc<Entry>)>, DeliveryError> {
        let right = Right::Url;
        let subject = Subject::Image { id: image.id.to_string() };
        // The server itself may see all that it keeps.
        let version = self.origins.version(&subject, |_| true).await?;
        let origin = self.origins.origin(version).await?;
        let nobody = Limiter::new(&limit::Config::default());
        let account = nobody.account(limit::Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST), key: None });
        let bill = Bill { limiter: Arc::new(nobody), account, charged: Arc::default() };
        let mut orders = BTreeMap::new();
        for Derivative { spec, .. } in &self.derivatives.0 {
            let named = self.named(spec, &Caller::Anyone, self.policies.library, &right).await?;
            let classes = if spec.varies().accept { &CLIENTS[..] } else { &CLIENTS[..1] };
            for accepts in classes {
                let client = Client { accepts: *accepts, ..Client::default() };
                let plan = self.resolve(spec, &origin, &named, &client, &bill).await?;
                let key = variant(&origin.version, &plan.to_string(), &named);
                let order = Order::new(origin.clone(), named.overlays.clone(), plan);
                orders.insert(key, Order { class: Class::Background, ..order });
            }
        }
        // All at once, so that they share one decode.
        try_join_all(orders.into_iter().map(async |(key, order)| {
            let found = self.get_or_render(key, order, bill.clone()).await?;
            Ok((key, found.entry))
        }))
        .await
    }

    /// Where each derivative of an image is shown, by its name.
    pub fn derivative_links(&self, image: &Image) -> Result<BTreeMap<String, String>, DeliveryError> {
        let link =
            |derivative: &Derivative| Ok((derivative.name.clone(), self.link(image, &derivative.text)?));
        self.derivatives.0.iter().map(link).collect()
    }

    /// Whether a URL asks for just what the operator has made of every image anyway.
    pub(super) fn is_derivative(&self, target: &Target) -> bool {
        if self.derivatives.is_empty()
            || self.policies.library == Policy::Signed
            || !matches!(target.subject, Subject::Image { .. })
        {
            return false;
        }
        let asked = target.spec.to_string();
        self.derivatives.0.iter().any(|derivative| derivative.canonical == asked)
    }
}

/// Whoever names no format, and the browsers of today. Other classes are made when somebody asks.
const CLIENTS: [Accepts; 2] = [Accepts { avif: false, webp: false }, Accepts { avif: true, webp: true }];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, spec: &str) -> Result<Derivatives, String> {
        let presets = BTreeMap::from([("small".to_owned(), "w_90".to_owned())]);
        let presets = Presets::new(&presets).unwrap();
        Derivatives::new(&BTreeMap::from([(name.to_owned(), spec.to_owned())]), &presets)
    }

    #[test]
    fn a_bad_spec_names_its_field() {
        assert_eq!(read("preview", " h_600,w_800 ").unwrap().0[0].canonical, "w_800,h_600");
        assert!(read("tiny", "t_small").is_ok());
        for spec in ["w_0", "wobble_3", "t_big", "w_300,md_all"] {
            let error = read("thumb", spec).unwrap_err();
            assert!(error.starts_with("`uploads.derivatives.thumb`: "), "{error}");
        }
    }
}
