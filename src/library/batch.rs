//! The same for many images at once, each with an outcome of its own.

use super::edit::{append, missing, tag, untag};
use super::listing::Reach;
use super::words::TagName;
use super::{Image, ImageId, Library, LibraryError, Visibility, store};
use crate::db::Tx;

/// What happens to each.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// To the trash.
    Delete,
    Restore,
    /// For good, out of the trash.
    DeleteForever,
    /// Into the album, beside those that the image is in.
    AddToAlbum(String),
    RemoveFromAlbum(String),
    /// Into the album and out of all others.
    MoveToAlbum(String),
    Tag(Vec<TagName>),
    Untag(Vec<TagName>),
    SetVisibility(Visibility),
}

/// What became of one of them.
#[derive(Debug)]
pub struct Done {
    pub id: String,
    pub result: Result<(), LibraryError>,
}

pub const MOST_AT_ONCE: usize = 500;

/// Others wait while a transaction runs, so large batches let them in between.
const IN_ONE_TRANSACTION: usize = 50;

impl Library {
    /// In the order in which the ids are given. An id that comes twice is done twice.
    pub async fn batch(
        &self,
        reach: Reach,
        ids: &[String],
        action: &Action,
        now: i64,
    ) -> Result<Vec<Done>, LibraryError> {
        if !(1..=MOST_AT_ONCE).contains(&ids.len()) {
            return Err(LibraryError::bad("ids", "must be 1 to 500"));
        }
        let mut done = Vec::with_capacity(ids.len());
        for some in ids.chunks(IN_ONE_TRANSACTION) {
            match action {
                Action::DeleteForever => self.end_each(reach, some, now, &mut done).await?,
                _ => self.do_each(reach, some, action, now, &mut done).await?,
            }
        }
        Ok(done)
    }

    async fn do_each(
        &self,
        reach: Reach,
        ids: &[String],
        action: &Action,
        now: i64,
        done: &mut Vec<Done>,
    ) -> Result<(), LibraryError> {
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut tx = self.db.write().await?;
        store::all_changed(&mut tx, &names).await?;
        let found = store::within(&mut tx, reach, &names).await?;
        let album = match action {
            Action::AddToAlbum(id) | Action::RemoveFromAlbum(id) | Action::MoveToAlbum(id) => {
                Some(store::albums::find(&mut tx, reach, id).await?)
            }
            _ => None,
        };
        for id in ids {
            let fits = |image: &&Image| {
                let wanted = match action {
                    Action::Restore => image.deleted_at.is_some(),
                    _ => image.is_live(now),
                };
                let owned = album.as_ref().is_none_or(|album| album.owner == image.owner.unwrap_or(0));
                image.id.as_str() == id && wanted && owned
            };
            let result = match found.iter().find(fits) {
                None => Err(missing(id)),
                Some(image) => {
                    let album = album.as_ref().map(|album| album.pk);
                    // What fails here fails for all.
                    self.act(&mut tx, image, action, album, now).await?;
                    Ok(())
                }
            };
            done.push(Done { id: id.clone(), result });
        }
        tx.commit().await?;
        names.iter().for_each(|id| self.known.forget(id));
        Ok(())
    }

    async fn act(
        &self,
        tx: &mut Tx,
        image: &Image,
        action: &Action,
        album: Option<i64>,
        now: i64,
    ) -> Result<(), LibraryError> {
        match (action, album) {
            (Action::Delete, _) => drop(store::trash::put(tx, image, now).await?),
            (Action::Restore, _) => {
                let expires_at = self.expiry_when_restored(image, now);
                store::trash::restore(tx, image, expires_at, now).await?;
            }
            (Action::AddToAlbum(_), Some(album)) => append(tx, album, image).await?,
            (Action::RemoveFromAlbum(_), Some(album)) => {
                store::albums::take(tx, album, image.pk, true).await?;
            }
            (Action::MoveToAlbum(_), Some(album)) => {
                for other in store::albums::of_image(tx, image.pk).await? {
                    if other != album {
                        store::albums::take(tx, other, image.pk, true).await?;
                    }
                }
                append(tx, album, image).await?;
            }
            (Action::Tag(tags), _) => tag(tx, image, tags, now).await?,
            (Action::Untag(tags), _) => untag(tx, image, tags).await?,
            (Action::SetVisibility(visibility), _) => {
                store::set_visibility(tx, image.pk, *visibility, now).await?;
            }
            (Action::DeleteForever | Action::AddToAlbum(_), _) => {}
            (Action::RemoveFromAlbum(_) | Action::MoveToAlbum(_), None) => {}
        }
        Ok(())
    }

    async fn end_each(
        &self,
        reach: Reach,
        ids: &[String],
        now: i64,
        done: &mut Vec<Done>,
    ) -> Result<(), LibraryError> {
        for id in ids {
            let image = match self.get_any(reach, id).await {
                Ok(image) => image,
                Err(LibraryError::NotFound { .. }) => {
                    done.push(Done { id: id.clone(), result: Err(missing(id)) });
                    continue;
                }
                Err(error) => return Err(error),
            };
            let own: [ImageId; 1] = [image.id];
            let ended = self.delete_if(&own, |image| image.deleted_at.is_some(), now).await?;
            let result = if ended > 0 { Ok(()) } else { Err(missing(id)) };
            done.push(Done { id: id.clone(), result });
        }
        Ok(())
    }
}
