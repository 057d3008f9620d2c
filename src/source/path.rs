//! The path of an object within its source, as a value that cannot lead out of it.

use std::fmt;

use super::SourceError;

/// Segments between single slashes; none of them empty, `.` or `..`. One object has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourcePath(Box<str>);

impl SourcePath {
    /// Takes the path after percent-decoding. One that can name no object is simply not found: saying more would
    /// only help those who try.
    pub fn parse(decoded: &str) -> Result<Self, SourceError> {
        let segment = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                // OpenDAL trims a path, so ` a` and `a` would be one object under two keys.
                && segment.trim() == segment
        };
        // Control characters among them NUL; a backslash is a separator elsewhere.
        let forbidden = |c: char| c.is_control() || c == '\\';
        if decoded.len() > LONGEST || decoded.contains(forbidden) || !decoded.split('/').all(segment) {
            return Err(SourceError::NotFound);
        }
        Ok(Self(decoded.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// S3's limit, and the shortest there is.
const LONGEST: usize = 1024;

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_are_none() {
        let long = "a/".repeat(600) + "a";
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/../b",
            "./a",
            "a/.",
            "a\\b",
            "..\\a",
            "C:\\a",
            "\\\\host\\a",
            "a\0",
            "\0",
            "a\n",
            "a\u{7f}",
            "a/ b",
            "a /b",
            " ",
            "a/\u{a0}",
            &long,
        ] {
            assert!(SourcePath::parse(bad).is_err(), "{bad:?}");
        }
        for good in
            ["a", "a.jpg", "a/b/c.png", "...", "..a", "a..", "a b", "Fotos/Été 2024.jpg", "%2e%2e", "~x", "-"]
        {
            assert_eq!(SourcePath::parse(good).unwrap().as_str(), good);
        }
    }

    proptest! {
        /// Joined to a root and walked segment by segment, a path never stands outside of it.
        #[test]
        fn no_path_walks_out(text in "([./\\\\a-c\u{0}~ ]|\\.\\./|/){0,24}") {
            if let Ok(path) = SourcePath::parse(&text) {
                let mut depth = 0;
                for part in std::path::Path::new(path.as_str()).components() {
                    prop_assert!(matches!(part, std::path::Component::Normal(_)), "{text:?}");
                    depth += 1;
                }
                prop_assert!(depth > 0);
                prop_assert_eq!(path.as_str(), &text);
            }
        }
    }
}
