//! Tags: words that an owner gives to images. They come into being when an image gets one.

use super::words::TagName;
use super::{Library, LibraryError, store};

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub(super) pk: i64,
    pub name: String,
    /// How many have it that are not in the trash.
    pub images: u64,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// Part of a list of tags, and where the next part begins.
pub struct Tags {
    pub tags: Vec<Tag>,
    pub next: Option<String>,
}

impl Library {
    /// By name; `after` is what the last part ended with.
    pub async fn tags(&self, owner: i64, after: Option<&str>, limit: u32) -> Result<Tags, LibraryError> {
        let mut tags = store::tags::list(&self.db, owner, after.unwrap_or(""), limit + 1).await?;
        let more = tags.len() > limit as usize;
        tags.truncate(limit as usize);
        let next = tags.last().filter(|_| more).map(|tag| tag.name.clone());
        Ok(Tags { tags, next })
    }

    /// Gives a tag another name, on all images that have it. Where there is a tag of that name, the two become one.
    pub async fn rename_tag(
        &self,
        owner: i64,
        name: &str,
        to: &TagName,
        now: i64,
    ) -> Result<Tag, LibraryError> {
        let mut tx = self.db.write().await?;
        store::lock(&mut tx).await?;
        let tag = find(&mut tx, owner, name).await?;
        if tag.name != to.as_str() {
            store::terms::remove_from_tagged(&mut tx, owner, tag.pk, &tag.name).await?;
            match store::tags::find_in(&mut tx, owner, to.as_str()).await? {
                None => {
                    store::terms::add_to_tagged(&mut tx, owner, tag.pk, to.as_str()).await?;
                    store::tags::rename(&mut tx, tag.pk, to.as_str()).await?;
                }
                Some(other) => {
                    // Taken off and put on, so that no image has the words of the name twice.
                    store::terms::remove_from_tagged(&mut tx, owner, other.pk, to.as_str()).await?;
                    store::tags::merge(&mut tx, tag.pk, other.pk).await?;
                    store::tags::delete(&mut tx, tag.pk).await?;
                    store::terms::add_to_tagged(&mut tx, owner, other.pk, to.as_str()).await?;
                }
            }
        }
        let tag = store::tags::take(&mut tx, owner, to.as_str(), now).await?;
        tx.commit().await?;
        Ok(tag)
    }

    /// Takes a tag from all images.
    pub async fn delete_tag(&self, owner: i64, name: &str) -> Result<(), LibraryError> {
        let mut tx = self.db.write().await?;
        store::lock(&mut tx).await?;
        let tag = find(&mut tx, owner, name).await?;
        store::terms::remove_from_tagged(&mut tx, owner, tag.pk, &tag.name).await?;
        store::tags::delete(&mut tx, tag.pk).await?;
        Ok(tx.commit().await?)
    }
}

async fn find(tx: &mut crate::db::Tx, owner: i64, name: &str) -> Result<Tag, LibraryError> {
    let missing = || LibraryError::Missing { what: "tag", id: name.to_owned() };
    let name = TagName::new(name).map_err(|_| missing())?;
    store::tags::find_in(tx, owner, name.as_str()).await?.ok_or_else(missing)
}
