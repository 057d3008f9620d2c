//! The path of an object within its source, as a value that cannot lead out of it; of some web sources a whole URL.

use std::fmt;

use url::Url;

use super::SourceError;

/// One object has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourcePath(Form);

/// The two never look alike: a URL has an empty segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Form {
    /// Segments between single slashes; none of them empty, `.` or `..`.
    Key(Box<str>),
    Url(Box<Url>),
}

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
        Ok(Self(Form::Key(decoded.into())))
    }

    /// Takes an address as it was written; another spelling of the same one gives the same path.
    pub fn parse_url(text: &str) -> Result<Self, SourceError> {
        let refused = |why: &str| SourceError::Refused { text: format!("the address is not taken: {why}") };
        if text.len() > LONGEST_URL {
            return Err(refused("it is too long"));
        }
        let mut url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refused("it does not begin with http:// or https:// and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it holds a name or a password"));
        }
        url.set_fragment(None);
        Ok(Self(Form::Url(Box::new(url))))
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Key(key) => key,
            Form::Url(url) => url.as_str(),
        }
    }

    pub(super) fn url(&self) -> Option<&Url> {
        match &self.0 {
            Form::Key(_) => None,
            Form::Url(url) => Some(url),
        }
    }

    pub fn is_url(&self) -> bool {
        self.url().is_some()
    }
}

/// S3's limit, and the shortest there is.
const LONGEST: usize = 1024;
const LONGEST_URL: usize = 2048;

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

    #[test]
    fn an_address_has_one_spelling_and_no_secrets() {
        for (written, one) in [
            ("HTTP://Example.COM:80/a/../b c?x#y", "http://example.com/b%20c?x"),
            ("https://example.com", "https://example.com/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ] {
            assert_eq!(SourcePath::parse_url(written).unwrap().as_str(), one);
        }
        for wrong in [
            "",
            "example.com",
            "ftp://a/",
            "file:///etc/passwd",
            "http://",
            "http://u@a/",
            "http://:p@a/",
            "data:,x",
        ] {
            assert!(SourcePath::parse_url(wrong).is_err(), "{wrong}");
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
