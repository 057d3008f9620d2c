//! Rows of somebody else's tables, by the names of their columns. Every value is text: what it means is for the reader
//! of the system to say.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) table: Arc<str>,
    pub(super) columns: Arc<[String]>,
    /// As many as there are columns, or fewer.
    pub(super) cells: Vec<Option<String>>,
}

impl Record {
    /// What stands in a column; nothing where it is NULL, or the table has no such column.
    pub(super) fn get(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.cells.get(at)?.as_deref()
    }

    /// The same, where it is more than nothing.
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.get(column).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The first of several columns that says something: versions of one system differ.
    pub(super) fn first(&self, columns: &[&str]) -> Option<&str> {
        columns.iter().find_map(|column| self.text(column))
    }

    pub(super) fn int(&self, column: &str) -> Option<i64> {
        let text = self.text(column)?;
        // Decimals such as `1048576.00` are whole as far as we need to know.
        text.parse().ok().or_else(|| text.split_once('.').and_then(|(whole, _)| whole.parse().ok()))
    }

    pub(super) fn flag(&self, column: &str) -> Option<bool> {
        match self.text(column)? {
            "1" | "true" | "t" | "TRUE" => Some(true),
            "0" | "false" | "f" | "FALSE" => Some(false),
            _ => None,
        }
    }

    /// Milliseconds since 1970, of `2024-05-01 10:20:30` in this zone.
    pub(super) fn time(&self, column: &str, zone: &TimeZone) -> Option<i64> {
        let text = self.text(column)?;
        let text = text.trim_end_matches("+00:00").trim_end_matches("+00").trim_end_matches('Z');
        let time: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
        let at = time.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
        // MySQL's `0000-00-00` and what somebody's clock made up.
        (at > 0).then_some(at)
    }

    /// The same of seconds since 1970.
    pub(super) fn seconds(&self, column: &str) -> Option<i64> {
        self.int(column).filter(|seconds| *seconds > 0).and_then(|seconds| seconds.checked_mul(1000))
    }
}

/// The number of a row as a key, so that keys sort as numbers do; other keys stay as they are.
pub(super) fn key(text: &str) -> String {
    if text.bytes().all(|c| c.is_ascii_digit()) { format!("{text:0>20}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cells: &[Option<&str>]) -> Record {
        Record {
            table: "t".into(),
            columns: ["a", "b", "c"].map(str::to_owned).into(),
            cells: cells.iter().map(|cell| cell.map(str::to_owned)).collect(),
        }
    }

    #[test]
    fn values_are_what_their_texts_say() {
        let row = record(&[Some(" 12.50 "), None]);
        assert_eq!((row.int("a"), row.int("b"), row.int("c"), row.int("d")), (Some(12), None, None, None));
        assert_eq!(row.first(&["d", "b", "a"]), Some("12.50"));
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        for (text, utc, east) in [
            ("2024-05-01 10:20:30", Some(1_714_558_830_000), Some(1_714_530_030_000)),
            ("2024-05-01 10:20:30.250000", Some(1_714_558_830_250), Some(1_714_530_030_250)),
            ("2024-05-01T10:20:30Z", Some(1_714_558_830_000), Some(1_714_530_030_000)),
            ("0000-00-00 00:00:00", None, None),
            ("yesterday", None, None),
        ] {
            let row = record(&[Some(text)]);
            assert_eq!(row.time("a", &TimeZone::UTC), utc, "{text}");
            assert_eq!(row.time("a", &zone), east, "{text}");
        }
        assert_eq!(record(&[Some("1589767493")]).seconds("a"), Some(1_589_767_493_000));
        assert_eq!(record(&[Some("9223372036854775807")]).seconds("a"), None);
        assert!(key("9") < key("10") && key("a@b.c") == "a@b.c");
    }
}
