//! The sections of the configuration, a file each: fields, defaults and what a value may be. A section never looks
//! at another one; what holds between sections is checked in [`Config::validate`](super::Config::validate).

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer};

pub(super) mod auth;
pub(super) mod backup;
pub(super) mod ban;
pub(super) mod cache;
pub(super) mod cleanup;
pub(super) mod dialects;
pub(super) mod database;
pub(super) mod hotlink;
pub(super) mod http;
pub(super) mod images;
pub(super) mod ipx;
pub(super) mod jobs;
pub(super) mod keys;
pub(super) mod library;
pub(super) mod limits;
pub(super) mod log;
pub(super) mod mail;
pub(super) mod presets;
pub(super) mod purge_hooks;
pub(super) mod redis;
pub(super) mod source;
pub(super) mod storage;
pub(super) mod traces;
pub(super) mod uploads;
pub(super) mod user_storages;

/// HMAC keys shorter than this are guessed rather than broken.
pub(super) const MIN_SECRET: usize = 16;

pub use crate::units::Policy;

/// Names stand in URLs and in environment variables.
pub(super) fn validate_name(section: &str, name: &str) -> Result<(), String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    Err(format!("`{section}`: the name `{name}` is not 1 to 64 of `A-Z a-z 0-9 _ -`"))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    listen_address(&text).map_err(serde::de::Error::custom)
}

/// An address and port to listen on. Of names only `localhost` is known: what else a name means is not for this
/// process to find out before it listens.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse(),
        None => text.parse(),
    };
    numeric.map_err(|_| {
        format!("`{text}` is not an address and port like `127.0.0.1:8080`, `0.0.0.0:80`, `[::1]:8080` or `localhost:8080`")
    })
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Address(#[serde(deserialize_with = "address")] SocketAddr);
    Ok(Option::<Address>::deserialize(deserializer)?.map(|Address(address)| address))
}
