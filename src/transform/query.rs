//! The query of a picture's URL: options in place of a path spec, a fixed list of other keys, and nothing else.

use std::borrow::Cow;

use crate::telemetry::mask;
use crate::transform::domain::flag;
use crate::transform::draft::{Layer, What, decode, read_value};
use crate::transform::error::{Place, SpecError, nearest};
use crate::transform::options;
use crate::transform::spec::{MAX_BYTES, MAX_OPTIONS};
use crate::transform::url::UrlContext;

/// The query keys beside options. None of them is part of the cache key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    /// `sig`
    pub signature: Option<String>,
    /// `kid`
    pub key_id: Option<String>,
    /// `exp`
    pub expires: Option<String>,
    /// `sc`
    pub scope: Option<String>,
    /// `share`: the token of a share link.
    pub share: Option<String>,
    /// `dl`: answer as a download.
    pub download: bool,
    /// `fn`: what the download is called.
    pub file_name: Option<String>,
    /// `cb` or `v`: the URL carries a version, so its answer never changes.
    pub version: Option<String>,
}

const KEYS: &[&str] = &["sig", "kid", "exp", "sc", "share", "dl", "fn", "cb", "v"];

/// Reads a query into options and the rest. A key without `=` is a bare option; so is one with an empty value, as
/// forms send it.
pub(crate) fn read(query: &str, context: &UrlContext<'_>) -> Result<(Layer, Extras), SpecError> {
    let (mut layer, mut extras) = (Layer::default(), Extras::default());
    let (mut at, mut count) = (0, 0);
    for pair in query.split('&') {
        let position = at;
        at += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        // Errors are logged.
        let shown = mask::query(pair);
        let explain = |what: What| what.explain(&shown, position);
        let (key, value) = form_pair(pair).ok_or_else(|| explain(What::Encoding))?;
        let ignored = context.ignored_query.iter().any(|pattern| matches(pattern, &key));
        if !ignored && decode(pair).is_none() {
            return Err(explain(What::Encoding));
        }
        if let Some((option, spelling)) = options::find(&key) {
            count += 1;
            if count > MAX_OPTIONS || at > MAX_BYTES {
                return Err(explain(What::TooMany));
            }
            let value = Some(&*value).filter(|value| !value.is_empty());
            let (option, value) = read_value(option, spelling, value).map_err(explain)?;
            layer.add(option, value, position, context.presets).map_err(explain)?;
        } else if KEYS.contains(&&*key) {
            extras.set(&key, value.into_owned(), &shown, position)?;
        } else if !ignored {
            let mut place = Place::option(
                &*shown,
                Some(position),
                "neither an option nor a key of ours; `http.ignore_query` lists what else may stand here",
            );
            place.did_you_mean = nearest(&key, options::spellings().chain(KEYS.iter().copied()));
            return Err(SpecError::UnknownOption(place));
        }
    }
    layer.open_box().map_err(|what| what.explain(query, 0))?;
    Ok((layer, extras))
}

impl Extras {
    fn set(&mut self, key: &str, value: String, pair: &str, position: usize) -> Result<(), SpecError> {
        let slot = match key {
            "sig" => &mut self.signature,
            "kid" => &mut self.key_id,
            "exp" => &mut self.expires,
            "sc" => &mut self.scope,
            "share" => &mut self.share,
            "fn" => &mut self.file_name,
            "dl" => {
                let on = if value.is_empty() { Some(true) } else { flag(&value) };
                self.download = on.ok_or_else(|| {
                    SpecError::BadValue(Place::option(pair, Some(position), "`dl` takes 1 or 0"))
                })?;
                return Ok(());
            }
            _ => &mut self.version,
        };
        if slot.as_ref().is_some_and(|before| *before != value) {
            let reason = "stands twice with different values";
            return Err(SpecError::Conflict(Place::option(pair, Some(position), reason)));
        }
        *slot = Some(value);
        Ok(())
    }
}

/// One pair as forms encode it. Broken escapes and what is no UTF-8 are mended on the way, which is right for keys of
/// other programs and wrong for ours: the caller checks.
fn form_pair(pair: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    serde_urlencoded::from_str::<Vec<_>>(pair).ok()?.pop()
}

fn matches(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => key == pattern,
    }
}
