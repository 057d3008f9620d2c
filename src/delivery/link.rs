//! Links to pictures of the library for answers that list them: plain for public ones, signed by the server's own key
//! and expiring for private ones and where all need that, so that a list can be shown without a token in every `<img>`.

use crate::auth::Scope;
use crate::delivery::rights::now_s;
use crate::delivery::{Delivery, DeliveryError};
use crate::library::{Image, Visibility};
use crate::units::Policy;

impl Delivery {
    /// The address of `image` with `spec` (`_` for none). A signature is good for all sizes of the one image; it lasts for
    /// 12 to 24 hours, and all that are made in the same half day are equal, so that browsers keep what they have.
    pub fn link(&self, image: &Image, spec: &str) -> Result<String, DeliveryError> {
        let path = format!("/i/{}/{spec}", image.id);
        let is_open = image.visibility == Visibility::Public && self.policies.library != Policy::Signed;
        let query = if is_open {
            String::new()
        } else {
            let expires = (now_s() / HALF_DAY + 2) * HALF_DAY;
            let (kid, signature) = self.keys.sign_own(Scope::Image, expires, &format!("i/{}", image.id))?;
            format!("?sig={signature}&kid={kid}&exp={expires}&sc=a")
        };
        Ok(format!("{}{path}{query}", self.public_url))
    }

    /// Where somebody who holds the token sees what was shared.
    pub fn share_link(&self, token: &str) -> String {
        format!("{}/share/{token}", self.public_url)
    }
}

const HALF_DAY: u64 = 12 * 3600;
