//! Access tokens: JWTs with HS256 that only we make and only we read.
//!
//! Nobody else's tokens are ever taken, so the header is one constant: a token with another one is refused before
//! anything in it is believed. There is no algorithm to confuse, no key id to follow and no certificate to fetch.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::units::Secret;

/// What access tokens are signed with.
#[derive(Clone)]
pub struct AccessKey([u8; 32]);

/// What an access token says. Times are Unix seconds. A token that says anything else, of an audience for example, was
/// meant for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessClaims {
    pub iss: String,
    /// The public id of the account.
    pub sub: String,
    /// Its integer key, for clients whose ids are numbers.
    pub user_id: i64,
    pub role: String,
    /// Which generation of the account's tokens it belongs to.
    #[serde(rename = "gen")]
    pub generation: i64,
    /// The session it was made in.
    pub sid: String,
    pub iat: i64,
    pub exp: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("the access token is not one of ours")]
    Wrong,
    #[error("the access token has expired")]
    Expired,
}

/// `iss` of all tokens.
const ISSUER: &str = "pixedge";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Ours have some 300 bytes; nothing longer is hashed.
const LONGEST: usize = 2048;
/// Nodes whose clocks differ by less agree on what is valid.
const SKEW_S: i64 = 60;

impl AccessKey {
    /// The key is derived, so that the secret can serve other purposes beside this one.
    pub fn new(secret: &Secret) -> Self {
        Self(blake3::derive_key("pixedge 2026-11 access tokens", secret.expose().as_bytes()))
    }

    /// The token that says `claims`; the issuer is filled in.
    pub fn sign(&self, mut claims: AccessClaims) -> String {
        ISSUER.clone_into(&mut claims.iss);
        let payload = serde_json::to_vec(&claims).unwrap_or_default();
        let mut token = URL_SAFE_NO_PAD.encode(HEADER);
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(payload));
        let mac = self.mac(token.as_bytes()).finalize().into_bytes();
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(mac));
        token
    }

    /// What a token says, if it is ours and valid at `now` (Unix seconds).
    pub fn verify(&self, token: &str, now: i64) -> Result<AccessClaims, AccessError> {
        let claims = self.verify_late(token, now)?;
        if claims.exp <= now { Err(AccessError::Expired) } else { Ok(claims) }
    }

    /// The same, but one that has expired is taken: for clients that know no refresh token.
    pub fn verify_late(&self, token: &str, now: i64) -> Result<AccessClaims, AccessError> {
        if token.len() > LONGEST {
            return Err(AccessError::Wrong);
        }
        let (signed, mac) = token.rsplit_once('.').ok_or(AccessError::Wrong)?;
        let (header, payload) = signed.split_once('.').ok_or(AccessError::Wrong)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| AccessError::Wrong);
        if decode(header)? != HEADER.as_bytes() {
            return Err(AccessError::Wrong);
        }
        self.mac(signed.as_bytes()).verify_slice(&decode(mac)?).map_err(|_| AccessError::Wrong)?;
        let claims: AccessClaims =
            serde_json::from_slice(&decode(payload)?).map_err(|_| AccessError::Wrong)?;
        if claims.iss != ISSUER || claims.iat > now.saturating_add(SKEW_S) {
            return Err(AccessError::Wrong);
        }
        Ok(claims)
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        mac(&self.0, bytes)
    }
}

fn mac(key: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(bytes);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key() -> AccessKey {
        AccessKey::new(&Secret::new("a secret of the tests"))
    }

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: ISSUER.to_owned(),
            sub: "u1a2b3".to_owned(),
            user_id: 7,
            role: "user".to_owned(),
            generation: 1,
            sid: "s1".to_owned(),
            iat: NOW,
            exp: NOW + 3600,
        }
    }

    /// A token of any header and payload with a right HMAC.
    fn forged(header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let mac = key().mac(signed.as_bytes()).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    #[test]
    fn says_what_was_said_until_it_expires() {
        let token = key().sign(claims());
        assert_eq!(key().verify(&token, NOW + 3599), Ok(claims()));
        assert_eq!(key().verify(&token, NOW + 3600), Err(AccessError::Expired));
        assert_eq!(key().verify_late(&token, NOW + 3600), Ok(claims()));
    }

    #[test]
    fn the_mac_is_that_of_rfc_7515() {
        // RFC 7515, appendix A.1.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let made = mac(&URL_SAFE_NO_PAD.decode(key).unwrap(), signed.as_bytes()).finalize().into_bytes();
        assert_eq!(URL_SAFE_NO_PAD.encode(made), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn nothing_else_is_taken() {
        let good = key().sign(claims());
        let payload = serde_json::to_string(&claims()).unwrap();
        assert!(
            key().verify(&forged(HEADER, &payload), NOW).is_ok(),
            "the forgery works with nothing changed"
        );
        let (head, mac) = good.rsplit_once('.').unwrap();
        let other = AccessKey::new(&Secret::new("another secret")).sign(claims());
        let future = AccessClaims { iat: NOW + 3600, exp: NOW + 7200, ..claims() };
        let wrong = [
            String::new(),
            "a.b.c".to_owned(),
            head.to_owned(),
            format!("{head}."),
            format!("{good}.{mac}"),
            format!("{good}="),
            other,
            key().sign(future),
            forged(r#"{"alg":"none","typ":"JWT"}"#, &payload),
            forged(r#"{"alg":"RS256","typ":"JWT"}"#, &payload),
            forged(r#"{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}"#, &payload),
            forged(r#"{"alg":"HS256"}"#, &payload),
            forged(HEADER, &payload.replace("\"iss\":\"pixedge\"", "\"iss\":\"someone\"")),
            forged(HEADER, &payload.replacen('{', r#"{"aud":"someone","#, 1)),
            forged(HEADER, &payload.replacen('{', r#"{"nbf":1900000000,"#, 1)),
            forged(HEADER, "{}"),
            forged(HEADER, "not json"),
            good.replacen(
                &URL_SAFE_NO_PAD.encode(&payload),
                &URL_SAFE_NO_PAD.encode(payload.replace("user\"", "admin\"")),
                1,
            ),
            "x".repeat(LONGEST + 1),
        ];
        for token in wrong {
            assert_eq!(key().verify(&token, NOW), Err(AccessError::Wrong), "{token}");
        }
    }
}
