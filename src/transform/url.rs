//! Every form of a picture's URL but the signature in front: which picture is meant, what is asked of it, and the
//! query keys that are no options. Paths come raw, as they were sent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::transform::domain::{decode_base64, is_id, is_name};
use crate::transform::draft::{Draft, Layer, decode, is_option, with_separator};
use crate::transform::error::{Place, SpecError};
use crate::transform::presets::Presets;
use crate::transform::query::{self, Extras};
use crate::transform::spec::Spec;
use crate::transform::words::Wanted;

/// What a picture URL means.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub route: Route,
    pub subject: Subject,
    /// Canonical.
    pub spec: Spec,
    /// The file name behind the spec, decoded: what a download is called.
    pub name: Option<String>,
    pub extras: Extras,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Picture,
    /// `/explain/…`: what would be made.
    Explain,
    /// `/info/<id>`: what the original is.
    Info,
}

/// Which picture is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A picture of the library.
    Image { id: String },
    /// An object of a configured source.
    Object { source: String, path: ObjectPath },
}

/// Where an object is in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectPath {
    /// Decoded; no segment of it is empty, `.` or `..`.
    Key(String),
    /// A whole address, for http sources only: `~base64url`, or as it is under `/_ipx/`.
    Url(String),
}

/// What of the configuration changes how a URL is read.
#[derive(Debug, Clone, Copy)]
pub struct UrlContext<'a> {
    pub presets: &'a Presets,
    /// The source of `/_ipx/<step>/<path>`.
    pub ipx_source: Option<&'a str>,
    /// Query keys that mean nothing and are let through; `*` at the end stands for anything.
    pub ignored_query: &'a [String],
}

/// Whether a text may be the public id of a picture: it never looks like an option, so `/i/w_300` is no picture.
pub fn is_image_id(text: &str) -> bool {
    is_id(text) && !is_option(text)
}

impl Target {
    /// Reads a path as it was sent and its query without the `?`.
    pub fn parse(path: &str, query: Option<&str>, context: &UrlContext<'_>) -> Result<Self, SpecError> {
        let (options, extras) = query::read(query.unwrap_or(""), context)?;
        let (route, rest) = match path.strip_prefix("/explain") {
            Some(rest) => (Route::Explain, rest),
            None => (Route::Picture, path),
        };
        let target = if let Some(id) = path.strip_prefix("/info/") {
            info(id)?
        } else if let Some(rest) = rest.strip_prefix("/i/") {
            return image(route, rest, options, extras, context);
        } else if let Some(rest) = rest.strip_prefix("/r/") {
            Self { route, ..object(rest, context)? }
        } else if let Some(rest) = rest.strip_prefix("/_ipx/") {
            Self { route, ..ipx(rest, context)? }
        } else {
            return Err(not_found("a picture's address begins with /i/, /r/ or /_ipx/"));
        };
        refuse_options(&options)?;
        Ok(Self { extras, ..target })
    }

    /// The one path of this picture with `spec`, from the first slash on; it reads back as the same.
    pub fn canonical_path(&self, spec: &Spec) -> String {
        match &self.subject {
            Subject::Image { id } => format!("/i/{id}/{spec}"),
            Subject::Object { source, path } => {
                let mut text = format!("/r/{source}/{spec}/");
                match path {
                    ObjectPath::Url(url) => text.extend(["~", &URL_SAFE_NO_PAD.encode(url)]),
                    ObjectPath::Key(key) => {
                        let first = key.split('/').next().unwrap_or(key);
                        // What looks like a step, or could with other presets, is kept from being read as one.
                        if first.split(',').all(|option| matches!(option, "_" | "-") || is_option(option)) {
                            text.push_str("-/");
                        }
                        let (start, rest) = match key.strip_prefix('~') {
                            Some(rest) => ("%7E", rest),
                            None => ("", &**key),
                        };
                        text.push_str(start);
                        text.extend(utf8_percent_encode(rest, IN_PATH));
                    }
                }
                text
            }
        }
    }
}

/// What a path keeps as it is: everything but what ends it, escapes, and what is no visible ASCII.
const IN_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

fn info(id: &str) -> Result<Target, SpecError> {
    let id = image_id(id)?;
    Ok(Target {
        route: Route::Info,
        subject: Subject::Image { id },
        spec: Spec::default(),
        name: None,
        extras: Extras::default(),
    })
}

/// `<id>/<spec>[/<name>.<ext>]`, `<id>[.<ext>]`, or `<id>` and a step as the query.
fn image(
    route: Route,
    rest: &str,
    options: Layer,
    extras: Extras,
    context: &UrlContext<'_>,
) -> Result<Target, SpecError> {
    let mut draft = Draft::new(context.presets);
    let (id, spec) = match rest.split_once('/') {
        Some((id, spec)) => (id, Some(spec)),
        None => (rest, None),
    };
    let (id, own_format) = match (extension(id), spec) {
        (Some((stem, wanted)), None) => (stem, Some(wanted)),
        _ => (id, None),
    };
    let id = image_id(id)?;
    let (steps, name) = match spec {
        None => (None, None),
        Some(spec) => match spec.rsplit_once('/') {
            Some((steps, last)) if extension(last).is_some() => (Some(steps), Some(last)),
            None if extension(spec).is_some() => (None, Some(spec)),
            _ => (Some(spec), None),
        },
    };
    if let Some(steps) = steps {
        refuse_options(&options)?;
        let mut at = 0;
        for step in steps.split('/') {
            draft.step(step, at, &[','])?;
            at += step.len() + 1;
        }
    } else if !options.is_empty() {
        draft.push(options)?;
    }
    if let Some(wanted) = own_format.or_else(|| extension(name?).map(|(_, wanted)| wanted)) {
        draft.name_format(wanted)?;
    }
    let name = name.map(decode_name).transpose()?;
    Ok(Target { route, subject: Subject::Image { id }, spec: draft.finish()?, name, extras })
}

/// `<source>/<spec>/<path>`: the spec ends at `-` or before the first segment that is no step.
fn object(rest: &str, context: &UrlContext<'_>) -> Result<Target, SpecError> {
    let (source, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_name(source) {
        return Err(not_found("no source has such a name"));
    }
    let mut draft = Draft::new(context.presets);
    let mut at = 0;
    while at < rest.len() {
        let end = rest[at..].find('/').map_or(rest.len(), |length| at + length);
        let segment = &rest[at..end];
        if segment == "-" {
            at = (end + 1).min(rest.len());
            break;
        }
        if at == 0 {
            draft.step(segment, at, &[',']).map_err(|error| explain_first(error, source, rest))?;
        } else if extension(segment).is_some() || !draft.try_step(segment, at)? {
            break;
        }
        at = (end + 1).min(rest.len());
    }
    let path = object_path(&rest[at..])?;
    Ok(Target {
        route: Route::Picture,
        subject: Subject::Object { source: source.to_owned(), path },
        spec: draft.finish()?,
        name: None,
        extras: Extras::default(),
    })
}

/// Who forgets the spec sees that one was expected. `rest` is everything behind the source.
fn explain_first(error: SpecError, source: &str, rest: &str) -> SpecError {
    /// No hint is worth more.
    const LONGEST: usize = 300;
    let SpecError::UnknownOption(mut place) = error else { return error };
    let segment = rest.split('/').next().unwrap_or(rest);
    let is_file = extension(segment).is_some() && place.did_you_mean.is_none();
    // A folder, unless it is nearly an option with its value.
    let is_folder = !segment.contains(['_', '=', ',']) && with_separator(segment).is_none();
    if rest.len() <= LONGEST && extension(rest).is_some() && (is_file || is_folder) {
        place.reason = "a spec comes before the path: /r/<source>/<spec>/<path>; the empty one is `_`".into();
        place.did_you_mean = Some(format!("/r/{source}/_/{rest}"));
    }
    SpecError::UnknownOption(place)
}

/// `<step>/<id or path>` in the order of IPX, whose steps separate options with `&` too.
fn ipx(rest: &str, context: &UrlContext<'_>) -> Result<Target, SpecError> {
    let Some((step, what)) = rest.split_once('/') else {
        return Err(not_found("/_ipx/ takes a step and a path; the empty step is `_`"));
    };
    let mut draft = Draft::new(context.presets);
    draft.step(step, 0, &[',', '&'])?;
    let subject = if is_image_id(what) {
        Subject::Image { id: what.to_owned() }
    } else {
        let Some(source) = context.ipx_source else {
            return Err(not_found("`ipx.source` names no source, so /_ipx/ takes only ids"));
        };
        let path = match ipx_url(what) {
            Some(url) => ObjectPath::Url(url),
            None => object_path(what)?,
        };
        Subject::Object { source: source.to_owned(), path }
    };
    let spec = draft.finish()?;
    Ok(Target { route: Route::Picture, subject, spec, name: None, extras: Extras::default() })
}

/// IPX takes a picture elsewhere by its URL as it is. A proxy may have made one slash of two.
fn ipx_url(raw: &str) -> Option<String> {
    let decoded = decode(raw)?;
    let (scheme, rest) = decoded.split_once(":/")?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    (matches!(scheme, "http" | "https") && !rest.is_empty()).then(|| format!("{scheme}://{rest}"))
}

fn image_id(text: &str) -> Result<String, SpecError> {
    if is_image_id(text) {
        return Ok(text.to_owned());
    }
    if text.split(',').all(is_option) {
        let reason = "the id of a picture comes before the spec";
        return Err(SpecError::BadValue(Place::option(text, None, reason)));
    }
    Err(not_found("no picture has such an id"))
}

/// A segment whose end is the extension of a picture, without it, and what it means.
fn extension(segment: &str) -> Option<(&str, Wanted)> {
    let (stem, extension) = segment.rsplit_once('.')?;
    Some((stem, Wanted::from_extension(extension)?))
}

fn decode_name(name: &str) -> Result<String, SpecError> {
    let decoded = decode(name).filter(|name| !name.chars().any(char::is_control));
    decoded
        .map(String::from)
        .ok_or_else(|| bad_path("the name is no percent-encoded UTF-8; a `%` itself is `%25`"))
}

fn object_path(raw: &str) -> Result<ObjectPath, SpecError> {
    if raw.is_empty() {
        return Err(not_found("a path is missing behind the spec"));
    }
    if let Some(encoded) = raw.strip_prefix('~')
        && let Some(url) = decode_base64(encoded)
        && (url.starts_with("http://") || url.starts_with("https://"))
    {
        return Ok(ObjectPath::Url(url));
    }
    let path =
        decode(raw).ok_or_else(|| bad_path("the path is no percent-encoded UTF-8; a `%` itself is `%25`"))?;
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) || path.contains('\0') {
        return Err(bad_path("a segment of the path is empty, `.` or `..`"));
    }
    Ok(ObjectPath::Key(path.into_owned()))
}

fn refuse_options(options: &Layer) -> Result<(), SpecError> {
    match options.first() {
        None => Ok(()),
        Some(option) => {
            let reason = "options stand either in the path or in the query, not in both";
            Err(SpecError::Conflict(Place::option(option.key.name(), option.position(), reason)))
        }
    }
}

fn bad_path(reason: &'static str) -> SpecError {
    SpecError::BadValue(Place::new(reason))
}

fn not_found(reason: &'static str) -> SpecError {
    SpecError::NotFound(Place::new(reason))
}
