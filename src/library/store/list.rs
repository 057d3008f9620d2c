//! Lists of images. A page is found in two steps: its keys, out of an index alone wherever that is possible, and then
//! their rows. What drives a statement is chosen here by counts, since no engine knows them of words it has not met.

use std::collections::HashMap;

use super::super::listing::{At, Cursor, Filter, Listed, Listing, MOST_COUNTED, Reach, Sort, Start, Total};
use super::super::words::Wanted;
use super::super::{Image, LibraryError};
use super::albums::AlbumRow;
use super::tags::TagRow;
use super::{COLUMNS, counts, image};
use crate::db::{Db, DbError, Query, Value};

/// A condition that another table answers, and how many images about meet it.
#[derive(Debug, Clone)]
pub(in crate::library) struct Part {
    kind: Kind,
    count: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    Term { owner: i64, term: String },
    Prefix { owner: i64, begin: String },
    Tag(i64),
    Album(i64),
}

impl Part {
    pub(in crate::library) async fn of_term(db: &Db, owner: i64, wanted: Wanted) -> Result<Self, DbError> {
        let kind = match wanted {
            Wanted::Term(term) => Kind::Term { owner, term },
            Wanted::Prefix(begin) => Kind::Prefix { owner, begin },
        };
        let counted =
            Query::new("SELECT COUNT(*) AS found FROM (SELECT image_pk FROM image_terms WHERE owner = ?");
        let counted = kind.of_words(counted, [owner.into()]).push(" LIMIT ?) AS counted", [most()]);
        let count = db.row_of(&counted).await?.map_or(Ok(0), |row| row.narrow("found"))?;
        Ok(Self { kind, count })
    }

    pub(in crate::library) fn of_tag(tag: &TagRow) -> Self {
        Self { kind: Kind::Tag(tag.pk), count: tag.images }
    }

    pub(in crate::library) fn of_album(album: &AlbumRow) -> Self {
        Self { kind: Kind::Album(album.pk), count: album.images }
    }

    fn is_few(&self) -> bool {
        self.count <= MOST_COUNTED
    }

    /// Whether its own key is in the order of time.
    fn is_in_time(&self) -> bool {
        matches!(self.kind, Kind::Term { .. } | Kind::Tag(_))
    }
}

impl Kind {
    /// The condition on `term`, of the two kinds that have one.
    fn of_words(&self, query: Query, before: impl IntoIterator<Item = Value>) -> Query {
        let query = query.push("", before);
        match self {
            Self::Term { term, .. } => query.push(" AND term = ?", [term.as_str().into()]),
            Self::Prefix { begin, .. } => {
                let end = format!("{begin}\u{10ffff}");
                query.push(" AND term >= ? AND term < ?", [begin.as_str().into(), end.into()])
            }
            Self::Tag(_) | Self::Album(_) => query,
        }
    }

    /// As what leads the statement.
    fn leads(&self, query: Query) -> Query {
        match self {
            Self::Term { owner, term } => query.push(
                " FROM image_terms AS led CROSS JOIN images WHERE led.owner = ? AND led.term = ? \
                 AND images.pk = led.image_pk",
                [(*owner).into(), term.as_str().into()],
            ),
            Self::Tag(pk) => query.push(
                " FROM image_tags AS led CROSS JOIN images WHERE led.tag_pk = ? AND images.pk = led.image_pk",
                [(*pk).into()],
            ),
            Self::Album(pk) => query.push(
                " FROM album_images AS led CROSS JOIN images WHERE led.album_pk = ? AND images.pk = led.image_pk",
                [(*pk).into()],
            ),
            // An image may have several such words and is listed once.
            Self::Prefix { owner, .. } => {
                let query = query.push(
                    " FROM images WHERE images.pk IN (SELECT image_pk FROM image_terms WHERE owner = ?",
                    [],
                );
                self.of_words(query, [(*owner).into()]).push(")", [])
            }
        }
    }

    /// As what is looked up for each image.
    fn holds(&self, query: Query) -> Query {
        match self {
            Self::Term { owner, .. } | Self::Prefix { owner, .. } => {
                let query = query.push(
                    " AND EXISTS (SELECT 1 FROM image_terms AS had WHERE had.image_pk = images.pk AND had.owner = ?",
                    [],
                );
                self.of_words(query, [(*owner).into()]).push(")", [])
            }
            Self::Tag(pk) => query.push(
                " AND EXISTS (SELECT 1 FROM image_tags AS had WHERE had.image_pk = images.pk AND had.tag_pk = ?)",
                [(*pk).into()],
            ),
            Self::Album(pk) => query.push(
                " AND EXISTS (SELECT 1 FROM album_images AS had WHERE had.image_pk = images.pk AND had.album_pk = ?)",
                [(*pk).into()],
            ),
        }
    }
}

pub(in crate::library) async fn page(
    db: &Db,
    listing: &Listing,
    parts: Vec<Part>,
    now: i64,
) -> Result<Listed, LibraryError> {
    let total = total(db, listing, &parts, now).await?;
    let rows = db.rows_of(&keys(listing, &parts, now)).await?;
    let mut found: Vec<(i64, i64)> =
        rows.iter().map(|row| Ok((row.int("pk")?, row.int("place")?))).collect::<Result<_, DbError>>()?;
    let limit = listing.limit as usize;
    let more = found.len() > limit;
    found.truncate(limit);
    let images = by_pks(db, &found.iter().map(|(pk, _)| *pk).collect::<Vec<_>>()).await?;
    let next = match (images.last(), found.last()) {
        (Some(last), Some((_, place))) if more => Some(cursor(listing.sort, last, *place)),
        _ => None,
    };
    Ok(Listed { images, total, next })
}

/// The images with these keys, in this order.
pub(in crate::library) async fn by_pks(db: &Db, pks: &[i64]) -> Result<Vec<Image>, DbError> {
    if pks.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::new(COLUMNS).push_list("WHERE pk IN ", pks.iter().map(|pk| (*pk).into()));
    let mut images = HashMap::with_capacity(pks.len());
    for row in db.rows_of(&query).await? {
        let image = image(&row)?;
        images.insert(image.pk, image);
    }
    Ok(pks.iter().filter_map(|pk| images.remove(pk)).collect())
}

/// The keys of a page and of the one image behind it.
pub(in crate::library) fn keys(listing: &Listing, parts: &[Part], now: i64) -> Query {
    let by_time = matches!(listing.sort, Sort::Newest | Sort::Oldest);
    let lead = match listing.sort {
        Sort::Album => parts.iter().position(|part| matches!(part.kind, Kind::Album(_))),
        _ => lead(parts, by_time),
    };
    let led_in_time = by_time && lead.is_some_and(|at| parts[at].is_in_time());
    let select = match listing.sort {
        Sort::Album => "SELECT images.pk AS pk, led.position AS place",
        _ => "SELECT images.pk AS pk, 0 AS place",
    };
    let mut query = conditions(Query::new(select), listing, parts, lead, now);
    if let Start::After(cursor) = &listing.start {
        query = after(query, cursor, led_in_time);
    }
    let order = match listing.sort {
        Sort::Newest if led_in_time => " ORDER BY led.created_at DESC, led.image_pk DESC",
        Sort::Oldest if led_in_time => " ORDER BY led.created_at, led.image_pk",
        Sort::Newest => " ORDER BY images.created_at DESC, images.pk DESC",
        Sort::Oldest => " ORDER BY images.created_at, images.pk",
        Sort::Name => " ORDER BY images.name, images.pk",
        Sort::Size => " ORDER BY images.bytes DESC, images.pk DESC",
        Sort::Views => " ORDER BY images.views DESC, images.pk DESC",
        Sort::Album => " ORDER BY led.position, led.image_pk",
    };
    let query = query.push(order, []).push(" LIMIT ?", [(listing.limit + 1).into()]);
    match listing.start {
        Start::Page(page) => {
            let skipped = i64::from(page - 1) * i64::from(listing.limit);
            query.push(" OFFSET ?", [skipped.into()])
        }
        Start::After(_) => query,
    }
}

/// Which part leads: the one that is met least, if the images that meet it can be sorted; else one that is in order
/// already.
fn lead(parts: &[Part], by_time: bool) -> Option<usize> {
    let fewest = |fits: fn(&Part) -> bool| {
        let fitting = parts.iter().enumerate().filter(|(_, part)| fits(part));
        fitting.min_by_key(|(_, part)| part.count).map(|(at, _)| at)
    };
    fewest(Part::is_few).or_else(|| fewest(Part::is_in_time).filter(|_| by_time))
}

fn conditions(select: Query, listing: &Listing, parts: &[Part], lead: Option<usize>, now: i64) -> Query {
    let Listing { reach, trash, filter, .. } = listing;
    let mut query = match lead {
        Some(at) => parts[at].kind.leads(select).push(" AND images.trashed = ?", [(*trash).into()]),
        None => select.push(" FROM images WHERE images.trashed = ?", [(*trash).into()]),
    };
    if let Reach::Owner(owner) = reach {
        query = query.push(" AND images.owner = ?", [(*owner).into()]);
    }
    if !*trash {
        query = query.push(" AND (images.expires_at IS NULL OR images.expires_at > ?)", [now.into()]);
    }
    for (at, part) in parts.iter().enumerate() {
        if lead != Some(at) {
            query = part.kind.holds(query);
        }
    }
    let Filter { format, visibility, min_bytes, max_bytes, from, to, .. } = filter;
    let int = |number: &u64| Value::Int(i64::try_from(*number).unwrap_or(i64::MAX));
    let filters: [(&'static str, Option<Value>); 6] = [
        (" AND images.format = ?", format.as_deref().map(Value::from)),
        (" AND images.visibility = ?", visibility.map(|visibility| visibility.as_str().into())),
        (" AND images.bytes >= ?", min_bytes.as_ref().map(int)),
        (" AND images.bytes <= ?", max_bytes.as_ref().map(int)),
        (" AND images.created_at >= ?", from.map(Value::Int)),
        (" AND images.created_at < ?", to.map(Value::Int)),
    ];
    filters.into_iter().fold(query, |query, (condition, value)| match value {
        Some(value) => query.push(condition, [value]),
        None => query,
    })
}

/// Two comparisons and not `OR` alone: the first is where an index is entered.
fn after(query: Query, cursor: &Cursor, led_in_time: bool) -> Query {
    let condition = match cursor.sort {
        Sort::Newest if led_in_time => {
            " AND led.created_at <= ? AND (led.created_at < ? OR led.image_pk < ?)"
        }
        Sort::Oldest if led_in_time => {
            " AND led.created_at >= ? AND (led.created_at > ? OR led.image_pk > ?)"
        }
        Sort::Newest => " AND images.created_at <= ? AND (images.created_at < ? OR images.pk < ?)",
        Sort::Oldest => " AND images.created_at >= ? AND (images.created_at > ? OR images.pk > ?)",
        Sort::Name => " AND images.name >= ? AND (images.name > ? OR images.pk > ?)",
        Sort::Size => " AND images.bytes <= ? AND (images.bytes < ? OR images.pk < ?)",
        Sort::Views => " AND images.views <= ? AND (images.views < ? OR images.pk < ?)",
        Sort::Album => " AND led.position >= ? AND (led.position > ? OR led.image_pk > ?)",
    };
    let value = match &cursor.value {
        At::Number(number) => Value::Int(*number),
        At::Name(name) => name.as_str().into(),
    };
    query.push(condition, [value.clone(), value, cursor.pk.into()])
}

fn cursor(sort: Sort, last: &Image, place: i64) -> Cursor {
    let int = |number: u64| At::Number(i64::try_from(number).unwrap_or(i64::MAX));
    let value = match sort {
        Sort::Newest | Sort::Oldest => At::Number(last.created_at),
        Sort::Name => At::Name(last.name.clone()),
        Sort::Size => int(last.bytes),
        Sort::Views => int(last.views),
        Sort::Album => At::Number(place),
    };
    Cursor { sort, value, pk: last.pk }
}

async fn total(db: &Db, listing: &Listing, parts: &[Part], now: i64) -> Result<Total, DbError> {
    if parts.is_empty() && listing.filter == Filter::default() {
        let count = counts::of(db, listing.reach, listing.trash, now).await?;
        return Ok(Total { count, exact: true });
    }
    let count = db.row_of(&counted(listing, parts, now)).await?.map_or(Ok(0), |row| row.narrow("found"))?;
    Ok(Total { count: count.min(MOST_COUNTED), exact: count <= MOST_COUNTED })
}

pub(in crate::library) fn counted(listing: &Listing, parts: &[Part], now: i64) -> Query {
    let select = Query::new("SELECT COUNT(*) AS found FROM (SELECT images.pk AS pk");
    let lead = lead(parts, true);
    conditions(select, listing, parts, lead, now).push(" LIMIT ?) AS counted", [most()])
}

fn most() -> Value {
    Value::Int(MOST_COUNTED as i64 + 1)
}
