//! Albums and tags: `/v1/albums` and `/v1/tags`.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{created, nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::images::{given, reach};
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::library::{Album, AlbumEdit, Place, Tag, TagName};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/v1/albums", "listAlbums", "One's own albums, newest first", |call| {
        Box::pin(albums(call))
    })
    .scope(Scope::Read)
    .query::<PageWish>()
    .gives::<AlbumList>(200, "A page of them"),
    Endpoint::post("/v1/albums", "createAlbum", "Makes an album", |call| Box::pin(create(call)))
        .scope(Scope::Manage)
        .json::<NewAlbum>()
        .gives::<AlbumAnswer>(201, "The album, which is empty"),
    Endpoint::get("/v1/albums/{id}", "getAlbum", "One album", |call| Box::pin(get(call)))
        .scope(Scope::Read)
        .gives::<AlbumAnswer>(200, "The album; `GET /v1/images?album=…&sort=album` lists what is in it"),
    Endpoint::patch("/v1/albums/{id}", "editAlbum", "Another name or cover", |call| Box::pin(edit(call)))
        .scope(Scope::Manage)
        .json::<EditWish>()
        .gives::<AlbumAnswer>(200, "The album as it is then"),
    Endpoint::delete("/v1/albums/{id}", "deleteAlbum", "Removes an album; its images stay", |call| {
        Box::pin(delete(call))
    })
    .scope(Scope::Manage)
    .gives_nothing(204, "It is gone"),
    Endpoint::post("/v1/albums/{id}/images", "addToAlbum", "Puts images at the end of an album", |call| {
        Box::pin(fill(call, Place::Last))
    })
    .scope(Scope::Manage)
    .json::<Ids>()
    .gives::<AlbumAnswer>(200, "The album as it is then"),
    Endpoint::put(
        "/v1/albums/{id}/images",
        "orderAlbum",
        "Puts images before all others of an album, in this order",
        |call| Box::pin(fill(call, Place::First)),
    )
    .scope(Scope::Manage)
    .json::<Ids>()
    .gives::<AlbumAnswer>(200, "The album as it is then"),
    Endpoint::delete("/v1/albums/{id}/images", "removeFromAlbum", "Takes images out of an album", |call| {
        Box::pin(thin(call))
    })
    .scope(Scope::Manage)
    .json::<Ids>()
    .gives::<AlbumAnswer>(200, "The album as it is then"),
    Endpoint::get("/v1/tags", "listTags", "One's own tags, by name", |call| Box::pin(tags(call)))
        .scope(Scope::Read)
        .query::<PageWish>()
        .gives::<TagList>(200, "A page of them"),
    Endpoint::patch(
        "/v1/tags/{name}",
        "renameTag",
        "Another name for a tag; where there is one of that name, the two become one",
        |call| Box::pin(rename_tag(call)),
    )
    .scope(Scope::Manage)
    .json::<NewName>()
    .gives::<TagAnswer>(200, "The tag as it is then"),
    Endpoint::delete("/v1/tags/{name}", "deleteTag", "Takes a tag from all images", |call| {
        Box::pin(delete_tag(call))
    })
    .scope(Scope::Manage)
    .gives_nothing(204, "It is gone"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PageWish {
    /// How many; 100, if left out.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// `meta.next` of the page before.
    #[schemars(length(max = 255))]
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewAlbum {
    #[schemars(length(min = 1, max = 255))]
    name: String,
}

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EditWish {
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    /// The id of an image of the album; `null` = whatever comes first.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    #[expect(clippy::option_option, reason = "left out is not null")]
    cover: Option<Option<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ids {
    /// Of images.
    #[schemars(length(min = 1, max = 500))]
    ids: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewName {
    #[schemars(length(min = 1, max = 255))]
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct AlbumAnswer {
    id: String,
    name: String,
    /// How many are in it, without those in the trash.
    images: u64,
    /// The id of the image that stands for it.
    cover: Option<String>,
    created_at: Time,
    updated_at: Time,
}

#[derive(Serialize, JsonSchema)]
struct AlbumList {
    albums: Vec<AlbumAnswer>,
    meta: PageMeta,
}

#[derive(Serialize, JsonSchema)]
struct TagAnswer {
    name: String,
    /// How many have it, without those in the trash.
    images: u64,
    created_at: Time,
}

#[derive(Serialize, JsonSchema)]
struct TagList {
    tags: Vec<TagAnswer>,
    meta: PageMeta,
}

#[derive(Serialize, JsonSchema)]
struct PageMeta {
    /// The cursor of the next page; `null` at the end.
    next: Option<String>,
}

const USUAL: u32 = 100;

async fn albums(call: Call) -> Result<Response<Body>, Refused> {
    let wish: PageWish = call.query()?;
    let before = match &wish.cursor {
        Some(cursor) => Some(
            cursor
                .parse()
                .map_err(|_| Invalid::one("cursor", "is none of ours; take it from `meta.next`"))?,
        ),
        None => None,
    };
    let owner = call.who()?.user.pk;
    let part = call.api().library.albums(owner, before, wish.limit.unwrap_or(USUAL)).await?;
    let meta = PageMeta { next: part.next.map(|next| next.to_string()) };
    Ok(ok(&AlbumList { albums: part.albums.into_iter().map(AlbumAnswer::from).collect(), meta }))
}

async fn create(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: NewAlbum = call.json().await?;
    let album = call.api().library.create_album(call.who()?.user.pk, &wish.name, call.now).await?;
    Ok(created(&AlbumAnswer::from(album)))
}

async fn get(call: Call) -> Result<Response<Body>, Refused> {
    let album = call.api().library.album(reach(&call)?, call.value("id")).await?;
    Ok(ok(&AlbumAnswer::from(album)))
}

async fn edit(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: EditWish = call.json().await?;
    let edit = AlbumEdit { name: wish.name, cover: wish.cover };
    let album = call.api().library.edit_album(reach(&call)?, call.value("id"), &edit, call.now).await?;
    Ok(ok(&AlbumAnswer::from(album)))
}

async fn delete(call: Call) -> Result<Response<Body>, Refused> {
    call.api().library.delete_album(reach(&call)?, call.value("id")).await?;
    Ok(nothing())
}

async fn fill(mut call: Call, place: Place) -> Result<Response<Body>, Refused> {
    let wish: Ids = call.json().await?;
    let library = &call.api().library;
    let album = library.fill_album(reach(&call)?, call.value("id"), &wish.ids, place, call.now).await?;
    Ok(ok(&AlbumAnswer::from(album)))
}

async fn thin(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: Ids = call.json().await?;
    let album = call.api().library.thin_album(reach(&call)?, call.value("id"), &wish.ids).await?;
    Ok(ok(&AlbumAnswer::from(album)))
}

async fn tags(call: Call) -> Result<Response<Body>, Refused> {
    let wish: PageWish = call.query()?;
    let owner = call.who()?.user.pk;
    let after = wish.cursor.as_deref();
    if after.is_some_and(|after| after.contains('\0')) {
        return Err(Invalid::one("cursor", "is none of ours; take it from `meta.next`").into());
    }
    let part = call.api().library.tags(owner, after, wish.limit.unwrap_or(USUAL)).await?;
    let meta = PageMeta { next: part.next };
    Ok(ok(&TagList { tags: part.tags.into_iter().map(TagAnswer::from).collect(), meta }))
}

async fn rename_tag(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: NewName = call.json().await?;
    let to = TagName::new(&wish.name)?;
    let tag = call.api().library.rename_tag(call.who()?.user.pk, call.value("name"), &to, call.now).await?;
    Ok(ok(&TagAnswer::from(tag)))
}

async fn delete_tag(call: Call) -> Result<Response<Body>, Refused> {
    call.api().library.delete_tag(call.who()?.user.pk, call.value("name")).await?;
    Ok(nothing())
}

impl From<Album> for AlbumAnswer {
    fn from(album: Album) -> Self {
        Self {
            id: album.id,
            name: album.name,
            images: album.images,
            cover: album.cover,
            created_at: Time(album.created_at),
            updated_at: Time(album.updated_at),
        }
    }
}

impl From<Tag> for TagAnswer {
    fn from(tag: Tag) -> Self {
        Self { name: tag.name, images: tag.images, created_at: Time(tag.created_at) }
    }
}
