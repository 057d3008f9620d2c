//! What is known of an image.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::ImageId;
use crate::storage::{ContentHash, Md5, ObjectKey};

/// One image of the library. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The integer key, for tables that refer to images and for clients that want numbers.
    pub pk: i64,
    pub id: ImageId,
    /// The file name it came with; shown, never used to find anything.
    pub name: String,
    /// What older clients find it by, made by the rule of `uploads.naming`; `None` = by nothing but its id.
    pub stored_name: Option<String>,
    pub sha256: ContentHash,
    pub md5: Md5,
    pub bytes: u64,
    pub shape: Shape,
    /// What should stay when the picture is cropped: fractions of its upright width and height.
    pub focal: Option<(f64, f64)>,
    pub visibility: Visibility,
    /// The name of the storage that holds the original, and its key there.
    pub storage: String,
    pub key: ObjectKey,
    pub owner: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub expires_at: Option<i64>,
    /// How many results of it are kept.
    pub versions: u32,
    /// How often it was looked at in any size, and when last; a few seconds behind, and as of when the row was read.
    pub views: u64,
    pub last_viewed_at: Option<i64>,
}

/// What the header of the original promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The sniffed format by its usual extension: `jpg`, `png`, …
    pub format: String,
    /// Sides as stored, before EXIF orientation, in pixels.
    pub width: u32,
    pub height: u32,
    /// The EXIF value, 1…8.
    pub orientation: u8,
    pub frames: u32,
    pub has_alpha: bool,
    /// Bits per channel as stored.
    pub depth: u8,
    pub progressive: bool,
}

/// An image to be recorded, whose original is stored already.
#[derive(Debug, Clone, PartialEq)]
pub struct NewImage {
    /// `None` = a random one.
    pub id: Option<ImageId>,
    pub name: String,
    pub stored: Stored,
    pub shape: Shape,
    pub visibility: Visibility,
    pub owner: Option<i64>,
    pub expires_at: Option<i64>,
    /// Where another image has this name, a few letters are added.
    pub stored_name: Option<String>,
    /// All that the file says of itself, as a JSON object.
    pub exif: Option<String>,
    pub past: Past,
}

/// What is known of an image from before it came here; without it, it is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    pub created_at: Option<i64>,
    pub views: u64,
}

/// An original in its storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub storage: String,
    pub key: ObjectKey,
    pub sha256: ContentHash,
    pub md5: Md5,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    #[default]
    Public,
    Private,
}

/// When two images of one owner are the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// A person who uploads a picture twice means one picture.
    Content,
    /// Two files of a folder stay two, even with equal bytes.
    ContentAndName,
    /// What comes with an id of its own is that one and no other.
    Never,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most 1000 are given.
    pub limit: u32,
    /// The `pk` of the last one seen.
    pub before: Option<i64>,
}

impl Image {
    pub fn is_live(&self, now_ms: i64) -> bool {
        self.deleted_at.is_none() && self.expires_at.is_none_or(|at| at > now_ms)
    }

    /// Sides as a viewer sees them.
    pub fn oriented(&self) -> (u32, u32) {
        let Shape { width, height, orientation, .. } = self.shape;
        if orientation >= 5 { (height, width) } else { (width, height) }
    }
}

impl Visibility {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl FromStr for Visibility {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            _ => Err(format!("`{text}` is not `public` or `private`")),
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
