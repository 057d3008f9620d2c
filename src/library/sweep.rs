//! Puts right what crashes leave, both ways: what lies in storages and nobody needs is removed after a grace time; what
//! somebody needs and is gone is reported and never forgotten. In storages of users only what was announced is removed.

use std::collections::HashSet;
use std::time::Duration;

use super::store::objects::{self, Object};
use super::{Library, LibraryError};
use crate::error::with_causes;
use crate::storage::{OWNED, ObjectKey, Scheme, Storage};

/// What a sweep found, and removed unless it was only to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Promises of room to uploads that died.
    pub reservations: u64,
    /// Half-written files.
    pub temporary: u64,
    /// Objects that nobody needs any more.
    pub unneeded: u64,
    /// Objects that no row knew of.
    pub orphans: u64,
    /// Files in storages that are not ours; they are left alone.
    pub foreign: u64,
    /// `storage/key` of what somebody needs and is not there.
    pub missing: Vec<String>,
    /// Users' storages that could not be looked through.
    pub unreachable: Vec<String>,
}

/// How a sweep goes about it.
#[derive(Debug, Clone, Copy)]
pub struct SweepPlan {
    /// Nothing younger is touched: it may belong to an upload that goes on.
    pub grace: Duration,
    pub coverage: Coverage,
    /// Only look.
    pub dry_run: bool,
    /// How many objects are removed at most; the next sweep goes on.
    pub most: u64,
}

/// How much of the storages is listed and compared with the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// None of them. Only the rows are asked, which suffices after crashes of ours.
    Rows,
    /// Some folders, others each day, so that [`Coverage::DAYS`] see them all: a large storage is not listed at once.
    Day(i64),
    All,
}

impl Coverage {
    pub const DAYS: i64 = 7;

    fn holds(self, folder: u8) -> bool {
        match self {
            Self::Rows => false,
            Self::Day(day) => i64::from(folder).rem_euclid(Self::DAYS) == day.rem_euclid(Self::DAYS),
            Self::All => true,
        }
    }
}

impl Library {
    pub async fn sweep(&self, plan: &SweepPlan, now: i64) -> Result<Swept, LibraryError> {
        let mut swept = Swept::default();
        if !plan.dry_run {
            swept.reservations = self.take_back_expired(now).await?;
        }
        self.sweep_unneeded(plan, now, &mut swept).await?;
        for storage in self.storages.iter() {
            for name in storage.abandoned(plan.grace).await {
                swept.temporary += 1;
                if !plan.dry_run {
                    storage.discard(&name).await?;
                }
            }
            self.sweep_storage(storage, plan, now, &mut swept).await?;
        }
        // Their servers are not asked every ten minutes.
        if plan.coverage != Coverage::Rows {
            self.sweep_owned(plan, now, &mut swept).await?;
        }
        if !plan.dry_run {
            let grace = i64::try_from(plan.grace.as_millis()).unwrap_or(i64::MAX);
            self.sweep_storages(now.saturating_sub(grace)).await?;
        }
        Ok(swept)
    }

    /// What users' own storages hold. One that does not answer keeps nothing else from being swept.
    async fn sweep_owned(&self, plan: &SweepPlan, now: i64, swept: &mut Swept) -> Result<(), LibraryError> {
        for name in self.owned_names().await? {
            let looked = async {
                let storage = self.storage_named(&name).await?;
                self.sweep_storage(&storage, plan, now, swept).await
            };
            if let Err(error) = looked.await {
                tracing::warn!(
                    storage = name,
                    error = with_causes(&error),
                    "a user's storage cannot be swept"
                );
                swept.unreachable.push(name);
            }
        }
        Ok(())
    }

    async fn sweep_storage(
        &self,
        storage: &Storage,
        plan: &SweepPlan,
        now: i64,
        swept: &mut Swept,
    ) -> Result<(), LibraryError> {
        if storage.scheme() != Scheme::Fs.name() && !plan.dry_run {
            swept.temporary += storage.sweep_staged(plan.grace, now).await?;
        }
        for folder in (0..=u8::MAX).filter(|&folder| plan.coverage.holds(folder)) {
            self.compare(storage, folder, plan, now, swept).await?;
        }
        Ok(())
    }

    /// By the rows alone.
    async fn sweep_unneeded(
        &self,
        plan: &SweepPlan,
        now: i64,
        swept: &mut Swept,
    ) -> Result<(), LibraryError> {
        let since = now.saturating_sub(i64::try_from(plan.grace.as_millis()).unwrap_or(i64::MAX));
        let mut after = 0;
        loop {
            let doomed = objects::doomed(&self.db, since, after, AT_ONCE).await?;
            let Some(last) = doomed.last() else { return Ok(()) };
            after = last.pk;
            for object in doomed {
                if swept.unneeded >= plan.most {
                    return Ok(());
                }
                let storage = match self.storage_named(&object.storage).await {
                    Ok(storage) => storage,
                    Err(error) => {
                        tracing::warn!(%error, "an object of a storage that cannot be opened stays");
                        continue;
                    }
                };
                if plan.dry_run {
                    swept.unneeded += 1;
                } else if objects::begin_removal(&self.db, object.pk, since, now).await? {
                    match self.remove(&storage, &object.key).await {
                        Ok(()) => swept.unneeded += 1,
                        // A user's server that is away keeps nobody else's objects; its own are tried again.
                        Err(error) if object.storage.starts_with(OWNED) => {
                            tracing::warn!(storage = object.storage, %error, "an object stays for now");
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    /// What lies in one folder of a storage against what should.
    async fn compare(
        &self,
        storage: &Storage,
        folder: u8,
        plan: &SweepPlan,
        now: i64,
        swept: &mut Swept,
    ) -> Result<(), LibraryError> {
        let listed = storage.list(folder).await?;
        swept.foreign += listed.foreign;
        // Read after the listing: an object is announced before it appears.
        let (from, to) = (format!("{folder:02x}/"), format!("{folder:02x}0"));
        let rows = objects::within(&self.db, storage.name(), &from, &to).await?;
        let known: HashSet<&ObjectKey> = rows.iter().map(|object| &object.key).collect();
        let there: HashSet<&ObjectKey> = listed.objects.iter().collect();
        let is_users = storage.name().starts_with(OWNED);
        for key in listed.objects.iter().filter(|key| !known.contains(key)) {
            if is_users {
                // A user may have given the same bucket to another server, too, or twice to this one.
                swept.foreign += 1;
                continue;
            }
            if swept.orphans >= plan.most {
                break;
            }
            swept.orphans += u64::from(self.sweep_orphan(storage, key, plan, now).await?);
        }
        for object in rows {
            self.look_for(storage, &object, there.contains(&object.key), plan, now, swept).await?;
        }
        Ok(())
    }

    async fn sweep_orphan(
        &self,
        storage: &Storage,
        key: &ObjectKey,
        plan: &SweepPlan,
        now: i64,
    ) -> Result<bool, LibraryError> {
        // A store that does not say how old it is keeps it: better too much than too little.
        if storage.age(key).await?.is_none_or(|age| age < plan.grace) {
            return Ok(false);
        }
        if plan.dry_run {
            return Ok(true);
        }
        match objects::insert_removed(&self.db, storage.name(), key, now).await {
            Ok(()) => {}
            // Somebody brings the same content at this moment.
            Err(error) if error.is_unique_violation() => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.remove(storage, key).await?;
        Ok(true)
    }

    /// An object whose row says already that it goes.
    async fn remove(&self, storage: &Storage, key: &ObjectKey) -> Result<(), LibraryError> {
        self.storages.crash().hit("sweep.marked");
        storage.delete(key).await?;
        self.storages.crash().hit("sweep.removed");
        objects::end_removal(&self.db, storage.name(), key).await?;
        self.storages.crash().hit("sweep.forgotten");
        Ok(())
    }

    /// Marks what is needed and gone, and takes the mark from what came back.
    async fn look_for(
        &self,
        storage: &Storage,
        object: &Object,
        listed: bool,
        plan: &SweepPlan,
        now: i64,
        swept: &mut Swept,
    ) -> Result<(), LibraryError> {
        if object.refs == 0 || object.removing {
            return Ok(());
        }
        // It may have appeared after the listing.
        let there = listed || storage.stat(&object.key).await.is_ok_and(|bytes| bytes == object.bytes);
        if !there {
            swept.missing.push(format!("{}/{}", storage.name(), object.key));
        }
        if there == object.missing_at.is_some() && !plan.dry_run {
            objects::set_missing(&self.db, object.pk, (!there).then_some(now)).await?;
        }
        Ok(())
    }
}

const AT_ONCE: u32 = 500;
