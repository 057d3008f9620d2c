//! `pixedge sign URL`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;

use crate::app;
use crate::auth::Scope;
use crate::cli::Failure;
use crate::config::Config;
use crate::delivery::DeliveryError;
use crate::delivery::signed::{self, Order};
use crate::error::Fault as _;
use crate::transform::{Subject, Target, UrlContext};
use crate::units::Span;

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum Form {
    #[default]
    Query,
    Path,
}

/// The options of the command, as they were typed.
pub(super) struct Wish<'a> {
    pub(super) scope: &'a str,
    pub(super) expires: Option<&'a str>,
    pub(super) kid: Option<&'a str>,
    pub(super) form: Form,
}

pub(super) fn run(config: &Config, url: &str, wish: &Wish<'_>) -> Result<(), Failure> {
    let presets = app::presets(config)?;
    let context = UrlContext {
        presets: &presets,
        ipx_source: config.ipx.source.as_deref(),
        ignored_query: &config.http.ignore_query,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let scope: Scope = wish.scope.parse().map_err(|error| Failure::usage(format!("--scope: {error}")))?;
    let expires = wish.expires.map(|span| expiry(span, now)).transpose()?;
    let form = match wish.form {
        Form::Query => signed::Form::Query,
        Form::Path => signed::Form::Path,
    };
    let (base, rest) = split(url, config.http.public_url.as_deref().unwrap_or_default())?;
    // A fragment never reaches a server.
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    known_source(config, path, query, &context)?;
    let order = Order { kid: wish.kid, scope, expires, form };
    let made = signed::sign(&app::keys(config), path, query, &context, &order, now).map_err(wrong)?;
    println!("{base}{made}");
    Ok(())
}

fn wrong(error: impl Into<DeliveryError>) -> Failure {
    let error = error.into();
    let mut text = format!("{}: {}", error.code(), error.message());
    if let Some(meant) = error.detail().did_you_mean {
        text.push_str(&format!("\n  did you mean `{meant}`?"));
    }
    Failure::usage(text)
}

fn expiry(span: &str, now: u64) -> Result<u64, Failure> {
    let span: Span = span.parse().map_err(|error| Failure::usage(format!("--expires: {error}")))?;
    match now.checked_add(span.0.as_secs()) {
        Some(at) if at > now => Ok(at),
        _ => Err(Failure::usage("--expires: must be at least one second, for example `1h`")),
    }
}

/// What stands before the path, and the path. `public_url` may have a path of its own, which no signature covers.
fn split<'u>(url: &'u str, public_url: &str) -> Result<(&'u str, &'u str), Failure> {
    if url.starts_with('/') {
        return Ok(("", url));
    }
    if let Some(rest) = url.strip_prefix(public_url)
        && rest.starts_with('/')
    {
        return Ok(url.split_at(public_url.len()));
    }
    let host = url.find("://").filter(|at| matches!(&url[..*at], "http" | "https")).map(|at| at + 3);
    let path = host.and_then(|host| Some(host + url[host..].find('/')?));
    path.map(|path| url.split_at(path)).ok_or_else(|| {
        Failure::usage(format!(
            "`{url}` is neither a URL like https://img.example.com/i/ID nor a path like /i/ID"
        ))
    })
}

/// A source that is misspelt would be signed all the same, and found out by visitors.
fn known_source(
    config: &Config,
    path: &str,
    query: Option<&str>,
    context: &UrlContext<'_>,
) -> Result<(), Failure> {
    match Target::parse(path, query, context).map_err(wrong)?.subject {
        Subject::Object { source, .. } if !config.sources.contains_key(&source) => {
            Err(wrong(DeliveryError::NoSource(source)))
        }
        _ => Ok(()),
    }
}
