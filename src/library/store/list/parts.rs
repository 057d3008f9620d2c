//! The conditions of a list that may lead its statement: each knows how many images about meet it, how it is read
//! first, and how it is looked up for an image that something else has found.

use super::super::super::listing::{MOST_EXAMINED, Reach};
use super::super::super::words::Wanted;
use super::super::albums::AlbumRow;
use super::super::tags::TagRow;
use crate::db::{Db, DbError, Query, Value};
use crate::library::listing::{Filter, MOST_COUNTED};

#[derive(Debug, Clone)]
pub(in crate::library) struct Part {
    pub(super) kind: Kind,
    count: u64,
    /// Whether that is all there are outside of the trash, rather than what was counted up to an end.
    of_live: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Term { owner: i64, term: String },
    Prefix { owner: i64, begin: String },
    Tag(i64),
    Album(i64),
    Column(Column),
}

/// A condition on a column of `images` that has an index of its own. A bound that is not given is one that always holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    which: Which,
    /// One value, or two that the column is between.
    values: Vec<Value>,
    reach: Reach,
    trash: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Format,
    Visibility,
    Bytes,
    Created,
}

impl Part {
    pub(in crate::library) async fn of_term(db: &Db, owner: i64, wanted: Wanted) -> Result<Self, DbError> {
        let kind = match wanted {
            Wanted::Term(term) => Kind::Term { owner, term },
            Wanted::Prefix(begin) => Kind::Prefix { owner, begin },
        };
        kind.counted(db).await
    }

    pub(in crate::library) fn of_tag(tag: &TagRow) -> Self {
        Self { kind: Kind::Tag(tag.pk), count: tag.images, of_live: true }
    }

    pub(in crate::library) fn of_album(album: &AlbumRow) -> Self {
        Self { kind: Kind::Album(album.pk), count: album.images, of_live: true }
    }

    /// Those of a filter's columns.
    pub(in crate::library) async fn of_columns(
        db: &Db,
        reach: Reach,
        trash: bool,
        filter: &Filter,
    ) -> Result<Vec<Self>, DbError> {
        let mut parts = Vec::new();
        for column in columns(reach, trash, filter) {
            parts.push(Kind::Column(column).counted(db).await?);
        }
        Ok(parts)
    }

    /// Whether all that meet it can be read and sorted.
    fn is_few(&self) -> bool {
        self.count <= MOST_COUNTED
    }

    /// Whether a count that begins with it has seen all that meet it. With some room: labels count without the trash.
    pub(super) fn is_examined(&self) -> bool {
        self.is_few()
    }

    /// The same, counted.
    pub(in crate::library) async fn again(&self, db: &Db) -> Result<Self, DbError> {
        self.kind.clone().counted(db).await
    }

    /// How many of a list of what is there meet it, where that is what was counted: words are the trash's as well.
    pub(super) fn listed(&self) -> Option<u64> {
        match &self.kind {
            Kind::Tag(_) | Kind::Album(_) => self.of_live.then_some(self.count),
            Kind::Column(_) => Some(self.count),
            Kind::Term { .. } | Kind::Prefix { .. } => None,
        }
    }

    /// Whether counting ended early.
    pub(super) fn is_cut(&self) -> bool {
        !self.of_live && self.count > MOST_EXAMINED
    }

    #[cfg(test)]
    pub(in crate::library) fn is_met_often(&mut self) {
        self.count = 1_000_000;
    }

    /// Whether its own key is in the order of time.
    pub(super) fn is_in_time(&self) -> bool {
        matches!(self.kind, Kind::Term { .. } | Kind::Tag(_))
    }
}

/// Which part leads: the one that is met least, if the images that meet it can be sorted; else one that is in order
/// already.
///
/// An album or tag is sorted as a whole where the page is far behind: to walk to it through all images in their order
/// would look at many more.
pub(super) fn lead(parts: &[Part], by_time: bool, skipped: u64) -> Option<usize> {
    let fewest = |fits: &dyn Fn(&Part) -> bool| {
        let fitting = parts.iter().enumerate().filter(|(_, part)| fits(part));
        fitting.min_by_key(|(_, part)| part.count).map(|(at, _)| at)
    };
    fewest(&Part::is_few)
        .or_else(|| fewest(&Part::is_in_time).filter(|_| by_time))
        .or_else(|| fewest(&|part| part.of_live && skipped > part.count / FAR))
}

/// Skipping more than this part of what meets a condition is far.
const FAR: u64 = 8;

/// Which part a count begins with.
pub(super) fn fewest(parts: &[Part]) -> Option<usize> {
    (0..parts.len()).min_by_key(|at| parts[*at].count)
}

impl Kind {
    async fn counted(self, db: &Db) -> Result<Part, DbError> {
        let counted = self.met(Query::new("SELECT COUNT(*) AS found FROM ("));
        let count = db.row_of(&counted.push(") AS counted", [])).await?;
        Ok(Part { kind: self, count: count.map_or(Ok(0), |row| row.narrow("found"))?, of_live: false })
    }

    /// The keys of what meets it, up to as many as are looked at and one more, each once but for prefixes.
    fn met(&self, query: Query) -> Query {
        let query = match self {
            Self::Term { owner, term } => query.push(
                "SELECT image_pk, created_at FROM image_terms WHERE owner = ? AND term = ?",
                [(*owner).into(), term.as_str().into()],
            ),
            Self::Prefix { owner, begin } => query.push(
                "SELECT image_pk FROM image_terms WHERE owner = ? AND term >= ? AND term < ?",
                [(*owner).into(), begin.as_str().into(), end(begin)],
            ),
            Self::Tag(pk) => {
                query.push("SELECT image_pk, created_at FROM image_tags WHERE tag_pk = ?", [(*pk).into()])
            }
            Self::Album(pk) => {
                query.push("SELECT image_pk, position FROM album_images WHERE album_pk = ?", [(*pk).into()])
            }
            Self::Column(column) => column.met(query),
        };
        query.push(" LIMIT ?", [Value::Int(MOST_EXAMINED as i64 + 1)])
    }

    /// As what leads the statement, in its own order.
    pub(super) fn leads(&self, query: Query) -> Query {
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
            Self::Prefix { .. } | Self::Column(_) => self.leads_bounded(query),
        }
    }

    /// As what leads the statement, and no further than anybody wants to count. The limit keeps planners from reading
    /// anything else first.
    pub(super) fn leads_bounded(&self, query: Query) -> Query {
        // An image may have several words of a prefix and is listed once.
        let several = matches!(self, Self::Prefix { .. });
        let first = if several { " FROM (SELECT DISTINCT image_pk FROM (" } else { " FROM (" };
        let query = self.met(query.push(first, []));
        let last = if several { ") AS met) AS led" } else { ") AS led" };
        query.push(last, []).push(" CROSS JOIN images WHERE images.pk = led.image_pk", [])
    }

    /// As what is looked up for each image, by the whole of a key wherever there is one. `led_in_time` says that what
    /// leads knows the image's time, so that its row need not be read first. `LIMIT 1 OFFSET 0` means nothing and keeps
    /// planners from making a join with all that meets it out of a look-up.
    pub(super) fn holds(&self, query: Query, led_in_time: bool) -> Query {
        let image = if led_in_time {
            " AND had.created_at = led.created_at AND had.image_pk = led.image_pk LIMIT 1 OFFSET 0)"
        } else {
            " AND had.created_at = images.created_at AND had.image_pk = images.pk LIMIT 1 OFFSET 0)"
        };
        match self {
            Self::Term { owner, term } => {
                let had = " AND EXISTS (SELECT 1 FROM image_terms AS had WHERE had.owner = ? AND had.term = ?";
                query.push(had, [(*owner).into(), term.as_str().into()]).push(image, [])
            }
            // Without the owner, who is the image's, so that the image's few terms are read and not the prefix's many.
            Self::Prefix { begin, .. } => query.push(
                " AND EXISTS (SELECT 1 FROM image_terms AS had WHERE had.image_pk = images.pk \
                 AND had.term >= ? AND had.term < ? LIMIT 1 OFFSET 0)",
                [begin.as_str().into(), end(begin)],
            ),
            Self::Tag(pk) => {
                let had = " AND EXISTS (SELECT 1 FROM image_tags AS had WHERE had.tag_pk = ?";
                query.push(had, [(*pk).into()]).push(image, [])
            }
            Self::Album(pk) => query.push(
                " AND EXISTS (SELECT 1 FROM album_images AS had WHERE had.album_pk = ? AND had.image_pk = images.pk \
                 LIMIT 1 OFFSET 0)",
                [(*pk).into()],
            ),
            Self::Column(column) => column.holds(query),
        }
    }

    /// Whether an index has it before this order, so that a list in that order is read from there.
    pub(super) fn is_before(&self, order: Which) -> bool {
        match self {
            Self::Column(column) => match column.which {
                Which::Format | Which::Visibility | Which::Created => order == Which::Created,
                Which::Bytes => order == Which::Bytes,
            },
            _ => false,
        }
    }

    pub(super) fn is_column_of(&self, which: Which) -> bool {
        matches!(self, Self::Column(column) if column.which == which)
    }

    /// As a condition that an index may answer.
    pub(super) fn plain(&self, query: Query) -> Query {
        match self {
            Self::Column(column) => column.plain(query),
            _ => self.holds(query, false),
        }
    }
}

impl Column {
    fn met(&self, query: Query) -> Query {
        let query = query
            .push("SELECT images.pk AS image_pk FROM images WHERE images.trashed = ?", [self.trash.into()]);
        let query = match self.reach {
            Reach::Owner(owner) => query.push(" AND images.owner = ?", [owner.into()]),
            Reach::Everybody => query,
        };
        self.plain(query)
    }

    fn plain(&self, query: Query) -> Query {
        let sql = match self.which {
            Which::Format => " AND images.format = ?",
            Which::Visibility => " AND images.visibility = ?",
            Which::Bytes => " AND images.bytes >= ? AND images.bytes <= ?",
            Which::Created => " AND images.created_at >= ? AND images.created_at < ?",
        };
        query.push(sql, self.values.iter().cloned())
    }

    /// In words that no index answers: who is asked of each image must not lead a planner that has not counted.
    fn holds(&self, query: Query) -> Query {
        let sql = match self.which {
            Which::Format => " AND COALESCE(images.format, '') = ?",
            Which::Visibility => " AND COALESCE(images.visibility, '') = ?",
            Which::Bytes => " AND images.bytes + 0 >= ? AND images.bytes + 0 <= ?",
            Which::Created => " AND images.created_at + 0 >= ? AND images.created_at + 0 < ?",
        };
        query.push(sql, self.values.iter().cloned())
    }
}

fn columns(reach: Reach, trash: bool, filter: &Filter) -> Vec<Column> {
    let Filter { format, visibility, min_bytes, max_bytes, from, to, .. } = filter;
    let int = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let range = |first: Option<i64>, last: Option<i64>| {
        let is_given = first.is_some() || last.is_some();
        is_given.then(|| vec![first.unwrap_or(i64::MIN).into(), last.unwrap_or(i64::MAX).into()])
    };
    let given = [
        (Which::Format, format.as_deref().map(|format| vec![format.into()])),
        (Which::Visibility, visibility.map(|visibility| vec![visibility.as_str().into()])),
        (Which::Bytes, range(min_bytes.map(int), max_bytes.map(int))),
        (Which::Created, range(*from, *to)),
    ];
    let column =
        |(which, values): (Which, Option<Vec<Value>>)| Some(Column { which, values: values?, reach, trash });
    given.into_iter().filter_map(column).collect()
}

fn end(begin: &str) -> Value {
    format!("{begin}\u{10ffff}").into()
}
