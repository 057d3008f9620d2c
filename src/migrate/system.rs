//! The systems whose databases are known: which tables and columns are read, and what they mean here.

mod chevereto;
mod lsky;
mod seeds;

use jiff::tz::TimeZone;

use super::MigrateError;
use super::model::{Catalogue, Picture};
use super::record::Record;

/// One system.
pub(super) struct System {
    pub(super) name: &'static str,
    /// The tables that are held, without the prefix of their names.
    pub(super) tables: &'static [&'static str],
    /// The table with a row for each picture.
    pub(super) pictures: &'static str,
    /// What tables' names usually begin with.
    pub(super) prefix: &'static str,
    /// Puts a row of one of the tables into the catalogue; the name is without its prefix.
    pub(super) note: fn(&str, &Record, &Terms, &mut Catalogue) -> Result<(), MigrateError>,
    /// Makes a picture of a row, once the catalogue is whole; else says why it is none.
    pub(super) picture: fn(&Record, &Terms, &Catalogue) -> Result<Picture, String>,
}

/// How the other system was set up, where its database does not say so.
pub(super) struct Terms {
    /// Of times without a zone.
    pub(super) zone: TimeZone,
    /// What old paths began with, instead of what the database says or the system usually has.
    pub(super) old_prefix: Option<String>,
}

pub(super) const SYSTEMS: [&System; 6] =
    [&lsky::LSKY, &chevereto::CHEVERETO, &seeds::IMAGEPROXY, &seeds::MGEK, &seeds::VUEFLASK, &seeds::WPIC];

impl Terms {
    pub(super) fn prefix(&self, usual: &str) -> String {
        let prefix = self.old_prefix.as_deref().unwrap_or(usual).trim_end_matches('/');
        if prefix.is_empty() || prefix.starts_with('/') { prefix.to_owned() } else { format!("/{prefix}") }
    }
}

/// A path below another, with one slash between them.
fn join(folder: &str, name: &str) -> String {
    let (folder, name) = (folder.trim_end_matches('/'), name.trim_start_matches('/'));
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
