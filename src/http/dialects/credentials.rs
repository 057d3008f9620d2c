//! Who asks, by the credential that stands where the dialect has it, and nowhere else.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts as Head;
use percent_encoding::percent_decode_str;

use crate::accounts::Who;
use crate::http::api::call::{NoCredentials, Refused};
use crate::http::api::{Api, bearer};

/// A place for a credential. Each takes an access token or an API key, whatever its clients call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// `Authorization: Bearer …`
    Bearer,
    /// The same with or without the word, as of clients that ask for a token and send what they were given.
    Bare,
    /// The same with a number and a bar in front of the token, or without, as Laravel writes them.
    Numbered,
    /// A header that holds nothing else.
    Header(&'static str),
    /// A key of the query.
    Query(&'static str),
    /// Two keys of the query: a name and a password.
    Login(&'static str, &'static str),
}

/// Who sends this request. The first spot that is filled counts; a wrong credential in it is wrong.
pub(super) async fn who(
    api: &Api,
    spots: &[Spot],
    head: &Head,
    (client, now): (IpAddr, i64),
) -> Result<Who, Refused> {
    let query = head.uri.query();
    for spot in spots {
        let token = match spot {
            Spot::Bearer => bearer(&head.headers).map(str::to_owned),
            Spot::Bare => bare(&head.headers).map(str::to_owned),
            Spot::Numbered => bare(&head.headers).map(|token| unnumbered(token).to_owned()),
            Spot::Header(name) => {
                head.headers.get(*name).and_then(|value| Some(value.to_str().ok()?.trim().to_owned()))
            }
            Spot::Query(name) => query_value(query, name),
            Spot::Login(name, password) => match (query_value(query, name), query_value(query, password)) {
                (Some(name), Some(password)) => {
                    return Ok(api.accounts.by_password(&name, &password, client, now).await?);
                }
                _ => None,
            },
        };
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            return Ok(api.accounts.authenticate(&token, now).await?);
        }
    }
    match &api.nobody {
        Some(nobody) if !head.headers.contains_key(AUTHORIZATION) => Ok(nobody.clone()),
        _ => Err(NoCredentials.into()),
    }
}

/// A token behind `Bearer`, or one that is the whole header.
fn bare(headers: &HeaderMap) -> Option<&str> {
    let whole =
        || headers.get(AUTHORIZATION)?.to_str().ok().map(str::trim).filter(|text| !text.contains(' '));
    bearer(headers).or_else(whole)
}

fn unnumbered(token: &str) -> &str {
    match token.split_once('|') {
        Some((number, rest)) if number.bytes().all(|c| c.is_ascii_digit()) => rest,
        _ => token,
    }
}

/// The first value of a query key.
pub(super) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, raw) = pairs.into_iter().find(|(key, _)| *key == name)?;
    let plain = raw.replace('+', " ");
    Some(percent_decode_str(&plain).decode_utf8_lossy().into_owned())
}
