//! Images by what clients know them by that have no ids: their number, or the name that their file would have.

use super::listing::Reach;
use super::{Image, ImageId, Library, LibraryError, store};

impl Library {
    /// The image of this number within reach, if it is not in the trash.
    pub async fn by_number(&self, reach: Reach, pk: i64, now: i64) -> Result<Option<Image>, LibraryError> {
        let image = store::by_pk(&self.db, pk).await?;
        Ok(image.filter(|image| reach.covers(image) && image.is_live(now)))
    }

    /// The image whose file would be called so, if it may be shown: by its stored name, or, as what came without one, by
    /// its id and type.
    pub async fn by_file_name(&self, name: &str, now: i64) -> Result<Option<Image>, LibraryError> {
        let image = match store::by_stored_name(&self.db, name).await? {
            Some(image) => Some(image),
            None => match name.rsplit_once('.') {
                Some((id, extension)) if id.parse::<ImageId>().is_ok() => {
                    let image = store::by_id(&self.db, id).await?;
                    image.filter(|image| image.stored_name.is_none() && image.shape.format == extension)
                }
                _ => None,
            },
        };
        Ok(image.filter(|image| image.is_live(now)))
    }
}

impl Image {
    /// What its file is called for clients that know no ids; [`Library::by_file_name`] finds it by this.
    pub fn file_name(&self) -> String {
        self.stored_name.clone().unwrap_or_else(|| format!("{}.{}", self.id, self.shape.format))
    }
}
