//! How much somebody has and may have. Room is reserved before bytes flow: of many uploads at once no more are let in
//! than fit. A reservation that its process does not come back to ends by itself.

use super::store::usage::{self, Promise};
use super::{Library, LibraryError};
use crate::db::Tx;

/// What somebody may store; `None` = as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    pub bytes: Option<u64>,
    pub files: Option<u64>,
}

/// What somebody has, the trash included, and what uploads under way may add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub bytes: u64,
    pub files: u64,
    pub reserved_bytes: u64,
    pub reserved_files: u64,
}

/// Room for files that are on their way. What of it was not used is given back when it is dropped.
pub struct Reservation {
    library: Library,
    pub(super) owner: i64,
    pub(super) quota: Quota,
    /// `None` = nothing limits this owner, and nothing was written down.
    pub(super) id: Option<String>,
    pub(super) bytes: u64,
    renewed_at: i64,
}

impl Quota {
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }
}

impl Library {
    /// What lies in each storage and is needed: its name, objects and bytes.
    pub async fn stored(&self) -> Result<Vec<(String, u64, u64)>, LibraryError> {
        Ok(super::store::objects::sums(&self.db).await?)
    }

    pub async fn usage(&self, owner: Option<i64>) -> Result<Usage, LibraryError> {
        Ok(usage::read(&self.db, account(owner)).await?.unwrap_or_default())
    }

    /// Room for `files` of `bytes` together, or an error that says what is full.
    pub async fn reserve(
        &self,
        owner: Option<i64>,
        quota: Quota,
        bytes: u64,
        files: u64,
        now: i64,
    ) -> Result<Reservation, LibraryError> {
        let owner = account(owner);
        let mut reservation =
            Reservation { library: self.clone(), owner, quota, id: None, bytes, renewed_at: now };
        if quota.is_unlimited() {
            return Ok(reservation);
        }
        let promise = Promise { id: random_id()?, owner, bytes, files };
        let mut tx = self.promised(owner, quota, bytes, files).await?;
        usage::insert_promise(&mut tx, &promise, now + PROMISED_FOR).await?;
        tx.commit().await?;
        reservation.id = Some(promise.id);
        Ok(reservation)
    }

    /// Room that was left promised under this name.
    pub fn taken_up(
        &self,
        owner: Option<i64>,
        quota: Quota,
        id: Option<String>,
        bytes: u64,
        now: i64,
    ) -> Reservation {
        Reservation { library: self.clone(), owner: account(owner), quota, id, bytes, renewed_at: now }
    }

    /// Takes back what was left promised; what is promised no more is no error.
    pub async fn give_back(&self, id: &str) -> Result<(), LibraryError> {
        match usage::promised(&self.db, id).await? {
            Some(promise) => self.take_back(&promise).await,
            None => Ok(()),
        }
    }

    /// A transaction in which so much more is promised to the owner.
    async fn promised(&self, owner: i64, quota: Quota, bytes: u64, files: u64) -> Result<Tx, LibraryError> {
        for _ in 0..2 {
            let mut tx = self.db.write().await?;
            if usage::promise(&mut tx, owner, quota, bytes, files).await? {
                return Ok(tx);
            }
            drop(tx);
            match usage::read(&self.db, owner).await? {
                Some(usage) => return Err(full(quota, usage, bytes, files)),
                None => self.first_row(owner).await?,
            }
        }
        Err(full(quota, Usage::default(), bytes, files))
    }

    /// A transaction for which all others wait that change what this owner has.
    pub(super) async fn locked(&self, owner: i64) -> Result<Tx, LibraryError> {
        loop {
            let mut tx = self.db.write().await?;
            if usage::lock(&mut tx, owner).await? {
                return Ok(tx);
            }
            drop(tx);
            self.first_row(owner).await?;
        }
    }

    async fn first_row(&self, owner: i64) -> Result<(), LibraryError> {
        match usage::insert(&self.db, owner).await {
            // Somebody else was first.
            Err(error) if error.is_unique_violation() => Ok(()),
            done => Ok(done?),
        }
    }

    /// Takes back what was promised to those who died; returns to how many.
    pub(super) async fn take_back_expired(&self, now: i64) -> Result<u64, LibraryError> {
        let expired = usage::expired(&self.db, now).await?;
        for promise in &expired {
            self.take_back(promise).await?;
        }
        Ok(expired.len() as u64)
    }

    async fn take_back(&self, promise: &Promise) -> Result<(), LibraryError> {
        let mut tx = self.db.write().await?;
        if usage::take_back(&mut tx, promise).await? {
            tx.commit().await?;
        }
        Ok(())
    }
}

impl Reservation {
    /// How much of it is left.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sees to it that there is room for a file of `bytes`.
    pub async fn grow_to(&mut self, bytes: u64, now: i64) -> Result<(), LibraryError> {
        let Some(id) = self.id.clone().filter(|_| bytes > self.bytes) else {
            return Ok(());
        };
        let more = bytes - self.bytes;
        let mut tx = self.library.promised(self.owner, self.quota, more, 0).await?;
        if !usage::grow_promise(&mut tx, &id, more, now + PROMISED_FOR).await? {
            return Err(LibraryError::Busy);
        }
        tx.commit().await?;
        (self.bytes, self.renewed_at) = (bytes, now);
        Ok(())
    }

    /// To be called now and then while bytes arrive, so that a slow upload keeps its room.
    pub async fn renew(&mut self, now: i64) -> Result<(), LibraryError> {
        if let Some(id) = &self.id
            && now - self.renewed_at > PROMISED_FOR / 4
        {
            usage::renew_promise(&self.library.db, id, now + PROMISED_FOR).await?;
            self.renewed_at = now;
        }
        Ok(())
    }

    /// Leaves the room promised until then, for whoever takes it up again by its name; `None` = nothing limits the owner.
    pub async fn leave_until(mut self, until: i64) -> Result<Option<String>, LibraryError> {
        if let Some(id) = &self.id {
            usage::renew_promise(&self.library.db, id, until).await?;
        }
        Ok(self.id.take())
    }

    /// Leaves the room promised for as long as it was.
    pub fn leave(mut self) {
        self.id = None;
    }

    /// Gives back what was not used. Dropping does the same a little later.
    pub async fn release(mut self) -> Result<(), LibraryError> {
        match self.id.take() {
            Some(id) => self.library.give_back(&id).await,
            None => Ok(()),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else { return };
        let library = self.library.clone();
        runtime.spawn(async move {
            if let Err(error) = library.give_back(&id).await {
                // The sweep has it within the hour.
                tracing::warn!(%error, "a reservation was not given back");
            }
        });
    }
}

/// How long a promise lasts after its process was heard of last.
const PROMISED_FOR: i64 = 3_600_000;

/// Rows of `user_usage` need a number for the operator too.
pub(super) fn account(owner: Option<i64>) -> i64 {
    owner.unwrap_or(0)
}

/// Says which of the two limits it is.
pub(super) fn full(quota: Quota, usage: Usage, bytes: u64, files: u64) -> LibraryError {
    let over =
        |limit: Option<u64>, used: u64, more: u64| limit.filter(|limit| used.saturating_add(more) > *limit);
    match over(quota.files, usage.files + usage.reserved_files, files) {
        Some(limit) => LibraryError::QuotaFiles { limit },
        None => LibraryError::QuotaBytes { limit: quota.bytes.unwrap_or(0), needed: bytes },
    }
}

pub(super) fn random_id() -> Result<String, LibraryError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| LibraryError::Random(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
