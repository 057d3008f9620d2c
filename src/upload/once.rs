//! Uploads that say which attempt they are: whoever repeats one within a day gets the first one's answer, and nothing is
//! taken in twice. What was sent is told by its content, because clients write the same form anew with each attempt.

use sha2::{Digest, Sha256};

use super::{Owner, UploadError, Uploads, store};

/// A first attempt, whose answer is to be kept. Dropped without [`Attempt::answered`] a repeat is a first one again,
/// after a while.
pub struct Attempt {
    uploads: Uploads,
    id: String,
    expires_at: i64,
}

/// What is known of a key.
pub enum Seen {
    First(Box<Attempt>),
    /// The answer of the first attempt: status and text.
    Answered(u16, String),
}

impl Uploads {
    /// `fingerprint` holds everything of the request that matters.
    pub async fn attempt(
        &self,
        owner: Owner,
        key: &str,
        fingerprint: &[&str],
        now: i64,
    ) -> Result<Seen, UploadError> {
        let id = hash(&[&owner.pk.unwrap_or(0).to_string(), key]);
        let fingerprint = hash(fingerprint);
        for _ in 0..2 {
            let expires_at = now + UNDER_WAY;
            match store::begin_answer(&self.db, &id, &fingerprint, expires_at).await {
                Ok(()) => {
                    return Ok(Seen::First(Box::new(Attempt { uploads: self.clone(), id, expires_at })));
                }
                Err(error) if error.is_unique_violation() => {}
                Err(error) => return Err(error.into()),
            }
            match store::answer(&self.db, &id).await? {
                Some(old) if old.expires_at <= now => {
                    store::forget_answer(&self.db, &id, old.expires_at).await?;
                }
                Some(old) if old.fingerprint != fingerprint => return Err(UploadError::OtherAttempt),
                Some(store::Answer { status, text: Some(text), .. }) => {
                    return Ok(Seen::Answered(status, text));
                }
                Some(_) => return Err(UploadError::UnderWay),
                None => {}
            }
        }
        Err(UploadError::UnderWay)
    }
}

impl Attempt {
    pub async fn answered(self, status: u16, text: &str, now: i64) -> Result<(), UploadError> {
        Ok(store::end_answer(&self.uploads.db, &self.id, status, text, now + KEPT).await?)
    }

    /// It came to nothing; the next one is a first one.
    pub async fn failed(self) -> Result<(), UploadError> {
        store::forget_answer(&self.uploads.db, &self.id, self.expires_at).await?;
        Ok(())
    }
}

/// How long a repeat is refused whose first attempt has neither succeeded nor failed.
const UNDER_WAY: i64 = 600_000;
const KEPT: i64 = 86_400_000;

/// Lengths in front, so that no two lists read the same.
fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
