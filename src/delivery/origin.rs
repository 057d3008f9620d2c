//! The original behind a request: which version of it there is, what its header says, and how to read its bytes.
//! An image of the library has all of that in its row; of a source object the header is read once and remembered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cache::{Identity, Key, Originals};
use crate::codec::{self, Header, Limits};
use crate::delivery::error::DeliveryError;
use crate::delivery::header::Headers;
use crate::library::{Image, Library, Visibility};
use crate::source::{Seen, Source, SourcePath, Sources};
use crate::telemetry::metrics::Metrics;
use crate::transform::{ObjectPath, Subject};
use crate::workers::Workers;

/// One version of one original.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) header: Header,
    /// Focal point as fractions of the upright picture.
    pub(crate) focal: Option<(f64, f64)>,
    pub(crate) len: u64,
    /// Milliseconds since 1970.
    pub(crate) modified_ms: Option<u64>,
    pub(crate) version: Version,
}

/// Which state of which original, and under which purge. Comes from memory for what is asked for often.
#[derive(Clone)]
pub(crate) struct Version {
    place: Place,
    generation: u64,
}

#[derive(Clone)]
enum Place {
    Image(Arc<Image>),
    Object { source: Source, path: SourcePath, seen: Seen },
}

/// Finds origins.
pub(crate) struct Origins {
    library: Library,
    sources: Sources,
    limits: Limits,
    metrics: Arc<Metrics>,
    headers: Headers,
    kept: Originals,
}

impl Origins {
    pub(crate) fn new(
        library: Library,
        sources: Sources,
        limits: Limits,
        metrics: Arc<Metrics>,
        workers: Workers,
        kept: Originals,
    ) -> Self {
        let headers = Headers::new(limits, workers, kept.clone());
        Self { library, sources, limits, metrics, headers, kept }
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn library(&self) -> &Library {
        &self.library
    }

    pub(crate) async fn find(
        &self,
        subject: &Subject,
        opens: impl Fn(&Image) -> bool,
    ) -> Result<Origin, DeliveryError> {
        self.origin(self.version(subject, opens).await?).await
    }

    /// The version that there is now. An image is there for whom `opens` says so; nobody else may learn that there is
    /// one.
    pub(crate) async fn version(
        &self,
        subject: &Subject,
        opens: impl Fn(&Image) -> bool,
    ) -> Result<Version, DeliveryError> {
        match subject {
            Subject::Image { id } => {
                let missing = || DeliveryError::NoImage(id.to_owned());
                let image = self.library.find(id).await?.ok_or_else(missing)?;
                if !opens(&image) {
                    return Err(missing());
                }
                let generation = self.library.image_generation(id);
                Ok(Version { place: Place::Image(image), generation })
            }
            Subject::Object { source: name, path } => {
                let source =
                    self.sources.get(name).ok_or_else(|| DeliveryError::NoSource(name.to_owned()))?;
                let path = match path {
                    ObjectPath::Key(key) => SourcePath::parse(key)?,
                    ObjectPath::Url(url) if source.takes_urls() => SourcePath::parse_url(url)?,
                    ObjectPath::Url(_) => return Err(DeliveryError::NoAddress(name.to_owned())),
                };
                let seen = source.see(&path).await?;
                let generation = self.library.object_generation(name, path.as_str());
                Ok(Version { place: Place::Object { source: source.clone(), path, seen }, generation })
            }
        }
    }

    /// What the header of this version says; read where it is not known.
    pub(crate) async fn origin(&self, version: Version) -> Result<Origin, DeliveryError> {
        Ok(match &version.place {
            Place::Image(image) => {
                let unsigned = |ms: i64| u64::try_from(ms).unwrap_or(0);
                Origin {
                    header: header_of(image).ok_or_else(|| DeliveryError::NoImage(image.id.to_string()))?,
                    focal: image.focal,
                    len: image.bytes,
                    modified_ms: Some(unsigned(image.updated_at)),
                    version,
                }
            }
            Place::Object { source, path, seen: Seen { identity, .. } } => Origin {
                header: self.headers.of(source, path, identity, version.kept_as()).await?,
                focal: None,
                len: identity.len(),
                modified_ms: identity.modified_ms().and_then(|ms| u64::try_from(ms).ok()),
                version,
            },
        })
    }

    /// All bytes of the original; an error where they are not those that the header was read from.
    pub(crate) async fn read(&self, origin: &Origin) -> Result<Bytes, DeliveryError> {
        match &origin.version.place {
            Place::Image(image) => {
                self.metrics.source_read("library");
                Ok(self.library.read(image, self.limits.max_bytes).await?)
            }
            Place::Object { source, path, seen } => {
                let key = origin.version.kept_as();
                if let Some(key) = key {
                    let kept = self.kept.get(&key).await;
                    self.metrics.original(kept.is_some());
                    if let Some(bytes) = kept.filter(|bytes| bytes.len() as u64 <= self.limits.max_bytes) {
                        return Ok(bytes);
                    }
                }
                self.metrics.source_read(source.name());
                let (read, bytes) = source.read_all(path, self.limits.max_bytes).await?;
                if read != seen.identity {
                    return Err(DeliveryError::Changed);
                }
                if let Some(key) = key {
                    self.kept.put(key, &bytes);
                }
                Ok(bytes)
            }
        }
    }
}

impl Origin {
    /// Bytes that are held while the original is decoded: its own, and copies of its profile, metadata or screen, which
    /// may be nearly all of a small picture's file.
    pub(crate) fn held(&self) -> u64 {
        self.len * 2
    }
}

impl Version {
    /// What tells it from others, for keys.
    pub(crate) fn identity(&self) -> Identity<'_> {
        match &self.place {
            Place::Image(image) => Identity::Content(image.sha256.0),
            Place::Object { source, path, seen } => Identity::Object {
                source: source.name(),
                path: path.as_str(),
                validator: seen.identity.validator(),
            },
        }
    }

    /// The name of the original's own bytes.
    pub(crate) fn original(&self) -> Key {
        Key::source(&self.identity(), self.generation)
    }

    /// The name under which the original's bytes are kept: where they came over a network, and nobody forbids it.
    fn kept_as(&self) -> Option<Key> {
        let remote = matches!(&self.place, Place::Object { source, .. } if source.is_remote());
        (remote && !self.is_passing()).then(|| self.original())
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether two versions of one original are the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same = match (&self.place, &other.place) {
            // A row that has changed in any way was read again.
            (Place::Image(one), Place::Image(two)) => Arc::ptr_eq(one, two),
            (Place::Object { seen: one, .. }, Place::Object { seen: two, .. }) => {
                let (said, says) = (one.identity.terms(), two.identity.terms());
                one.identity == two.identity && (said.private, said.no_store) == (says.private, says.no_store)
            }
            _ => false,
        };
        same && self.generation == other.generation
    }

    pub(crate) fn is_private(&self) -> bool {
        match &self.place {
            Place::Image(image) => image.visibility == Visibility::Private,
            Place::Object { source, seen, .. } => source.is_followed() && seen.identity.terms().private,
        }
    }

    /// Whether its source says how long it may be kept, so that the answer depends on the time.
    pub(crate) fn is_followed(&self) -> bool {
        matches!(&self.place, Place::Object { source, .. } if source.is_followed())
    }

    /// Whether its source wants nothing of it kept, and is listened to.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(&self.place, Place::Object { source, seen, .. }
            if source.is_followed() && seen.identity.terms().no_store)
    }

    /// Whether it may no longer be the one that its source has. Of a folder, which is asked each second, that would be
    /// said of every other hit and mean nothing.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(&self.place, Place::Object { source, seen, .. } if seen.stale && source.is_remote())
    }

    /// How long its source would have it used from now on, where that counts.
    pub(crate) fn left(&self) -> Option<Duration> {
        match &self.place {
            Place::Image(_) => None,
            Place::Object { seen, .. } => seen.left,
        }
    }

    /// The image of the library, if it is one.
    pub(crate) fn image(&self) -> Option<&Image> {
        match &self.place {
            Place::Image(image) => Some(image),
            Place::Object { .. } => None,
        }
    }

    /// When it ceases to exist, in milliseconds since 1970.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        match &self.place {
            Place::Image(image) => image.expires_at.map(|ms| u64::try_from(ms).unwrap_or(0)),
            Place::Object { .. } => None,
        }
    }
}

/// The header that was read when the image was uploaded.
fn header_of(image: &Image) -> Option<Header> {
    let shape = &image.shape;
    Some(Header {
        format: codec::Format::from_name(&shape.format)?,
        width: shape.width,
        height: shape.height,
        orientation: codec::Orientation::from_exif(shape.orientation.into()),
        frames: shape.frames,
        has_alpha: shape.has_alpha,
        depth: shape.depth,
        progressive: shape.progressive,
    })
}
