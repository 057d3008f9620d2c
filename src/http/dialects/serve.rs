//! One request in a dialect, from its row to its answer: who asks, the handler, and what every answer says of itself.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONNECTION, HeaderValue,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts as Head;
use http::{Method, Response, StatusCode};

use super::credentials::{Spot, who};
use super::row::{Needs, Row, Takes};
use super::table::Found;
use super::{Dialect, Spoken, language};
use crate::delivery::body::Body;
use crate::delivery::cors::Cors;
use crate::http::api::call::{Call, Refused};
use crate::http::api::{Api, Origin};
use crate::http::context::Asked;
use crate::http::problem::{no_route, problem, wrong_method};
use crate::http::router::Parts;

impl Found {
    /// What is to be known of the request from now on.
    pub(in crate::http) fn spoken(&self, head: &Head) -> Spoken {
        let dialect = self.dialect();
        let language = language::of(&head.headers, dialect.native());
        Spoken { dialect, route: self.route(), language }
    }
}

/// Answers one request.
pub(in crate::http) async fn answer(
    parts: &Arc<Parts>,
    head: Head,
    body: Body,
    found: Found,
    origin: Origin,
) -> Response<Body> {
    let cors = cors(&parts.api);
    let asked = Asked { allow_origin: cors.answer(&head.headers), ..origin.asked };
    let (row, values) = match found {
        Found::Nothing(_) => return no_route(head.uri.path(), &[], &asked),
        Found::Method(row) => return wrong_method(&head.method, &parts.dialects.methods(row), &asked),
        Found::Row(row, _) if head.method == Method::OPTIONS => {
            return cors.preflight(&head.headers, &preflight_methods(parts, row));
        }
        Found::Row(row, values) => (row, values),
    };
    let is_head = head.method == Method::HEAD;
    // An upload is refused while it arrives: what is left of it is not read, and the connection is of no more use.
    let unread = row.takes == Takes::Files && head.version < http::Version::HTTP_2;
    let mut response = match handle(parts, row, values, head, body, origin.client).await {
        Ok(mut response) => {
            if !response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
                asked.allow_origin.clone().write(response.headers_mut());
            }
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
    finish(row, &mut response);
    if is_head {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn handle(
    parts: &Arc<Parts>,
    row: &'static Row,
    values: Vec<(&'static str, String)>,
    head: Head,
    body: Body,
    client: IpAddr,
) -> Result<Response<Body>, Refused> {
    // A secret that can be tried at any rate can be guessed.
    if row.is_paid {
        parts.delivery.pay(client)?;
    }
    let now = (parts.api.clock)();
    let who = match row.needs {
        Needs::Nothing => None,
        Needs::Account => Some(who(&parts.api, row.spots, &head, (client, now)).await?),
        Needs::Scope(scope) => {
            let who = who(&parts.api, row.spots, &head, (client, now)).await?;
            who.needs(scope)?;
            Some(who)
        }
    };
    let call = Call { parts: Arc::clone(parts), head, body, values, client, who, now };
    row.run(call).boxed().await
}

/// Every credential here is one that a foreign page does not have, so all origins may ask; where none is needed, those of
/// `http.api_cors` alone.
fn cors(api: &Api) -> &Cors {
    if api.nobody.is_some() { &api.cors } else { &Cors::Any }
}

fn preflight_methods(parts: &Parts, row: &Row) -> String {
    match row.dialect {
        // The same for every path, as its clients know it.
        Dialect::Vueflask => "DELETE, GET, HEAD, OPTIONS, POST, PUT".to_owned(),
        _ => parts.dialects.methods(row),
    }
}

fn finish(row: &Row, response: &mut Response<Body>) {
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.entry(ACCESS_CONTROL_EXPOSE_HEADERS).or_insert(HeaderValue::from_static(
            "location, ratelimit, ratelimit-policy, retry-after, x-request-id",
        ));
    }
    if unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if row.spots.iter().any(|spot| !matches!(spot, Spot::Bearer)) {
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
}
