//! Writing a library into a folder, while it is in use: a manifest, and each content once. What is there already is not
//! written again, so an export that was broken off goes on, and a later one adds what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;

use super::MigrateError;
use super::manifest::{AlbumLine, End, Head, ImageLine, Line, MANIFEST, OldLine, OrderLine, UserLine};
use crate::accounts::{Accounts, User};
use crate::error::with_causes;
use crate::library::{Album, Image, Library, LibraryError};
use crate::storage::StorageError;

/// The use case.
pub struct Export {
    pub library: Library,
    pub accounts: Accounts,
    /// With them whoever has the folder can guess at passwords.
    pub with_password_hashes: bool,
    /// The key of the account whose things alone are written.
    pub owner: Option<i64>,
}

/// How far an export is, or came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    pub users: u64,
    pub albums: u64,
    pub images: u64,
    /// Files that were not there yet.
    pub files: u64,
    pub bytes: u64,
    /// Pictures whose objects are gone or damaged, with why.
    pub missing: Vec<String>,
}

/// A manifest that gets its name when it is whole.
struct Manifest {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
}

impl Export {
    pub async fn run(
        &self,
        folder: &Path,
        now: i64,
        progress: &mut (dyn FnMut(&Exported) + Send),
    ) -> Result<Exported, MigrateError> {
        let failed = |error| MigrateError::file(folder, error);
        // Private pictures are among them.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let mut manifest = Manifest::begin(folder)?;
        let mut done = Exported::default();
        manifest.write(&Line::Export(Head::new(now)))?;
        let users = self.users(&mut manifest, &mut done).await?;
        let albums = self.albums(&users, &mut manifest, &mut done).await?;
        let known: BTreeSet<&str> = albums.iter().map(|album| album.id.as_str()).collect();
        let mut after = 0;
        loop {
            let images = self.library.all_after(after, AT_ONCE).await?;
            let Some(last) = images.last() else { break };
            after = last.pk;
            self.images(folder, &images, &users, &known, &mut manifest, &mut done).await?;
            progress(&done);
        }
        for album in &albums {
            for part in self.library.album_order(&album.id).await?.chunks(ORDER_AT_ONCE) {
                let order = OrderLine { album: album.id.clone(), images: part.to_vec() };
                manifest.write(&Line::Order(order))?;
            }
        }
        let Exported { users, albums, images, .. } = done;
        manifest.write(&Line::End(End { users, albums, images }))?;
        manifest.finish()?;
        Ok(done)
    }

    /// The public ids of accounts by their keys.
    async fn users(
        &self,
        manifest: &mut Manifest,
        done: &mut Exported,
    ) -> Result<BTreeMap<i64, String>, MigrateError> {
        let (mut ids, mut after) = (BTreeMap::new(), 0);
        loop {
            let users = self.accounts.users(after, 1000).await?;
            let Some(last) = users.last() else { return Ok(ids) };
            after = last.pk;
            for user in users.into_iter().filter(|user| self.owner.is_none_or(|owner| owner == user.pk)) {
                let password_hash = match self.with_password_hashes {
                    true => self.accounts.password_hash(user.pk).await?,
                    false => None,
                };
                let User { id, name, email, role, quota_bytes, quota_files, created_at, .. } = user;
                manifest.write(&Line::User(UserLine {
                    id: id.clone(),
                    name,
                    email,
                    role: role.as_str().to_owned(),
                    password_hash,
                    disabled: user.disabled_at.is_some(),
                    quota_bytes,
                    quota_files,
                    created_at,
                }))?;
                ids.insert(user.pk, id);
                done.users += 1;
            }
        }
    }

    async fn albums(
        &self,
        users: &BTreeMap<i64, String>,
        manifest: &mut Manifest,
        done: &mut Exported,
    ) -> Result<Vec<Album>, MigrateError> {
        let mut all = Vec::new();
        let operator = self.owner.is_none().then_some(0);
        for owner in operator.into_iter().chain(users.keys().copied()) {
            let mut before = None;
            loop {
                let page = self.library.albums(owner, before, AT_ONCE).await?;
                all.extend(page.albums);
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
        }
        for album in &all {
            // What comes first stands for an album by itself.
            let first = self.library.album_order(&album.id).await?.into_iter().next();
            manifest.write(&Line::Album(AlbumLine {
                id: album.id.clone(),
                owner: users.get(&album.owner).cloned(),
                name: album.name.clone(),
                cover: album.cover.clone().filter(|cover| Some(cover) != first.as_ref()),
                created_at: album.created_at,
            }))?;
            done.albums += 1;
        }
        Ok(all)
    }

    async fn images(
        &self,
        folder: &Path,
        images: &[Image],
        users: &BTreeMap<i64, String>,
        albums: &BTreeSet<&str>,
        manifest: &mut Manifest,
        done: &mut Exported,
    ) -> Result<(), MigrateError> {
        let mut labels = self.library.labels(images).await?;
        let mut old = self.library.old_paths(images).await?;
        let wanted = |image: &&Image| self.owner.is_none() || image.owner == self.owner;
        for image in images.iter().filter(wanted) {
            let sha256 = image.sha256.to_string();
            let file = format!("files/{}/{sha256}.{}", &sha256[..2], image.shape.format);
            match self.copy(image, &folder.join(&file)).await {
                Ok(copied) => {
                    done.files += u64::from(copied);
                    done.bytes += if copied { image.bytes } else { 0 };
                }
                Err(MigrateError::Library(LibraryError::Storage(
                    error @ (StorageError::Missing { .. } | StorageError::Changed),
                ))) => {
                    done.missing.push(format!("{}: {}", image.id, with_causes(&error)));
                    continue;
                }
                Err(error) => return Err(error),
            }
            let labels = labels.remove(&image.pk).unwrap_or_default();
            let old = old.remove(&image.pk).unwrap_or_default();
            manifest.write(&Line::Image(Box::new(ImageLine {
                id: image.id.to_string(),
                owner: image.owner.and_then(|owner| users.get(&owner).cloned()),
                name: image.name.clone(),
                stored_name: image.stored_name.clone(),
                file,
                sha256,
                md5: image.md5.to_string(),
                bytes: image.bytes,
                format: image.shape.format.clone(),
                visibility: image.visibility.as_str().to_owned(),
                created_at: image.created_at,
                expires_at: image.expires_at,
                deleted_at: image.deleted_at,
                focal: image.focal,
                views: image.views,
                tags: labels.tags,
                albums: labels.albums.into_iter().filter(|id| albums.contains(id.as_str())).collect(),
                old_paths: old.into_iter().map(|old| OldLine { path: old.path, spec: old.spec }).collect(),
            })))?;
            done.images += 1;
        }
        Ok(())
    }

    /// Whether the file was not there yet.
    async fn copy(&self, image: &Image, to: &Path) -> Result<bool, MigrateError> {
        if std::fs::metadata(to).is_ok_and(|meta| meta.len() == image.bytes) {
            return Ok(false);
        }
        let failed = |error| MigrateError::file(to, error);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let part = to.with_extension("part");
        let mut file = File::create(&part).map_err(failed)?;
        let mut pieces = self.library.stream(image, None).await?;
        let mut written = 0;
        while let Some(piece) = pieces.try_next().await.map_err(LibraryError::from)? {
            file.write_all(&piece).map_err(failed)?;
            written += piece.len() as u64;
        }
        if written != image.bytes {
            return Err(LibraryError::from(StorageError::Changed).into());
        }
        // Under its name a file is whole, also after the power went.
        file.sync_data().map_err(failed)?;
        std::fs::rename(&part, to).map_err(failed)?;
        Ok(true)
    }
}

impl Manifest {
    fn begin(folder: &Path) -> Result<Self, MigrateError> {
        let (path, part) = (folder.join(MANIFEST), folder.join(format!("{MANIFEST}.part")));
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        let file = options.open(&part).map_err(|error| MigrateError::file(&part, error))?;
        Ok(Self { path, part, file: BufWriter::new(file) })
    }

    fn write(&mut self, line: &Line) -> Result<(), MigrateError> {
        let failed = |error| MigrateError::file(&self.part, error);
        serde_json::to_writer(&mut self.file, line).map_err(|error| failed(error.into()))?;
        self.file.write_all(b"\n").map_err(failed)
    }

    fn finish(self) -> Result<(), MigrateError> {
        let failed = |error| MigrateError::file(&self.part, error);
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&self.part, &self.path).map_err(failed)
    }
}

const AT_ONCE: u32 = 200;
const ORDER_AT_ONCE: usize = 1000;
