//! Share links: `/v1/images/{id}/shares`, `/v1/albums/{id}/shares` and `/v1/shares`.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{created, nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::images::reach;
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::{Accounts, Scope};
use crate::delivery::body::Body;
use crate::library::{LibraryError, NewShare, Page, Reach, Share, SharePassword, ShareToken, Shared};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post(
        "/v1/images/{id}/shares",
        "createShare",
        "Makes a link that shows one image to whoever holds it; the link is told this once",
        |call| Box::pin(create(call)),
    )
    .scope(Scope::Manage)
    .json::<ShareWish>()
    .gives::<MadeShare>(201, "The share with its link"),
    Endpoint::post(
        "/v1/albums/{id}/shares",
        "createAlbumShare",
        "Makes a link that shows what is in an album to whoever holds it; the link is told this once",
        |call| Box::pin(create_for_album(call)),
    )
    .scope(Scope::Manage)
    .json::<ShareWish>()
    .gives::<MadeShare>(201, "The share with its link"),
    Endpoint::get(
        "/v1/shares",
        "listShares",
        "The links to one's own images and albums, newest first",
        |call| Box::pin(list(call)),
    )
    .scope(Scope::Read)
    .query::<ListWish>()
    .gives::<ShareList>(200, "The shares"),
    Endpoint::delete("/v1/shares/{id}", "revokeShare", "Ends a link at once", |call| Box::pin(revoke(call)))
        .scope(Scope::Manage)
        .gives_nothing(204, "It has ended"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShareWish {
    /// When the link ends; never, if left out.
    expires_at: Option<Time>,
    /// How often a picture may be shown by it, in whatever size; as often as one likes, if left out.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    max_views: Option<u64>,
    /// What holders of the link have to know beside it.
    #[schemars(length(min = 1, max = 128))]
    password: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListWish {
    /// How many; 50, if left out.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `meta.next` of the page before.
    cursor: Option<String>,
    /// The id of an image, for its links only.
    image: Option<String>,
    /// The id of an album, for its links only.
    album: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ShareAnswer {
    id: String,
    /// The id of the image that it shows.
    image: Option<String>,
    /// Or the id of the album.
    album: Option<String>,
    has_password: bool,
    /// Whether it still shows something.
    live: bool,
    max_views: Option<u64>,
    views: u64,
    created_at: Time,
    viewed_at: Option<Time>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
struct MadeShare {
    /// The secret of the link. It cannot be read again.
    token: String,
    /// A spec may be put behind it: `…/w_800`; for an album the id of an image in it: `…/<id>/w_800`.
    url: String,
    #[serde(flatten)]
    about: ShareAnswer,
}

#[derive(Serialize, JsonSchema)]
struct ShareList {
    shares: Vec<ShareAnswer>,
    meta: ListMeta,
}

#[derive(Serialize, JsonSchema)]
struct ListMeta {
    /// The `cursor` of the next page, if there is one.
    next: Option<String>,
}

const USUAL: u32 = 50;

async fn create(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: ShareWish = call.json().await?;
    let (api, who) = (call.api(), call.who()?);
    let id = call.value("id");
    let image = api.library.find(id).await?;
    let image = image.filter(|image| image.owner == Some(who.user.pk) || who.scopes.has(Scope::Admin));
    let image = image.ok_or_else(|| LibraryError::NotFound { id: id.to_owned() })?;
    let new = wish.to_room(&call.api().accounts).await?;
    let made = api.library.create_share(&image, &new, call.now).await?;
    Ok(told(&call, made))
}

async fn create_for_album(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: ShareWish = call.json().await?;
    let library = &call.api().library;
    let album = library.album(reach(&call)?, call.value("id")).await?;
    let new = wish.to_room(&call.api().accounts).await?;
    let made = library.share_album(&album, &new, call.now).await?;
    Ok(told(&call, made))
}

impl ShareWish {
    async fn to_room(&self, accounts: &Accounts) -> Result<NewShare, Refused> {
        let password_hash = match &self.password {
            Some(password) => Some(SharePassword(accounts.hash_other(password).await?)),
            None => None,
        };
        let expires_at = self.expires_at.map(|time| time.0);
        Ok(NewShare { expires_at, max_views: self.max_views, password_hash })
    }
}

fn told(call: &Call, (share, token): (Share, ShareToken)) -> Response<Body> {
    let token = token.expose().to_owned();
    let url = call.parts.delivery.share_link(&token);
    created(&MadeShare { token, url, about: ShareAnswer::of(&share, call.now) })
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let wish: ListWish = call.query()?;
    let (library, who) = (&call.api().library, call.who()?);
    let limit = wish.limit.unwrap_or(USUAL);
    let before = match &wish.cursor {
        Some(id) => Some(library.share(id).await?.map_or(0, |share| share.pk)),
        None => None,
    };
    // One more tells whether there is a next page.
    let page = Page { limit: limit.saturating_add(1), before };
    let mut shares = match (&wish.image, &wish.album) {
        (None, None) => library.shares(Some(who.user.pk), &page).await?,
        (None, Some(id)) => {
            let album = library.album(Reach::Owner(who.user.pk), id).await?;
            library.shares_of_album(&album, &page).await?
        }
        (Some(_), Some(_)) => {
            return Err(Invalid::one("album", "stands beside `image`; give one of them").into());
        }
        (Some(id), None) => {
            let image = library.find(id).await?.filter(|image| image.owner == Some(who.user.pk));
            let image = image.ok_or_else(|| LibraryError::NotFound { id: id.clone() })?;
            library.shares_of(&image, &page).await?
        }
    };
    let goes_on = shares.len() > limit as usize;
    shares.truncate(limit as usize);
    let next = shares.last().filter(|_| goes_on).map(|last| last.id.clone());
    let shares = shares.iter().map(|share| ShareAnswer::of(share, call.now)).collect();
    Ok(ok(&ShareList { shares, meta: ListMeta { next } }))
}

async fn revoke(call: Call) -> Result<Response<Body>, Refused> {
    let who = call.who()?;
    let owner = (!who.scopes.has(Scope::Admin)).then_some(who.user.pk);
    call.api().library.revoke_share(owner, call.value("id"), call.now).await?;
    Ok(nothing())
}

impl ShareAnswer {
    fn of(share: &Share, now: i64) -> Self {
        let (image, album) = match &share.what {
            Shared::Image { id, .. } => (Some(id.to_string()), None),
            Shared::Album { id, .. } => (None, Some(id.clone())),
        };
        Self {
            id: share.id.clone(),
            image,
            album,
            has_password: share.password_hash.is_some(),
            live: share.is_live(now),
            max_views: share.max_views,
            views: share.views,
            created_at: Time(share.created_at),
            viewed_at: share.viewed_at.map(Time),
            expires_at: share.expires_at.map(Time),
            revoked_at: share.revoked_at.map(Time),
        }
    }
}
