//! Coming and going: `/v1/register`, `/v1/login`, `/v1/refresh`, `/v1/logout`, `/v1/me` and the first account.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{created, nothing, ok};
use super::bearer;
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::{NewUser, Signed, User};
use crate::delivery::body::Body;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/v1/register", "register", "Makes an account and signs in", |call| {
        Box::pin(register(call))
    })
    .anyone()
    .json::<Register>()
    .gives::<Session>(201, "The account and its first session"),
    Endpoint::post(
        "/v1/login",
        "login",
        "Signs in with a name or an e-mail address and a password",
        |call| Box::pin(login(call)),
    )
    .anyone()
    .json::<Login>()
    .gives::<Session>(200, "A session"),
    Endpoint::post("/v1/refresh", "refresh", "New tokens for a refresh token, which works once", |call| {
        Box::pin(refresh(call))
    })
    .anyone()
    .json::<Refresh>()
    .gives::<Session>(200, "The session goes on"),
    Endpoint::post("/v1/logout", "logout", "Ends the session of the access token that is sent", |call| {
        Box::pin(logout(call))
    })
    .anyone()
    .gives_nothing(204, "It has ended, or there was none"),
    Endpoint::post("/v1/setup", "setUp", "Makes the first administrator of a new server", |call| {
        Box::pin(set_up(call))
    })
    .anyone()
    .json::<SetUp>()
    .gives::<Session>(201, "The administrator and a session"),
    Endpoint::get("/v1/me", "me", "Who one is, and what one may do", |call| Box::pin(me(call)))
        .gives::<Me>(200, "The account behind the credentials"),
    Endpoint::post(
        "/v1/me/password",
        "changePassword",
        "Another password; ends all other sessions",
        |call| Box::pin(change_password(call)),
    )
    .json::<ChangePassword>()
    .gives::<Session>(200, "A new session"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Register {
    #[schemars(length(min = 1, max = 64))]
    username: String,
    #[schemars(length(min = 8, max = 128))]
    password: String,
    #[schemars(length(max = 254))]
    email: Option<String>,
    /// The secret of an invitation, where registration needs one.
    #[schemars(length(max = 128))]
    invite: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// A name or an e-mail address.
    #[schemars(length(max = 254))]
    username: Option<String>,
    /// Instead of `username`.
    #[schemars(length(max = 254))]
    email: Option<String>,
    #[schemars(length(max = 1024))]
    password: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    #[schemars(length(max = 256))]
    refresh_token: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// The last part of the link that the server printed at its first start.
    #[schemars(length(max = 256))]
    token: String,
    #[schemars(length(min = 1, max = 64))]
    username: String,
    #[schemars(length(min = 8, max = 128))]
    password: String,
    #[schemars(length(max = 254))]
    email: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    #[schemars(length(max = 1024))]
    old: String,
    #[schemars(length(min = 8, max = 128))]
    new: String,
}

#[derive(Serialize, JsonSchema)]
struct Session {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: u64,
    user: UserAnswer,
}

/// An account, as its owner and administrators see it.
#[derive(Serialize, JsonSchema)]
pub(super) struct UserAnswer {
    pub(super) id: String,
    /// The same as a number, for clients that want one.
    pub(super) user_id: i64,
    pub(super) username: String,
    pub(super) email: Option<String>,
    /// `admin`, `user` or `guest`.
    pub(super) role: &'static str,
    /// `null` = as much as there is.
    pub(super) quota_bytes: Option<u64>,
    pub(super) quota_files: Option<u64>,
    pub(super) created_at: Time,
}

#[derive(Serialize, JsonSchema)]
struct Me {
    #[serde(flatten)]
    user: UserAnswer,
    /// What these credentials may do: `read`, `upload`, `manage`, `admin`.
    scopes: Vec<String>,
    /// What the account's pictures and versions take of its quota.
    used_bytes: u64,
    used_files: u64,
}

async fn register(mut call: Call) -> Result<Response<Body>, Refused> {
    let Register { username, password, email, invite } = call.json().await?;
    let new = NewUser { name: &username, email: email.as_deref(), password: Some(&password) };
    let signed = call.api().accounts.register(&new, invite.as_deref(), call.now).await?;
    Ok(created(&Session::of(signed)))
}

async fn login(mut call: Call) -> Result<Response<Body>, Refused> {
    let Login { username, email, password } = call.json().await?;
    let who = match (username, email) {
        (Some(who), None) | (None, Some(who)) => who,
        (None, None) => return Err(Invalid::one("username", "is missing; `email` will do as well").into()),
        (Some(_), Some(_)) => {
            return Err(Invalid::one("email", "stands beside `username`; one is enough").into());
        }
    };
    let signed = call.api().accounts.login(&who, &password, call.client, call.now).await?;
    Ok(ok(&Session::of(signed)))
}

async fn refresh(mut call: Call) -> Result<Response<Body>, Refused> {
    let Refresh { refresh_token } = call.json().await?;
    let signed = call.api().accounts.refresh(&refresh_token, call.now).await?;
    Ok(ok(&Session::of(signed)))
}

async fn logout(call: Call) -> Result<Response<Body>, Refused> {
    if let Some(token) = bearer(&call.head.headers) {
        call.api().accounts.logout(token, call.now).await?;
    }
    Ok(nothing())
}

async fn set_up(mut call: Call) -> Result<Response<Body>, Refused> {
    let SetUp { token, username, password, email } = call.json().await?;
    let new = NewUser { name: &username, email: email.as_deref(), password: Some(&password) };
    let signed = call.api().accounts.set_up(&token, &new, call.now).await?;
    Ok(created(&Session::of(signed)))
}

async fn me(call: Call) -> Result<Response<Body>, Refused> {
    let who = call.who()?;
    let scopes = who.scopes.iter().map(|scope| scope.to_string()).collect();
    let used = call.api().library.usage(Some(who.user.pk)).await?;
    let (used_bytes, used_files) = (used.bytes, used.files);
    Ok(ok(&Me { user: UserAnswer::of(&who.user), scopes, used_bytes, used_files }))
}

async fn change_password(mut call: Call) -> Result<Response<Body>, Refused> {
    let ChangePassword { old, new } = call.json().await?;
    let user = &call.who()?.user;
    let signed = call.api().accounts.change_password(user, &old, &new, call.client, call.now).await?;
    Ok(ok(&Session::of(signed)))
}

impl Session {
    fn of(signed: Signed) -> Self {
        Self {
            refresh_token: signed.refresh.expose().to_owned(),
            access_token: signed.access,
            token_type: "Bearer",
            expires_in: signed.expires_in.as_secs(),
            user: UserAnswer::of(&signed.user),
        }
    }
}

impl UserAnswer {
    pub(super) fn of(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            user_id: user.pk,
            username: user.name.clone(),
            email: user.email.clone(),
            role: user.role.as_str(),
            quota_bytes: user.quota_bytes,
            quota_files: user.quota_files,
            created_at: Time(user.created_at),
        }
    }
}
