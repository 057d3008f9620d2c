//! Which pages may embed the library's pictures.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hotlink {
    /// Hosts, `example.com` or `*.example.com`; empty: pages of everybody.
    pub allow: Vec<String>,
    /// What becomes of requests that do not say which page they are for.
    pub empty_referer: EmptyReferer,
    /// What the others get.
    pub answer: HotlinkAnswer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmptyReferer {
    Allow,
    Deny,
}

/// `403`, or the id of a picture of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HotlinkAnswer {
    Forbidden,
    Image(String),
}

impl Default for Hotlink {
    fn default() -> Self {
        Self { allow: Vec::new(), empty_referer: EmptyReferer::Allow, answer: HotlinkAnswer::Forbidden }
    }
}

impl Hotlink {
    pub fn validate(&self) -> Result<(), String> {
        for (index, host) in self.allow.iter().enumerate() {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            let is_v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let is_v6 = is_v6.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
            let is_name = !name.is_empty() && !name.starts_with('.') && name.bytes().all(legal);
            if !is_v6 && (!is_name || name.ends_with('.')) {
                return Err(format!(
                    "`hotlink.allow[{index}]`: `{host}` is not a host like `example.com` or `*.example.com` (no scheme, \
                     port or path)"
                ));
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for HotlinkAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Answer;
        impl Visitor<'_> for Answer {
            type Value = HotlinkAnswer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`403` or the id of a picture")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<HotlinkAnswer, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<HotlinkAnswer, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<HotlinkAnswer, E> {
                if text == "403" {
                    return Ok(HotlinkAnswer::Forbidden);
                }
                if text.parse::<crate::library::ImageId>().is_err() {
                    return Err(E::custom(format!("`{text}` is neither `403` nor the id of a picture")));
                }
                Ok(HotlinkAnswer::Image(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Answer)
    }
}
