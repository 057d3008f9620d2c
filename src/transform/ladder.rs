//! The unsigned policies `ladder` and `presets`. Under the ladder every plain URL works, but sizes and qualities are
//! snapped to a list, so that nobody can ask for a million variants of a picture; what multiplies variants without need
//! is refused. What presets of the configuration bring along is the operator's own and stays as it is. What is made is
//! again a canonical spec.

use crate::transform::canonical::fold;
use crate::transform::client::Client;
use crate::transform::error::{Place, SpecError};
use crate::transform::number::{Decimal, round_div};
use crate::transform::options::{Key, Unsigned};
use crate::transform::plan::Quality;
use crate::transform::resolve::quarters;
use crate::transform::spec::{Entry, Options, Spec};
use crate::transform::value::{Background, Gravity, Side, Value};

/// What next/image and unpic ask for, and the sizes that people type.
const WIDTHS: &[u32] = &[
    16, 32, 48, 50, 64, 80, 90, 96, 100, 120, 128, 150, 160, 180, 200, 240, 250, 256, 300, 320, 360, 384,
    400, 480, 500, 512, 600, 640, 720, 750, 768, 800, 828, 900, 960, 1000, 1024, 1080, 1200, 1280, 1440,
    1600, 1668, 1920, 2048, 2560, 3200, 3840,
];

const QUALITIES: &[u8] = &[30, 40, 50, 60, 70, 75, 80, 85, 90, 95];

/// Each step multiplies the variants that there can be.
const MAX_STEPS: usize = 2;

/// So does each preset that is combined with others.
const MAX_PRESETS: usize = 2;

const MAX_BLUR: Decimal = Decimal::whole(20);

/// The list of sides that an unsigned URL may have.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// Sorted, never empty.
    sides: Vec<u32>,
}

impl Ladder {
    /// The built-in list and what the configuration adds.
    pub fn new(extra: &[u32]) -> Self {
        let mut sides: Vec<u32> = WIDTHS.iter().chain(extra).copied().filter(|side| *side > 0).collect();
        sides.sort_unstable();
        sides.dedup();
        Self { sides }
    }

    /// The spec that is made of one without a signature. Hints of the client become sizes first, so that they are
    /// snapped too.
    pub fn apply(&self, spec: &Spec, client: &Client) -> Result<Spec, SpecError> {
        let Spec { mut steps, mut whole, written } = spec.with_hints(client)?.into_owned();
        if written.presets > MAX_PRESETS {
            let rule = format!("at most {MAX_PRESETS} presets");
            return Err(needs_signature("t".to_owned(), None, &rule));
        }
        let own = |step: &Options| step.iter().find(|entry| !entry.trusted).cloned();
        if let Some(entry) = steps.iter().filter_map(own).nth(MAX_STEPS) {
            return Err(refused(&entry, &format!("at most {MAX_STEPS} steps")));
        }
        for step in &mut steps {
            step.iter().try_for_each(allowed)?;
            self.snap_sides(step);
            step.iter_mut().filter(|entry| !entry.trusted).for_each(snap_colour);
        }
        whole.iter().try_for_each(allowed)?;
        for entry in whole.iter_mut().filter(|entry| !entry.trusted) {
            if let Value::Quality(Quality::Fixed(quality)) = &mut entry.value {
                *quality = nearest_quality(*quality);
            }
        }
        fold(steps, whole, written, true)
    }

    /// The same where nothing but presets may be asked. What these leave to hints of the client is snapped.
    pub fn apply_presets(&self, spec: &Spec, client: &Client) -> Result<Spec, SpecError> {
        const RULE: &str = "a preset alone, `t_<name>`";
        match spec.written.typed {
            Some(key) => Err(needs_signature(key.name().to_owned(), None, RULE)),
            None if spec.written.presets == 0 => Err(needs_signature("_".to_owned(), None, RULE)),
            None => self.apply(spec, client),
        }
    }

    /// The larger side of the URL's own goes up to the next listed one, the other keeps the ratio.
    fn snap_sides(&self, step: &mut Options) {
        let larger = step.iter().filter_map(pixels).max();
        let Some(larger) = larger else { return };
        let snapped = self.snapped(larger);
        for entry in step.iter_mut() {
            if entry.trusted {
                continue;
            }
            if let (Key::W | Key::H, Value::Side(Side::Pixels(side))) = (entry.key, &mut entry.value) {
                let scaled = round_div(i128::from(*side) * i128::from(snapped), i128::from(larger));
                *side = scaled.max(1) as u32;
            }
        }
    }

    fn snapped(&self, side: u32) -> u32 {
        let next = self.sides.partition_point(|listed| *listed < side);
        self.sides.get(next).or(self.sides.last()).copied().unwrap_or(side)
    }
}

fn pixels(entry: &Entry) -> Option<u32> {
    match (entry.key, &entry.value) {
        (Key::W | Key::H, Value::Side(Side::Pixels(side))) if !entry.trusted => Some(*side),
        _ => None,
    }
}

fn allowed(entry: &Entry) -> Result<(), SpecError> {
    let is_allowed = match entry.key.row().unsigned {
        _ if entry.trusted => true,
        Unsigned::Yes => true,
        Unsigned::No => false,
        Unsigned::Rule(_) => match &entry.value {
            Value::Side(side) => !matches!(side, Side::Fraction(_)),
            Value::Gravity(gravity) => !matches!(gravity, Gravity::Point(..)),
            Value::Number(angle) if entry.key == Key::A => quarters(*angle).is_some(),
            Value::Number(blur) => *blur <= MAX_BLUR,
            Value::Edges(_) => false,
            Value::Quality(quality) => *quality != Quality::Lossless,
            // What is left of `ar` is beside a side that cannot be snapped.
            Value::Ratio(..) => false,
            _ => true,
        },
    };
    if is_allowed {
        return Ok(());
    }
    match entry.key.row().unsigned {
        Unsigned::Rule(rule) => Err(refused(entry, rule)),
        _ => Err(refused(entry, "")),
    }
}

/// `rule` says what would have been allowed, if anything.
fn refused(entry: &Entry, rule: &str) -> SpecError {
    let option = format!("{}_{}", entry.key.name(), entry.value);
    let rule = if rule.is_empty() { String::new() } else { format!("`{}`: {rule}", entry.key.name()) };
    needs_signature(option, entry.position(), &rule)
}

fn needs_signature(option: String, position: Option<usize>, allowed: &str) -> SpecError {
    let mut place = Place::option(option, position, "not without a signature here");
    place.allowed = Some(allowed.to_owned()).filter(|allowed| !allowed.is_empty());
    SpecError::NeedsSignature(place)
}

/// To the nearest colour that three hexadecimal digits can write: 4,096 of them instead of 16 million.
fn snap_colour(entry: &mut Entry) {
    if let Value::Background(Background::Colour(colour)) = &mut entry.value {
        for channel in [&mut colour.r, &mut colour.g, &mut colour.b, &mut colour.a] {
            *channel = ((u16::from(*channel) + 8) / 17 * 17) as u8;
        }
    }
}

/// The nearest listed quality, the better of two that are as near.
fn nearest_quality(quality: u8) -> u8 {
    QUALITIES.iter().rev().copied().min_by_key(|listed| listed.abs_diff(quality)).unwrap_or(quality)
}
