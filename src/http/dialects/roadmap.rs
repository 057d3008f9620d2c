//! Image-Processing-Service of roadmap.sh: accounts and pictures at the top of the path, results that are made on
//! request. Its clients read `detail` of an error, so refusals stay problems.

mod images;
mod transform;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Dialect::Roadmap;
use super::answer::json as answer;
use super::call::Fields;
use super::row::{Row, Sight, Tie};
use crate::accounts::{NewUser, Scope, Signed};
use crate::delivery::body::Body;
use crate::error::Wrong;
use crate::http::api::call::{Call, Refused};
use crate::http::api::schema::Invalid;
use crate::http::api::time::Time;

pub(super) const ROWS: &[Row] = &[
    Row::post(Roadmap, "/register", |call| Box::pin(register(call))).anyone(),
    Row::post(Roadmap, "/login", |call| Box::pin(login(call))).anyone(),
    Row::post(Roadmap, "/images", |call| Box::pin(images::upload(call))).scope(Scope::Upload).files(),
    Row::get(Roadmap, "/images", |call| Box::pin(images::list(call))).scope(Scope::Read),
    Row::get(Roadmap, "/images/{id}", |call| Box::pin(images::get(call))).scope(Scope::Read).tie(ID),
    Row::delete(Roadmap, "/images/{id}", |call| Box::pin(images::delete(call))).scope(Scope::Manage).tie(ID),
    Row::post(Roadmap, "/images/{id}/transform", |call| Box::pin(transform::transform(call)))
        .scope(Scope::Upload),
    Row::get(Roadmap, "/tasks/{id}/status", |call| Box::pin(transform::status(call))).scope(Scope::Read),
];

/// Ids are short, and hold none of what every name of a file holds. The other half is [`FILE`].
const ID: Tie = Tie { name: "id or file name", holds: |sight| !is_file_name(sight) };

/// The stored name of a picture: it always has an extension.
pub(super) const FILE: Tie = Tie { name: "id or file name", holds: is_file_name };

fn is_file_name(sight: &Sight<'_>) -> bool {
    const LONGEST_ID: usize = 64;
    sight.value.len() > LONGEST_ID || sight.value.contains(['.', '+', '=', '/', '%'])
}

async fn register(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let (username, password) = credentials(&fields)?;
    let (email, invite) = (fields.text("email"), fields.text("invite"));
    let new = NewUser { name: &username, email: email.as_deref(), password: Some(&password) };
    let signed = call.api().accounts.register(&new, invite.as_deref(), call.now).await?;
    Ok(answer(StatusCode::CREATED, &session(&signed)))
}

async fn login(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let (username, password) = credentials(&fields)?;
    let signed = call.api().accounts.login(&username, &password, call.client, call.now).await?;
    Ok(answer(StatusCode::OK, &session(&signed)))
}

/// Everything that is missing is named at once.
fn credentials(fields: &Fields) -> Result<(String, String), Invalid> {
    let given = |name: &str| fields.text(name).filter(|text| !text.is_empty());
    match (given("username"), given("password")) {
        (Some(username), Some(password)) => Ok((username, password)),
        (username, password) => {
            let all = [("username", username.is_none()), ("password", password.is_none())];
            let missing = all.into_iter().filter(|(_, is_missing)| *is_missing);
            let wrong = missing.map(|(field, _)| Wrong {
                field: field.to_owned(),
                reason: "is missing".to_owned(),
                did_you_mean: None,
            });
            Err(Invalid::all(wrong.collect()))
        }
    }
}

/// The user with a token, as the one and as the other kind of client looks for them.
fn session(signed: &Signed) -> Value {
    let user = json!({
        "id": signed.user.pk,
        "username": signed.user.name,
        "created_at": Time(signed.user.created_at),
    });
    json!({
        "id": signed.user.pk,
        "username": signed.user.name,
        "created_at": Time(signed.user.created_at),
        "user": user,
        "token": signed.access,
        "access_token": signed.access,
        "refresh_token": signed.refresh.expose(),
        "token_type": "bearer",
        "expires_in": signed.expires_in.as_secs(),
    })
}
