//! One picture on its way in.

use futures_util::TryStreamExt;

use super::super::MigrateError;
use super::super::files::{Files, Opened};
use super::super::model::Picture;
use super::{Importer, Outcome};
use crate::library::{
    Edit, Filing, Image, ImageId, Library, LibraryError, Note, Past, Place, Reach, Sameness, TagName,
};
use crate::source::SourceError;
use crate::storage::fs::FsError;
use crate::upload::{Expires, Owner, UploadError, Uploaded, Wish};

impl Importer<'_> {
    /// `is_kept_up`: what was deleted here since comes back.
    pub(super) async fn picture(
        &mut self,
        picture: &Picture,
        places: &[(Option<String>, Files)],
        is_kept_up: bool,
    ) -> Result<Outcome, MigrateError> {
        match self.attempt(picture, places, is_kept_up).await {
            Err(error) => match left_out(&error) {
                // A folder may hold anything; a database names pictures.
                Some(why) if is_kept_up => Ok(Outcome::Skipped(why)),
                Some(why) => Ok(Outcome::Failed(why)),
                None => Err(error),
            },
            done => done,
        }
    }

    async fn attempt(
        &mut self,
        picture: &Picture,
        places: &[(Option<String>, Files)],
        is_kept_up: bool,
    ) -> Result<Outcome, MigrateError> {
        let now = (self.clock)();
        if picture.expires_at.is_some_and(|at| at <= now) {
            return Ok(Outcome::Skipped("it had expired".to_owned()));
        }
        let Some(owner) = self.owner_of(picture.owner.as_deref()) else {
            return Ok(match self.options.dry_run {
                // Of an account that would be made first.
                true => found(places, picture).await?.map_or_else(|| missing(false), |_| Outcome::Would),
                false => Outcome::Failed("its owner is not in the database".to_owned()),
            });
        };
        let mut opened = None;
        let mut mark = picture.mark.clone();
        if mark.is_empty() {
            // Only the file itself tells which one it is.
            let Some(file) = found(places, picture).await? else { return Ok(missing(is_kept_up)) };
            mark = format!("{} {:?}", file.len, file.modified_ms);
            opened = Some(file);
        }
        let origin = self.origin("picture", &picture.key, &format!("{:?} {mark}", owner.pk));
        if let Some(image) = self.uploads.library().imported(&origin).await?
            && (image.is_live(now) || !is_kept_up)
        {
            return Ok(Outcome::Known(Box::new(image)));
        }
        let opened = match opened {
            Some(opened) => opened,
            None => match found(places, picture).await? {
                Some(opened) => opened,
                None => return Ok(missing(is_kept_up)),
            },
        };
        if self.options.dry_run {
            return Ok(Outcome::Would);
        }
        let (image, is_new) = self.take(picture, owner, opened, is_kept_up).await?;
        self.notes.push(Note { image: image.pk, origin, old: picture.old.clone() });
        let image = Box::new(image);
        Ok(if is_new { Outcome::Added(image) } else { Outcome::Known(image) })
    }

    /// The picture as it is here, and whether it has just come.
    async fn take(
        &mut self,
        picture: &Picture,
        owner: Owner,
        opened: Opened,
        is_kept_up: bool,
    ) -> Result<(Image, bool), MigrateError> {
        let now = (self.clock)();
        let library = self.uploads.library().clone();
        let id = self.free_id(picture, owner).await?;
        if let Some(Claim::Ours(image)) = id {
            return Ok((self.complete(picture, *image, 0).await?, false));
        }
        for album in &picture.albums {
            if is_kept_up && !self.albums.contains_key(album) {
                self.album(album, album, owner.pk, None).await?;
            }
        }
        let first = self.albums_of(picture, owner).next();
        let filed = usize::from(first.is_some());
        let tags = picture.tags.iter().filter_map(|tag| TagName::new(tag).ok()).take(MOST_TAGS).collect();
        let id = match id {
            Some(Claim::Free(id)) => Some(id),
            _ => None,
        };
        let wish = Wish {
            declared: Some(opened.len),
            visibility: picture.reach.visibility(self.options.hide_unlisted),
            expires: picture.expires_at.map_or(Expires::Never, Expires::At),
            same: if id.is_some() { Sameness::Never } else { Sameness::ContentAndName },
            id,
            stored_name: picture.stored_name.clone().filter(|name| name.chars().count() <= LONGEST_STORED),
            past: Past {
                created_at: picture.created_at.or(opened.modified_ms).filter(|at| (1..=now).contains(at)),
                views: picture.views,
            },
            filing: Filing { album: first, tags },
            ..Wish::named(&picture.name)
        };
        let Uploaded { image, duplicate } = self.upload(picture, owner, wish, opened).await?;
        if let Some(given) = picture.id.as_ref().filter(|given| *given != image.id.as_str()) {
            self.ids.insert(given.clone(), image.id.clone());
        }
        let image = if duplicate { image } else { dress(&library, picture, image, now).await? };
        Ok((self.complete(picture, image, filed).await?, !duplicate))
    }

    async fn upload(
        &self,
        picture: &Picture,
        owner: Owner,
        wish: Wish,
        mut opened: Opened,
    ) -> Result<Uploaded, MigrateError> {
        let mut session = self.uploads.begin(owner, wish).await?;
        while let Some(piece) = opened.pieces.try_next().await? {
            session.write(piece).await?;
        }
        let digests = session.seal().await?;
        if picture.sha256.as_ref().is_some_and(|sha256| *sha256 != digests.sha256.to_string()) {
            return Err(UploadError::Checksum.into());
        }
        Ok(session.finish().await?)
    }

    /// Its albums but those that it was filed in, and the trash where it was there. Doing it again changes nothing.
    async fn complete(
        &mut self,
        picture: &Picture,
        image: Image,
        filed: usize,
    ) -> Result<Image, MigrateError> {
        let (library, now) = (self.uploads.library().clone(), (self.clock)());
        let owner = Owner { pk: image.owner, ..Owner::default() };
        if image.is_live(now) {
            let ids: Vec<String> = self.albums_of(picture, owner).skip(filed).collect();
            for album in ids {
                library
                    .fill_album(Reach::Everybody, &album, &[image.id.to_string()], Place::Last, now)
                    .await?;
            }
            self.touched.extend(picture.albums.iter().cloned());
            if picture.deleted_at.is_some() {
                library.trash(Reach::Everybody, image.id.as_str(), now).await?;
            }
        }
        Ok(image)
    }

    /// The ids here of those of its albums that are its owner's.
    fn albums_of<'p>(&'p self, picture: &'p Picture, owner: Owner) -> impl Iterator<Item = String> + 'p {
        let albums = picture.albums.iter().filter_map(|key| self.albums.get(key));
        albums.filter(move |(_, of)| *of == owner.pk).map(|(id, _)| id.clone())
    }

    /// What its own id comes to, where it brings one.
    async fn free_id(&self, picture: &Picture, owner: Owner) -> Result<Option<Claim>, MigrateError> {
        let Some(id) = picture.id.as_ref().and_then(|id| id.parse::<ImageId>().ok()) else { return Ok(None) };
        Ok(match self.uploads.library().find_any(&id).await? {
            None => Some(Claim::Free(id)),
            Some(image)
                if image.owner == owner.pk
                    && picture.sha256.as_ref().is_some_and(|sha256| *sha256 == image.sha256.to_string()) =>
            {
                Some(Claim::Ours(Box::new(image)))
            }
            Some(_) => None,
        })
    }
}

/// An id that a picture brings along.
enum Claim {
    Free(ImageId),
    /// It came in with it before.
    Ours(Box<Image>),
}

async fn found(
    places: &[(Option<String>, Files)],
    picture: &Picture,
) -> Result<Option<Opened>, MigrateError> {
    let named = places.iter().find(|(place, _)| place.is_some() && *place == picture.place);
    let place = named.or_else(|| places.iter().find(|(place, _)| place.is_none()));
    match place {
        Some((_, files)) => files.open_any(&picture.files).await,
        None => Ok(None),
    }
}

/// What a new picture has beside what comes with its bytes.
async fn dress(library: &Library, picture: &Picture, image: Image, now: i64) -> Result<Image, MigrateError> {
    let Some(focal) = picture.focal else { return Ok(image) };
    let edit = Edit { focal: Some(Some(focal)), ..Edit::default() };
    match library.edit(Reach::Everybody, image.id.as_str(), &edit, now).await {
        Ok(image) => Ok(image),
        // Somebody wrote nonsense; the picture is one all the same.
        Err(LibraryError::Focal) => Ok(image),
        Err(error) => Err(error.into()),
    }
}

fn missing(is_kept_up: bool) -> Outcome {
    match is_kept_up {
        true => Outcome::Skipped("a link that leads out of the folder, or to no file".to_owned()),
        false => Outcome::Failed("its file is not there".to_owned()),
    }
}

/// Why a picture is left out; `None` where the next one would fare no better.
fn left_out(error: &MigrateError) -> Option<String> {
    match error {
        MigrateError::Upload(UploadError::Checksum) => {
            Some("its file is not the one that was exported".to_owned())
        }
        MigrateError::Upload(UploadError::File(FsError::Io(error)))
        | MigrateError::Folder(FsError::Io(error)) => Some(error.to_string()),
        MigrateError::Upload(error) if error.is_about_the_file() => Some(error.to_string()),
        MigrateError::Upload(UploadError::Library(
            error @ (LibraryError::QuotaBytes { .. } | LibraryError::QuotaFiles { .. }),
        )) => Some(error.to_string()),
        MigrateError::Folder(error @ (FsError::NotFound | FsError::Changed)) => Some(error.to_string()),
        MigrateError::Source(
            error @ (SourceError::NotFound | SourceError::TooManyBytes { .. } | SourceError::Changed),
        ) => Some(error.to_string()),
        _ => None,
    }
}

const MOST_TAGS: usize = 100;
const LONGEST_STORED: usize = 255;
