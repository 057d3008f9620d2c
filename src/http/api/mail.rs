//! Links by mail: another password for who lost theirs, and the end of an account. The pages behind them are those of
//! `http::links`.

use http::header::ACCEPT_LANGUAGE;
use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::nothing;
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::units::Language;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post(
        "/v1/recovery",
        "askRecovery",
        "Mails a link to choose another password, if the address is somebody's; the answer is the same if not",
        |call| Box::pin(recovery(call)),
    )
    .anyone()
    .json::<AskRecovery>()
    .gives_nothing(202, "It goes out if there is such an account"),
    Endpoint::post(
        "/v1/me/deletion",
        "askDeletion",
        "Mails a link by which one's account can be deleted",
        |call| Box::pin(deletion(call)),
    )
    .scope(Scope::Manage)
    .gives_nothing(202, "It goes out"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskRecovery {
    #[schemars(length(min = 3, max = 254))]
    email: String,
}

async fn recovery(mut call: Call) -> Result<Response<Body>, Refused> {
    let AskRecovery { email } = call.json().await?;
    call.api().accounts.mail_recovery(&email, language(&call), call.now).await?;
    Ok(accepted())
}

async fn deletion(call: Call) -> Result<Response<Body>, Refused> {
    let user = call.who()?.user.pk;
    call.api().accounts.mail_deletion(user, language(&call), call.now).await?;
    Ok(accepted())
}

/// What the caller's browser prefers of what there is; kept with the mail, which is written later.
fn language(call: &Call) -> &'static str {
    call.header(ACCEPT_LANGUAGE.as_str()).and_then(Language::asked).unwrap_or_default().tag()
}

fn accepted() -> Response<Body> {
    let mut response = nothing();
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
