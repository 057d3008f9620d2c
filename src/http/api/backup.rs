//! `GET /v1/admin/backup`: the database as a file.

use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use crate::accounts::Scope;
use crate::delivery::body::Body;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint::get(
    "/v1/admin/backup",
    "adminBackup",
    "The database as it is now, as an SQLite file; pictures are not in it",
    |call| Box::pin(backup(call)),
)
.scope(Scope::Admin)
.query::<Wish>()
.gives_media(200, "The file", MEDIA_TYPE)];

const MEDIA_TYPE: &str = "application/vnd.sqlite3";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// With hashes of passwords, keys and links and the sealed credentials of storages, without which nobody can sign in
    /// after it was restored.
    #[serde(default)]
    full: bool,
}

async fn backup(call: Call) -> Result<Response<Body>, Refused> {
    let Wish { full } = call.query()?;
    let file = call.admin().backup(call.actor()?, full, call.now).await?;
    let len = file.len();
    let mut response = Response::new(Body::sized(file.stream().await?, len));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = HeaderValue::from_static("attachment; filename=\"pixedge.db\"");
    headers.insert(CONTENT_DISPOSITION, name);
    Ok(response)
}
