//! Share links: who holds the token sees one image, or what is in one album, for as long and as often as the owner said. The token is told once
//! and kept as a hash; views are counted by the statement that allows them.

use sha2::{Digest, Sha256};

use super::id::random_text;
use super::listing::{Filter, Listed, Listing, Reach, Sort, Start};
use super::{Album, Image, ImageId, Library, LibraryError, Page, store};

/// What may be told of a share. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub pk: i64,
    /// What it is called in lists; no right by itself.
    pub id: String,
    pub what: Shared,
    /// Whose it was when the link was made.
    pub owner: Option<i64>,
    /// argon2id, made and verified by whoever has accounts.
    pub password_hash: Option<SharePassword>,
    /// `None` = as often as one likes.
    pub max_views: Option<u64>,
    pub views: u64,
    pub created_at: i64,
    pub viewed_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

/// What a link shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    Image {
        pk: i64,
        id: ImageId,
    },
    /// Whatever is in it at the time; nothing of the trash.
    Album {
        pk: i64,
        id: String,
    },
}

/// The hash of a share's password, which no log shall show.
#[derive(Clone, PartialEq, Eq)]
pub struct SharePassword(pub String);

/// The secret of a share link: 22 letters and digits, which are 131 bits.
#[derive(Clone)]
pub struct ShareToken(String);

/// A link that is to be made.
#[derive(Debug, Clone, Default)]
pub struct NewShare {
    pub expires_at: Option<i64>,
    pub max_views: Option<u64>,
    pub password_hash: Option<SharePassword>,
}

impl Share {
    /// Whether it still shows anything.
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none()
            && self.expires_at.is_none_or(|at| at > now)
            && self.max_views.is_none_or(|most| self.views < most)
    }
}

impl ShareToken {
    /// The only time that it can be read.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Whether a text has the form of a token; nothing else is looked up.
pub fn is_share_token(text: &str) -> bool {
    text.len() == TOKEN && text.bytes().all(|c| c.is_ascii_alphanumeric())
}

impl Library {
    /// A link to an image. That the caller may give it away is for the caller to know.
    pub async fn create_share(
        &self,
        image: &Image,
        new: &NewShare,
        now: i64,
    ) -> Result<(Share, ShareToken), LibraryError> {
        self.share_what(&Shared::Image { pk: image.pk, id: image.id.clone() }, image.owner, new, now).await
    }

    /// A link to an album.
    pub async fn share_album(
        &self,
        album: &Album,
        new: &NewShare,
        now: i64,
    ) -> Result<(Share, ShareToken), LibraryError> {
        // 0 is the operator.
        let owner = Some(album.owner).filter(|&owner| owner != 0);
        self.share_what(&Shared::Album { pk: album.pk, id: album.id.clone() }, owner, new, now).await
    }

    async fn share_what(
        &self,
        what: &Shared,
        owner: Option<i64>,
        new: &NewShare,
        now: i64,
    ) -> Result<(Share, ShareToken), LibraryError> {
        let wrong = |field, why| Err(LibraryError::Field { field, why });
        if new.expires_at.is_some_and(|at| at <= now) {
            return wrong("expires_at", "must be in the future");
        }
        if new.max_views.is_some_and(|most| most == 0 || i64::try_from(most).is_err()) {
            return wrong("max_views", "must be 1 or more; leave it out for no limit");
        }
        let (token, id) = (random_text(TOKEN)?, random_text(ID)?);
        let mut tx = self.db.write().await?;
        store::shares::insert(&mut tx, &id, &hash(&token), what, owner, new, now).await?;
        tx.commit().await?;
        let made = store::shares::by_id(&self.db, &id).await?.ok_or(LibraryError::NoShare)?;
        Ok((made, ShareToken(token)))
    }

    /// The share of a token, whatever its state: who holds the token may know that it has ended.
    pub async fn find_share(&self, token: &str) -> Result<Option<Share>, LibraryError> {
        if !is_share_token(token) {
            return Ok(None);
        }
        Ok(store::shares::by_hash(&self.db, &hash(token)).await?)
    }

    /// A share by what it is called.
    pub async fn share(&self, id: &str) -> Result<Option<Share>, LibraryError> {
        Ok(store::shares::by_id(&self.db, id).await?)
    }

    /// Takes one view. `false`: none is left, or the share has ended meanwhile. Of however many who ask at once, exactly
    /// as many get `true` as there are views.
    pub async fn take_view(&self, share: &Share, now: i64) -> Result<bool, LibraryError> {
        Ok(store::shares::take_view(&self.db, share.pk, now).await?)
    }

    /// The links to somebody's images, newest first; `None` = to everybody's.
    pub async fn shares(&self, owner: Option<i64>, page: &Page) -> Result<Vec<Share>, LibraryError> {
        Ok(store::shares::list(&self.db, owner, page).await?)
    }

    /// The links to one image, newest first.
    pub async fn shares_of(&self, image: &Image, page: &Page) -> Result<Vec<Share>, LibraryError> {
        Ok(store::shares::of_image(&self.db, image.pk, page).await?)
    }

    /// The links to one album, newest first.
    pub async fn shares_of_album(&self, album: &Album, page: &Page) -> Result<Vec<Share>, LibraryError> {
        Ok(store::shares::of_album(&self.db, album.pk, page).await?)
    }

    /// The key of an image of this id that the link shows now.
    pub async fn shown_by(&self, share: &Share, id: &str) -> Result<Option<i64>, LibraryError> {
        match &share.what {
            Shared::Image { pk, id: own } => Ok(Some(*pk).filter(|_| own.as_str() == id)),
            Shared::Album { pk: album, .. } => {
                let Some(image) = self.find(id).await? else { return Ok(None) };
                let is_in = store::albums::holds(&self.db, *album, image.pk).await?;
                Ok(Some(image.pk).filter(|_| is_in))
            }
        }
    }

    /// A part of what an album holds, in its order; pages of [`SHARED_PAGE`] are counted from 1.
    pub async fn shared_page(
        &self,
        album: &str,
        page: u32,
        now: i64,
    ) -> Result<(Album, Listed), LibraryError> {
        let album = self.album(Reach::Everybody, album).await?;
        let listing = Listing {
            reach: if album.owner == 0 { Reach::Everybody } else { Reach::Owner(album.owner) },
            filter: Filter { album: Some(album.id.clone()), ..Filter::default() },
            sort: Sort::Album,
            start: Start::Page(page),
            limit: SHARED_PAGE,
            ..Listing::default()
        };
        let listed = self.page(&listing, now).await?;
        Ok((album, listed))
    }

    /// Ends a link at once; again is no error. Somebody else's is not found; `None` = an administrator's call.
    pub async fn revoke_share(&self, owner: Option<i64>, id: &str, now: i64) -> Result<(), LibraryError> {
        let found = store::shares::by_id(&self.db, id).await?;
        let found = found.filter(|share| owner.is_none() || share.owner == owner);
        let share = found.ok_or(LibraryError::NoShare)?;
        Ok(store::shares::revoke(&self.db, share.pk, now).await?)
    }

    /// Forgets links that ended before `before`; until then their holders are told so. For a job that runs now and then.
    pub async fn sweep_shares(&self, before: i64) -> Result<u64, LibraryError> {
        Ok(store::shares::sweep(&self.db, before).await?)
    }

    /// How many [`Library::sweep_shares`] would find.
    pub async fn sweepable_shares(&self, before: i64) -> Result<u64, LibraryError> {
        Ok(store::shares::sweepable(&self.db, before).await?)
    }
}

/// Images of a shared album at once.
pub const SHARED_PAGE: u32 = 100;

const TOKEN: usize = 22;
const ID: usize = 12;

/// What the table keeps: chance of 131 bits needs neither salt nor a slow hash.
fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl std::fmt::Debug for SharePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharePassword(…)")
    }
}

impl std::fmt::Debug for ShareToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShareToken(…)")
    }
}

#[cfg(test)]
#[path = "shares_tests.rs"]
mod tests;
