//! What handlers of dialects read from a request beside what every handler does: fields of whichever form of body, and
//! uploads. All dialects receive files here, and so by the one parser of forms.

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::language::pick;
use super::{Dialect, Spoken};
use crate::http::api::call::{Call, Refused};
use crate::http::api::uploads::{Desk, owner};
use crate::http::body::{json_fields, json_object_of, read_whole};
use crate::http::form::{self, Received};
use crate::units::Language;
use crate::upload::{Naming, UploadError, Uploaded, Wish};

/// The fields of a small body, and what the query has beside them.
pub(super) struct Fields(Map<String, Value>);

/// What an upload may look like.
#[derive(Debug, Clone, Default)]
pub(super) struct Receives {
    /// The fields of a form that hold files; empty = any.
    pub(super) files: &'static [&'static str],
    /// The fields, of a form or of JSON, whose text is a picture's URL or its bytes as base64.
    pub(super) texts: &'static [&'static str],
    /// How the picture is called for clients without ids, where the configuration leaves that to chance.
    pub(super) naming: Option<Naming>,
}

/// What came.
pub(super) struct Parcel {
    /// Files that came whole, or why they were not taken.
    pub(super) files: Vec<Received>,
    /// The texts of the form or of the JSON object.
    pub(super) texts: Vec<(String, String)>,
    /// A part for a file was there, and nothing was chosen for it.
    pub(super) blank: bool,
}

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text, or a number as it is written.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl Call {
    /// What the router found out about the request.
    pub(super) fn spoken(&self) -> Spoken {
        let unknown = Spoken { dialect: Dialect::Generic, route: "none", language: Language::English };
        self.head.extensions.get::<Spoken>().copied().unwrap_or(unknown)
    }

    pub(super) fn language(&self) -> Language {
        self.spoken().language
    }

    /// The same thing said in both languages.
    pub(super) fn pick<T>(&self, chinese: T, english: T) -> T {
        pick(self.language(), chinese, english)
    }

    /// The fields of the body, as JSON or as a form, and of the query, which counts less. No body has no fields.
    pub(super) async fn fields(&mut self) -> Result<Fields, Refused> {
        let body = std::mem::take(&mut self.body);
        let headers = &self.head.headers;
        let media_type = self.header(CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
        let mut fields = Map::new();
        let query = self.head.uri.query().unwrap_or_default();
        let texts: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        fields.extend(texts.into_iter().map(|(key, text)| (key, Value::from(text))));
        if form::is_form(headers) {
            let texts = form::texts(headers, body).await?;
            fields.extend(texts.into_iter().map(|(key, text)| (key, Value::from(text))));
            return Ok(Fields(fields));
        }
        let bytes = read_whole(headers, body, MOST_FIELDS).await?;
        if media_type.starts_with("application/x-www-form-urlencoded") {
            let texts: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes).unwrap_or_default();
            fields.extend(texts.into_iter().map(|(key, text)| (key, Value::from(text))));
        } else if !bytes.is_empty() {
            fields.extend(json_fields(headers, &bytes)?);
        }
        Ok(Fields(fields))
    }

    /// Takes in what was sent; nothing of it is kept before [`Call::keep`].
    pub(super) async fn receive(&mut self, how: &Receives) -> Result<Parcel, Refused> {
        let desk = Desk::of(self, owner(&self.who()?.user));
        let body = std::mem::take(&mut self.body);
        let headers = &self.head.headers;
        let max_bytes = self.parts.dialects.setting(self.spoken().dialect).max_bytes;
        let wish = Wish { max_bytes, naming: how.naming.clone(), ..Wish::named("") };
        let mut parcel = Parcel { files: Vec::new(), texts: Vec::new(), blank: false };
        if form::is_form(headers) {
            let form = form::receive(desk.uploads(), desk.owner, &wish, headers, body).await?;
            for file in form.files {
                if !how.files.is_empty() && !how.files.contains(&file.field.as_str()) {
                    continue;
                }
                let is_blank = file.name.is_empty() && file.session.as_ref().is_ok_and(|s| s.is_empty());
                parcel.blank |= is_blank;
                if !is_blank {
                    parcel.files.push(file);
                }
            }
            parcel.texts = form.texts;
        } else if !how.texts.is_empty() {
            let fields = json_object_of(headers, body, desk.most_json()).await?;
            let text = |value: Value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            parcel.texts = fields.into_iter().map(|(key, value)| (key, text(value))).collect();
        }
        for (key, text) in &mut parcel.texts {
            if how.texts.contains(&key.as_str()) && !text.is_empty() {
                parcel.files.push(desk.from_text(std::mem::take(text), wish.clone()).await?);
            }
        }
        Ok(parcel)
    }

    /// Records what was received. Each file by itself: what one of them lacks does not keep the others out.
    pub(super) async fn keep(&self, files: Vec<Received>) -> Vec<(String, Result<Uploaded, UploadError>)> {
        let mut kept = Vec::with_capacity(files.len());
        for Received { name, session, .. } in files {
            let done = match session {
                Ok(session) => session.finish().await,
                Err(error) => Err(error),
            };
            kept.push((name, done));
        }
        kept
    }
}

const MOST_FIELDS: usize = 64 * 1024;

/// What can be the number of an image: digits alone. An id always holds a letter.
pub(super) fn number_of(text: &str) -> Option<i64> {
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}
