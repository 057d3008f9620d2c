//! An image as the API tells of it; everything that answers images answers this.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::time::Time;
use crate::delivery::{Delivery, DeliveryError, words_of};
use crate::library::{Image, Labels, Visibility};

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ImageAnswer {
    pub(in crate::http) id: String,
    /// Where it is shown. For a private image this and all links are signed, and end within a day.
    pub(in crate::http) url: String,
    /// The file name it came with, or what it was renamed to.
    pub(in crate::http) name: String,
    /// By which clients find it that know no ids.
    pub(in crate::http) stored_name: Option<String>,
    pub(in crate::http) bytes: u64,
    /// Sides as a viewer sees them.
    pub(in crate::http) width: u32,
    pub(in crate::http) height: u32,
    pub(in crate::http) format: String,
    pub(in crate::http) mime_type: String,
    pub(in crate::http) frames: u32,
    pub(in crate::http) has_alpha: bool,
    pub(in crate::http) md5: String,
    pub(in crate::http) sha256: String,
    pub(in crate::http) visibility: VisibilityWord,
    /// What stays when it is cropped.
    pub(in crate::http) focal: Option<Focal>,
    pub(in crate::http) tags: Vec<String>,
    /// The ids of the albums it is in.
    pub(in crate::http) albums: Vec<String>,
    /// How often it was shown; some seconds behind.
    pub(in crate::http) views: u64,
    pub(in crate::http) created_at: Time,
    pub(in crate::http) updated_at: Time,
    /// When it ends; `null` = never.
    pub(in crate::http) expires_at: Option<Time>,
    /// When it was put into the trash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) deleted_at: Option<Time>,
    /// The owner had it already. In answers to uploads only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) duplicate: Option<bool>,
    /// All that the file says of itself. Where one image is asked for only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) exif: Option<Map<String, Value>>,
    pub(in crate::http) links: Links,
    /// Where the variants are shown that are made of every picture, by their names. Right after an upload they may not be
    /// ready yet, and are then made when they are asked for.
    pub(in crate::http) derivatives: BTreeMap<String, String>,
}

/// Ready to be pasted.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Links {
    pub(in crate::http) url: String,
    pub(in crate::http) markdown: String,
    pub(in crate::http) html: String,
    pub(in crate::http) bbcode: String,
    /// At most 200 pixels a side.
    pub(in crate::http) thumbnail: String,
    /// What its pixels say: colours and placeholders.
    info: String,
    /// A `DELETE` there moves it to the trash.
    delete: String,
}

/// Fractions of the upright width and height.
#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Focal {
    #[schemars(range(min = 0, max = 1))]
    pub(in crate::http) x: f64,
    #[schemars(range(min = 0, max = 1))]
    pub(in crate::http) y: f64,
}

#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum VisibilityWord {
    Public,
    Private,
}

impl ImageAnswer {
    pub(in crate::http) fn of(
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
    pub(in crate::http) fn of(image: &Image, delivery: &Delivery) -> Result<Self, DeliveryError> {
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
