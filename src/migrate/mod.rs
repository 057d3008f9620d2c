//! Libraries that move: in from other systems, by their databases and files, and out into a folder that another pixedge
//! takes in. What others made is read as data that may say anything; what comes in takes the way of every upload.

mod dump;
mod error;
mod export;
mod files;
mod import;
mod manifest;
mod model;
mod origin;
mod record;
mod system;
mod tables;

use std::fmt;
use std::str::FromStr;

pub use error::MigrateError;
pub use export::{Export, Exported};
pub use files::Files;
pub use import::{Event, Importer, Intake, Options, Outcome, Summary};

/// What pictures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    /// A source of the configuration that can be listed.
    Bucket,
    /// What [`Export`] has written.
    Pixedge,
    Lsky,
    Chevereto,
    Imageproxy,
    Mgek,
    Vueflask,
    Wpic,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Folder,
        Self::Bucket,
        Self::Pixedge,
        Self::Lsky,
        Self::Chevereto,
        Self::Imageproxy,
        Self::Mgek,
        Self::Vueflask,
        Self::Wpic,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Bucket => "bucket",
            Self::Pixedge => "pixedge",
            Self::Lsky => "lsky",
            Self::Chevereto => "chevereto",
            Self::Imageproxy => "imageproxy",
            Self::Mgek => "mgek",
            Self::Vueflask => "vueflask",
            Self::Wpic => "wpic",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("it is none of {}", names.join(", "))
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
