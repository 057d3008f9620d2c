//! Which legal options rendering does not know yet. They are refused by name, so that none is ever silently without
//! effect; `/explain` still says what they would mean.

use crate::codec::avif;
use crate::transform::error::{Place, SpecError};
use crate::transform::options::{Built, Key};
use crate::transform::plan::{Metadata, Quality, Subsample};
use crate::transform::spec::{Entry, Options, Spec};
use crate::transform::value::{Gravity, Value};
use crate::transform::words::Wanted;

impl Spec {
    /// Refuses options whose pixels are not built, so that none is ever silently without effect.
    pub fn check_supported(&self) -> Result<(), SpecError> {
        self.steps.iter().chain([&self.whole]).flat_map(Options::iter).try_for_each(supported)?;
        self.whole.iter().try_for_each(|entry| self.check_format_knows(entry))
    }

    /// Refuses what no encoder does for the format that the spec names. Where the format is negotiated, such an option
    /// counts for the formats that know it and for no others.
    fn check_format_knows(&self, Entry { key, value, at, .. }: &Entry) -> Result<(), SpecError> {
        let reason = match (self.format(), value) {
            (Wanted::Avif, Value::Quality(Quality::Lossless)) if !avif::HAS_LOSSLESS => {
                "this server's AVIF encoder has no lossless mode; webp and png have"
            }
            (Wanted::Avif, Value::Subsample(Subsample::S420)) if !avif::HAS_420 => {
                "this server's AVIF encoder is always 4:4:4"
            }
            (Wanted::Png, Value::Flag(true)) if *key == Key::Il => {
                "PNG is not interlaced here: it would be larger, and nobody sees it come"
            }
            (Wanted::Tiff | Wanted::Bmp | Wanted::Ico | Wanted::Jxl, Value::Metadata(Metadata::All)) => {
                "of metadata this format gets artist and copyright at most"
            }
            _ => return Ok(()),
        };
        let option = format!("{}_{value}", key.name());
        Err(SpecError::Unsupported(Place::option(option, at.map(|at| at as usize), reason)))
    }
}

fn supported(Entry { key, value, at, .. }: &Entry) -> Result<(), SpecError> {
    let built = match key.row().built {
        Built::Yes => true,
        Built::No => false,
        Built::Except(_) => match value {
            Value::Gravity(gravity) => *gravity != Gravity::Face,
            Value::Format(wanted) => matches!(
                wanted,
                Wanted::Auto
                    | Wanted::Best
                    | Wanted::Webp
                    | Wanted::Avif
                    | Wanted::Jpg
                    | Wanted::Png
                    | Wanted::Gif
                    | Wanted::Tiff
                    | Wanted::Bmp
                    | Wanted::Ico
                    | Wanted::Jxl
                    | Wanted::Json
                    | Wanted::Lqip
                    | Wanted::Blurhash
                    | Wanted::Thumbhash
                    | Wanted::Orig
            ),
            _ => true,
        },
    };
    if built {
        return Ok(());
    }
    let option = format!("{}_{value}", key.name());
    let reason = match value {
        Value::Format(Wanted::Svg) => {
            "no picture can be made an SVG; it is for originals that are one, and alone"
        }
        Value::Format(Wanted::Heic) => {
            "HEIC is not written here; it is for originals that are one, and alone"
        }
        _ => "legal, but not built yet",
    };
    let mut place = Place::option(option, at.map(|at| at as usize), reason);
    if let Built::Except(what) = key.row().built {
        place.allowed = Some(format!("every `{}` except {what}", key.name()));
    }
    Err(SpecError::Unsupported(place))
}
