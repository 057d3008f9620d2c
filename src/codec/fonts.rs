//! The fonts that are in the binary: what text is set in, on every machine alike. No font of the system is looked at.

use std::sync::Arc;

use resvg::usvg::fontdb::{Database, Source};

/// The family of Latin, Greek and Cyrillic; regular and bold.
pub const SANS: &str = "Noto Sans";

const FILES: [&[u8]; 3] = [
    include_bytes!("fonts/NotoSans-Regular.ttf"),
    include_bytes!("fonts/NotoSans-Bold.ttf"),
    // Chinese, Japanese and Korean: taken for what the others lack.
    include_bytes!("fonts/DroidSansFallback.ttf"),
];

/// All of them. Costs a fraction of a millisecond: only their names are read.
pub fn database() -> Database {
    let mut database = Database::new();
    for file in FILES {
        database.load_font_source(Source::Binary(Arc::new(file)));
    }
    for set in [
        Database::set_sans_serif_family::<&str>,
        Database::set_serif_family,
        Database::set_monospace_family,
        Database::set_cursive_family,
        Database::set_fantasy_family,
    ] {
        set(&mut database, SANS);
    }
    database
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_font() {
        let database = database();
        let names: Vec<_> =
            database.faces().map(|face| (face.families[0].0.as_str(), face.weight.0)).collect();
        assert_eq!(names, [(SANS, 400), (SANS, 700), ("Droid Sans Fallback", 400)]);
    }
}
