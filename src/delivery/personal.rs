//! Rights that are not in the URL: one's own pictures by a token, and pictures that were shared. What is answered here
//! is for one caller: it is never remembered and never kept by caches on the way, and no right at all looks like no
//! picture.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, LINK, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response};

use super::body::Body;
use super::door::{Password, Viewer};
use super::memo::Asked;
use super::named::is_missing;
use super::respond::{self, CACHE_TAG};
use super::rights::now_ms;
use super::{Delivery, DeliveryError, Request};
use crate::error::Fault as _;
use crate::library::{Image, SHARED_PAGE, Share, Shared, Visibility};
use crate::limit::{self, Account};
use crate::transform::Subject;

/// By what right somebody looks at a picture.
#[derive(Debug, Clone)]
pub(crate) enum Right {
    /// What everybody may who knows the URL, its signature included.
    Url,
    /// The picture is the viewer's own.
    Own(Viewer),
    /// The key of the image that the link shows.
    Share(Arc<Share>, i64),
}

impl Right {
    pub(crate) fn is_personal(&self) -> bool {
        !matches!(self, Self::Url)
    }

    /// Whether the picture that was asked for may be seen.
    pub(crate) fn opens(&self, image: &Image, signed: bool) -> bool {
        image.visibility == Visibility::Public
            || match self {
                Self::Url => signed,
                Self::Own(viewer) => viewer.owns(image),
                Self::Share(_, shown) => *shown == image.pk,
            }
    }

    /// Whether a picture may be seen that is named beside the one that was asked for.
    pub(crate) fn opens_named(&self, image: &Image, signed: bool) -> bool {
        match self {
            // It was made for those pictures.
            Self::Share(..) => image.visibility == Visibility::Public,
            _ => self.opens(image, signed),
        }
    }
}

impl Delivery {
    /// `GET` and `HEAD` of `/share/<token>[/<spec>]`, where an image is shared, and of `/share/<token>` and
    /// `/share/<token>/<id>[/<spec>]`, where an album is.
    pub async fn shared(&self, request: Request<'_>) -> Result<Shown, DeliveryError> {
        let account = self.take(limit::Caller { address: request.client, key: None })?;
        let (token, rest) = token_of(request.path).ok_or(DeliveryError::NoShare)?;
        let share = self.origins.library().find_share(token).await?.ok_or(DeliveryError::NoShare)?;
        let share = Arc::new(self.entered(share, request).await?);
        let (id, rest) = match (&share.what, rest.strip_prefix('/').unwrap_or_default()) {
            (Shared::Image { id, .. }, _) => (id.to_string(), rest),
            (Shared::Album { id, .. }, "") => {
                let album = id.clone();
                return Ok(Shown::Album(self.shared_album(token, &share, &album, request.query).await?));
            }
            (Shared::Album { .. }, inside) => {
                let (id, rest) = inside.split_at(inside.find('/').unwrap_or(inside.len()));
                (id.to_owned(), rest)
            }
        };
        let shown = self.origins.library().shown_by(&share, &id).await?.ok_or(DeliveryError::NoShare)?;
        let path = format!("/i/{id}{rest}");
        let (mut target, caller) = self.read(Request { path: &path, ..request })?;
        if target.extras.download && target.name.is_none() {
            // The id of the image is not the holder's business.
            target.extras.file_name.get_or_insert_with(|| "picture".to_owned());
        }
        let asked = Asked::new((target, caller));
        let request = Request { path: &path, ..request };
        match self.by(request, &asked, account, &Right::Share(share, shown)).await {
            // The same: with whom it was shared need not hear which image is gone.
            Err(DeliveryError::NoImage(_)) => Err(DeliveryError::NoShare),
            answer => answer.map(Shown::Picture),
        }
    }

    /// What is in a shared album now. To look at the list is no view; each of its pictures is one.
    async fn shared_album(
        &self,
        token: &str,
        share: &Share,
        album: &str,
        query: Option<&str>,
    ) -> Result<SharedAlbum, DeliveryError> {
        let page = page_of(query).ok_or(DeliveryError::NoShare)?;
        let (album, listed) = self.origins.library().shared_page(album, page, now_ms()).await?;
        let is_last = u64::from(page) * u64::from(SHARED_PAGE) >= album.images || listed.images.is_empty();
        Ok(SharedAlbum {
            name: album.name,
            images: listed.images,
            total: album.images,
            next: (!is_last).then(|| page + 1),
            link: self.share_link(token),
            path: format!("/share/{token}"),
            is_numbered: share.max_views.is_some(),
        })
    }

    /// A share by its token, for who is about to give its password. Costs a token of the address.
    pub async fn share(&self, path: &str, client: std::net::IpAddr) -> Result<Share, DeliveryError> {
        self.pay(client)?;
        let (token, _) = token_of(path).ok_or(DeliveryError::NoShare)?;
        let share = self.origins.library().find_share(token).await?.ok_or(DeliveryError::NoShare)?;
        if share.is_live(now_ms()) { Ok(share) } else { Err(DeliveryError::ShareEnded) }
    }

    /// Where the URL alone was not enough: by another right, with the picture that stands in, or not at all.
    pub(super) async fn otherwise(
        &self,
        request: Request<'_>,
        asked: &Asked,
        account: Account,
        error: DeliveryError,
    ) -> Result<Response<Body>, DeliveryError> {
        if error.is_refusal() {
            let right = self.right(request, asked).await?;
            if right.is_personal() {
                return self.by(request, asked, account, &right).await;
            }
        }
        if matches!(error, DeliveryError::Hotlink) {
            return self.hotlinked(request, asked, account).await;
        }
        if is_missing(&error) && asked.target.spec.named_pictures().next().is_some() {
            return self.instead(request, asked, account, &Right::Url, error).await;
        }
        Err(error)
    }

    /// What a caller may beside what the URL says. Costs a look-up, so it is asked only where that may matter.
    pub(super) async fn right(&self, request: Request<'_>, asked: &Asked) -> Result<Right, DeliveryError> {
        let Subject::Image { id } = &asked.target.subject else { return Ok(Right::Url) };
        let right = self.own(request, id).await?;
        let token = asked.target.extras.share.as_deref();
        let (Some(token), false) = (token, right.is_personal()) else { return Ok(right) };
        let share = self.origins.library().find_share(token).await?;
        let Some(share) = share else { return Ok(Right::Url) };
        match self.origins.library().shown_by(&share, id).await? {
            Some(shown) => Ok(Right::Share(Arc::new(self.entered(share, request).await?), shown)),
            None => Ok(Right::Url),
        }
    }

    /// Whether the caller is somebody whose image this is.
    pub(super) async fn own(&self, request: Request<'_>, id: &str) -> Result<Right, DeliveryError> {
        if !self.door.knocks(request.headers) {
            return Ok(Right::Url);
        }
        let viewer = self.door.viewer(request.headers).await.map_err(DeliveryError::Door)?;
        let image = match viewer {
            Viewer::Stranger => None,
            Viewer::User(_) | Viewer::Admin => self.origins.library().find(id).await?,
        };
        Ok(if image.is_some_and(|image| viewer.owns(&image)) { Right::Own(viewer) } else { Right::Url })
    }

    /// A share that has not ended, to who knows its password.
    async fn entered(&self, share: Share, request: Request<'_>) -> Result<Share, DeliveryError> {
        if !share.is_live(now_ms()) {
            return Err(DeliveryError::ShareEnded);
        }
        if share.password_hash.is_none() {
            return Ok(share);
        }
        let given = self.door.password(&share, request.headers, request.client).await;
        match given.map_err(DeliveryError::Door)? {
            Password::Right => Ok(share),
            Password::Missing => Err(DeliveryError::SharePassword { given: false }),
            Password::Wrong => Err(DeliveryError::SharePassword { given: true }),
        }
    }

    /// The answer to one caller.
    pub(super) async fn by(
        &self,
        request: Request<'_>,
        asked: &Asked,
        account: Account,
        right: &Right,
    ) -> Result<Response<Body>, DeliveryError> {
        let without_parts;
        let request = match right {
            Right::Share(share, _) if share.max_views.is_some() && !from_the_start(request.headers) => {
                without_parts = without_range(request.headers);
                Request { headers: &without_parts, ..request }
            }
            _ => request,
        };
        let mut answer = match self.tries(request, asked, account, right).await {
            Err(error) if is_missing(&error) && asked.target.spec.named_pictures().next().is_some() => {
                self.instead(request, asked, account, right, error).await?
            }
            answer => answer?,
        };
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, PERSONAL);
        if let Right::Share(share, _) = right {
            // Both name the image.
            headers.remove(LINK);
            headers.remove(CACHE_TAG);
            if request.method == Method::GET && respond::is_view(&answer) {
                let taken = self.origins.library().take_view(share, now_ms()).await?;
                return if taken { Ok(answer) } else { Err(DeliveryError::ShareEnded) };
            }
        }
        Ok(answer)
    }

    /// The picture that is shown to pages that may not embed ours, if there is one.
    async fn hotlinked(
        &self,
        request: Request<'_>,
        asked: &Asked,
        account: Account,
    ) -> Result<Response<Body>, DeliveryError> {
        let refused = || DeliveryError::Hotlink;
        let id = self.hotlink.as_ref().and_then(|rules| rules.answer.clone()).ok_or_else(refused)?;
        let subject = Subject::Image { id };
        let is_public = |image: &Image| image.visibility == Visibility::Public;
        let version = self.origins.version(&subject, is_public).await.map_err(|_| refused())?;
        let mut answer = self.attempt(request, asked, account, &Right::Url, Some(version)).await?;
        respond::fallback(answer.headers_mut(), refused().code());
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }
}

/// What a share link shows.
pub enum Shown {
    Picture(Response<Body>),
    Album(SharedAlbum),
}

/// A part of a shared album.
pub struct SharedAlbum {
    pub name: String,
    pub images: Vec<Image>,
    pub total: u64,
    /// The next page's number, if there is one.
    pub next: Option<u32>,
    /// The address of the link, and its path; behind a slash stand an image's id and a spec.
    pub link: String,
    pub path: String,
    /// Whether each picture that is shown uses up one view.
    pub is_numbered: bool,
}

/// The number of a page, 1 where none is named; nothing else may be asked of an album.
fn page_of(query: Option<&str>) -> Option<u32> {
    match query.filter(|query| !query.is_empty()) {
        None => Some(1),
        Some(query) => {
            query.strip_prefix("page=")?.parse().ok().filter(|page| (1..=1_000_000).contains(page))
        }
    }
}

/// What is for one caller may be kept by that caller alone, and asked for again each time.
pub(crate) const PERSONAL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Token and spec of `/share/<token>[/<spec>]`.
fn token_of(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/share/")?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

/// Views are counted where a picture begins. Where they are numbered, who asks for the rest alone gets the whole picture
/// and pays for it, or all but one byte would be free.
fn from_the_start(headers: &HeaderMap) -> bool {
    headers.get(RANGE).is_none_or(|range| range.as_bytes().starts_with(b"bytes=0-"))
}

fn without_range(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(RANGE);
    headers
}
