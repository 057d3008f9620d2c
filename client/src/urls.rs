//! Builds the URLs that a pixedge server answers: one picture, or a whole `srcset`. It knows how a URL is put
//! together and escaped, not which options there are: whether a spec is right is the server's to say.

use std::fmt;

use crate::escape::{self, free_text};
use crate::srcset::Sizes;

/// Where a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture<'a> {
    /// An image of the library, by its id.
    Id(&'a str),
    /// An object of a named source, by its path as the source knows it.
    Path { source: &'a str, path: &'a str },
    /// A picture elsewhere, through a source that may fetch by URL.
    Url { source: &'a str, url: &'a str },
}

/// Builds URLs below one server's address.
///
/// ```
/// # use pixedge_client::{Picture, Sizes, Urls};
/// let urls = Urls::new("https://img.example.com")?;
/// let cat = Picture::Id("k3Jd9s");
/// assert_eq!(urls.url(cat, "w_300,f_webp")?, "https://img.example.com/i/k3Jd9s/w_300,f_webp");
/// let srcset = urls.srcset(cat, "f_auto", &Sizes::widths([320, 640])?)?;
/// # Ok::<(), pixedge_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// Without a `/` at its end.
    base: String,
}

/// Why no URL could be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not an http(s) URL without query and fragment.
    Base(String),
    /// Not 1 to 64 of `A-Z a-z 0-9 - _`.
    Id(String),
    /// Not a name that a source can have.
    Source(String),
    /// An empty path, or one with an empty, `.` or `..` segment.
    Path(String),
    /// Not an http(s) URL.
    Url(String),
    /// A spec with an empty step or option.
    Spec(String),
    /// A spec that already says what the `srcset` varies.
    Varies { spec: String, option: &'static str },
    /// A spec of several steps without a mark where the width goes.
    Unmarked(String),
    /// No sizes, or one that cannot be.
    Sizes(String),
}

impl Urls {
    /// `base` is the server's address, `https://img.example.com`, with a path in front where a proxy adds one.
    pub fn new(base: &str) -> Result<Self, Error> {
        let wrong = || Error::Base(base.to_owned());
        let trimmed = base.trim_end_matches('/');
        if !is_web_url(trimmed) || trimmed.contains(['?', '#']) {
            return Err(wrong());
        }
        Ok(Self { base: trimmed.to_owned() })
    }

    /// The URL of a picture as `spec` wants it; an empty spec is the picture in a format that the client takes.
    pub fn url(&self, picture: Picture<'_>, spec: &str) -> Result<String, Error> {
        let spec = checked(spec)?;
        Ok(match picture {
            Picture::Id(id) => {
                let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if !(1..=64).contains(&id.len()) || !id.bytes().all(legal) {
                    return Err(Error::Id(id.to_owned()));
                }
                match spec.as_str() {
                    "" => format!("{}/i/{id}", self.base),
                    spec => format!("{}/i/{id}/{spec}", self.base),
                }
            }
            Picture::Path { source, path } => self.below_source(source, &spec, &object_path(path)?)?,
            Picture::Url { source, url } => {
                if !is_web_url(url) {
                    return Err(Error::Url(url.to_owned()));
                }
                self.below_source(source, &spec, &format!("-/{}", free_text(url)))?
            }
        })
    }

    /// The value of an `<img srcset>`: `… 320w, … 640w`, or `… 1x, … 2x`.
    ///
    /// The width is put into a spec of one step; in one of several steps it goes where `{}` stands.
    pub fn srcset(&self, picture: Picture<'_>, spec: &str, sizes: &Sizes) -> Result<String, Error> {
        let candidates = sizes.apply(spec)?.into_iter().map(|(spec, descriptor)| {
            let url = self.url(picture, &spec)?;
            Ok(format!("{url} {descriptor}"))
        });
        Ok(candidates.collect::<Result<Vec<_>, Error>>()?.join(", "))
    }

    fn below_source(&self, source: &str, spec: &str, path: &str) -> Result<String, Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if source.is_empty() || !source.bytes().all(legal) {
            return Err(Error::Source(source.to_owned()));
        }
        let spec = if spec.is_empty() { "_" } else { spec };
        Ok(format!("{}/r/{source}/{spec}/{path}", self.base))
    }
}

/// The spec, escaped; a wrong one would move the border between spec and path.
fn checked(spec: &str) -> Result<String, Error> {
    let empty = |step: &str| step.is_empty() || step.split(',').any(str::is_empty);
    if !spec.is_empty() && spec.split('/').any(empty) {
        return Err(Error::Spec(spec.to_owned()));
    }
    Ok(escape::spec(spec))
}

/// The path, escaped, behind a `-` where its first segment might be taken for another step.
fn object_path(path: &str) -> Result<String, Error> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(Error::Path(path.to_owned()));
    }
    let escaped: Vec<_> = path.split('/').map(escape::segment).collect();
    let ends_spec = path.split('/').next().is_some_and(is_file_name);
    Ok(format!("{}{}", if ends_spec { "" } else { "-/" }, escaped.join("/")))
}

/// What the server takes for a file and not for a step.
fn is_file_name(segment: &str) -> bool {
    const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "avif", "tiff", "bmp"];
    let extension = segment.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

fn is_web_url(text: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    printable && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(base) => {
                write!(f, "`{base}` is not a server's address like `https://img.example.com`")
            }
            Self::Id(id) => write!(f, "`{id}` is not an id: 1 to 64 of `A-Z a-z 0-9 - _`"),
            Self::Source(name) => write!(f, "`{name}` is not a source's name: `A-Z a-z 0-9 - _`"),
            Self::Path(path) => write!(f, "`{path}` is not a path: no segment may be empty, `.` or `..`"),
            Self::Url(url) => write!(f, "`{url}` is not a URL that begins with `https://` or `http://`"),
            Self::Spec(spec) => write!(f, "`{spec}` has an empty step or option"),
            Self::Varies { spec, option } => {
                write!(f, "`{spec}` already has `{option}`, which a srcset varies; leave it out")
            }
            Self::Unmarked(spec) => {
                write!(
                    f,
                    "`{spec}` has several steps; write `{{}}` where the size goes, as in `w_{{}},h_200/a_90`"
                )
            }
            Self::Sizes(sizes) => {
                write!(f, "`{sizes}` is not a list of widths from 1 to 16384 or of densities from 0.5 to 4")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls() -> Urls {
        Urls::new("https://img.example.com/").unwrap()
    }

    fn at<'a>(path: &'a str) -> Picture<'a> {
        Picture::Path { source: "samples", path }
    }

    #[test]
    fn a_picture_of_the_library() {
        let url = |spec| urls().url(Picture::Id("k3Jd9s"), spec).unwrap();
        assert_eq!(url("w_300,f_webp"), "https://img.example.com/i/k3Jd9s/w_300,f_webp");
        assert_eq!(
            url("ex_0.1:0.1:0.5:0.5,w_400/a_90"),
            "https://img.example.com/i/k3Jd9s/ex_0.1:0.1:0.5:0.5,w_400/a_90"
        );
        assert_eq!(url(""), "https://img.example.com/i/k3Jd9s");
        assert_eq!(url("b_#ff0000"), "https://img.example.com/i/k3Jd9s/b_%23ff0000");
        let text = format!("l_text:{}", free_text("50 % off?"));
        assert_eq!(url(&text), "https://img.example.com/i/k3Jd9s/l_text:~NTAgJSBvZmY_");
    }

    #[test]
    fn a_server_below_a_path() {
        let urls = Urls::new("http://[::1]:8080/pictures").unwrap();
        assert_eq!(urls.url(Picture::Id("a"), "w_1").unwrap(), "http://[::1]:8080/pictures/i/a/w_1");
    }

    #[test]
    fn an_object_of_a_source() {
        let url = |path, spec| urls().url(at(path), spec).unwrap();
        assert_eq!(url("cat.jpg", "w_300"), "https://img.example.com/r/samples/w_300/cat.jpg");
        assert_eq!(url("/cat.jpg", ""), "https://img.example.com/r/samples/_/cat.jpg");
        assert_eq!(
            url("Katzen & Hunde/größe 100%.JPG", "w_300"),
            "https://img.example.com/r/samples/w_300/-/Katzen%20%26%20Hunde/gr%C3%B6%C3%9Fe%20100%25.JPG"
        );
        // Without the `-` the folder `w_100` would be a second step.
        assert_eq!(url("w_100/cat.jpg", "w_300"), "https://img.example.com/r/samples/w_300/-/w_100/cat.jpg");
        assert_eq!(url("-/cat.jpg", "w_300"), "https://img.example.com/r/samples/w_300/-/-/cat.jpg");
        assert_eq!(url("a?b#c.png", "w_300"), "https://img.example.com/r/samples/w_300/a%3Fb%23c.png");
    }

    #[test]
    fn a_picture_elsewhere() {
        let picture = Picture::Url { source: "web", url: "https://a.example/b.jpg?x=1" };
        let url = urls().url(picture, "w_300").unwrap();
        assert_eq!(url, "https://img.example.com/r/web/w_300/-/~aHR0cHM6Ly9hLmV4YW1wbGUvYi5qcGc_eD0x");
    }

    #[test]
    fn what_would_build_another_url_is_refused() {
        for base in [
            "",
            "img.example.com",
            "ftp://a",
            "https://",
            "https:///x",
            "https://a/?b",
            "https://a/#b",
            "https://a b",
        ] {
            assert_eq!(Urls::new(base), Err(Error::Base(base.to_owned())), "{base}");
        }
        for id in ["", "a/b", "a.b", "ä", "..", &"x".repeat(65)] {
            assert_eq!(urls().url(Picture::Id(id), "w_1"), Err(Error::Id(id.to_owned())), "{id}");
        }
        for path in ["", "/", "a//b.jpg", "../a.jpg", "a/./b.jpg", "a/"] {
            assert!(matches!(urls().url(at(path), "w_1"), Err(Error::Path(_))), "{path}");
        }
        for spec in ["/", "w_1/", "/w_1", "w_1//h_1", "w_1,,h_1", ",w_1"] {
            assert_eq!(urls().url(Picture::Id("a"), spec), Err(Error::Spec(spec.to_owned())), "{spec}");
        }
        let source = Picture::Path { source: "a/b", path: "c.jpg" };
        assert_eq!(urls().url(source, ""), Err(Error::Source("a/b".to_owned())));
        let file = Picture::Url { source: "web", url: "file:///etc/passwd" };
        assert_eq!(urls().url(file, ""), Err(Error::Url("file:///etc/passwd".to_owned())));
    }

    #[test]
    fn a_srcset_of_widths() {
        let sizes = Sizes::widths([320, 640]).unwrap();
        let srcset = |spec| urls().srcset(Picture::Id("a"), spec, &sizes);
        let expected = |a: &str, b: &str| {
            Ok(format!("https://img.example.com/i/a/{a} 320w, https://img.example.com/i/a/{b} 640w"))
        };
        assert_eq!(srcset(""), expected("w_320", "w_640"));
        assert_eq!(srcset("f_webp,q_80"), expected("w_320,f_webp,q_80", "w_640,f_webp,q_80"));
        assert_eq!(
            srcset("ex_0:0:9:9,w_{}/a_90"),
            expected("ex_0:0:9:9,w_320/a_90", "ex_0:0:9:9,w_640/a_90")
        );
        assert_eq!(srcset("a_90/f_webp"), Err(Error::Unmarked("a_90/f_webp".to_owned())));
        for spec in ["w_100", "f_webp,width=100", "W_100", "s_100x100", "resize_9x9"] {
            assert!(matches!(srcset(spec), Err(Error::Varies { .. })), "{spec}");
        }
        // `wm` and `sh` only begin like one.
        assert!(srcset("sh_1,sep_1").is_ok());
    }

    #[test]
    fn a_srcset_of_densities() {
        let sizes = Sizes::densities([1.0, 1.5, 2.0]).unwrap();
        let srcset = urls().srcset(Picture::Id("a"), "w_100", &sizes).unwrap();
        assert_eq!(
            srcset,
            "https://img.example.com/i/a/dpr_1,w_100 1x, https://img.example.com/i/a/dpr_1.5,w_100 1.5x, https://img.example.com/i/a/dpr_2,w_100 2x"
        );
        assert!(matches!(urls().srcset(Picture::Id("a"), "w_1,dpr_2", &sizes), Err(Error::Varies { .. })));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        assert!(Sizes::widths([]).is_err());
        assert!(Sizes::widths([0]).is_err());
        assert!(Sizes::widths([16385]).is_err());
        assert!(Sizes::densities([]).is_err());
        for density in [0.0, 0.4, 4.1, -1.0, f32::NAN, f32::INFINITY] {
            assert!(Sizes::densities([density]).is_err(), "{density}");
        }
    }
}
