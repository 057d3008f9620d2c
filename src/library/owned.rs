//! Storages that users bring themselves, and where each user's new pictures go. What a row says is made into a storage
//! once and kept until the row changes, here or in another process.

mod error;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;

pub use error::OwnedError;

use super::store::owned::{self as rows, OwnedRow};
use super::{Library, LibraryError};
use crate::storage::{Credential, OWNED, ObjectKey, Reach, Seal, Settings, Storage, StorageError};
use crate::units::Secret;

/// What users may bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedConfig {
    /// How many storages a user may have; 0 = none.
    pub max_per_user: u32,
    pub reach: Reach,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// A user's storage, without what is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedStorage {
    pub id: String,
    /// `None` = the account is gone.
    pub owner: Option<i64>,
    /// What its owner calls it.
    pub label: String,
    pub settings: Settings,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What a user says of a storage, to have it made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedInput {
    pub label: String,
    pub settings: Settings,
    /// `None` = as it is, in changes.
    pub secret: Option<Credential>,
}

/// What is kept of users' storages between requests.
pub(super) struct Instances {
    pub(super) config: OwnedConfig,
    pub(super) seal: Option<Seal>,
    known: Mutex<Known>,
}

struct Known {
    /// The changes that are known of.
    seen: u64,
    storages: LruCache<String, Storage>,
}

impl Default for OwnedConfig {
    fn default() -> Self {
        Self { max_per_user: 5, reach: Reach::default(), timeout: Duration::from_secs(10) }
    }
}

impl OwnedStorage {
    /// What rows of images call it.
    pub fn name(&self) -> String {
        name_of(&self.id)
    }
}

impl Instances {
    pub(super) fn new(seal: Option<Seal>, config: OwnedConfig) -> Self {
        Self { config, seal, known: Mutex::new(Known { seen: 0, storages: LruCache::new(MOST) }) }
    }

    fn get(&self, id: &str) -> (u64, Option<Storage>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.storages.get(id).cloned();
        (known.seen, found)
    }

    /// `seen` is from before the row was read: who has read an old row while it was changed does not keep it.
    fn put(&self, id: &str, storage: &Storage, seen: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.seen == seen {
            known.storages.put(id.to_owned(), storage.clone());
        }
    }

    fn forget(&self, seen: Option<u64>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_none_or(|seen| seen != known.seen) {
            known.seen = seen.unwrap_or(known.seen.wrapping_add(1));
            known.storages.clear();
        }
    }
}

impl Library {
    /// With users' own storages, whose secrets `seal` opens.
    #[must_use]
    pub fn with_owned(self, seal: Seal, config: OwnedConfig) -> Self {
        Self { owned: Arc::new(Instances::new(Some(seal), config)), ..self }
    }

    /// A storage by the name that stands in rows of images: the operator's or a user's.
    pub async fn storage_named(&self, name: &str) -> Result<Storage, LibraryError> {
        let Some(id) = name.strip_prefix(OWNED) else { return Ok(self.storages.get(name)?.clone()) };
        let (seen, known) = self.owned.get(id);
        if let Some(storage) = known {
            return Ok(storage);
        }
        let row = Box::pin(rows::find(&self.db, id)).await?;
        let row = row.ok_or_else(|| StorageError::Unknown { name: name.to_owned() })?;
        let storage = match self.opened(&row) {
            // Whoever looks at the picture has nothing to do with this; the log names the storage.
            Err(LibraryError::Owned(OwnedError::Locked { name })) => {
                return Err(StorageError::Locked { name: format!("{name} ({OWNED}{id})") }.into());
            }
            opened => opened?,
        };
        self.owned.put(id, &storage, seen);
        Ok(storage)
    }

    /// Where new pictures go: the owner's choice, or the operator's where there is none.
    pub async fn storage_for(&self, owner: Option<i64>) -> Result<Storage, LibraryError> {
        let chosen = match owner {
            Some(owner) => rows::default_of(&self.db, owner).await?,
            None => None,
        };
        match chosen {
            Some(name) => self.storage_named(&name).await,
            None => Ok(self.storages.default().clone()),
        }
    }

    /// The name of the storage that the owner chose; `None` = the operator's default.
    pub async fn default_storage_of(&self, owner: i64) -> Result<Option<String>, LibraryError> {
        Ok(rows::default_of(&self.db, owner).await?)
    }

    /// `storage` is a name of the configuration or the id of one of the owner's own; `None` = the operator's default.
    pub async fn set_default_storage(
        &self,
        owner: i64,
        storage: Option<&str>,
        now: i64,
    ) -> Result<(), LibraryError> {
        let name = match storage {
            None => None,
            Some(own) if rows::find_of(&self.db, owner, own).await?.is_some() => Some(name_of(own)),
            Some(named) if self.storages.get(named).is_ok() => Some(named.to_owned()),
            Some(other) => return Err(not_found(other)),
        };
        let mut tx = self.db.write().await?;
        rows::set_default(&mut tx, owner, name.as_deref(), now).await?;
        Ok(tx.commit().await?)
    }

    pub async fn owned_storages(&self, owner: i64) -> Result<Vec<OwnedStorage>, LibraryError> {
        rows::all_of(&self.db, owner).await?.iter().map(shown).collect()
    }

    /// Everybody's, for the operator; `after` is the last one's place.
    pub async fn all_owned_storages(&self) -> Result<Vec<OwnedStorage>, LibraryError> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let some = rows::all(&self.db, after, 500).await?;
            let Some(last) = some.last() else { return Ok(all) };
            after = last.pk;
            for row in &some {
                all.push(shown(row)?);
            }
        }
    }

    /// As they stand in rows of images; closed ones too.
    pub(super) async fn owned_names(&self) -> Result<Vec<String>, LibraryError> {
        let (mut names, mut after) = (Vec::new(), 0);
        loop {
            let some = rows::all(&self.db, after, 500).await?;
            let Some(last) = some.last() else { return Ok(names) };
            after = last.pk;
            names.extend(some.iter().map(|row| name_of(&row.id)));
        }
    }

    pub async fn owned_storage(&self, owner: i64, id: &str) -> Result<OwnedStorage, LibraryError> {
        shown(&self.own_row(owner, id).await?)
    }

    /// Tries settings that nothing is kept of.
    pub async fn test_settings(&self, settings: &Settings, secret: &Credential) -> Result<(), LibraryError> {
        if self.owned.config.max_per_user == 0 {
            return Err(OwnedError::Off.into());
        }
        settings.validate(secret).map_err(OwnedError::from)?;
        Ok(self.made("the new one", settings, secret)?.probe().await.map_err(OwnedError::from)?)
    }

    /// Tries a storage as it is kept.
    pub async fn test_owned(&self, owner: i64, id: &str) -> Result<(), LibraryError> {
        let row = self.own_row(owner, id).await?;
        Ok(self.opened(&row)?.probe().await.map_err(OwnedError::from)?)
    }

    /// Keeps a storage that passes its test.
    pub async fn add_storage(
        &self,
        owner: i64,
        input: &OwnedInput,
        now: i64,
    ) -> Result<OwnedStorage, LibraryError> {
        check_label(&input.label)?;
        let none = Credential(Secret::default());
        let secret = input.secret.as_ref().unwrap_or(&none);
        self.test_settings(&input.settings, secret).await?;
        let id = random_id()?;
        let row = OwnedRow {
            pk: 0,
            owner: Some(owner),
            label: input.label.trim().to_owned(),
            settings: written(&input.settings)?,
            secret: self.sealed(&id, secret)?,
            id,
            created_at: now,
            updated_at: now,
        };
        let max = self.owned.config.max_per_user;
        // Two at once wait here for each other, so the count is still true.
        let mut tx = self.locked(owner).await?;
        if rows::count_of(&mut tx, owner).await? >= u64::from(max) {
            return Err(OwnedError::TooMany { max }.into());
        }
        rows::insert(&mut tx, &row).await?;
        tx.commit().await?;
        shown(&row)
    }

    /// Changes a storage, if it passes its test as it is to be and still holds what it held.
    pub async fn change_storage(
        &self,
        owner: i64,
        id: &str,
        input: &OwnedInput,
        now: i64,
    ) -> Result<OwnedStorage, LibraryError> {
        check_label(&input.label)?;
        let old = self.own_row(owner, id).await?;
        let mut row = OwnedRow {
            label: input.label.trim().to_owned(),
            settings: written(&input.settings)?,
            // Later than before even within a millisecond: by it a change at the same moment is noticed.
            updated_at: now.max(old.updated_at + 1),
            ..old.clone()
        };
        if row.settings != old.settings || input.secret.is_some() {
            let secret = match &input.secret {
                Some(secret) => secret.clone(),
                None if moved(&shown(&old)?.settings, &input.settings) => {
                    return Err(OwnedError::SecretAgain.into());
                }
                None => self.secret_of(&old)?,
            };
            self.test_settings(&input.settings, &secret).await?;
            self.still_holds(&old, &self.made(&old.label, &input.settings, &secret)?).await?;
            row.secret = self.sealed(id, &secret)?;
        }
        let mut tx = self.db.write().await?;
        rows::changed(&mut tx).await?;
        if !rows::update(&mut tx, &row, old.updated_at).await? {
            return Err(OwnedError::Changed.into());
        }
        tx.commit().await?;
        self.owned.forget(None);
        shown(&row)
    }

    /// Ends a storage that holds no picture. Its objects that nobody needs any more go with the sweep, and its row
    /// after them.
    pub async fn close_storage(&self, owner: i64, id: &str, now: i64) -> Result<(), LibraryError> {
        let row = self.own_row(owner, id).await?;
        let name = name_of(id);
        if super::store::any_in(&self.db, &name).await? {
            return Err(OwnedError::InUse.into());
        }
        let mut tx = self.db.write().await?;
        rows::changed(&mut tx).await?;
        if !rows::close(&mut tx, row.pk, now).await? {
            return Err(not_found(id));
        }
        rows::forget_default(&mut tx, &name).await?;
        tx.commit().await?;
        self.owned.forget(None);
        Ok(())
    }

    /// Removes rows of storages that were closed, or whose owners are gone, before that time and that hold nothing any
    /// more: a day is time enough for an upload that had begun.
    pub async fn sweep_storages(&self, before: i64) -> Result<u64, LibraryError> {
        let mut swept = 0;
        for row in rows::abandoned(&self.db, before).await? {
            if !rows::holds(&self.db, &name_of(&row.id)).await? {
                let mut tx = self.db.write().await?;
                rows::remove(&mut tx, row.pk).await?;
                tx.commit().await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Learns of changes by other processes.
    pub(super) async fn poll_storages(&self) -> Result<(), LibraryError> {
        self.owned.forget(Some(rows::changes(&self.db).await?));
        Ok(())
    }

    async fn own_row(&self, owner: i64, id: &str) -> Result<OwnedRow, LibraryError> {
        rows::find_of(&self.db, owner, id).await?.ok_or_else(|| not_found(id))
    }

    fn opened(&self, row: &OwnedRow) -> Result<Storage, LibraryError> {
        let secret = self.secret_of(row)?;
        Ok(self.storages.owned(
            &name_of(&row.id),
            &shown(row)?.settings,
            &secret,
            &self.owned.config.reach,
            self.owned.config.timeout,
        )?)
    }

    fn made(&self, label: &str, settings: &Settings, secret: &Credential) -> Result<Storage, LibraryError> {
        let OwnedConfig { reach, timeout, .. } = &self.owned.config;
        Ok(self.storages.owned(label, settings, secret, reach, *timeout)?)
    }

    /// Where an object that lies in the storage by its old settings is to be found by the new ones.
    async fn still_holds(&self, old: &OwnedRow, new: &Storage) -> Result<(), LibraryError> {
        let Some(key) = super::store::any_key_in(&self.db, &name_of(&old.id)).await? else { return Ok(()) };
        let key: ObjectKey = key.parse().map_err(|_| OwnedError::ObjectsElsewhere)?;
        match new.stat(&key).await {
            Ok(_) => Ok(()),
            Err(StorageError::Missing { .. }) => Err(OwnedError::ObjectsElsewhere.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn secret_of(&self, row: &OwnedRow) -> Result<Credential, LibraryError> {
        let locked = || OwnedError::Locked { name: row.label.clone() };
        let seal = self.owned.seal.as_ref().ok_or_else(locked)?;
        let plain = seal.open(&row.id, &row.secret).map_err(|_| locked())?;
        Ok(Credential(Secret::new(String::from_utf8(plain).map_err(|_| locked())?)))
    }

    fn sealed(&self, id: &str, secret: &Credential) -> Result<Vec<u8>, LibraryError> {
        let seal = self.owned.seal.as_ref().ok_or(OwnedError::Off)?;
        Ok(seal.seal(id, secret.0.expose().as_bytes()).map_err(|_| OwnedError::Sealing)?)
    }
}

/// Each holds a client with some connections.
const MOST: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Whether a secret would go to somebody else than before.
fn moved(old: &Settings, new: &Settings) -> bool {
    let origin = |settings: &Settings| url::Url::parse(&settings.endpoint).map(|url| url.origin()).ok();
    old.scheme != new.scheme || origin(old) != origin(new)
}

fn name_of(id: &str) -> String {
    format!("{OWNED}{id}")
}

fn check_label(label: &str) -> Result<(), OwnedError> {
    let len = label.trim().chars().count();
    let plain = !label.chars().any(char::is_control);
    if (1..=64).contains(&len) && plain { Ok(()) } else { Err(OwnedError::Label) }
}

fn not_found(id: &str) -> LibraryError {
    OwnedError::NotFound { id: id.to_owned() }.into()
}

fn written(settings: &Settings) -> Result<String, OwnedError> {
    serde_json::to_string(settings).map_err(|_| OwnedError::Sealing)
}

fn shown(row: &OwnedRow) -> Result<OwnedStorage, LibraryError> {
    let settings = serde_json::from_str(&row.settings)
        .map_err(|error| OwnedError::Damaged { name: row.label.clone(), why: error.to_string() })?;
    Ok(OwnedStorage {
        id: row.id.clone(),
        owner: row.owner,
        label: row.label.clone(),
        settings,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn random_id() -> Result<String, OwnedError> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|_| OwnedError::Sealing)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
