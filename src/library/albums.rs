//! Albums: ordered collections of one's own images. An image may be in several.

use super::edit::{append, check_name};
use super::listing::Reach;
use super::{ImageId, Library, LibraryError, store};

/// One album. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Album {
    pub(super) pk: i64,
    pub id: String,
    pub owner: i64,
    pub name: String,
    /// How many are in it that are not in the trash.
    pub images: u64,
    /// The id of the image that stands for it; the first one unless another was chosen.
    pub cover: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What shall be another from now on; `None` = as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlbumEdit {
    pub name: Option<String>,
    /// The id of an image of the album; `Some(None)` = whatever comes first.
    pub cover: Option<Option<String>>,
}

/// Where images go in an album.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Behind all others; who is in it stays where it is.
    Last,
    /// Before all others, in the order that is given.
    First,
}

impl Album {
    /// For clients whose albums have numbers.
    pub fn number(&self) -> i64 {
        self.pk
    }
}

/// Part of a list of albums, and where the next part begins.
pub struct Albums {
    pub albums: Vec<Album>,
    pub next: Option<i64>,
}

impl Library {
    /// Newest first; `before` is what the last part ended with.
    pub async fn albums(&self, owner: i64, before: Option<i64>, limit: u32) -> Result<Albums, LibraryError> {
        let mut albums = store::albums::list(&self.db, owner, before.unwrap_or(i64::MAX), limit + 1).await?;
        let more = albums.len() > limit as usize;
        albums.truncate(limit as usize);
        for album in &mut albums {
            self.cover(album).await?;
        }
        let next = albums.last().filter(|_| more).map(|album| album.pk);
        Ok(Albums { albums, next })
    }

    pub async fn album(&self, reach: Reach, id: &str) -> Result<Album, LibraryError> {
        let album = store::albums::by_id(&self.db, reach, id).await?;
        let mut album = album.ok_or_else(|| missing(id))?;
        self.cover(&mut album).await?;
        Ok(album)
    }

    /// One of somebody's own albums, by [`Album::number`].
    pub async fn numbered_album(&self, owner: i64, number: i64) -> Result<Album, LibraryError> {
        let found =
            store::albums::list(&self.db, owner, number.saturating_add(1), 1).await?.into_iter().next();
        found.filter(|album| album.pk == number).ok_or_else(|| missing(&number.to_string()))
    }

    /// Albums without those before them, newest first and without covers that nobody chose; and how many there are in all.
    pub async fn albums_from(
        &self,
        owner: i64,
        skip: u64,
        limit: u32,
    ) -> Result<(Vec<Album>, u64), LibraryError> {
        let total = store::albums::count_of(&self.db, owner).await?;
        Ok((store::albums::list_from(&self.db, owner, skip, limit).await?, total))
    }

    pub async fn create_album(&self, owner: i64, name: &str, now: i64) -> Result<Album, LibraryError> {
        check_name("name", name)?;
        let id = ImageId::random()?;
        let mut tx = self.db.write().await?;
        store::albums::insert(&mut tx, id.as_str(), owner, name.trim(), now).await?;
        tx.commit().await?;
        self.album(Reach::Owner(owner), id.as_str()).await
    }

    pub async fn edit_album(
        &self,
        reach: Reach,
        id: &str,
        edit: &AlbumEdit,
        now: i64,
    ) -> Result<Album, LibraryError> {
        if let Some(name) = &edit.name {
            check_name("name", name)?;
        }
        let mut tx = self.db.write().await?;
        store::lock(&mut tx).await?;
        let album = store::albums::find(&mut tx, reach, id).await?;
        if let Some(name) = &edit.name {
            store::albums::rename(&mut tx, album.pk, name.trim(), now).await?;
        }
        match &edit.cover {
            None => {}
            Some(None) => store::albums::set_cover(&mut tx, album.pk, None, now).await?,
            Some(Some(cover)) => {
                let image = store::within(&mut tx, Reach::Everybody, &[cover]).await?.into_iter().next();
                let inside = match &image {
                    Some(image) => store::albums::has(&mut tx, album.pk, image.pk).await?,
                    None => false,
                };
                let Some(image) = image.filter(|_| inside) else {
                    return Err(LibraryError::bad("cover", "must be the id of an image of the album"));
                };
                store::albums::set_cover(&mut tx, album.pk, Some(image.pk), now).await?;
            }
        }
        tx.commit().await?;
        self.album(reach, id).await
    }

    /// The album goes; its images stay.
    pub async fn delete_album(&self, reach: Reach, id: &str) -> Result<(), LibraryError> {
        let mut tx = self.db.write().await?;
        store::lock(&mut tx).await?;
        let album = store::albums::find(&mut tx, reach, id).await?;
        store::albums::delete(&mut tx, album.pk).await?;
        Ok(tx.commit().await?)
    }

    /// Puts images of the album's owner into it: all, or none where one is missing.
    pub async fn fill_album(
        &self,
        reach: Reach,
        id: &str,
        images: &[String],
        place: Place,
        now: i64,
    ) -> Result<Album, LibraryError> {
        let mut tx = self.db.write().await?;
        store::lock(&mut tx).await?;
        let album = store::albums::find(&mut tx, reach, id).await?;
        let ids: Vec<&str> = images.iter().map(String::as_str).collect();
        // Nobody's images but the operator's own have no owner.
        let own = if album.owner == 0 { Reach::Everybody } else { Reach::Owner(album.owner) };
        let found = store::within(&mut tx, own, &ids).await?;
        let (first, _) = store::albums::ends(&mut tx, album.pk).await?;
        for (at, id) in ids.iter().enumerate() {
            let image = found.iter().find(|image| image.id.as_str() == *id);
            let image = image.filter(|image| image.owner.unwrap_or(0) == album.owner && image.is_live(now));
            let image = image.ok_or_else(|| super::edit::missing(id))?;
            append(&mut tx, album.pk, image).await?;
            if place == Place::First {
                let position = first - ids.len() as i64 + at as i64;
                store::albums::place(&mut tx, album.pk, image.pk, position).await?;
            }
        }
        tx.commit().await?;
        self.album(reach, id).await
    }

    /// Takes images out of it; those that are not in it are passed over.
    pub async fn thin_album(&self, reach: Reach, id: &str, images: &[String]) -> Result<Album, LibraryError> {
        let mut tx = self.db.write().await?;
        store::lock(&mut tx).await?;
        let album = store::albums::find(&mut tx, reach, id).await?;
        let ids: Vec<&str> = images.iter().map(String::as_str).collect();
        for image in store::within(&mut tx, Reach::Everybody, &ids).await? {
            store::albums::take(&mut tx, album.pk, image.pk, image.deleted_at.is_none()).await?;
        }
        tx.commit().await?;
        self.album(reach, id).await
    }

    async fn cover(&self, album: &mut Album) -> Result<(), LibraryError> {
        if album.cover.is_none() && album.images > 0 {
            album.cover = store::albums::first_image(&self.db, album.pk).await?;
        }
        Ok(())
    }
}

fn missing(id: &str) -> LibraryError {
    LibraryError::Missing { what: "album", id: id.to_owned() }
}
