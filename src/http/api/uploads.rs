//! Pictures coming in: `POST /v1/images` as a form, as base64 or by URL, `PUT /v1/images/{id}/content`, and whether one
//! has a picture already.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{json, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::image::{ImageAnswer, VisibilityWord};
use super::images;
use super::schema::{Invalid, Schemas};
use super::time::Time;
use crate::accounts::{Quota, Scope, User};
use crate::delivery::body::Body;
use crate::error::Fault;
use crate::http::body::json_object_of;
use crate::http::form::{self, Received};
use crate::http::router::Parts;
use crate::library::{AnyHash, Filing, ImageId, Library, LibraryError, Reach, TagName};
use crate::upload::{Expires, Owner, Seen, Session, Uploads, Wish};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post(
        "/v1/images",
        "uploadImages",
        "Takes pictures in: files of a form, or one as base64 or by its URL",
        |call| Box::pin(upload(call)),
    )
    .scope(Scope::Upload)
    .media_or_json::<Upload>(&["multipart/form-data"])
    .gives::<Pictures>(201, "The pictures, in the order of the files")
    .gives::<Pictures>(200, "The same, and all of them were there already"),
    Endpoint::put(
        "/v1/images/{id}/content",
        "replaceImage",
        "Puts another picture under the same id and URL: its bytes, or a form with one file",
        |call| Box::pin(replace(call)),
    )
    .scope(Scope::Manage)
    .media(&["image/*", "application/octet-stream", "multipart/form-data"])
    .gives::<ImageAnswer>(200, "The picture as it is now"),
    Endpoint::get(
        "/v1/images/by-hash/{hash}",
        "findImageByHash",
        "One's own picture with this content, by its MD5 or SHA-256 in hexadecimal digits",
        |call| Box::pin(by_hash(call)),
    )
    .scope(Scope::Read)
    .gives::<ImageAnswer>(200, "The picture"),
];

/// Where an upload is handled: whose it is, and what it needs of the server.
#[derive(Clone)]
pub(in crate::http) struct Desk {
    pub(in crate::http) parts: Arc<Parts>,
    pub(in crate::http) owner: Owner,
    pub(in crate::http) now: i64,
}

/// Exactly one of `base64` and `url`. A form has the other fields beside its files.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Upload {
    /// The file, with or without `data:…;base64,` in front.
    base64: Option<String>,
    /// Where the file is to be fetched from, by http or https.
    #[schemars(length(max = 4096))]
    url: Option<String>,
    #[serde(flatten)]
    about: About,
}

/// What is to be recorded beside the bytes.
#[derive(Deserialize, JsonSchema, Default)]
pub(super) struct About {
    /// Instead of what the file is called.
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    visibility: Option<VisibilityWord>,
    /// Seconds from now after which the picture ends.
    #[schemars(range(min = 1))]
    expires_in: Option<i64>,
    /// When the picture ends, instead of `expires_in`.
    expires_at: Option<Time>,
    /// Whether the picture never ends, whatever is usual here.
    #[serde(default)]
    never_expires: bool,
    /// The id of one of one's albums.
    #[schemars(length(max = 64))]
    album: Option<String>,
    #[serde(default)]
    #[schemars(length(max = 100))]
    tags: Vec<String>,
}

/// The texts of a form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    #[serde(flatten)]
    pub(super) about: About,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Pictures {
    pub(super) images: Vec<ImageAnswer>,
    /// Files of a form that were not taken, where others were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<NotTaken>,
}

#[derive(Serialize, JsonSchema)]
struct NotTaken {
    /// Which file of the form, from 0.
    index: usize,
    name: String,
    code: &'static str,
    detail: String,
}

async fn upload(call: Call) -> Result<Response<Body>, Refused> {
    let desk = Desk::of(&call, owner(&call.who()?.user));
    let key = call.header("idempotency-key").map(str::to_owned);
    let (headers, body) = (call.head.headers, call.body);
    let files = if form::is_form(&headers) {
        let form = form::receive(desk.uploads(), desk.owner, &Wish::named(""), &headers, body).await?;
        let about =
            desk.parts.api.schemas.read::<Texts>(form_fields(&desk.parts.api.schemas, form.texts))?.about;
        desk.with_wish(form.files, &about).await?
    } else {
        desk.one(&headers, body).await?
    };
    let Some(key) = key else {
        let (status, pictures) = desk.finish(files).await?;
        return Ok(json(status, &pictures));
    };
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Invalid::one("Idempotency-Key", "must be 1 to 255 characters long").into());
    }
    desk.once(&key, files).await
}

async fn replace(call: Call) -> Result<Response<Body>, Refused> {
    let desk = Desk::of(&call, owner(&call.who()?.user));
    let id: ImageId = call.value("id").parse().map_err(|_| missing(&call))?;
    // Whoever sends much should hear at once that it is in vain.
    let reach = Reach::Owner(desk.owner.pk.unwrap_or(0));
    desk.uploads().library().get(reach, id.as_str(), desk.now).await?;
    let (headers, body) = (call.head.headers, call.body);
    // The old picture's room counts for the new one.
    let roomy =
        Desk { owner: Owner { quota: crate::library::Quota::default(), ..desk.owner }, ..desk.clone() };
    let session = if form::is_form(&headers) {
        let form = form::receive(desk.uploads(), roomy.owner, &Wish::named(""), &headers, body).await?;
        let [file] =
            <[Received; 1]>::try_from(form.files).map_err(|_| Invalid::one("file", "must be exactly one"))?;
        file.session?
    } else {
        roomy.raw(&headers, Wish::named(""), body).await?
    };
    let image = session.for_owner(desk.owner).replace(&id).await?;
    Ok(ok(&images::answer(&desk.parts, image).await?))
}

impl Desk {
    pub(in crate::http) fn of(call: &Call, owner: Owner) -> Self {
        Self { parts: Arc::clone(&call.parts), owner, now: call.now }
    }

    pub(in crate::http) fn uploads(&self) -> &Uploads {
        &self.parts.api.uploads
    }

    /// The same for an attempt that may be a repeat.
    async fn once(&self, key: &str, files: Vec<Received>) -> Result<Response<Body>, Refused> {
        let mut print = Vec::new();
        for file in &files {
            print.push(match &file.session {
                Ok(session) => session.fingerprint(),
                Err(error) => error.code().to_owned(),
            });
        }
        let print: Vec<&str> = print.iter().map(String::as_str).collect();
        match self.uploads().attempt(self.owner, key, &print, self.now).await? {
            Seen::Answered(status, text) => {
                let mut response = Response::new(Body::full(text));
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers
                    .insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
                Ok(response)
            }
            Seen::First(attempt) => match self.finish(files).await {
                Ok((status, pictures)) => {
                    let text = serde_json::to_string(&pictures).unwrap_or_default();
                    attempt.answered(status.as_u16(), &text, self.now).await?;
                    Ok(json(status, &pictures))
                }
                Err(refused) => {
                    attempt.failed().await?;
                    Err(refused)
                }
            },
        }
    }

    /// Records the files. What one of them lacks does not keep the others out; where none is taken, the first one's fault is
    /// the answer.
    pub(super) async fn finish(&self, files: Vec<Received>) -> Result<(StatusCode, Pictures), Refused> {
        let mut pictures = Pictures { images: Vec::new(), errors: Vec::new() };
        let mut first = None;
        let mut all_known = true;
        for (index, Received { name, session, .. }) in files.into_iter().enumerate() {
            let done = match session {
                Ok(session) => session.finish().await,
                Err(error) => Err(error),
            };
            match done {
                Ok(done) => {
                    all_known &= done.duplicate;
                    let answer = images::answer(&self.parts, done.image).await?;
                    pictures.images.push(ImageAnswer { duplicate: Some(done.duplicate), ..answer });
                }
                Err(error) => {
                    let detail = error.message().into_owned();
                    pictures.errors.push(NotTaken { index, name, code: error.code(), detail });
                    first = first.or(Some(error));
                }
            }
        }
        match first {
            Some(error) if pictures.images.is_empty() => Err(error.into()),
            None if pictures.images.is_empty() => {
                Err(Invalid::one("file", "is missing: send at least one file in the form").into())
            }
            _ => Ok((if all_known { StatusCode::OK } else { StatusCode::CREATED }, pictures)),
        }
    }

    async fn with_wish(&self, mut files: Vec<Received>, about: &About) -> Result<Vec<Received>, Refused> {
        let wish = about.wish(self).await?;
        let several = files.len() > 1;
        for session in files.iter_mut().filter_map(|file| file.session.as_mut().ok()) {
            let own = session.wish_mut();
            let name = if wish.name.is_empty() || several { own.name.clone() } else { wish.name.clone() };
            *own = Wish { name, declared: own.declared, ..wish.clone() };
        }
        Ok(files)
    }

    /// One file out of a JSON body.
    async fn one(&self, headers: &HeaderMap, body: Body) -> Result<Vec<Received>, Refused> {
        let mut fields = json_object_of(headers, body, self.most_json()).await?;
        // Out of the way of the checks, which would copy it.
        let base64 = match fields.get_mut("base64") {
            Some(Value::String(text)) => Some(std::mem::take(text)),
            _ => None,
        };
        let upload: Upload = self.parts.api.schemas.read(Value::Object(fields))?;
        let wish = upload.about.wish(self).await?;
        let session = match (upload.base64.and(base64), &upload.url) {
            (Some(text), None) => self.base64(text, wish).await?,
            (None, Some(url)) => self.fetched(url, wish).await?,
            _ => return Err(Invalid::one("base64", "or `url` is needed, and not both").into()),
        };
        Ok(vec![session])
    }

    /// A file out of a text, which is its URL or its bytes as base64.
    #[expect(clippy::wrong_self_convention, reason = "it is the file that comes from a text")]
    pub(in crate::http) async fn from_text(&self, text: String, wish: Wish) -> Result<Received, Refused> {
        let is_url = ["http://", "https://"]
            .iter()
            .any(|front| text.get(..front.len()).is_some_and(|start| start.eq_ignore_ascii_case(front)));
        if is_url { self.fetched(&text, wish).await } else { self.base64(text, wish).await }
    }

    /// The longest JSON that a file may come in.
    pub(in crate::http) fn most_json(&self) -> usize {
        let most = self.uploads().max_bytes().min(MOST_BASE64).saturating_mul(4) / 3 + 64 * 1024;
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    async fn base64(&self, text: String, wish: Wish) -> Result<Received, Refused> {
        let bytes = decoded(&text)?;
        drop(text);
        let wish = Wish { declared: Some(bytes.len() as u64), ..wish };
        let mut session = self.uploads().begin(self.owner, wish).await?;
        session.write(bytes).await?;
        sealed(session).await
    }

    async fn fetched(&self, url: &str, wish: Wish) -> Result<Received, Refused> {
        sealed(self.uploads().fetch(self.owner, wish, url).await?).await
    }

    /// A file that is the whole body.
    pub(super) async fn raw(
        &self,
        headers: &HeaderMap,
        wish: Wish,
        mut body: Body,
    ) -> Result<Session, Refused> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut session = self.uploads().begin(self.owner, Wish { declared, ..wish }).await?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| form::FormFault::Torn)?;
            if let Ok(piece) = frame.into_data() {
                session.write(piece).await?;
            }
        }
        Ok(session)
    }
}

async fn by_hash(call: Call) -> Result<Response<Body>, Refused> {
    let hash = call.value("hash").to_ascii_lowercase();
    let hash = match hash.len() {
        32 => hash.parse().ok().map(AnyHash::Md5),
        64 => hash.parse().ok().map(AnyHash::Sha256),
        _ => None,
    };
    let wrong = || Invalid::one("hash", "must be an MD5 or a SHA-256 in hexadecimal digits");
    let hash = hash.ok_or_else(wrong)?;
    let found = call.api().uploads.library().own_by_hash(call.who()?.user.pk, &hash, call.now).await?;
    let image = found.ok_or_else(|| LibraryError::NotFound { id: call.value("hash").to_owned() })?;
    Ok(ok(&images::answer(&call.parts, image).await?))
}

pub(in crate::http) fn owner(user: &User) -> Owner {
    Owner::new(user.pk, Quota { bytes: user.quota_bytes, files: user.quota_files })
}

/// Where a picture is to be filed. The album is looked for now: nobody should send much in vain.
pub(in crate::http) async fn filing(
    library: &Library,
    owner: i64,
    album: Option<String>,
    tags: impl Iterator<Item = &str>,
) -> Result<Filing, Refused> {
    if let Some(album) = &album {
        library.album(Reach::Owner(owner), album).await?;
    }
    Ok(Filing { album, tags: tags.map(TagName::new).collect::<Result<_, _>>()? })
}

impl About {
    pub(super) async fn wish(&self, desk: &Desk) -> Result<Wish, Refused> {
        let expires = match (self.never_expires, self.expires_in, self.expires_at) {
            (false, None, None) => Expires::Usual,
            (true, None, None) => Expires::Never,
            (false, Some(seconds), None) => {
                Expires::At(desk.now.saturating_add(seconds.saturating_mul(1000)))
            }
            (false, None, Some(at)) if at.0 > desk.now => Expires::At(at.0),
            (false, None, Some(_)) => return Err(Invalid::one("expires_at", "must be in the future").into()),
            _ => {
                let reason = "contradicts `expires_at` or `never_expires`: give one of the three";
                return Err(Invalid::one("expires_in", reason).into());
            }
        };
        let words = self.tags.iter().flat_map(|tags| tags.split(',')).filter(|tag| !tag.trim().is_empty());
        let owner = desk.owner.pk.unwrap_or(0);
        let filing = filing(desk.uploads().library(), owner, self.album.clone(), words).await?;
        Ok(Wish {
            visibility: self.visibility.map(Into::into),
            expires,
            filing,
            ..Wish::named(self.name.as_deref().unwrap_or_default())
        })
    }
}

/// The texts of a form as JSON: each of the type that its field has.
pub(super) fn form_fields(schemas: &Schemas, texts: Vec<(String, String)>) -> Value {
    let mut fields = Map::new();
    let mut tags = Vec::new();
    for (key, text) in texts {
        match key.as_str() {
            "tags" | "tags[]" => tags.push(Value::from(text)),
            _ => drop(fields.insert(key.clone(), schemas.typed_text::<Texts>(&key, &text))),
        }
    }
    if !tags.is_empty() {
        fields.insert("tags".to_owned(), tags.into());
    }
    Value::Object(fields)
}

/// As browsers, command lines and mail programs write it: either alphabet, padded or not, in one line or many.
fn decoded(text: &str) -> Result<Bytes, Invalid> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(',').map_or("", |(_, data)| data),
        None => text,
    };
    let broken = text.bytes().any(|c| c.is_ascii_whitespace());
    let joined: String;
    let text = if broken {
        joined = text.split_ascii_whitespace().collect();
        &joined
    } else {
        text
    };
    let url_safe = text.bytes().any(|c| matches!(c, b'-' | b'_'));
    let alphabet = if url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let bytes = GeneralPurpose::new(alphabet, LENIENT).decode(text);
    bytes.map(Bytes::from).map_err(|error| Invalid::one("base64", format!("is no base64: {error}")))
}

async fn sealed(mut session: Session) -> Result<Received, Refused> {
    session.seal().await?;
    Ok(Received { field: String::new(), name: session.name().to_owned(), session: Ok(session) })
}

fn missing(call: &Call) -> LibraryError {
    LibraryError::NotFound { id: call.value("id").to_owned() }
}

/// Text and bytes are in memory together; whoever has more sends a form.
const MOST_BASE64: u64 = 16_000_000;
const LONGEST_KEY: usize = 255;
