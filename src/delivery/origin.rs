//! The original behind a request: which version of it there is, what its header says, and how to read its bytes.
//! An image of the library has all of that in its row; of a source object the header is read once and remembered.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::Identity;
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
    /// When it ceases to exist, in milliseconds since 1970.
    pub(crate) expires_ms: Option<u64>,
    pub(crate) generation: u64,
    place: Place,
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

    pub(crate) async fn find(&self, subject: &Subject) -> Result<Origin, DeliveryError> {
        match subject {
            Subject::Image { id } => self.image(id).await,
            Subject::Object { source, path: ObjectPath::Key(key) } => {
                self.object(source, SourcePath::parse(key)?).await
            }
            Subject::Object { source, path: ObjectPath::Url(url) } => {
                if self.sources.get(source).is_some_and(|source| !source.takes_urls()) {
                    return Err(DeliveryError::NoAddress(source.clone()));
                }
                self.object(source, SourcePath::parse_url(url)?).await
            }
        }
    }

    async fn image(&self, id: &str) -> Result<Origin, DeliveryError> {
        let missing = || DeliveryError::NoImage(id.to_owned());
        let image = self.library.find(id).await?.ok_or_else(missing)?;
        // Nobody can prove a right to a private image yet, and nobody may learn that there is one.
        if image.visibility == Visibility::Private {
            return Err(missing());
        }
        let unsigned = |ms: i64| u64::try_from(ms).unwrap_or(0);
        Ok(Origin {
            header: header_of(&image).ok_or_else(missing)?,
            focal: image.focal,
            len: image.bytes,
            modified_ms: Some(unsigned(image.updated_at)),
            expires_ms: image.expires_at.map(unsigned),
            generation: self.library.image_generation(id),
            place: Place::Image(image),
        })
    }

    async fn object(&self, name: &str, path: SourcePath) -> Result<Origin, DeliveryError> {
        let source = self.sources.get(name).ok_or_else(|| DeliveryError::NoSource(name.to_owned()))?;
        let identity = source.identity(&path).await?;
        Ok(Origin {
            header: self.headers.of(source, &path, &identity).await?,
            focal: None,
            len: identity.len(),
            modified_ms: identity.modified_ms().and_then(|ms| u64::try_from(ms).ok()),
            expires_ms: None,
            generation: self.library.source_generation(name),
            place: Place::Object { source: source.clone(), path, identity },
        })
    }

    /// All bytes of the original; an error where they are not those that the header was read from.
    pub(crate) async fn read(&self, origin: &Origin) -> Result<Bytes, DeliveryError> {
        match &origin.place {
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
