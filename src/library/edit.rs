//! Changes of one image: what it is called, who may see it, what stays when it is cropped, how long it is kept, and its
//! tags and albums.

use super::listing::Reach;
use super::words::TagName;
use super::{Image, Library, LibraryError, Visibility, store};
use crate::db::{DbError, Tx};

/// What shall be another from now on; `None` = as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edit {
    pub name: Option<String>,
    pub visibility: Option<Visibility>,
    /// Fractions of the upright width and height; `Some(None)` = none.
    pub focal: Option<Option<(f64, f64)>>,
    /// Milliseconds since 1970; `Some(None)` = never.
    pub expires_at: Option<Option<i64>>,
    /// All of them.
    pub tags: Option<Vec<TagName>>,
    /// The ids of all of them.
    pub albums: Option<Vec<String>>,
}

impl Library {
    /// An image within reach that is not in the trash.
    pub async fn get(&self, reach: Reach, id: &str, now: i64) -> Result<Image, LibraryError> {
        let image = self.get_any(reach, id).await?;
        if image.is_live(now) { Ok(image) } else { Err(missing(id)) }
    }

    /// An image within reach, whatever its state.
    pub async fn get_any(&self, reach: Reach, id: &str) -> Result<Image, LibraryError> {
        let image = match id.parse() {
            Ok(id) => self.find_any(&id).await?,
            Err(_) => None,
        };
        image.filter(|image| reach.covers(image)).ok_or_else(|| missing(id))
    }

    /// Makes all of the changes or none; returns the image as it is then.
    pub async fn edit(&self, reach: Reach, id: &str, edit: &Edit, now: i64) -> Result<Image, LibraryError> {
        edit.check(now)?;
        let mut tx = self.db.write().await?;
        store::all_changed(&mut tx, &[id]).await?;
        let image = store::within(&mut tx, reach, &[id]).await?.into_iter().next();
        let image = image.filter(|image| image.is_live(now)).ok_or_else(|| missing(id))?;
        if let Some(name) = &edit.name {
            store::rename(&mut tx, &image, name.trim(), now).await?;
        }
        if let Some(visibility) = edit.visibility {
            store::set_visibility(&mut tx, image.pk, visibility, now).await?;
        }
        if let Some(focal) = edit.focal {
            store::put_focal(&mut tx, image.pk, focal, now).await?;
        }
        if let Some(at) = edit.expires_at {
            store::set_expiry(&mut tx, image.pk, at, now).await?;
        }
        if let Some(tags) = &edit.tags {
            set_tags(&mut tx, &image, tags, now).await?;
        }
        if let Some(albums) = &edit.albums {
            set_albums(&mut tx, &image, albums).await?;
        }
        tx.commit().await?;
        self.known.forget(id);
        self.get_any(reach, id).await
    }
}

impl Edit {
    fn check(&self, now: i64) -> Result<(), LibraryError> {
        if let Some(name) = &self.name {
            check_name("name", name)?;
        }
        let inside = |(x, y): (f64, f64)| (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        if !self.focal.flatten().is_none_or(inside) {
            return Err(LibraryError::Focal);
        }
        if self.expires_at.flatten().is_some_and(|at| at <= now) {
            return Err(LibraryError::bad(
                "expires_at",
                "must lie in the future; to remove the image, delete it",
            ));
        }
        if self.tags.as_ref().is_some_and(|tags| tags.len() > MOST_TAGS) {
            return Err(LibraryError::bad("tags", "may be at most 100 of one image"));
        }
        Ok(())
    }
}

impl Reach {
    pub(super) fn covers(self, image: &Image) -> bool {
        match self {
            Self::Owner(owner) => image.owner == Some(owner),
            Self::Everybody => true,
        }
    }
}

/// A name of an image or an album. The rows hold 255 characters.
pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), LibraryError> {
    let name = name.trim();
    if (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(LibraryError::bad(field, "must be 1 to 255 characters without control characters"))
    }
}

pub(super) fn missing(id: &str) -> LibraryError {
    LibraryError::NotFound { id: id.to_owned() }
}

const MOST_TAGS: usize = 100;

async fn set_tags(tx: &mut Tx, image: &Image, wanted: &[TagName], now: i64) -> Result<(), DbError> {
    for tag in store::tags::of_image(tx, image.pk).await? {
        if !wanted.iter().any(|wanted| wanted.as_str() == tag.name)
            && store::tags::remove(tx, tag.pk, image).await?
        {
            store::terms::remove(tx, image, &tag.name).await?;
        }
    }
    tag(tx, image, wanted, now).await
}

/// Adds those that the image has not.
pub(super) async fn tag(tx: &mut Tx, image: &Image, tags: &[TagName], now: i64) -> Result<(), DbError> {
    for name in tags {
        let tag = store::tags::take(tx, image.owner.unwrap_or(0), name.as_str(), now).await?;
        if store::tags::put(tx, tag.pk, image).await? {
            store::terms::add(tx, image, name.as_str()).await?;
        }
    }
    Ok(())
}

/// Takes away those that the image has.
pub(super) async fn untag(tx: &mut Tx, image: &Image, tags: &[TagName]) -> Result<(), DbError> {
    for name in tags {
        let Some(tag) = store::tags::find_in(tx, image.owner.unwrap_or(0), name.as_str()).await? else {
            continue;
        };
        if store::tags::remove(tx, tag.pk, image).await? {
            store::terms::remove(tx, image, name.as_str()).await?;
        }
    }
    Ok(())
}

async fn set_albums(tx: &mut Tx, image: &Image, ids: &[String]) -> Result<(), LibraryError> {
    let owner = Reach::Owner(image.owner.unwrap_or(0));
    let is_live = image.deleted_at.is_none();
    let mut wanted = Vec::with_capacity(ids.len());
    for id in ids {
        wanted.push(store::albums::find(tx, owner, id).await?.pk);
    }
    for album in store::albums::of_image(tx, image.pk).await? {
        if !wanted.contains(&album) {
            store::albums::take(tx, album, image.pk, is_live).await?;
        }
    }
    for album in wanted {
        append(tx, album, image).await?;
    }
    Ok(())
}

/// Puts an image at the end of an album, unless it is in it.
pub(super) async fn append(tx: &mut Tx, album: i64, image: &Image) -> Result<(), DbError> {
    if store::albums::has(tx, album, image.pk).await? {
        return Ok(());
    }
    let (_, last) = store::albums::ends(tx, album).await?;
    store::albums::put(tx, album, image.pk, last + 1, image.deleted_at.is_none()).await
}
