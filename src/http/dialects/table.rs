//! All rows of all dialects, and the way from a request to its row. It is decided by method, path and the presence
//! of named query keys, and by nothing else; a dialect that is off has no rows and breaks no ties.

use http::Method;

use super::row::{Row, Sight};
use super::{
    Dialect, Dialects, chevereto, generic, imageproxy, lsky, mgek, picgo, roadmap, sharex, smms, vueflask,
};

/// Every row, by dialect.
const ROWS: &[&[Row]] = &[
    roadmap::ROWS,
    vueflask::ROWS,
    mgek::ROWS,
    imageproxy::ROWS,
    lsky::ROWS,
    picgo::ROWS,
    sharex::ROWS,
    chevereto::ROWS,
    smms::ROWS,
    generic::ROWS,
];

/// Below these paths everything is in a dialect, also what is not there.
const REALMS: &[(&str, Dialect)] = &[
    ("/images/", Dialect::Roadmap),
    ("/tasks/", Dialect::Roadmap),
    ("/api/images/", Dialect::Vueflask),
    ("/uploads/", Dialect::Vueflask),
    ("/api/v1/", Dialect::Lsky),
    ("/api/1/", Dialect::Chevereto),
    ("/api/v2/", Dialect::Smms),
];

/// What a path in a dialect leads to.
pub(in crate::http) enum Found {
    /// The row for `OPTIONS` is the path's first one.
    Row(&'static Row, Vec<(&'static str, String)>),
    /// The path is known, but by other methods.
    Method(&'static Row),
    Nothing(Dialect),
}

pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().copied().flatten()
}

impl Dialects {
    /// `None`: the request is in no dialect.
    pub(in crate::http) fn find(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Found> {
        let mut here = Vec::new();
        for row in rows().filter(|row| self.is_on(row.dialect)) {
            let Some(values) = row.raw_values(path) else { continue };
            let value = values.last().map_or("", |(_, value)| value);
            let sight = Sight { value, query };
            match row.tie {
                Some(tie) if !(tie.holds)(&sight) => continue,
                Some(tie) => tracing::trace!(tie = tie.name, dialect = row.dialect.name(), "told apart"),
                None => {}
            }
            here.push(row);
        }
        // Who breaks a tie was meant; the rest is for the row without one.
        here.sort_by_key(|row| row.tie.is_none());
        let Some(&first) = here.first() else {
            let realm =
                REALMS.iter().find(|(front, dialect)| self.is_on(*dialect) && path.starts_with(front));
            return realm.map(|(_, dialect)| Found::Nothing(*dialect));
        };
        // Who may GET may HEAD; the body is taken off at the end.
        let wanted = if *method == Method::HEAD { "GET" } else { method.as_str() };
        let is_options = *method == Method::OPTIONS;
        let Some(row) = here.into_iter().find(|row| is_options || row.method == wanted) else {
            return Some(Found::Method(first));
        };
        match row.values(path) {
            Some(values) => Some(Found::Row(row, values)),
            // A part that is no UTF-8 names nothing.
            None => Some(Found::Nothing(row.dialect)),
        }
    }

    /// The value of `Allow` for a row's path.
    pub(super) fn methods(&self, row: &Row) -> String {
        let same = rows().filter(|other| self.is_on(other.dialect) && other.path == row.path);
        let mut all: Vec<&str> = same.map(|row| row.method).collect();
        if all.contains(&"GET") {
            all.push("HEAD");
        }
        all.push("OPTIONS");
        all.sort_unstable();
        all.dedup();
        all.join(", ")
    }
}

impl Found {
    pub(in crate::http) fn dialect(&self) -> Dialect {
        match self {
            Self::Row(row, _) | Self::Method(row) => row.dialect,
            Self::Nothing(dialect) => *dialect,
        }
    }

    /// Whether the request is in the dialect although a native route has its path.
    pub(in crate::http) fn takes_over(&self) -> bool {
        matches!(self, Self::Row(row, _) if row.tie.is_some())
    }

    /// The label for metrics: the row's own path, never what somebody typed.
    pub(in crate::http) fn route(&self) -> &'static str {
        match self {
            Self::Row(row, _) | Self::Method(row) => row.path,
            Self::Nothing(_) => "none",
        }
    }
}
