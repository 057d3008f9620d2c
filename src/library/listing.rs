//! Lists of images: whose, which of them, in which order, and where a page begins.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::store::list::Part;
use super::words::{TagName, wanted};
use super::{Image, Library, LibraryError, Visibility, store};

/// Whose things somebody may touch. What is out of reach is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Owner(i64),
    Everybody,
}

/// What is asked of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    pub reach: Reach,
    /// What was deleted instead of what is there.
    pub trash: bool,
    pub filter: Filter,
    pub sort: Sort,
    pub start: Start,
    /// At most [`LONGEST_PAGE`].
    pub limit: u32,
}

/// All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Words of names and tags.
    pub query: Option<String>,
    /// The id of an album.
    pub album: Option<String>,
    pub tag: Option<String>,
    /// As `Shape::format` is written.
    pub format: Option<String>,
    pub visibility: Option<Visibility>,
    pub min_bytes: Option<u64>,
    pub max_bytes: Option<u64>,
    /// When they came, in milliseconds since 1970.
    pub from: Option<i64>,
    /// The first moment that is too late.
    pub to: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    Newest,
    Oldest,
    /// By the bytes of the name.
    Name,
    /// The largest first.
    Size,
    /// The smallest first.
    Smallest,
    /// The most viewed first.
    Views,
    /// As they stand in the album that the filter names.
    Album,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Counted from 1.
    Page(u32),
    After(Cursor),
}

/// Where the last page ended: the value that it is sorted by, and the key of the last image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) sort: Sort,
    pub(super) value: At,
    pub(super) pk: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    Number(i64),
    Name(String),
}

/// One page.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub images: Vec<Image>,
    pub total: Total,
    pub next: Option<Cursor>,
}

/// How many there are in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    pub count: u64,
    /// Otherwise there are as many at least: what is filtered is counted up to 5,000, among 10,000 candidates.
    pub exact: bool,
}

/// What stands beside an image's row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    pub tags: Vec<String>,
    /// Ids.
    pub albums: Vec<String>,
}

pub const LONGEST_PAGE: u32 = 500;
pub(super) const MOST_COUNTED: u64 = 5000;
/// How many a count looks at.
pub(super) const MOST_EXAMINED: u64 = 10_000;

impl Default for Listing {
    fn default() -> Self {
        Self {
            reach: Reach::Everybody,
            trash: false,
            filter: Filter::default(),
            sort: Sort::default(),
            start: Start::Page(1),
            limit: 50,
        }
    }
}

impl Library {
    /// One page of a list.
    pub async fn page(&self, listing: &Listing, now: i64) -> Result<Listed, LibraryError> {
        listing.check()?;
        match self.parts(listing).await? {
            Some(parts) => store::list::page(&self.db, listing, parts, now).await,
            None => Ok(Listed::nothing()),
        }
    }

    /// What has to hold, each with how many meet it; `None` = nothing does.
    pub(super) async fn parts(&self, listing: &Listing) -> Result<Option<Vec<Part>>, LibraryError> {
        let db = &self.db;
        let mut parts = Vec::new();
        let filter = &listing.filter;
        if let (Some(query), Reach::Owner(owner)) = (&filter.query, listing.reach) {
            for wanted in wanted(query)? {
                parts.push(Part::of_term(db, owner, wanted).await?);
            }
        }
        if let (Some(tag), Reach::Owner(owner)) = (&filter.tag, listing.reach) {
            let name = TagName::new(tag)?;
            // A tag that nobody has used is on no image.
            let Some(tag) = store::tags::find(db, owner, name.as_str()).await? else { return Ok(None) };
            parts.push(Part::of_tag(&tag));
        }
        if let Some(id) = &filter.album {
            parts.push(Part::of_album(&self.album(listing.reach, id).await?));
        }
        if listing.trash {
            // What labels count of their own is what is not in the trash.
            for part in &mut parts {
                *part = part.again(db).await?;
            }
        }
        parts.extend(Part::of_columns(db, listing.reach, listing.trash, filter).await?);
        Ok(Some(parts))
    }

    /// Tags and albums of images, by their keys.
    pub async fn labels(&self, images: &[Image]) -> Result<HashMap<i64, Labels>, LibraryError> {
        let mut labels: HashMap<i64, Labels> = HashMap::with_capacity(images.len());
        let pks: Vec<i64> = images.iter().map(|image| image.pk).collect();
        for (pk, tag) in store::tags::of_images(&self.db, &pks).await? {
            labels.entry(pk).or_default().tags.push(tag);
        }
        for (pk, album) in store::albums::of_images(&self.db, &pks).await? {
            labels.entry(pk).or_default().albums.push(album);
        }
        Ok(labels)
    }
}

impl Listing {
    fn check(&self) -> Result<(), LibraryError> {
        let Filter { query, tag, album, format, visibility, .. } = &self.filter;
        if !(1..=LONGEST_PAGE).contains(&self.limit) {
            return Err(LibraryError::bad("limit", "must be 1 to 500"));
        }
        if matches!(self.start, Start::Page(0)) {
            return Err(LibraryError::bad("page", "is counted from 1"));
        }
        if let Start::After(cursor) = &self.start
            && cursor.sort != self.sort
        {
            return Err(LibraryError::bad("cursor", "is of a list in another order; begin anew without it"));
        }
        if self.sort == Sort::Album && album.is_none() {
            return Err(LibraryError::bad("sort", "`album` needs the parameter `album`"));
        }
        // Their indexes begin with the owner: over everybody's these would read every row there is.
        let narrow = query.is_some() || tag.is_some() || format.is_some() || visibility.is_some();
        if self.reach == Reach::Everybody && (narrow || self.sort == Sort::Name) {
            let why = "`all` goes with `from`, `to`, `min_bytes`, `max_bytes` and the orders newest, oldest, size and \
                       views; name one owner for anything else";
            return Err(LibraryError::bad("owner", why));
        }
        Ok(())
    }
}

impl Listed {
    fn nothing() -> Self {
        Self { images: Vec::new(), total: Total { count: 0, exact: true }, next: None }
    }
}

impl Sort {
    pub const ALL: [Self; 7] =
        [Self::Newest, Self::Oldest, Self::Name, Self::Size, Self::Smallest, Self::Views, Self::Album];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Name => "name",
            Self::Size => "size",
            Self::Smallest => "smallest",
            Self::Views => "views",
            Self::Album => "album",
        }
    }
}

impl std::str::FromStr for Sort {
    type Err = LibraryError;
    fn from_str(text: &str) -> Result<Self, LibraryError> {
        let why = "must be `newest`, `oldest`, `name`, `size`, `smallest`, `views` or `album`";
        Self::ALL.into_iter().find(|sort| sort.as_str() == text).ok_or(LibraryError::bad("sort", why))
    }
}

/// Opaque to clients; what is in it is no secret.
impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sort, pk) = (self.sort.as_str(), self.pk);
        let plain = match &self.value {
            At::Number(number) => format!("{sort}:{pk}:n{number}"),
            At::Name(name) => format!("{sort}:{pk}:t{name}"),
        };
        f.write_str(&URL_SAFE_NO_PAD.encode(plain))
    }
}

impl std::str::FromStr for Cursor {
    type Err = LibraryError;
    fn from_str(text: &str) -> Result<Self, LibraryError> {
        let read = || {
            let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let mut parts = plain.splitn(3, ':');
            let sort: Sort = parts.next()?.parse().ok()?;
            let pk = parts.next()?.parse().ok()?;
            let value = parts.next().filter(|value| !value.contains('\0'))?;
            let value = match sort {
                Sort::Name => At::Name(value.strip_prefix('t')?.to_owned()),
                _ => At::Number(value.strip_prefix('n')?.parse().ok()?),
            };
            Some(Self { sort, value, pk })
        };
        read().ok_or(LibraryError::bad("cursor", "is none of ours; take it from `meta.next` as it is"))
    }
}
