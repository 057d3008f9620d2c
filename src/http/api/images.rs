//! One's own images: `/v1/images`, what is changed of them, and the trash.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Api;
use super::answer::{nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::image::{Focal, ImageAnswer, VisibilityWord};
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::{Scope, Who};
use crate::delivery::body::Body;
use crate::error::Fault as _;
use crate::http::router::Parts;
use crate::library::{Action, Edit, Filter, Image, LibraryError, Listing, Reach, Sort, Start, TagName};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/v1/images", "listImages", "One's own images, searched, filtered and in order", |call| {
        Box::pin(list(call))
    })
    .scope(Scope::Read)
    .query::<ListWish>()
    .gives::<ImageList>(200, "A page of them"),
    Endpoint::post("/v1/images/batch", "changeImages", "The same for up to 500 images", |call| {
        Box::pin(batch(call))
    })
    .scope(Scope::Manage)
    .json::<BatchWish>()
    .gives::<BatchAnswer>(200, "What became of each, in the order of the ids"),
    Endpoint::get("/v1/images/{id}", "getImage", "One image with all that is known of it", |call| {
        Box::pin(get(call))
    })
    .scope(Scope::Read)
    .gives::<ImageAnswer>(200, "The image"),
    Endpoint::patch("/v1/images/{id}", "editImage", "Changes what is known of an image", |call| {
        Box::pin(edit(call))
    })
    .scope(Scope::Manage)
    .json::<EditWish>()
    .gives::<ImageAnswer>(200, "The image as it is then"),
    Endpoint::delete("/v1/images/{id}", "deleteImage", "Puts an image into the trash", |call| {
        Box::pin(delete(call))
    })
    .scope(Scope::Manage)
    .gives_nothing(204, "Nobody sees it any more"),
    Endpoint::post("/v1/images/{id}/restore", "restoreImage", "Takes an image out of the trash", |call| {
        Box::pin(restore(call))
    })
    .scope(Scope::Manage)
    .gives::<ImageAnswer>(200, "The image"),
    Endpoint::get("/v1/trash", "listTrash", "What was deleted and can be restored", |call| {
        Box::pin(trash(call))
    })
    .scope(Scope::Read)
    .query::<ListWish>()
    .gives::<ImageList>(200, "A page of it"),
    Endpoint::delete("/v1/trash", "emptyTrash", "Ends all that is in the trash, for good", |call| {
        Box::pin(empty_trash(call))
    })
    .scope(Scope::Manage)
    .gives::<Emptied>(200, "How many there were"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListWish {
    /// How many; 50, if left out.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// `meta.next` of the page before: the cheapest way through a long list.
    #[schemars(length(max = 2048))]
    cursor: Option<String>,
    /// Instead of `cursor`, counted from 1.
    #[schemars(range(min = 1))]
    page: Option<u32>,
    /// Words of names and tags, all of which must be there; `holi*` for what begins so.
    #[schemars(length(min = 1, max = 255))]
    q: Option<String>,
    /// The id of an album.
    #[schemars(length(max = 128))]
    album: Option<String>,
    #[schemars(length(max = 255))]
    tag: Option<String>,
    /// `jpg`, `png`, `webp`, …
    #[schemars(length(max = 16))]
    format: Option<String>,
    visibility: Option<VisibilityWord>,
    min_bytes: Option<u64>,
    max_bytes: Option<u64>,
    /// The first moment that counts.
    from: Option<Time>,
    /// The first moment that is too late.
    to: Option<Time>,
    sort: Option<SortWord>,
    /// For administrators: the id of an account, or `all`.
    #[schemars(length(max = 128))]
    owner: Option<String>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SortWord {
    Newest,
    Oldest,
    /// By the bytes of the name.
    Name,
    /// The largest first.
    Size,
    /// The smallest first.
    Smallest,
    /// The most viewed first.
    Views,
    /// As in the album that `album` names.
    Album,
}

#[derive(Serialize, JsonSchema)]
struct ImageList {
    images: Vec<ImageAnswer>,
    meta: ListMeta,
}

#[derive(Serialize, JsonSchema)]
struct ListMeta {
    total: u64,
    /// Otherwise there are as many at least: a filtered list is counted up to 5,000, among 10,000 candidates.
    total_is_exact: bool,
    limit: u32,
    /// The cursor of the next page; `null` at the end.
    next: Option<String>,
}

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EditWish {
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    visibility: Option<VisibilityWord>,
    /// `null` = none.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Focal>")]
    #[expect(clippy::option_option, reason = "left out is not null")]
    focal: Option<Option<Focal>>,
    /// `null` = never.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Time>")]
    #[expect(clippy::option_option, reason = "left out is not null")]
    expires_at: Option<Option<Time>>,
    /// All of them.
    #[schemars(length(max = 100))]
    tags: Option<Vec<String>>,
    /// The ids of all of them.
    #[schemars(length(max = 100))]
    albums: Option<Vec<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BatchWish {
    #[schemars(length(min = 1, max = 500))]
    ids: Vec<String>,
    action: ActionWord,
    /// For what is done with an album: its id.
    #[schemars(length(max = 128))]
    album: Option<String>,
    /// For `tag` and `untag`.
    #[schemars(length(min = 1, max = 100))]
    tags: Option<Vec<String>>,
    /// For `visibility`.
    visibility: Option<VisibilityWord>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ActionWord {
    /// Into the trash.
    Delete,
    Restore,
    /// Out of the trash, for good.
    DeleteForever,
    AddToAlbum,
    RemoveFromAlbum,
    /// Into the album and out of all others.
    MoveToAlbum,
    Tag,
    Untag,
    Visibility,
}

#[derive(Serialize, JsonSchema)]
struct BatchAnswer {
    results: Vec<BatchResult>,
}

#[derive(Serialize, JsonSchema)]
struct BatchResult {
    id: String,
    ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Emptied {
    deleted: u64,
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    listed(call, false).await
}

async fn trash(call: Call) -> Result<Response<Body>, Refused> {
    listed(call, true).await
}

async fn listed(call: Call, trash: bool) -> Result<Response<Body>, Refused> {
    let wish: ListWish = call.query()?;
    let listing = wish.listing(call.api(), call.who()?, trash).await?;
    let listed = call.api().library.page(&listing, call.now).await?;
    let images = answers(&call.parts, &listed.images).await?;
    let meta = ListMeta {
        total: listed.total.count,
        total_is_exact: listed.total.exact,
        limit: listing.limit,
        next: listed.next.map(|next| next.to_string()),
    };
    Ok(ok(&ImageList { images, meta }))
}

async fn get(call: Call) -> Result<Response<Body>, Refused> {
    let image = call.api().library.get(reach(&call)?, call.value("id"), call.now).await?;
    let exif = call.api().library.exif(&image).await?;
    let mut answer = answer(&call.parts, image).await?;
    answer.exif = exif.and_then(|text| serde_json::from_str(&text).ok());
    Ok(ok(&answer))
}

async fn edit(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: EditWish = call.json().await?;
    let edit = Edit {
        name: wish.name,
        visibility: wish.visibility.map(Into::into),
        focal: wish.focal.map(|focal| focal.map(|Focal { x, y }| (x, y))),
        expires_at: wish.expires_at.map(|at| at.map(|at| at.0)),
        tags: wish.tags.map(|tags| tag_names(&tags)).transpose()?,
        albums: wish.albums,
    };
    let image = call.api().library.edit(reach(&call)?, call.value("id"), &edit, call.now).await?;
    Ok(ok(&answer(&call.parts, image).await?))
}

async fn delete(call: Call) -> Result<Response<Body>, Refused> {
    call.api().library.trash(reach(&call)?, call.value("id"), call.now).await?;
    Ok(nothing())
}

async fn restore(call: Call) -> Result<Response<Body>, Refused> {
    let image = call.api().library.restore(reach(&call)?, call.value("id"), call.now).await?;
    Ok(ok(&answer(&call.parts, image).await?))
}

async fn empty_trash(call: Call) -> Result<Response<Body>, Refused> {
    let deleted = call.api().library.empty_trash_of(call.who()?.user.pk, call.now).await?;
    Ok(ok(&Emptied { deleted }))
}

async fn batch(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: BatchWish = call.json().await?;
    let done = call.api().library.batch(reach(&call)?, &wish.ids, &wish.action()?, call.now).await?;
    let results = done.into_iter().map(|done| {
        let error = done.result.err();
        BatchResult {
            id: done.id,
            ok: error.is_none(),
            code: error.as_ref().map(|error| error.code().to_owned()),
            detail: error.as_ref().map(|error| error.message().into_owned()),
        }
    });
    Ok(ok(&BatchAnswer { results: results.collect() }))
}

/// Whose images the caller may see and change: one's own, and an administrator everybody's.
pub(in crate::http) fn reach(call: &Call) -> Result<Reach, Refused> {
    let who = call.who()?;
    Ok(if who.scopes.has(Scope::Admin) { Reach::Everybody } else { Reach::Owner(who.user.pk) })
}

pub(in crate::http) async fn answer(parts: &Parts, image: Image) -> Result<ImageAnswer, Refused> {
    let id = image.id.to_string();
    let mut answers = answers(parts, &[image]).await?;
    answers.pop().ok_or_else(|| LibraryError::NotFound { id }.into())
}

/// Images with their tags and albums.
pub(in crate::http) async fn answers(parts: &Parts, images: &[Image]) -> Result<Vec<ImageAnswer>, Refused> {
    let labels = parts.api.library.labels(images).await?;
    let delivery = &parts.delivery;
    let mut answers = Vec::with_capacity(images.len());
    for image in images {
        answers.push(ImageAnswer::of(image, labels.get(&image.pk), delivery)?);
    }
    Ok(answers)
}

fn tag_names(tags: &[String]) -> Result<Vec<TagName>, LibraryError> {
    tags.iter().map(|tag| TagName::new(tag)).collect()
}

/// Tells what was given as `null` from what was left out.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ListWish {
    async fn listing(self, api: &Api, who: &Who, trash: bool) -> Result<Listing, Refused> {
        let start = match (self.cursor, self.page) {
            (Some(_), Some(_)) => {
                return Err(Invalid::one("page", "stands beside `cursor`; give one of them").into());
            }
            (Some(cursor), None) => Start::After(cursor.parse()?),
            (None, page) => Start::Page(page.unwrap_or(1)),
        };
        let reach = match self.owner.as_deref() {
            None => Reach::Owner(who.user.pk),
            Some(owner) => {
                who.needs(Scope::Admin)?;
                match owner {
                    "all" => Reach::Everybody,
                    id => Reach::Owner(api.accounts.user_by_id(id).await?.pk),
                }
            }
        };
        let format = self.format.map(|format| format.to_ascii_lowercase());
        let format = format.map(|format| if format == "jpeg" { "jpg".to_owned() } else { format });
        Ok(Listing {
            reach,
            trash,
            filter: Filter {
                query: self.q,
                album: self.album,
                tag: self.tag,
                format,
                visibility: self.visibility.map(Into::into),
                min_bytes: self.min_bytes,
                max_bytes: self.max_bytes,
                from: self.from.map(|from| from.0),
                to: self.to.map(|to| to.0),
            },
            sort: self.sort.map_or(Sort::Newest, SortWord::sort),
            start,
            limit: self.limit.unwrap_or(50),
        })
    }
}

impl SortWord {
    fn sort(self) -> Sort {
        match self {
            Self::Newest => Sort::Newest,
            Self::Oldest => Sort::Oldest,
            Self::Name => Sort::Name,
            Self::Size => Sort::Size,
            Self::Smallest => Sort::Smallest,
            Self::Views => Sort::Views,
            Self::Album => Sort::Album,
        }
    }
}

impl BatchWish {
    fn action(&self) -> Result<Action, Refused> {
        let missing = |field| Invalid::one(field, "is missing for this action");
        let album = || self.album.clone().ok_or_else(|| missing("album"));
        let tags = || -> Result<Vec<TagName>, Refused> {
            Ok(tag_names(self.tags.as_deref().ok_or_else(|| missing("tags"))?)?)
        };
        Ok(match self.action {
            ActionWord::Delete => Action::Delete,
            ActionWord::Restore => Action::Restore,
            ActionWord::DeleteForever => Action::DeleteForever,
            ActionWord::AddToAlbum => Action::AddToAlbum(album()?),
            ActionWord::RemoveFromAlbum => Action::RemoveFromAlbum(album()?),
            ActionWord::MoveToAlbum => Action::MoveToAlbum(album()?),
            ActionWord::Tag => Action::Tag(tags()?),
            ActionWord::Untag => Action::Untag(tags()?),
            ActionWord::Visibility => {
                Action::SetVisibility(self.visibility.ok_or_else(|| missing("visibility"))?.into())
            }
        })
    }
}
