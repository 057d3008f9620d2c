//! Whose clients are spoken with beside our own: each dialect on or off, and how large a file it takes.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::units::ByteSize;

#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dialects {
    /// Image-Processing-Service, as on roadmap.sh.
    pub roadmap: Switch,
    /// The back end of the Vue 3 and Flask example.
    pub vueflask: Switch,
    /// mgek img_bed.
    pub mgek: Switch,
    /// The wire of Image Proxy Project, whose passwords ride in the query.
    pub imageproxy: Switch,
    /// Lsky Pro 1.
    pub lsky: Switch,
    /// PicGo's own server.
    pub picgo: Switch,
    pub sharex: Switch,
    pub chevereto: Switch,
    /// SM.MS 2.
    pub smms: Switch,
    /// Any field of any form.
    pub generic: Switch,
}

/// `true`, `false`, or a section that says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switch {
    /// `None` = as is usual for this dialect.
    pub enabled: Option<bool>,
    /// The largest file by this dialect; never more than `uploads.max_bytes`.
    pub max_bytes: Option<ByteSize>,
}

impl Switch {
    const fn of(enabled: bool) -> Self {
        Self { enabled: Some(enabled), max_bytes: None }
    }
}

impl Default for Dialects {
    fn default() -> Self {
        let on = Switch::of(true);
        Self {
            roadmap: on,
            vueflask: on,
            mgek: on,
            imageproxy: Switch::of(false),
            lsky: on,
            picgo: on,
            sharex: on,
            chevereto: on,
            smms: on,
            generic: on,
        }
    }
}

impl Dialects {
    /// By name, with what is usual filled in: whether it is on, and how large a file it takes.
    pub fn settings(&self) -> [(&'static str, bool, Option<u64>); 10] {
        let of = |name, switch: Switch, usual: Switch| {
            let on = switch.enabled.or(usual.enabled).unwrap_or(false);
            (name, on, switch.max_bytes.map(|bytes| bytes.0))
        };
        let usual = Self::default();
        [
            of("roadmap", self.roadmap, usual.roadmap),
            of("vueflask", self.vueflask, usual.vueflask),
            of("mgek", self.mgek, usual.mgek),
            of("imageproxy", self.imageproxy, usual.imageproxy),
            of("lsky", self.lsky, usual.lsky),
            of("picgo", self.picgo, usual.picgo),
            of("sharex", self.sharex, usual.sharex),
            of("chevereto", self.chevereto, usual.chevereto),
            of("smms", self.smms, usual.smms),
            of("generic", self.generic, usual.generic),
        ]
    }

    pub fn validate(&self) -> Result<(), String> {
        match self.settings().iter().find(|(_, _, max)| *max == Some(0)) {
            Some((name, ..)) => Err(format!(
                "`dialects.{name}.max_bytes` is 0; give a size like `10MB`, or `{name}: false` to switch it off"
            )),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[derive(Default)]
        struct Section {
            enabled: Option<bool>,
            max_bytes: Option<ByteSize>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Switch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true` or `false`, or a section with `enabled` and `max_bytes`")
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Switch, E> {
                Ok(Switch::of(on))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switch, A::Error> {
                let Section { enabled, max_bytes } = Section::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Switch { enabled, max_bytes })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
