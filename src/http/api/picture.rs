//! A picture as the API shows it to its owner, with links for those who paste.

use schemars::JsonSchema;
use serde::Serialize;

use super::time::Time;
use crate::codec::Format;
use crate::library::{Image, Visibility};

#[derive(Serialize, JsonSchema)]
pub(super) struct Picture {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) name: String,
    /// By which clients find it that know no ids.
    stored_name: Option<String>,
    bytes: u64,
    /// As a viewer sees it, in pixels.
    width: u32,
    height: u32,
    format: String,
    mime_type: &'static str,
    frames: u32,
    md5: String,
    sha256: String,
    visibility: VisibilityWord,
    created_at: Time,
    updated_at: Time,
    expires_at: Option<Time>,
    /// After an upload: whether this account had the picture already.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    links: Links,
}

/// The same picture for every place where one pastes.
#[derive(Serialize, JsonSchema)]
pub(super) struct Links {
    url: String,
    markdown: String,
    html: String,
    bbcode: String,
    /// A `DELETE` there moves it to the trash.
    delete: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VisibilityWord {
    Public,
    Private,
}

impl Picture {
    pub(super) fn of(image: &Image, public_url: &str) -> Self {
        let (width, height) = image.oriented();
        let format = Format::from_name(&image.shape.format);
        let url = format!("{public_url}/i/{}", image.id);
        Self {
            id: image.id.to_string(),
            name: image.name.clone(),
            stored_name: image.stored_name.clone(),
            bytes: image.bytes,
            width,
            height,
            format: format.map_or_else(|| image.shape.format.clone(), |format| format.name().to_owned()),
            mime_type: format.map_or("application/octet-stream", Format::mime),
            frames: image.shape.frames,
            md5: image.md5.to_string(),
            sha256: image.sha256.to_string(),
            visibility: image.visibility.into(),
            created_at: Time(image.created_at),
            updated_at: Time(image.updated_at),
            expires_at: image.expires_at.map(Time),
            duplicate: None,
            links: Links {
                markdown: format!("![{}]({url})", escaped(&image.name, "\\[]", |c| format!("\\{c}"))),
                html: format!(
                    "<img src=\"{url}\" alt=\"{}\">",
                    escaped(&image.name, "&<>\"", |c| format!("&#{};", u32::from(c)))
                ),
                bbcode: format!("[img]{url}[/img]"),
                delete: format!("{public_url}/v1/images/{}", image.id),
                url: url.clone(),
            },
            url,
        }
    }

    pub(super) fn uploaded(image: &Image, duplicate: bool, public_url: &str) -> Self {
        Self { duplicate: Some(duplicate), ..Self::of(image, public_url) }
    }
}

impl From<Visibility> for VisibilityWord {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Private => Self::Private,
        }
    }
}

impl From<VisibilityWord> for Visibility {
    fn from(word: VisibilityWord) -> Self {
        match word {
            VisibilityWord::Public => Self::Public,
            VisibilityWord::Private => Self::Private,
        }
    }
}

/// Line ends would end the construct that the name stands in.
fn escaped(name: &str, special: &str, escape: impl Fn(char) -> String) -> String {
    let mut text = String::new();
    for c in name.chars() {
        match c {
            c if c.is_control() => text.push(' '),
            c if special.contains(c) => text.push_str(&escape(c)),
            c => text.push(c),
        }
    }
    text
}
