//! The native API under `/v1`: one table of endpoints, each with what it needs, takes and gives. The table routes
//! requests, checks them and describes itself as OpenAPI, so that the three cannot differ.
//!
//! A file of this folder holds the endpoints of one subject: an `ENDPOINTS` table, the types of its requests and
//! answers (their schemas are what a request is checked against) and a short handler each, which calls one use case.

mod accounts;
mod addresses;
mod admin;
mod albums;
pub(in crate::http) mod answer;
mod backup;
pub(in crate::http) mod call;
mod clients;
mod direct;
mod endpoint;
pub(in crate::http) mod image;
pub(in crate::http) mod images;
mod keys;
mod mail;
mod openapi;
pub(in crate::http) mod schema;
mod shares;
mod signed;
mod statistics;
mod storages;
pub(in crate::http) mod tasks;
pub(in crate::http) mod time;
mod tus;
pub(in crate::http) mod uploads;
pub(in crate::http) mod versions;

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION,
    CACHE_CONTROL, CONNECTION, HeaderMap, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts as Head;
use http::{HeaderValue, Method, Response, StatusCode};

use super::context::Asked;
use super::problem::{no_route, problem, wrong_method};
use super::router::Parts;
use crate::accounts::{Accounts, Who};
use crate::auth::RemovalKey;
use crate::delivery::body::Body;
use crate::delivery::cors::Cors;
use crate::library::Library;
use crate::upload::Uploads;

pub use schema::Schemas;

use call::{Call, Refused};
use endpoint::{Endpoint, Needs};

/// What the endpoints lead to.
pub struct Api {
    pub accounts: Accounts,
    pub library: Library,
    pub uploads: Uploads,
    /// Other origins whose scripts may call the API.
    pub cors: Cors,
    /// Whom requests without credentials act as, where no account is needed.
    pub nobody: Option<Who>,
    /// What links to the page that deletes a picture are made with.
    pub removal: RemovalKey,
    pub schemas: Schemas,
    /// The milliseconds since 1970.
    pub clock: fn() -> i64,
}

/// Every endpoint, by subject.
const SUBJECTS: &[&[Endpoint]] = &[
    accounts::ENDPOINTS,
    mail::ENDPOINTS,
    keys::ENDPOINTS,
    clients::ENDPOINTS,
    images::ENDPOINTS,
    uploads::ENDPOINTS,
    signed::ENDPOINTS,
    direct::ENDPOINTS,
    tus::ENDPOINTS,
    versions::ENDPOINTS,
    albums::ENDPOINTS,
    shares::ENDPOINTS,
    storages::ENDPOINTS,
    tasks::ENDPOINTS,
    admin::ENDPOINTS,
    addresses::ENDPOINTS,
    statistics::ENDPOINTS,
    backup::ENDPOINTS,
    openapi::ENDPOINTS,
];

fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    SUBJECTS.iter().copied().flatten()
}

/// What a request comes from, beside its bytes.
pub(super) struct Origin {
    pub client: std::net::IpAddr,
    pub asked: Asked,
}

/// Answers one request. The label for metrics comes along: the endpoint's own path, never what somebody typed.
pub(super) async fn answer(
    parts: &Arc<Parts>,
    mut head: Head,
    body: Body,
    origin: Origin,
) -> (&'static str, Response<Body>) {
    let api = &parts.api;
    let allow_origin = api.cors.answer(&head.headers);
    let asked = Asked { allow_origin, ..origin.asked };
    let path = head.uri.path().to_owned();
    head.method = tus::method(&head);
    let here: Vec<_> = endpoints().filter_map(|e| Some((e, e.path_values(&path)?))).collect();
    let Some(&(first, _)) = here.first() else {
        let known: Vec<&str> = endpoints().map(Endpoint::path).collect();
        return ("none", no_route(&path, &known, &asked));
    };
    let allowed = methods(here.iter().map(|(endpoint, _)| endpoint.method()));
    let is_preflight = head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if head.method == Method::OPTIONS
        && (is_preflight || !here.iter().any(|(endpoint, _)| endpoint.method() == Method::OPTIONS))
    {
        let open = here.iter().any(|(endpoint, _)| endpoint.is_open());
        let cors = if open { &Cors::Any } else { &api.cors };
        return (first.path(), cors.preflight(&head.headers, &allowed));
    }
    // Who may GET may HEAD; the body is taken off at the end.
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let found = here.into_iter().find(|(endpoint, _)| endpoint.method() == *method);
    let Some((endpoint, values)) = found else {
        return (first.path(), wrong_method(&head.method, &allowed, &asked));
    };
    let asked = if endpoint.is_open() {
        Asked { allow_origin: Cors::Any.answer(&head.headers), ..asked }
    } else {
        asked
    };
    let is_head = head.method == Method::HEAD;
    // An upload is refused while it arrives: what is left of it is not read, and the connection is of no more use.
    let unread = endpoint.takes_media() && head.version < http::Version::HTTP_2;
    let answered = handle(parts, endpoint, values, head, body, origin.client).await;
    let mut response = match answered {
        Ok(mut response) => {
            asked.allow_origin.clone().write(response.headers_mut());
            response
        }
        Err(Refused(fault)) => {
            let mut response = problem(&*fault, &asked);
            if unread {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    };
    finish(&mut response);
    tus::finish(endpoint.path(), &mut response);
    if is_head {
        *response.body_mut() = Body::empty();
    }
    (endpoint.path(), response)
}

async fn handle(
    parts: &Arc<Parts>,
    endpoint: &'static Endpoint,
    values: Vec<(&'static str, String)>,
    head: Head,
    body: Body,
    client: std::net::IpAddr,
) -> Result<Response<Body>, Refused> {
    // A secret that can be tried at any rate can be guessed.
    parts.delivery.pay(client)?;
    let now = (parts.api.clock)();
    let who = match endpoint.needs() {
        Needs::Nothing => None,
        Needs::Account => Some(parts.api.who(&head.headers, now).await?),
        Needs::Scope(scope) => {
            let who = parts.api.who(&head.headers, now).await?;
            who.needs(scope)?;
            Some(who)
        }
    };
    let call = Call { parts: Arc::clone(parts), head, body, values, client, who, now };
    endpoint.run(call).boxed().await
}

impl Api {
    /// Who sends these headers.
    async fn who(&self, headers: &HeaderMap, now: i64) -> Result<Who, Refused> {
        match (bearer(headers), &self.nobody) {
            (Some(token), _) => Ok(self.accounts.authenticate(token, now).await?),
            (None, Some(nobody)) if !headers.contains_key(AUTHORIZATION) => Ok(nobody.clone()),
            (None, _) => Err(call::NoCredentials.into()),
        }
    }
}

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case("Bearer ").then(|| token.trim())
}

/// What every answer of the API says of itself, whatever it is about.
fn finish(response: &mut Response<Body>) {
    let status = response.status();
    let unauthorized = status == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if status.is_client_error() || status.is_server_error() {
        // What is not there for one caller may well be for the next.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    if unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

/// What scripts of other origins may read beside the few that they always may.
const EXPOSED: &str = "idempotent-replayed, location, pixedge-image, ratelimit, ratelimit-policy, retry-after, \
                       tus-checksum-algorithm, tus-extension, tus-max-size, tus-resumable, tus-version, upload-expires, \
                       upload-length, upload-metadata, upload-offset, x-request-id";

/// The value of `Allow`.
fn methods(of: impl Iterator<Item = Method>) -> String {
    let mut all: Vec<Method> = of.collect();
    if all.contains(&Method::GET) {
        all.push(Method::HEAD);
    }
    all.push(Method::OPTIONS);
    all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    all.dedup();
    all.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
