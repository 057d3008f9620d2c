//! Other systems' clients: each dialect is one file with the rows of its routes, a short handler each, which calls the
//! same use cases as the native API, and the shape of its refusals.
//!
//! Which dialect a request speaks is known before anything else is done about it, so that whatever refuses it is
//! answered in words that its client understands (`shape.rs`).

mod answer;
mod call;
mod chevereto;
mod credentials;
mod files;
mod generic;
mod imageproxy;
mod language;
mod lsky;
mod mgek;
mod paginator;
mod picgo;
mod picture;
mod roadmap;
mod row;
mod serve;
pub(super) mod shape;
mod sharex;
mod smms;
mod table;
mod texts;
mod vueflask;

use std::fmt;

pub(super) use generic::UPLOAD as GENERIC_UPLOAD;
pub(super) use serve::answer;
pub(super) use sharex::UPLOAD as SHAREX_UPLOAD;
pub(super) use table::Found;

use crate::units::Language;

/// Whose language a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Image-Processing-Service of roadmap.sh.
    Roadmap,
    /// The Vue 3 and Flask example.
    Vueflask,
    /// mgek img_bed.
    Mgek,
    /// The wire of Image Proxy Project.
    Imageproxy,
    Lsky,
    Picgo,
    Sharex,
    Chevereto,
    Smms,
    Generic,
}

/// Which dialects are spoken here.
#[derive(Debug, Clone)]
pub struct Dialects {
    settings: [Setting; Dialect::ALL.len()],
    /// Whether letters go out.
    sends_mail: bool,
}

/// How one dialect is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub enabled: bool,
    /// The largest file; never more than others may send.
    pub max_bytes: Option<u64>,
}

/// An extension of requests in a dialect, from the moment that they are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoken {
    pub(super) dialect: Dialect,
    /// The path of the route as in the table, or `none`.
    pub(super) route: &'static str,
    pub(super) language: Language,
}

impl Dialect {
    pub const ALL: [Self; 10] = [
        Self::Roadmap,
        Self::Vueflask,
        Self::Mgek,
        Self::Imageproxy,
        Self::Lsky,
        Self::Picgo,
        Self::Sharex,
        Self::Chevereto,
        Self::Smms,
        Self::Generic,
    ];

    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roadmap => "roadmap",
            Self::Vueflask => "vueflask",
            Self::Mgek => "mgek",
            Self::Imageproxy => "imageproxy",
            Self::Lsky => "lsky",
            Self::Picgo => "picgo",
            Self::Sharex => "sharex",
            Self::Chevereto => "chevereto",
            Self::Smms => "smms",
            Self::Generic => "generic",
        }
    }

    /// What a client is told that names no language that we write: that of the system it was made for.
    fn native(self) -> Language {
        match self {
            Self::Vueflask | Self::Mgek | Self::Imageproxy | Self::Lsky => Language::Chinese,
            _ => Language::English,
        }
    }
}

impl Dialects {
    /// `of` tells each dialect's setting.
    pub fn new(of: impl Fn(Dialect) -> Setting, sends_mail: bool) -> Self {
        Self { settings: Dialect::ALL.map(of), sends_mail }
    }

    pub(super) fn is_on(&self, dialect: Dialect) -> bool {
        self.setting(dialect).enabled
    }

    fn setting(&self, dialect: Dialect) -> Setting {
        self.settings[dialect as usize]
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
