//! One row of the table: where an endpoint is, who may call it, what it takes and gives, and the function behind it.

use futures_util::future::BoxFuture;
use http::{Method, Response};
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::call::{Call, Refused};
use crate::accounts::Scope;
use crate::delivery::body::Body;

/// Written as a constant: `Endpoint::post("/v1/login", "login", "Sign in", |call| Box::pin(login(call)))` and what
/// else there is to say about it.
#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    method: fn() -> Method,
    path: &'static str,
    /// Its name for programs that are generated from the description.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    needs: Needs,
    pub(super) query: Option<SchemaOf>,
    pub(super) headers: &'static [Header],
    pub(super) takes: Takes,
    pub(super) body_required: bool,
    pub(super) gives: [Option<Gives>; 3],
    open: bool,
    run: Run,
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nobody need say who they are.
    Nothing,
    /// Any account, by a session or a key.
    Account,
    Scope(Scope),
}

/// What the body of a request is.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Nothing,
    Json(SchemaOf),
    /// Something else, by its media types; JSON too where a schema is given.
    Media(&'static [&'static str], Option<SchemaOf>),
}

/// A header that a request brings, beside those that everybody knows.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) what: &'static str,
    /// A regular expression that its values fit.
    pub(super) pattern: &'static str,
}

/// A success.
#[derive(Clone, Copy)]
pub(super) struct Gives {
    pub(super) status: u16,
    pub(super) what: &'static str,
    /// `None` = no body.
    pub(super) schema: Option<SchemaOf>,
}

pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;
type Run = fn(Call) -> BoxFuture<'static, Result<Response<Body>, Refused>>;

impl Endpoint {
    pub(super) const fn get(path: &'static str, name: &'static str, summary: &'static str, run: Run) -> Self {
        Self::new(|| Method::GET, path, name, summary, run)
    }

    pub(super) const fn post(
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        run: Run,
    ) -> Self {
        Self::new(|| Method::POST, path, name, summary, run)
    }

    pub(super) const fn put(path: &'static str, name: &'static str, summary: &'static str, run: Run) -> Self {
        Self::new(|| Method::PUT, path, name, summary, run)
    }

    pub(super) const fn patch(
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        run: Run,
    ) -> Self {
        Self::new(|| Method::PATCH, path, name, summary, run)
    }

    pub(super) const fn delete(
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        run: Run,
    ) -> Self {
        Self::new(|| Method::DELETE, path, name, summary, run)
    }

    pub(super) const fn options(
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        run: Run,
    ) -> Self {
        Self::new(|| Method::OPTIONS, path, name, summary, run)
    }

    const fn new(
        method: fn() -> Method,
        path: &'static str,
        name: &'static str,
        summary: &'static str,
        run: Run,
    ) -> Self {
        let gives = [None; 3];
        Self {
            method,
            path,
            name,
            summary,
            needs: Needs::Account,
            query: None,
            headers: &[],
            takes: Takes::Nothing,
            body_required: true,
            gives,
            open: false,
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

    /// The body is JSON that fits `T`; see [`Call::json`].
    pub(super) const fn json<T: JsonSchema>(mut self) -> Self {
        self.takes = Takes::Json(schema_of::<T>);
        self
    }

    /// The body is of one of these types, and read by the handler.
    pub(super) const fn media(mut self, types: &'static [&'static str]) -> Self {
        self.takes = Takes::Media(types, None);
        self
    }

    /// The body is of one of these types, or JSON that fits `T`.
    pub(super) const fn media_or_json<T: JsonSchema>(mut self, types: &'static [&'static str]) -> Self {
        self.takes = Takes::Media(types, Some(schema_of::<T>));
        self
    }

    /// There may be no body.
    pub(super) const fn body_optional(mut self) -> Self {
        self.body_required = false;
        self
    }

    /// Headers that the handler reads, for the description.
    pub(super) const fn headers(mut self, headers: &'static [Header]) -> Self {
        self.headers = headers;
        self
    }

    /// The query fits `T`; see [`Call::query`].
    pub(super) const fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(schema_of::<T>);
        self
    }

    pub(super) const fn gives<T: JsonSchema>(self, status: u16, what: &'static str) -> Self {
        self.also(Gives { status, what, schema: Some(schema_of::<T>) })
    }

    /// A success without a body.
    pub(super) const fn gives_nothing(self, status: u16, what: &'static str) -> Self {
        self.also(Gives { status, what, schema: None })
    }

    /// Scripts of every origin may call it: the right to do so is in its URL.
    pub(super) const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    const fn also(mut self, gives: Gives) -> Self {
        let mut at = 0;
        while self.gives[at].is_some() {
            at += 1;
        }
        self.gives[at] = Some(gives);
        self
    }

    pub(super) fn method(&self) -> Method {
        (self.method)()
    }

    /// As in the table: `/v1/keys/{id}`.
    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    pub(super) fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether its body may be large.
    pub(super) fn takes_media(&self) -> bool {
        matches!(self.takes, Takes::Media(..))
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn run(&self, call: Call) -> BoxFuture<'static, Result<Response<Body>, Refused>> {
        (self.run)(call)
    }

    /// The values of the path's `{names}`, if it is this endpoint's path. A value is never empty, and holds no `/`
    /// but where it was written as `%2F`.
    pub(super) fn path_values(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let mut values = Vec::new();
        let mut given = path.split('/');
        for wanted in self.path.split('/') {
            let part = given.next()?;
            match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(_) if part.is_empty() => return None,
                Some(name) => values.push((name, percent_decode_str(part).decode_utf8().ok()?.into_owned())),
                None if wanted == part => {}
                None => return None,
            }
        }
        given.next().is_none().then_some(values)
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
