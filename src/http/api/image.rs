//! An image as the API tells of it; everything that answers images answers this.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::time::Time;
use crate::delivery::{Delivery, DeliveryError, words_of};
use crate::library::{Image, Labels, Visibility};

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ImageAnswer {
    pub(super) id: String,
    /// Where it is shown. For a private image this and all links are signed, and end within a day.
    pub(super) url: String,
    /// The file name it came with, or what it was renamed to.
    pub(super) name: String,
    /// By which clients find it that know no ids.
    pub(super) stored_name: Option<String>,
    pub(super) bytes: u64,
    /// Sides as a viewer sees them.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: String,
    pub(super) mime_type: String,
    pub(super) frames: u32,
    pub(super) has_alpha: bool,
    pub(super) md5: String,
    pub(super) sha256: String,
    pub(super) visibility: VisibilityWord,
    /// What stays when it is cropped.
    pub(super) focal: Option<Focal>,
    pub(super) tags: Vec<String>,
    /// The ids of the albums it is in.
    pub(super) albums: Vec<String>,
    /// How often it was shown; some seconds behind.
    pub(super) views: u64,
    pub(super) created_at: Time,
    pub(super) updated_at: Time,
    /// When it ends; `null` = never.
    pub(super) expires_at: Option<Time>,
    /// When it was put into the trash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deleted_at: Option<Time>,
    /// The owner had it already. In answers to uploads only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duplicate: Option<bool>,
    /// All that the file says of itself. Where one image is asked for only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exif: Option<Map<String, Value>>,
    pub(super) links: Links,
    /// Where the variants are shown that are made of every picture, by their names. Right after an upload they may not be
    /// ready yet, and are then made when they are asked for.
    pub(super) derivatives: BTreeMap<String, String>,
}

/// Ready to be pasted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Links {
    url: String,
    markdown: String,
    html: String,
    bbcode: String,
    /// At most 200 pixels a side.
    thumbnail: String,
    /// What its pixels say: colours and placeholders.
    info: String,
    /// A `DELETE` there moves it to the trash.
    delete: String,
}

/// Fractions of the upright width and height.
#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Focal {
    #[schemars(range(min = 0, max = 1))]
    pub(super) x: f64,
    #[schemars(range(min = 0, max = 1))]
    pub(super) y: f64,
}

#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VisibilityWord {
    Public,
    Private,
}

impl ImageAnswer {
    pub(super) fn of(
        image: &Image,
        labels: Option<&Labels>,
        delivery: &Delivery,
    ) -> Result<Self, DeliveryError> {
        let (width, height) = image.oriented();
        let (format, mime_type) = words_of(&image.shape.format);
        let labels = labels.cloned().unwrap_or_default();
        let links = Links::of(image, delivery)?;
        Ok(Self {
            id: image.id.to_string(),
            url: links.url.clone(),
            name: image.name.clone(),
            stored_name: image.stored_name.clone(),
            bytes: image.bytes,
            width,
            height,
            format,
            mime_type,
            frames: image.shape.frames,
            has_alpha: image.shape.has_alpha,
            md5: image.md5.to_string(),
            sha256: image.sha256.to_string(),
            visibility: image.visibility.into(),
            focal: image.focal.map(|(x, y)| Focal { x, y }),
            tags: labels.tags,
            albums: labels.albums,
            views: image.views,
            created_at: Time(image.created_at),
            updated_at: Time(image.updated_at),
            expires_at: image.expires_at.map(Time),
            deleted_at: image.deleted_at.map(Time),
            duplicate: None,
            exif: None,
            links,
            derivatives: delivery.derivative_links(image)?,
        })
    }
}

impl Links {
    fn of(image: &Image, delivery: &Delivery) -> Result<Self, DeliveryError> {
        // Without a spec the address is the shortest, and a signature is good for all of them.
        let url = delivery.link(image, "_")?.replacen("/_", "", 1);
        let name: String = image.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Ok(Self {
            markdown: format!("![{}]({url})", markdown(&name)),
            html: format!("<img src=\"{}\" alt=\"{}\">", html(&url), html(&name)),
            bbcode: format!("[img]{url}[/img]"),
            thumbnail: delivery.link(image, "w_200,h_200")?,
            info: url.replacen("/i/", "/info/", 1),
            delete: format!("{}/v1/images/{}", delivery.public_url(), image.id),
            url,
        })
    }
}

/// A name between the brackets of a link.
fn markdown(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, c| {
        if matches!(c, '[' | ']' | '\\' | '`' | '*' | '_' | '<') {
            text.push('\\');
        }
        text.push(c);
        text
    })
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_a_link() {
        assert_eq!(html(r#"a"><script>&"#), "a&quot;&gt;&lt;script&gt;&amp;");
        assert_eq!(markdown("a](x) [b"), r"a\](x) \[b");
    }
}
