//! What the API answers, as far as it is used here.

use serde::{Deserialize, Serialize};

use crate::rfc3339;

/// A picture of one's own, as the server tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    pub id: String,
    pub url: String,
    pub name: String,
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
    pub format: String,
    pub mime_type: String,
    pub md5: String,
    pub sha256: String,
    /// `public` or `private`; a private picture's addresses are signed and end within a day.
    pub visibility: String,
    /// How often it was shown.
    pub views: u64,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub albums: Vec<String>,
    pub created_at: String,
    /// Milliseconds since 1970; `None` = never.
    #[serde(with = "rfc3339::optional", default)]
    pub expires_at: Option<i64>,
    pub links: Links,
    /// In answers to uploads: it was there already.
    #[serde(default, skip_serializing)]
    pub duplicate: bool,
}

/// Ready to be pasted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    pub markdown: String,
    pub html: String,
    pub bbcode: String,
    pub thumbnail: String,
}

/// A page of pictures.
#[derive(Debug, Clone, Deserialize)]
pub struct Listed {
    pub images: Vec<Image>,
    pub meta: ListMeta,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ListMeta {
    pub total: u64,
    pub total_is_exact: bool,
    /// Leads to the next page.
    pub next: Option<String>,
}

/// A link that shows a picture to whoever has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Share {
    pub id: String,
    pub url: String,
    pub has_password: bool,
    pub max_views: Option<u64>,
    pub expires_at: Option<String>,
}

/// A result that the server keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Version {
    pub id: String,
    pub image_id: String,
    pub url: String,
    pub spec: String,
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    pub format: String,
}

/// Whose the credentials are.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Me {
    pub(crate) username: String,
    pub(crate) scopes: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) access_token: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MadeKey {
    pub(crate) id: String,
    pub(crate) key: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Taken {
    pub(crate) images: Vec<Image>,
}

/// An error as the API tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) detail: String,
}
