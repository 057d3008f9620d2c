//! The original behind a request: which version of it there is, what its header says, and how to read its bytes.
//! An image of the library has all of that in its row; of a source object the header is read once and remembered.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::{Identity, Key};
use crate::codec::{self, Header, Limits};
use crate::delivery::error::DeliveryError;
use crate::delivery::header::Headers;
use crate::library::{Image, Library, Visibility};
use crate::source::{self, Source, SourcePath, Sources};
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
    Object { source: Source, path: SourcePath, identity: source::Identity },
}

/// Finds origins.
pub(crate) struct Origins {
    library: Library,
    sources: Sources,
    limits: Limits,
    metrics: Arc<Metrics>,
    headers: Headers,
}

impl Origins {
    pub(crate) fn new(
        library: Library,
        sources: Sources,
        limits: Limits,
        metrics: Arc<Metrics>,
        workers: Workers,
    ) -> Self {
        Self { library, sources, limits, metrics, headers: Headers::new(limits, workers) }
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
                let identity = source.identity(&path).await?;
                let generation = self.library.object_generation(name, path.as_str());
                Ok(Version { place: Place::Object { source: source.clone(), path, identity }, generation })
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
            Place::Object { source, path, identity } => Origin {
                header: self.headers.of(source, path, identity).await?,
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
            Place::Object { source, path, identity } => {
                self.metrics.source_read(source.name());
                let (read, bytes) = source.read_all(path, self.limits.max_bytes).await?;
                if read == *identity { Ok(bytes) } else { Err(DeliveryError::Changed) }
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
            Place::Object { source, path, identity } => Identity::Object {
                source: source.name(),
                path: path.as_str(),
                validator: identity.validator(),
            },
        }
    }

    /// The name of the original's own bytes.
    pub(crate) fn original(&self) -> Key {
        Key::source(&self.identity(), self.generation)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether two versions of one original are the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same = match (&self.place, &other.place) {
            // A row that has changed in any way was read again.
            (Place::Image(one), Place::Image(two)) => Arc::ptr_eq(one, two),
            (Place::Object { identity: one, .. }, Place::Object { identity: two, .. }) => one == two,
            _ => false,
        };
        same && self.generation == other.generation
    }

    pub(crate) fn is_private(&self) -> bool {
        matches!(&self.place, Place::Image(image) if image.visibility == Visibility::Private)
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
