//! Lists of images. A page is found in two steps: its keys, out of an index alone wherever that is possible, and then
//! their rows. What drives a statement is chosen here by counts, since no engine knows them of words it has not met.

use std::collections::HashMap;

use super::super::listing::{At, Cursor, Listed, Listing, MOST_COUNTED, Reach, Sort, Start, Total};
use super::super::{Image, LibraryError};
use super::{COLUMNS, counts, image};
use crate::db::{Db, DbError, Query, Value};

mod parts;

pub(in crate::library) use parts::Part;
use parts::{Kind, Which, fewest, lead};

/// Images whose time is over and which the clean-up has yet to reach: they are in no list.
#[derive(Debug, Clone)]
pub(in crate::library) enum Expired {
    /// All of them. To leave out a few keys costs nothing, whereas to ask each row for its expiry reads the rows.
    Keys(Vec<i64>),
    /// So many that each row has to be asked: up to this time.
    Upto(i64),
}

impl Expired {
    async fn read(db: &Db, listing: &Listing, now: i64) -> Result<Self, DbError> {
        if listing.trash {
            return Ok(Self::Keys(Vec::new()));
        }
        let query =
            Query::new("SELECT pk FROM images WHERE trashed = 0 AND expires_at <= ?").push("", [now.into()]);
        let query = match listing.reach {
            Reach::Owner(owner) => query.push(" AND owner = ?", [owner.into()]),
            Reach::Everybody => query,
        };
        let rows = db.rows_of(&query.push(" LIMIT ?", [Value::Int(MOST_LEFT_OUT as i64 + 1)])).await?;
        let keys = rows.iter().map(|row| row.int("pk")).collect::<Result<Vec<_>, _>>()?;
        Ok(if keys.len() > MOST_LEFT_OUT { Self::Upto(now) } else { Self::Keys(keys) })
    }

    fn left_out(&self, query: Query) -> Query {
        match self {
            Self::Keys(keys) if keys.is_empty() => query,
            Self::Keys(keys) => query.push_list(" AND images.pk NOT IN ", keys.iter().map(|pk| (*pk).into())),
            Self::Upto(now) => {
                query.push(" AND (images.expires_at IS NULL OR images.expires_at > ?)", [(*now).into()])
            }
        }
    }
}

const MOST_LEFT_OUT: usize = 200;

pub(in crate::library) async fn page(
    db: &Db,
    listing: &Listing,
    parts: Vec<Part>,
    now: i64,
) -> Result<Listed, LibraryError> {
    let expired = Expired::read(db, listing, now).await?;
    let total = total(db, listing, &parts, &expired, now).await?;
    let rows = db.rows_of(&keys(listing, &parts, &expired)).await?;
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
pub(in crate::library) fn keys(listing: &Listing, parts: &[Part], expired: &Expired) -> Query {
    let by_time = matches!(listing.sort, Sort::Newest | Sort::Oldest);
    let order = match listing.sort {
        Sort::Newest | Sort::Oldest => Some(Which::Created),
        Sort::Size => Some(Which::Bytes),
        Sort::Name | Sort::Views | Sort::Album => None,
    };
    let skipped = match listing.start {
        Start::Page(page) => u64::from(page - 1) * u64::from(listing.limit),
        Start::After(_) => 0,
    };
    let in_order = |part: &Part| order.is_some_and(|order| part.kind.is_before(order));
    let lead = match listing.sort {
        Sort::Album => parts.iter().position(|part| matches!(part.kind, Kind::Album(_))),
        // One index has all that is asked.
        _ if parts.len() == 1 && in_order(&parts[0]) => None,
        _ => lead(parts, by_time, skipped),
    };
    let led_in_time = by_time && lead.is_some_and(|at| parts[at].is_in_time());
    let select = Query::new(match listing.sort {
        Sort::Album => "SELECT images.pk AS pk, led.position AS place",
        _ => "SELECT images.pk AS pk, 0 AS place",
    });
    let query = match lead {
        Some(at) => parts[at].kind.leads(select),
        None => select.push(" FROM images", []).push(index_of(listing, parts), []).push(" WHERE 1 = 1", []),
    };
    let mut query = of_list(query, listing, expired);
    for (at, part) in parts.iter().enumerate() {
        query = match lead {
            Some(lead) if lead == at => query,
            None if in_order(part) => part.kind.plain(query),
            _ => part.kind.holds(query, lead.is_some_and(|at| parts[at].is_in_time())),
        };
    }
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
        Start::Page(_) => query.push(" OFFSET ?", [Value::Int(skipped as i64)]),
        Start::After(_) => query,
    }
}

/// The index whose order the list is walked in. MariaDB and MySQL, which alone read what stands in such a comment, else
/// sort all images for a page that is far behind: fifty times the work.
fn index_of(listing: &Listing, parts: &[Part]) -> &'static str {
    let is_walked = match parts {
        [] => true,
        [part] => part.kind.is_column_of(Which::Created) || part.kind.is_column_of(Which::Bytes),
        _ => false,
    };
    match (listing.reach, listing.sort) {
        _ if !is_walked => "",
        (Reach::Owner(_), Sort::Newest | Sort::Oldest) => " /*! FORCE INDEX (images_own_created) */",
        (Reach::Owner(_), Sort::Name) => " /*! FORCE INDEX (images_own_name) */",
        (Reach::Owner(_), Sort::Size) => " /*! FORCE INDEX (images_own_bytes) */",
        (Reach::Owner(_), Sort::Views) => " /*! FORCE INDEX (images_own_views) */",
        (Reach::Everybody, Sort::Newest | Sort::Oldest) => " /*! FORCE INDEX (images_created) */",
        (Reach::Everybody, Sort::Size) => " /*! FORCE INDEX (images_bytes) */",
        (Reach::Everybody, Sort::Views) => " /*! FORCE INDEX (images_views) */",
        (Reach::Everybody, Sort::Name) | (_, Sort::Album) => "",
    }
}

/// Whose images, and where: what a statement says of every image that it lists or counts.
fn of_list(query: Query, listing: &Listing, expired: &Expired) -> Query {
    let query = query.push(" AND images.trashed = ?", [listing.trash.into()]);
    let query = match listing.reach {
        Reach::Owner(owner) => query.push(" AND images.owner = ?", [owner.into()]),
        Reach::Everybody => query,
    };
    expired.left_out(query)
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

async fn total(
    db: &Db,
    listing: &Listing,
    parts: &[Part],
    expired: &Expired,
    now: i64,
) -> Result<Total, DbError> {
    let Some(lead) = fewest(parts) else {
        let count = counts::of(db, listing.reach, listing.trash, now).await?;
        return Ok(Total { count, exact: true });
    };
    if let ([part], Expired::Keys(keys)) = (parts, expired)
        && let Some(known) = part.listed()
    {
        // Its count is that of the list already, but for the few that are left out.
        let without = match keys.is_empty() {
            true => 0,
            false => db.row_of(&left_out(part, keys)).await?.map_or(Ok(0), |row| row.narrow("found"))?,
        };
        let exact = known <= MOST_COUNTED || !part.is_cut();
        let count = known.saturating_sub(without);
        return Ok(Total { count: if exact { count } else { count.min(MOST_COUNTED) }, exact });
    }
    let count =
        db.row_of(&counted(listing, parts, expired)).await?.map_or(Ok(0), |row| row.narrow("found"))?;
    let exact = count <= MOST_COUNTED && parts[lead].is_examined();
    Ok(Total { count: count.min(MOST_COUNTED), exact })
}

/// Counts what meets all parts among the first that meet the rarest one: a count need not take longer than a page.
pub(in crate::library) fn counted(listing: &Listing, parts: &[Part], expired: &Expired) -> Query {
    let select = Query::new("SELECT COUNT(*) AS found FROM (SELECT images.pk AS pk");
    let lead = fewest(parts);
    let query = match lead {
        Some(at) => parts[at].kind.leads_bounded(select),
        None => select.push(" FROM images WHERE 1 = 1", []),
    };
    let mut query = of_list(query, listing, expired);
    for (at, part) in parts.iter().enumerate() {
        if lead != Some(at) {
            query = part.kind.holds(query, lead.is_some_and(|at| parts[at].is_in_time()));
        }
    }
    query.push(" LIMIT ?) AS counted", [Value::Int(MOST_COUNTED as i64 + 1)])
}

fn left_out(part: &Part, keys: &[i64]) -> Query {
    // Nothing else is asked of these rows: an index by anything else would be read from end to end.
    let query = Query::new("SELECT COUNT(*) AS found FROM images")
        .push_list(" WHERE images.pk IN ", keys.iter().map(|pk| (*pk).into()));
    part.kind.holds(query, false)
}
