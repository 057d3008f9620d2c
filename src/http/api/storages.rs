//! Storages that users bring, and where each user's pictures go: `/v1/storages`, `/v1/me/storage`.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{accepted, created, nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::time::Time;
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::library::{Credential, OwnedInput, OwnedScheme, OwnedStorage, Settings};
use crate::units::Secret;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/v1/storages",
        "listStorages",
        "The storages that pictures of one's own may lie in",
        |call| Box::pin(list(call)),
    )
    .scope(Scope::Read)
    .gives::<StorageList>(200, "Those of the server, then one's own"),
    Endpoint::post(
        "/v1/storages",
        "createStorage",
        "Adds a storage of one's own, once it has passed its test",
        |call| Box::pin(create(call)),
    )
    .scope(Scope::Manage)
    .json::<NewStorage>()
    .gives::<StorageAnswer>(201, "The storage; its secret is never shown"),
    Endpoint::post(
        "/v1/storages/test",
        "testNewStorage",
        "Tries a storage without keeping anything of it",
        |call| Box::pin(test_new(call)),
    )
    .scope(Scope::Manage)
    .json::<NewStorage>()
    .gives::<TestPassed>(200, "An object was written, read and deleted"),
    Endpoint::get("/v1/storages/{id}", "getStorage", "A storage of one's own", |call| Box::pin(get(call)))
        .scope(Scope::Read)
        .gives::<StorageAnswer>(200, "The storage"),
    Endpoint::patch(
        "/v1/storages/{id}",
        "changeStorage",
        "Changes a storage, once it has passed its test",
        |call| Box::pin(change(call)),
    )
    .scope(Scope::Manage)
    .json::<StorageChange>()
    .gives::<StorageAnswer>(200, "The storage as it is now"),
    Endpoint::delete("/v1/storages/{id}", "deleteStorage", "Ends a storage that holds no pictures", |call| {
        Box::pin(delete(call))
    })
    .scope(Scope::Manage)
    .gives_nothing(204, "It has ended"),
    Endpoint::post("/v1/storages/{id}/test", "testStorage", "Tries a storage of one's own", |call| {
        Box::pin(test(call))
    })
    .scope(Scope::Manage)
    .gives::<TestPassed>(200, "An object was written, read and deleted"),
    Endpoint::put("/v1/me/storage", "setMyStorage", "Says where one's new pictures go", |call| {
        Box::pin(set_mine(call))
    })
    .scope(Scope::Manage)
    .json::<MyStorage>()
    .gives::<MyStorage>(200, "Where they go"),
    Endpoint::post(
        "/v1/admin/storages/migrate",
        "adminMigrateStorage",
        "Moves pictures from one storage to another",
        |call| Box::pin(migrate(call)),
    )
    .scope(Scope::Admin)
    .json::<Migration>()
    .gives::<TaskAnswer>(202, "The task that does it"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Migration {
    /// The name of one of the server's storages, or `~` and the id of a user's.
    #[schemars(length(min = 1, max = 100))]
    from: String,
    #[schemars(length(min = 1, max = 100))]
    to: String,
    /// The id of a user whose pictures alone are moved.
    user: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct TaskAnswer {
    task_id: String,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SchemeWord {
    S3,
    Webdav,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewStorage {
    /// To know it by; bucket or host where it is left out.
    #[schemars(length(min = 1, max = 64))]
    label: Option<String>,
    scheme: SchemeWord,
    /// The URL of the server.
    #[schemars(length(min = 1, max = 500))]
    endpoint: String,
    /// s3.
    #[serde(default)]
    bucket: String,
    /// s3.
    region: Option<String>,
    /// What the path of every object begins with.
    #[serde(default)]
    root: String,
    /// s3: `bucket.host/…` instead of `host/bucket/…`.
    #[serde(default)]
    virtual_host: bool,
    /// s3.
    access_key_id: Option<String>,
    /// webdav; without it `secret` is a bearer token.
    username: Option<String>,
    /// The secret key, password or token. It is kept sealed and never shown.
    #[schemars(length(min = 1, max = 4000))]
    secret: String,
}

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StorageChange {
    #[schemars(length(min = 1, max = 64))]
    label: Option<String>,
    #[schemars(length(min = 1, max = 500))]
    endpoint: Option<String>,
    bucket: Option<String>,
    region: Option<String>,
    root: Option<String>,
    virtual_host: Option<bool>,
    access_key_id: Option<String>,
    username: Option<String>,
    /// Needed again where it would be sent to another server than before.
    #[schemars(length(min = 1, max = 4000))]
    secret: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct StorageAnswer {
    id: String,
    label: String,
    scheme: SchemeWord,
    endpoint: String,
    bucket: Option<String>,
    region: Option<String>,
    root: Option<String>,
    virtual_host: bool,
    access_key_id: Option<String>,
    username: Option<String>,
    /// Whether one's new pictures go there.
    default: bool,
    created_at: Time,
    updated_at: Time,
}

/// A storage of the server.
#[derive(Serialize, JsonSchema)]
struct ServerStorage {
    name: String,
    scheme: String,
    /// Whether one's new pictures go there.
    default: bool,
}

#[derive(Serialize, JsonSchema)]
struct StorageList {
    server: Vec<ServerStorage>,
    storages: Vec<StorageAnswer>,
}

#[derive(Serialize, JsonSchema)]
struct TestPassed {
    works: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MyStorage {
    /// The id of a storage of one's own or the name of one of the server's; null = where the server keeps what nobody
    /// has said anything about.
    storage: Option<String>,
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let (library, owner) = (&call.api().library, call.who()?.user.pk);
    let chosen = library.default_storage_of(owner).await?;
    let chosen = chosen.unwrap_or_else(|| library.storages().default().name().to_owned());
    let server = library.storages().iter().map(|storage| ServerStorage {
        name: storage.name().to_owned(),
        scheme: storage.scheme().to_owned(),
        default: storage.name() == chosen,
    });
    let own = library.owned_storages(owner).await?;
    let storages = own.iter().map(|storage| StorageAnswer::of(storage, &chosen)).collect();
    Ok(ok(&StorageList { server: server.collect(), storages }))
}

async fn create(mut call: Call) -> Result<Response<Body>, Refused> {
    let mut wish: NewStorage = call.json().await?;
    let label = wish.label.take().unwrap_or_else(|| wish.usual_label());
    let (settings, secret) = wish.split();
    let input = OwnedInput { label, settings, secret: Some(secret) };
    let made = call.api().library.add_storage(call.who()?.user.pk, &input, call.now).await?;
    Ok(created(&StorageAnswer::of(&made, "")))
}

async fn test_new(mut call: Call) -> Result<Response<Body>, Refused> {
    let (settings, secret) = call.json::<NewStorage>().await?.split();
    call.api().library.test_settings(&settings, &secret).await?;
    Ok(ok(&TestPassed { works: true }))
}

async fn get(call: Call) -> Result<Response<Body>, Refused> {
    let (library, owner) = (&call.api().library, call.who()?.user.pk);
    let storage = library.owned_storage(owner, call.value("id")).await?;
    let chosen = library.default_storage_of(owner).await?.unwrap_or_default();
    Ok(ok(&StorageAnswer::of(&storage, &chosen)))
}

async fn change(mut call: Call) -> Result<Response<Body>, Refused> {
    let change: StorageChange = call.json().await?;
    let (library, owner) = (&call.api().library, call.who()?.user.pk);
    let old = library.owned_storage(owner, call.value("id")).await?;
    let new = library.change_storage(owner, &old.id, &change.of(&old), call.now).await?;
    let chosen = library.default_storage_of(owner).await?.unwrap_or_default();
    Ok(ok(&StorageAnswer::of(&new, &chosen)))
}

async fn delete(call: Call) -> Result<Response<Body>, Refused> {
    call.api().library.close_storage(call.who()?.user.pk, call.value("id"), call.now).await?;
    Ok(nothing())
}

async fn test(call: Call) -> Result<Response<Body>, Refused> {
    call.api().library.test_owned(call.who()?.user.pk, call.value("id")).await?;
    Ok(ok(&TestPassed { works: true }))
}

async fn set_mine(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: MyStorage = call.json().await?;
    let owner = call.who()?.user.pk;
    call.api().library.set_default_storage(owner, wish.storage.as_deref(), call.now).await?;
    Ok(ok(&wish))
}

async fn migrate(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: Migration = call.json().await?;
    let admin = call.admin();
    let id = admin.move_pictures(call.actor()?, &wish.from, &wish.to, wish.user.as_deref(), call.now).await?;
    Ok(accepted(&TaskAnswer { task_id: id.to_string() }, &format!("/v1/tasks/{id}")))
}

impl NewStorage {
    fn usual_label(&self) -> String {
        let host = || self.endpoint.split('/').nth(2).unwrap_or(&self.endpoint);
        let label = if self.bucket.is_empty() { host() } else { &self.bucket };
        label.chars().take(64).collect()
    }

    fn split(self) -> (Settings, Credential) {
        let settings = Settings {
            scheme: match self.scheme {
                SchemeWord::S3 => OwnedScheme::S3,
                SchemeWord::Webdav => OwnedScheme::Webdav,
            },
            endpoint: self.endpoint,
            root: self.root,
            bucket: self.bucket,
            region: self.region,
            virtual_host: self.virtual_host,
            access_key_id: self.access_key_id,
            username: self.username,
        };
        (settings, Credential(Secret::new(self.secret)))
    }
}

impl StorageChange {
    fn of(self, old: &OwnedStorage) -> OwnedInput {
        let was = old.settings.clone();
        OwnedInput {
            label: self.label.unwrap_or_else(|| old.label.clone()),
            settings: Settings {
                scheme: was.scheme,
                endpoint: self.endpoint.unwrap_or(was.endpoint),
                root: self.root.unwrap_or(was.root),
                bucket: self.bucket.unwrap_or(was.bucket),
                region: self.region.or(was.region),
                virtual_host: self.virtual_host.unwrap_or(was.virtual_host),
                access_key_id: self.access_key_id.or(was.access_key_id),
                username: self.username.or(was.username),
            },
            secret: self.secret.map(|secret| Credential(Secret::new(secret))),
        }
    }
}

impl StorageAnswer {
    fn of(storage: &OwnedStorage, chosen: &str) -> Self {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let settings = &storage.settings;
        Self {
            id: storage.id.clone(),
            label: storage.label.clone(),
            scheme: match settings.scheme {
                OwnedScheme::S3 => SchemeWord::S3,
                OwnedScheme::Webdav => SchemeWord::Webdav,
            },
            endpoint: settings.endpoint.clone(),
            bucket: given(&settings.bucket),
            region: settings.region.clone(),
            root: given(&settings.root),
            virtual_host: settings.virtual_host,
            access_key_id: settings.access_key_id.clone(),
            username: settings.username.clone(),
            default: storage.name() == chosen,
            created_at: Time(storage.created_at),
            updated_at: Time(storage.updated_at),
        }
    }
}
