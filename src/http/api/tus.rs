//! Uploads in several requests, by the protocol tus 1.0: what is cut goes on where it was. Extensions: creation,
//! creation-with-upload, expiration, checksum, termination.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::request::Parts as Head;
use http::{Method, Response, StatusCode};
use http_body_util::BodyDataStream;
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::{Endpoint, Header};
use super::image::ImageAnswer;
use super::images;
use super::schema::Invalid;
use super::time::Time;
use super::uploads::{Desk, Texts, form_fields, owner};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::error::{Fault, Kind};
use crate::library::{LibraryError, Reach};
use crate::upload::{Checksum, Progress, Received, UploadError, Wish};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::options("/v1/uploads", "describeUploads", "What of tus is spoken here, as headers", |call| {
        Box::pin(describe(call))
    })
    .anyone()
    .gives_nothing(204, "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size`, `Tus-Checksum-Algorithm`"),
    Endpoint::post(
        "/v1/uploads",
        "beginUpload",
        "Begins an upload in several requests (tus 1.0); the first part may come along",
        |call| Box::pin(begin(call)),
    )
    .scope(Scope::Upload)
    .headers(&[RESUMABLE, LENGTH, METADATA, CHECKSUM])
    .media(&[OFFSET_STREAM])
    .body_optional()
    .gives_nothing(201, "`Location` is where the parts go, until `Upload-Expires`"),
    Endpoint::get(
        "/v1/uploads/{id}",
        "getUpload",
        "How far an upload is and which picture it became; HEAD says `Upload-Offset`",
        |call| Box::pin(look(call)),
    )
    .scope(Scope::Upload)
    .gives::<Upload>(200, "The upload"),
    Endpoint::patch(
        "/v1/uploads/{id}",
        "continueUpload",
        "Takes the next part, which begins at `Upload-Offset`; with the last byte the upload is a picture",
        |call| Box::pin(go_on(call)),
    )
    .scope(Scope::Upload)
    .headers(&[RESUMABLE, OFFSET, CHECKSUM])
    .media(&[OFFSET_STREAM])
    .gives_nothing(204, "`Upload-Offset` is where the next part begins; `Pixedge-Image` is the picture's id"),
    Endpoint::delete(
        "/v1/uploads/{id}",
        "endUpload",
        "Ends an upload and removes what came of it; a picture that it became stays",
        |call| Box::pin(end(call)),
    )
    .scope(Scope::Upload)
    .gives_nothing(204, "It is over"),
];

const VERSION: &str = "1.0.0";
const OFFSET_STREAM: &str = "application/offset+octet-stream";
const RESUMABLE: Header = Header {
    name: "Tus-Resumable",
    required: true,
    what: "The version of the protocol",
    pattern: "^1\\.0\\.0$",
};
const LENGTH: Header = Header {
    name: "Upload-Length",
    required: true,
    what: "How many bytes will come",
    pattern: "^[0-9]{1,18}$",
};
const OFFSET: Header = Header {
    name: "Upload-Offset",
    required: true,
    what: "Where the part begins: as many bytes as were received so far",
    pattern: "^[0-9]{1,18}$",
};
const METADATA: Header = Header {
    name: "Upload-Metadata",
    required: false,
    what: "Pairs of a key and a text in base64, with commas between: `filename`, `visibility`, `album`, `tags`, \
           `expires_in`, `expires_at`, `never_expires`. Other keys are kept and have no meaning",
    pattern: "^[a-z_]{1,20}( [A-Za-z0-9+/]{4}){0,1}$",
};
const CHECKSUM: Header = Header {
    name: "Upload-Checksum",
    required: false,
    what: "An algorithm and the digest of this part in base64; a part with another digest is `460` and does not count",
    pattern: "^sha1 [A-Za-z0-9+/]{27}=$",
};

/// An upload, whatever becomes of it.
#[derive(Serialize, JsonSchema)]
struct Upload {
    id: String,
    bytes: u64,
    /// So many are safe.
    received: u64,
    /// Whether they are put into the storage by a presigned URL.
    direct: bool,
    expires_at: Time,
    /// What it became, unless that was deleted since.
    image: Option<ImageAnswer>,
}

/// What is wrong with a request before its upload is looked at.
#[derive(Debug, thiserror::Error)]
enum TusFault {
    #[error("this speaks tus {VERSION}: say so in `Tus-Resumable`")]
    Version,
    #[error("the body is not `{OFFSET_STREAM}`; say so in `Content-Type`")]
    Type,
}

impl Fault for TusFault {
    fn kind(&self) -> Kind {
        match self {
            Self::Version => Kind::PreconditionFailed,
            Self::Type => Kind::UnsupportedMedia,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Version => "tus_version",
            Self::Type => "unsupported_media_type",
        }
    }
}

/// The method that is meant: some clients can send no other than POST, and say which one it stands for.
pub(super) fn method(head: &Head) -> Method {
    let wanted = head.headers.get("x-http-method-override").map(HeaderValue::as_bytes);
    match wanted {
        Some(b"PATCH") if overridable(head) => Method::PATCH,
        Some(b"DELETE") if overridable(head) => Method::DELETE,
        _ => head.method.clone(),
    }
}

fn overridable(head: &Head) -> bool {
    head.method == Method::POST && head.uri.path().starts_with("/v1/uploads/")
}

/// What every answer of the protocol says, refusals too.
pub(super) fn finish(path: &str, response: &mut Response<Body>) {
    if !ENDPOINTS.iter().any(|endpoint| endpoint.path() == path) {
        return;
    }
    let is_version = response.status() == StatusCode::PRECONDITION_FAILED;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("tus-resumable"), HeaderValue::from_static(VERSION));
    if is_version {
        headers.insert(HeaderName::from_static("tus-version"), HeaderValue::from_static(VERSION));
    }
}

async fn describe(call: Call) -> Result<Response<Body>, Refused> {
    let mut response = nothing();
    let most = call.api().uploads.max_bytes().to_string();
    let headers = response.headers_mut();
    for (name, value) in [
        ("tus-version", VERSION),
        ("tus-extension", "creation,creation-with-upload,expiration,checksum,termination"),
        ("tus-max-size", &most),
        ("tus-checksum-algorithm", Checksum::ALGORITHMS),
    ] {
        set(headers, name, value);
    }
    Ok(response)
}

async fn begin(call: Call) -> Result<Response<Body>, Refused> {
    speaks(&call)?;
    let desk = Desk::of(&call, owner(&call.who()?.user));
    let total = total(&call, desk.uploads().max_bytes())?;
    let metadata = call.header("upload-metadata").filter(|text| !text.trim().is_empty());
    let wish = wish(&desk, metadata).await?;
    let checksum = checksum(&call)?;
    let with_part = is_part(&call);
    let upload = desk.uploads().open(desk.owner, &wish, total, metadata, desk.now).await?;
    let mut response = nothing();
    *response.status_mut() = StatusCode::CREATED;
    set(response.headers_mut(), LOCATION.as_str(), &format!("/v1/uploads/{}", upload.id));
    set(response.headers_mut(), "upload-expires", &http_date(upload.expires_at));
    if with_part {
        match append(&desk, &upload.id, 0, checksum, call.body).await {
            Ok(received) => tell(response.headers_mut(), &received),
            Err(refused) => {
                // Whoever is refused does not learn where it was.
                desk.uploads().terminate(desk.owner.pk.unwrap_or(0), &upload.id, desk.now).await.ok();
                return Err(refused);
            }
        }
    }
    Ok(response)
}

async fn look(call: Call) -> Result<Response<Body>, Refused> {
    let user = call.who()?.user.pk;
    let library = &call.api().library;
    let Progress { id, total, received, metadata, expires_at, image, direct } =
        call.api().uploads.progress(user, call.value("id"), call.now).await?;
    let image = match image {
        Some(image) => match library.get(Reach::Owner(user), &image, call.now).await {
            Ok(image) => Some(images::answer(&call.parts, image).await?),
            Err(LibraryError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let image_id = image.as_ref().map(|image| image.id.clone());
    let upload = Upload { id, bytes: total, received, direct, expires_at: Time(expires_at), image };
    let mut response = ok(&upload);
    let headers = response.headers_mut();
    set(headers, "upload-length", &total.to_string());
    set(headers, "upload-offset", &received.to_string());
    set(headers, "upload-expires", &http_date(expires_at));
    if let Some(metadata) = &metadata {
        set(headers, "upload-metadata", metadata);
    }
    if let Some(id) = &image_id {
        set(headers, "pixedge-image", id);
    }
    Ok(response)
}

async fn go_on(call: Call) -> Result<Response<Body>, Refused> {
    speaks(&call)?;
    if !is_part(&call) {
        return Err(TusFault::Type.into());
    }
    let desk = Desk::of(&call, owner(&call.who()?.user));
    let offset = number(&call, "Upload-Offset")?;
    let checksum = checksum(&call)?;
    let id = call.value("id").to_owned();
    let upload = desk.uploads().progress(desk.owner.pk.unwrap_or(0), &id, desk.now).await?;
    // Nobody need send what cannot be taken.
    let coming: u64 = call.header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok()).unwrap_or(0);
    if offset == upload.received && coming > upload.total - offset {
        return Err(UploadError::TooManyBytes { limit: upload.total }.into());
    }
    let received = append(&desk, &id, offset, checksum, call.body).await?;
    let mut response = nothing();
    tell(response.headers_mut(), &received);
    Ok(response)
}

async fn end(call: Call) -> Result<Response<Body>, Refused> {
    if call.head.headers.contains_key("tus-resumable") {
        speaks(&call)?;
    }
    call.api().uploads.terminate(call.who()?.user.pk, call.value("id"), call.now).await?;
    Ok(nothing())
}

/// In a task of its own: what came before the connection ended is kept although nobody waits for the answer.
async fn append(
    desk: &Desk,
    id: &str,
    offset: u64,
    checksum: Option<Checksum>,
    body: Body,
) -> Result<Received, Refused> {
    let (desk, id) = (desk.clone(), id.to_owned());
    let task = tokio::spawn(async move {
        let bytes = BodyDataStream::new(body);
        desk.uploads().append(desk.owner, &id, offset, checksum, bytes, desk.now).await
    });
    Ok(to_its_end(task).await?)
}

/// What such a task came to.
pub(super) async fn to_its_end<T>(
    task: tokio::task::JoinHandle<Result<T, UploadError>>,
) -> Result<T, UploadError> {
    match task.await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(UploadError::Torn),
    }
}

/// Where the upload is after a part.
fn tell(headers: &mut HeaderMap, received: &Received) {
    set(headers, "upload-offset", &received.received.to_string());
    set(headers, "upload-expires", &http_date(received.expires_at));
    if let Some(image) = &received.image {
        set(headers, "pixedge-image", image.id.as_str());
    }
}

fn speaks(call: &Call) -> Result<(), TusFault> {
    if call.header("tus-resumable") == Some(VERSION) { Ok(()) } else { Err(TusFault::Version) }
}

fn is_part(call: &Call) -> bool {
    let value = call.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(OFFSET_STREAM)
}

/// The announced length, if it is one that can be taken.
fn total(call: &Call, most: u64) -> Result<u64, Refused> {
    for name in ["Upload-Defer-Length", "Upload-Concat"] {
        if call.head.headers.contains_key(name) {
            return Err(Invalid::one(name, "belongs to an extension that is not spoken here").into());
        }
    }
    let digits = call.header("upload-length").unwrap_or_default();
    let is_number = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    match digits.parse::<u64>() {
        Ok(0) => Err(Invalid::one("Upload-Length", "must be at least 1: nothing is no picture").into()),
        Ok(total) if is_number => Ok(total),
        Err(_) if is_number => Err(UploadError::TooManyBytes { limit: most }.into()),
        _ => Err(Invalid::one("Upload-Length", "is needed: a number of bytes").into()),
    }
}

fn number(call: &Call, name: &str) -> Result<u64, Invalid> {
    let digits = call.header(name).unwrap_or_default();
    let number = if digits.bytes().all(|c| c.is_ascii_digit()) { digits.parse().ok() } else { None };
    number.ok_or_else(|| Invalid::one(name, "is needed: a number of bytes"))
}

fn checksum(call: &Call) -> Result<Option<Checksum>, Invalid> {
    let Some(value) = call.head.headers.get("upload-checksum") else { return Ok(None) };
    let parsed = value.to_str().map_err(|_| "is no text".to_owned()).and_then(Checksum::parse);
    parsed.map(Some).map_err(|reason| Invalid::one("Upload-Checksum", reason))
}

/// What is to be recorded, as the metadata says. It is checked like the fields of a form.
async fn wish(desk: &Desk, metadata: Option<&str>) -> Result<Wish, Refused> {
    let pairs = pairs(metadata.unwrap_or_default())?;
    let file_name = |key: &str| pairs.iter().find(|(known, _)| known == key).map(|(_, text)| text.clone());
    let name = file_name("filename").or_else(|| file_name("name")).unwrap_or_default();
    let texts = pairs.into_iter().filter(|(key, _)| KNOWN.contains(&key.as_str())).collect();
    let schemas = &desk.parts.api.schemas;
    let wish = schemas.read::<Texts>(form_fields(schemas, texts))?.about.wish(desk).await?;
    Ok(Wish { name: Wish::named(&name).name, ..wish })
}

/// Keys that mean something beside the file's name. What a client says of the type is not believed.
const KNOWN: [&str; 6] = ["visibility", "album", "tags", "expires_in", "expires_at", "never_expires"];
const LONGEST_METADATA: usize = 4096;

fn pairs(metadata: &str) -> Result<Vec<(String, String)>, Invalid> {
    let wrong = |reason: &str| Invalid::one("Upload-Metadata", reason);
    if metadata.len() > LONGEST_METADATA {
        return Err(wrong("is longer than 4096 bytes"));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in metadata.split(',').map(str::trim) {
        if pair.is_empty() && metadata.trim().is_empty() {
            break;
        }
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if key.is_empty() || pairs.iter().any(|(known, _)| known == key) {
            return Err(wrong("has a key that is empty or stands twice"));
        }
        let value = STANDARD.decode(value.trim()).map_err(|_| wrong("has a value that is no base64"))?;
        let value = String::from_utf8(value).map_err(|_| wrong("has a value that is no UTF-8"))?;
        pairs.push((key.to_owned(), value));
    }
    Ok(pairs)
}

fn http_date(at: i64) -> String {
    let seconds = u64::try_from(at.div_euclid(1000)).unwrap_or(0).min(LAST_SECOND);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Of the year 9999, after which such dates have no form.
const LAST_SECOND: u64 = 253_402_300_799;

/// What is no value of a header is left out.
fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_pairs_in_base64() {
        let read = |text| pairs(text).map_err(|error| error.to_string());
        assert_eq!(read("").unwrap(), []);
        assert_eq!(
            read("filename w6kucG5n, is_confidential,type aW1hZ2UvcG5n").unwrap(),
            [("filename", "é.png"), ("is_confidential", ""), ("type", "image/png")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        for (text, why) in [
            ("filename %%", "no base64"),
            ("filename /w==", "no UTF-8"),
            ("a YQ==,a YQ==", "twice"),
            ("a YQ==,", "empty"),
            (",", "empty"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
        assert!(read(&format!("a {}", "YWFh".repeat(2000))).unwrap_err().contains("longer"));
    }

    #[test]
    fn dates_stay_within_their_form() {
        assert_eq!(http_date(1_797_843_600_000), "Mon, 21 Dec 2026 09:00:00 GMT");
        assert_eq!(http_date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(http_date(-5), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
