//! Tickets: the right to upload one picture, for a browser that has no account's credentials. The token is in a URL and
//! is kept as a hash only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Expires, Types, UploadError, Uploads, Wish, store};
use crate::library::{Filing, TagName, Visibility};

/// What an account allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub max_bytes: u64,
    /// Words for types, as in `image/png`; none = those that are taken anyway.
    pub types: Vec<String>,
    /// Instead of what the uploaded file is called.
    pub name: Option<String>,
    pub visibility: Option<Visibility>,
    pub expires: Expires,
    pub filing: Filing,
    /// One picture, and then no more.
    pub once: bool,
    pub expires_at: i64,
}

/// A ticket that somebody came with and may use.
pub struct Claim {
    uploads: Uploads,
    hash: String,
    once: bool,
    pub owner: i64,
    pub wish: Wish,
    pub name: Option<String>,
}

/// A wish as it is kept.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct Kept {
    pub(super) name: Option<String>,
    pub(super) types: Vec<String>,
    pub(super) visibility: Option<String>,
    pub(super) never_expires: bool,
    pub(super) expires_at: Option<i64>,
    pub(super) album: Option<String>,
    pub(super) tags: Vec<String>,
}

impl Uploads {
    /// The token of a new ticket; it is not kept.
    pub async fn grant(&self, owner: i64, grant: &Grant, now: i64) -> Result<String, UploadError> {
        if !grant.types.is_empty() {
            Types::parse(&grant.types).map_err(UploadError::Types)?;
        }
        let wish = Wish {
            visibility: grant.visibility,
            expires: grant.expires,
            filing: grant.filing.clone(),
            ..Wish::named(grant.name.as_deref().unwrap_or_default())
        };
        let kept = Kept { name: grant.name.clone(), ..Kept::of(&wish, &grant.types) };
        let mut secret = [0; 24];
        getrandom::fill(&mut secret).map_err(|error| UploadError::Random(error.to_string()))?;
        let token = URL_SAFE_NO_PAD.encode(secret);
        let ticket = store::Ticket {
            owner,
            max_bytes: grant.max_bytes.min(self.config.max_bytes),
            once: grant.once,
            wish: kept.text(),
            expires_at: grant.expires_at,
            used: false,
        };
        store::insert_ticket(&self.db, &hash_of(&token), &ticket, now).await?;
        Ok(token)
    }

    /// Lets one of those in who come with this token.
    pub async fn claim(&self, token: &str, now: i64) -> Result<Claim, UploadError> {
        let hash = hash_of(token);
        let ticket = store::ticket(&self.db, &hash).await?.ok_or(UploadError::BadTicket)?;
        if ticket.used {
            return Err(UploadError::TicketUsed);
        }
        if ticket.expires_at <= now {
            return Err(UploadError::TicketExpired);
        }
        if ticket.once && !store::claim_ticket(&self.db, &hash, now - DEAD_AFTER, now).await? {
            return Err(UploadError::TicketUsed);
        }
        let kept = Kept::read(&ticket.wish);
        let wish = Wish { max_bytes: Some(ticket.max_bytes), ..kept.wish() };
        Ok(Claim {
            uploads: self.clone(),
            hash,
            once: ticket.once,
            owner: ticket.owner,
            wish,
            name: kept.name,
        })
    }
}

impl Claim {
    /// The picture is in.
    pub async fn used(mut self, now: i64) -> Result<(), UploadError> {
        if std::mem::take(&mut self.once) {
            store::end_claim(&self.uploads.db, &self.hash, Some(now)).await?;
        }
        Ok(())
    }
}

impl Drop for Claim {
    /// Whoever fails may try again.
    fn drop(&mut self) {
        let (true, Ok(runtime)) = (self.once, tokio::runtime::Handle::try_current()) else { return };
        let (uploads, hash) = (self.uploads.clone(), std::mem::take(&mut self.hash));
        runtime.spawn(async move {
            if let Err(error) = store::end_claim(&uploads.db, &hash, None).await {
                tracing::warn!(%error, "an upload ticket was not given back");
            }
        });
    }
}

impl Kept {
    /// `types` are words for the types that the wish has.
    pub(super) fn of(wish: &Wish, types: &[String]) -> Self {
        Self {
            name: Some(wish.name.clone()),
            types: types.to_vec(),
            visibility: wish.visibility.map(|visibility| visibility.to_string()),
            never_expires: wish.expires == Expires::Never,
            expires_at: match wish.expires {
                Expires::At(at) => Some(at),
                _ => None,
            },
            album: wish.filing.album.clone(),
            tags: wish.filing.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What we wrote ourselves.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn wish(&self) -> Wish {
        let expires = match self.expires_at {
            _ if self.never_expires => Expires::Never,
            Some(at) => Expires::At(at),
            None => Expires::Usual,
        };
        Wish {
            types: (!self.types.is_empty()).then(|| Types::parse(&self.types).ok()).flatten(),
            visibility: self.visibility.as_deref().and_then(|word| word.parse().ok()),
            expires,
            filing: Filing {
                album: self.album.clone(),
                tags: self.tags.iter().filter_map(|tag| TagName::new(tag).ok()).collect(),
            },
            ..Wish::named(self.name.as_deref().unwrap_or_default())
        }
    }
}

/// A claim older than any upload takes belongs to a process that died.
const DEAD_AFTER: i64 = 3_600_000;

fn hash_of(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}
