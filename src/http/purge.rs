//! `POST /v1/purge` with `{"image": ID}`, `{"tag": T}`, `{"source": NAME}`, `{"prefix": "source/path/"}` or
//! `{"all": true}`, for whoever has the operator's key.

use std::borrow::Cow;

use http::header::{ALLOW, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts as Head;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::api::bearer;
use super::body::{BodyFault, json_object};
use super::context::Asked;
use super::problem::problem;
use super::router::json;
use crate::accounts::{Accounts, Scope};
use crate::admin::{Admin, AdminError, Purge, Purged};
use crate::auth::BearerKey;
use crate::delivery::body::Body;
use crate::delivery::cors::AllowOrigin;
use crate::error::{Detail, Fault, Kind};

/// The methods of this route.
pub(super) const ALLOWED: &str = "POST, OPTIONS";

/// The operator's use cases, and who may call them from outside.
pub struct Operator {
    pub admin: Admin,
    pub accounts: Accounts,
    /// `None`: nobody.
    pub key: Option<BearerKey>,
}

#[derive(Debug, thiserror::Error)]
enum PurgeFault {
    #[error("send the operator's key (`auth.admin_key` of the configuration) as `Authorization: Bearer …`")]
    NoKey,
    #[error("this is not the operator's key")]
    WrongKey,
    #[error("no `auth.admin_key` is configured, so nobody may purge from outside; use `pixedge cache purge`")]
    Off,
    #[error("`{field}`: {reason}")]
    Field { field: String, reason: &'static str },
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl Fault for PurgeFault {
    fn kind(&self) -> Kind {
        match self {
            Self::NoKey | Self::WrongKey => Kind::Unauthorized,
            Self::Off => Kind::Forbidden,
            Self::Field { .. } => Kind::BadRequest,
            Self::Body(error) => error.kind(),
            Self::Admin(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoKey | Self::WrongKey => "unauthorized",
            Self::Off => "forbidden",
            Self::Field { .. } => "bad_value",
            Self::Body(error) => error.code(),
            Self::Admin(error) => error.code(),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Field { field, .. } => Detail {
                option: Some(field.clone()),
                allowed: Some(Purge::FIELDS.join(", ")),
                ..Detail::default()
            },
            Self::Admin(error) => error.detail(),
            _ => Detail::default(),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Admin(error) => error.message(),
            _ => Cow::Owned(self.to_string()),
        }
    }
}

impl Operator {
    pub(super) async fn purge(&self, request: &Head, body: Body, asked: Asked, now: i64) -> Response<Body> {
        let mut response = match self.purged(request, body, now).await {
            Ok(purged) => json(&purged),
            // Scripts of other origins have no business here.
            Err(fault) => problem(&fault, &Asked { allow_origin: AllowOrigin::default(), ..asked }),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// Whether it is the access token or a key of an account that administrates.
    async fn is_administrator(&self, given: Option<&str>, now: i64) -> bool {
        let Some(token) = given else { return false };
        // Whatever else it is may be the operator's own key.
        let who = self.accounts.authenticate(token, now).await;
        who.is_ok_and(|who| who.scopes.has(Scope::Admin))
    }

    /// Nothing of the body is read for strangers.
    async fn purged(&self, request: &Head, body: Body, now: i64) -> Result<Purged, PurgeFault> {
        let given = bearer(&request.headers);
        if !self.is_administrator(given, now).await {
            let key = self.key.as_ref().ok_or(PurgeFault::Off)?;
            if !key.matches(given.ok_or(PurgeFault::NoKey)?.as_bytes()) {
                return Err(PurgeFault::WrongKey);
            }
        }
        let what = read(json_object(&request.headers, body).await?)?;
        Ok(self.admin.purge(&what).await?)
    }
}

/// The answer to `OPTIONS`: which methods there are, and to no other origin anything else.
pub(super) fn options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
    response
}

fn read(fields: Map<String, Value>) -> Result<Purge, PurgeFault> {
    let wrong = |field: String, reason: &'static str| PurgeFault::Field { field, reason };
    let mut fields = fields.into_iter();
    let (field, value) = match (fields.next(), fields.next()) {
        (Some(only), None) => only,
        (None, _) => {
            return Err(wrong("all".to_owned(), "say what to purge; everything is `{\"all\": true}`"));
        }
        (_, Some((second, _))) => return Err(wrong(second, "one request purges one thing")),
    };
    match (&*field, value) {
        ("all", Value::Bool(true)) => Ok(Purge::All),
        ("all", _) => Err(wrong(field, "takes `true`")),
        (_, Value::String(name)) => Ok(Purge::named(&field, name)?),
        (known, _) if Purge::FIELDS.contains(&known) => Err(wrong(field, "takes a text")),
        _ => Err(wrong(field, "is no field of a purge")),
    }
}
