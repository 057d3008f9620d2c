//! One row of the table: which requests it takes, of which dialect it is, where a credential stands, how large a body
//! may be, and the function behind it.

use futures_util::future::BoxFuture;
use http::Response;
use percent_encoding::percent_decode_str;

use super::Dialect;
use super::credentials::Spot;
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};

/// Written as a constant: `Row::get(Dialect::Roadmap, "/images", |call| Box::pin(list(call)))` and what else there is to
/// say about it. In a path `{name}` is one part and `{*name}`, at the end, all that is left; neither is empty.
#[derive(Clone, Copy)]
pub(in crate::http) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) dialect: Dialect,
    /// Tells requests for this row from those for another one with the same path.
    pub(super) tie: Option<Tie>,
    /// The first of these that a request has is its credential.
    pub(super) spots: &'static [Spot],
    pub(super) needs: Needs,
    pub(super) takes: Takes,
    /// Whether the address pays a token here; pictures are paid for where they are made.
    pub(super) is_paid: bool,
    run: Run,
}

/// A named rule for two owners of a path. It looks at nothing else than [`Sight`], so never at who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tie {
    pub(super) name: &'static str,
    pub(super) holds: fn(&Sight<'_>) -> bool,
}

/// All that a tie may be broken by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    /// The last value of the path, as sent.
    pub(super) value: &'a str,
    pub(super) query: Option<&'a str>,
}

/// Who may use a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Account,
    Scope(Scope),
}

/// What a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A few fields: at most 64 KiB of JSON or a form.
    Fields,
    /// Files, as large as `uploads.max_bytes` and the dialect's own `max_bytes` allow.
    Files,
}

type Run = fn(Call) -> BoxFuture<'static, Result<Response<Body>, Refused>>;

impl Row {
    pub(super) const fn get(dialect: Dialect, path: &'static str, run: Run) -> Self {
        Self::new("GET", dialect, path, run)
    }

    pub(super) const fn post(dialect: Dialect, path: &'static str, run: Run) -> Self {
        Self::new("POST", dialect, path, run)
    }

    pub(super) const fn delete(dialect: Dialect, path: &'static str, run: Run) -> Self {
        Self::new("DELETE", dialect, path, run)
    }

    pub(super) const fn new(method: &'static str, dialect: Dialect, path: &'static str, run: Run) -> Self {
        let spots = &[Spot::Bearer];
        Self {
            method,
            path,
            dialect,
            tie: None,
            spots,
            needs: Needs::Account,
            takes: Takes::Fields,
            is_paid: true,
            run,
        }
    }

    /// Nobody need say who they are; the opposite of the default.
    pub(super) const fn anyone(mut self) -> Self {
        self.needs = Needs::Nothing;
        self
    }

    pub(super) const fn scope(mut self, scope: Scope) -> Self {
        self.needs = Needs::Scope(scope);
        self
    }

    /// Where the credential stands, if not in `Authorization: Bearer …`.
    pub(super) const fn credentials(mut self, spots: &'static [Spot]) -> Self {
        self.spots = spots;
        self
    }

    pub(super) const fn files(mut self) -> Self {
        self.takes = Takes::Files;
        self
    }

    /// A picture, which everybody may ask for.
    pub(super) const fn picture(mut self) -> Self {
        (self.needs, self.is_paid) = (Needs::Nothing, false);
        self
    }

    pub(super) const fn tie(mut self, tie: Tie) -> Self {
        self.tie = Some(tie);
        self
    }

    pub(super) fn run(&self, call: Call) -> BoxFuture<'static, Result<Response<Body>, Refused>> {
        (self.run)(call)
    }

    /// The values of the path's names, if it is this row's path.
    pub(super) fn values(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let values = self.raw_values(path)?;
        let decode = |raw: &str| Some(percent_decode_str(raw).decode_utf8().ok()?.into_owned());
        values.into_iter().map(|(name, raw)| Some((name, decode(raw)?))).collect()
    }

    pub(super) fn raw_values<'p>(&self, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
        let mut values = Vec::new();
        let (mut wanted, mut given) = (self.path, path);
        while let Some(at) = wanted.find('{') {
            let (before, rest) = wanted.split_at(at);
            let (name, behind) = rest[1..].split_once('}')?;
            given = given.strip_prefix(before)?;
            let (name, end) = match name.strip_prefix('*') {
                Some(name) => (name, given.len()),
                None => (name, given.find('/').unwrap_or(given.len())),
            };
            let (value, left) = given.split_at(end);
            if value.is_empty() {
                return None;
            }
            values.push((name, value));
            (wanted, given) = (behind, left);
        }
        (wanted == given).then_some(values)
    }
}

impl Sight<'_> {
    pub(super) fn has_query(&self, name: &str) -> bool {
        let pairs = self.query.unwrap_or_default().split('&');
        pairs.into_iter().any(|pair| pair.split('=').next() == Some(name))
    }
}
