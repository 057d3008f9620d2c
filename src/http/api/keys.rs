//! API keys: `/v1/keys`.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{created, nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::{self, ApiKey, Scope, Scopes};
use crate::delivery::body::Body;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/v1/keys", "listKeys", "One's own API keys, without their secrets", |call| {
        Box::pin(list(call))
    })
    .scope(Scope::Read)
    .gives::<KeyList>(200, "The keys"),
    Endpoint::post("/v1/keys", "createKey", "Makes an API key; its secret is shown this once", |call| {
        Box::pin(create(call))
    })
    .scope(Scope::Manage)
    .json::<NewKey>()
    .gives::<MadeKey>(201, "The key with its secret"),
    Endpoint::delete("/v1/keys/{id}", "revokeKey", "Ends an API key", |call| Box::pin(revoke(call)))
        .scope(Scope::Manage)
        .gives_nothing(204, "It has ended"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// To know it by.
    #[schemars(length(min = 1, max = 64))]
    name: String,
    /// What the key may do; at most what its owner may.
    #[serde(default = "usual_scopes")]
    #[schemars(length(min = 1, max = 4))]
    scopes: Vec<ScopeWord>,
    /// When it ends; never, if left out.
    expires_at: Option<Time>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ScopeWord {
    Read,
    Upload,
    Manage,
    Admin,
}

#[derive(Serialize, JsonSchema)]
struct KeyAnswer {
    id: String,
    name: String,
    /// How the secret begins.
    prefix: String,
    scopes: Vec<ScopeWord>,
    created_at: Time,
    expires_at: Option<Time>,
    /// Some seconds behind.
    used_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
struct MadeKey {
    /// The secret. It cannot be read again.
    key: String,
    #[serde(flatten)]
    about: KeyAnswer,
}

#[derive(Serialize, JsonSchema)]
struct KeyList {
    keys: Vec<KeyAnswer>,
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let keys = call.api().accounts.keys(call.who()?.user.pk).await?;
    Ok(ok(&KeyList { keys: keys.iter().map(KeyAnswer::of).collect() }))
}

async fn create(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: NewKey = call.json().await?;
    let scopes: Vec<Scope> = wish.scopes.iter().map(|word| word.scope()).collect();
    let expires_at = wish.expires_at.map(|time| time.0);
    if expires_at.is_some_and(|at| at <= call.now) {
        return Err(Invalid::one("expires_at", "must be in the future").into());
    }
    let new = accounts::NewKey { name: &wish.name, scopes: Scopes::of(&scopes), expires_at };
    let (key, secret) = call.api().accounts.create_key(call.who()?, &new, call.now).await?;
    Ok(created(&MadeKey { key: secret.expose().to_owned(), about: KeyAnswer::of(&key) }))
}

async fn revoke(call: Call) -> Result<Response<Body>, Refused> {
    call.api().accounts.revoke_key(call.who()?.user.pk, call.value("id"), call.now).await?;
    Ok(nothing())
}

fn usual_scopes() -> Vec<ScopeWord> {
    vec![ScopeWord::Read, ScopeWord::Upload]
}

impl KeyAnswer {
    fn of(key: &ApiKey) -> Self {
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            prefix: key.prefix(),
            scopes: key.scopes.iter().map(ScopeWord::of).collect(),
            created_at: Time(key.created_at),
            expires_at: key.expires_at.map(Time),
            used_at: key.used_at.map(Time),
        }
    }
}

impl ScopeWord {
    fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Upload => Scope::Upload,
            Self::Manage => Scope::Manage,
            Self::Admin => Scope::Admin,
        }
    }

    fn of(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Upload => Self::Upload,
            Scope::Manage => Self::Manage,
            Scope::Admin => Self::Admin,
        }
    }
}
