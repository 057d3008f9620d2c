//! Makes a spec canonical: folds what says the same thing in two ways, drops what says nothing, and refuses what
//! contradicts itself. Pure: neither the source nor the client matters, but for [`Spec::with_hints`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::codec::fonts;
use crate::transform::client::Client;
use crate::transform::domain::{MAX_RADIUS, MAX_SIDE};
use crate::transform::draft::too_many_steps;
use crate::transform::error::{Place, SpecError};
use crate::transform::number::{Decimal, round_div};
use crate::transform::options::Key;
use crate::transform::spec::{Entry, MAX_BYTES, MAX_OPTIONS, MAX_STEPS, Options, Spec, Written};
use crate::transform::value::{Gravity, Overlay, Side, Value};
use crate::transform::words::{Mode, Wanted};

/// Steps whose presets are expanded become canonical. Where the result may be longer than what was sent, its
/// length is checked, so that what is printed can always be read again.
pub(crate) fn fold(
    mut steps: Vec<Options>,
    mut whole: Options,
    written: Written,
    may_have_grown: bool,
) -> Result<Spec, SpecError> {
    let factor = match whole.get(Key::Dpr) {
        Some(Value::Number(factor)) => *factor,
        _ => Decimal::ONE,
    };
    if !matches!(whole.get(Key::Dpr), Some(Value::Auto)) {
        whole.remove(Key::Dpr);
    }
    for step in &mut steps {
        fold_box(step);
        fold_ratio(step)?;
        fold_enlarge(step);
        if factor != Decimal::ONE {
            multiply(step, factor)?;
        }
        drop_idle(step);
    }
    check_page(&whole)?;
    drop_idle_of_whole(&mut whole);
    steps.retain(|step| !step.is_empty());
    let spec = Spec { steps, whole, written };
    check_original(&spec)?;
    spec.steps.iter().try_for_each(check_letters)?;
    check_limits(&spec, may_have_grown)?;
    Ok(spec)
}

impl Spec {
    /// The same spec with the client's hints in the place of `w_auto`, `h_auto` and `dpr_auto`. A side without a hint
    /// is left out, as if it had not been asked for.
    pub fn with_hints(&self, client: &Client) -> Result<Cow<'_, Self>, SpecError> {
        let varies = self.varies();
        if !varies.width && !varies.dpr {
            return Ok(Cow::Borrowed(self));
        }
        let Self { mut steps, mut whole, written } = self.clone();
        // What the client says is no part of any preset.
        let hinted = |key, value| Entry { key, value, at: None, trusted: false };
        if varies.dpr {
            // First, because the hint of a width is in device pixels already.
            whole.set(hinted(Key::Dpr, Value::Number(client.pixel_ratio())));
            Self { steps, whole, .. } = fold(steps, whole, written, true)?;
        }
        for step in &mut steps {
            for (key, hint) in [(Key::W, client.width), (Key::H, None)] {
                if !matches!(step.get(key), Some(Value::Side(Side::Auto))) {
                    continue;
                }
                match hint {
                    Some(hint) => {
                        let side = Side::Pixels(hint.clamp(1, MAX_SIDE));
                        step.set(hinted(key, Value::Side(side)));
                    }
                    None => drop(step.remove(key)),
                }
            }
            if step.get(Key::W).is_none() && step.get(Key::H).is_none() {
                step.remove(Key::Ar);
            }
        }
        fold(steps, whole, written, true).map(Cow::Owned)
    }
}

/// Folds the mark of `s`: the mode is `afill` unless there is another.
fn fold_box(step: &mut Options) {
    if let Some(Entry { at, trusted, .. }) = step.remove(Key::S)
        && step.get(Key::C).is_none()
    {
        step.set(Entry { key: Key::C, value: Value::Mode(Mode::Afill), at, trusted });
    }
}

/// Folds `ar` into the side that is missing.
fn fold_ratio(step: &mut Options) -> Result<(), SpecError> {
    if let Some(entry) = step.entry(Key::Ar)
        && let Value::Ratio(across, down) = entry.value
    {
        let (at, position) = (entry.at, entry.position());
        // The side that comes out is the URL's own as soon as one of the two that it is made of is.
        let trusted =
            [Some(entry), step.entry(Key::W), step.entry(Key::H)].into_iter().flatten().all(|e| e.trusted);
        let (key, pixels) = match (step.get(Key::W), step.get(Key::H)) {
            (Some(Value::Side(Side::Pixels(width))), None) => (Key::H, scaled(*width, down, across)),
            (None, Some(Value::Side(Side::Pixels(height)))) => (Key::W, scaled(*height, across, down)),
            (Some(_), Some(_)) => {
                let reason = "with both `w` and `h` there is nothing left to give";
                return Err(SpecError::Conflict(Place::option("ar", position, reason)));
            }
            (None, None) => {
                let reason = "needs exactly one of `w` and `h`";
                return Err(SpecError::BadValue(Place::option("ar", position, reason)));
            }
            // A side that only the source or the client knows: resolving does the rest.
            _ => return Ok(()),
        };
        if pixels > i64::from(MAX_SIDE) {
            return Err(too_large(Key::Ar, position));
        }
        step.remove(Key::Ar);
        let value = Value::Side(Side::Pixels(pixels.max(1) as u32));
        step.set(Entry { key, value, at, trusted });
    }
    Ok(())
}

fn scaled(side: u32, by: u32, of: u32) -> i64 {
    round_div(i128::from(side) * i128::from(by), i128::from(of))
}

fn fold_enlarge(step: &mut Options) {
    if let Some(Entry { value: Value::Flag(true), at, trusted, .. }) = step.remove(Key::El) {
        let mode = mode(step).enlarging();
        step.set(Entry { key: Key::C, value: Value::Mode(mode), at, trusted });
    }
}

pub(crate) fn mode(step: &Options) -> Mode {
    match step.get(Key::C) {
        Some(Value::Mode(mode)) => *mode,
        _ => Mode::Limit,
    }
}

/// Multiplies every quantity in output pixels.
fn multiply(step: &mut Options, factor: Decimal) -> Result<(), SpecError> {
    for entry in step.iter_mut() {
        let (key, position) = (entry.key, entry.position());
        let times = |pixels: u32| match factor.of(pixels.into()) {
            product if product > i64::from(MAX_SIDE) => Err(too_large(key, position)),
            product => Ok(product as u32),
        };
        match (&mut entry.value, key) {
            (Value::Side(Side::Pixels(pixels)), _) => *pixels = times(*pixels)?.max(1),
            (Value::Number(offset), Key::X | Key::Y | Key::Lx | Key::Ly) => {
                if let Some(pixels) = offset.as_whole() {
                    let product = factor.of(pixels);
                    times(pixels.unsigned_abs() as u32)?;
                    *offset = Decimal::whole(product);
                }
            }
            (Value::Number(size), Key::Ls) => {
                let product = times(size.as_whole().unwrap_or(1) as u32)?;
                *size = Decimal::whole(product.max(1).into());
            }
            (Value::Edges(edges), _) => {
                for edge in edges {
                    *edge = times(*edge)?;
                    if key == Key::R {
                        *edge = (*edge).min(MAX_RADIUS);
                    }
                }
            }
            (Value::Border(width, _), _) => *width = times(*width)?.max(1),
            _ => {}
        }
    }
    Ok(())
}

fn too_large(key: Key, position: Option<usize>) -> SpecError {
    let reason = format!("comes to more than {MAX_SIDE} px");
    SpecError::BadValue(Place::option(key.name(), position, reason))
}

/// Drops defaults and what has no effect beside the other options of the step.
fn drop_idle(step: &mut Options) {
    let has_side = step.get(Key::W).is_some() || step.get(Key::H).is_some();
    let mode = mode(step);
    let has_gravity = has_side && (mode.crops() || mode.pads());
    step.retain(|Entry { key, value, .. }| match key {
        Key::C if !has_side => false,
        Key::G | Key::X | Key::Y if !has_gravity => false,
        Key::K if !has_side || !mode.scales() => false,
        Key::G if mode == Mode::Thumb => *value != Value::Gravity(Gravity::Focus),
        _ => key.row().default.as_ref() != Some(value),
    });
}

fn drop_idle_of_whole(whole: &mut Options) {
    let wanted = match whole.get(Key::F) {
        Some(Value::Format(wanted)) => *wanted,
        _ => Wanted::Auto,
    };
    let is_open = matches!(wanted, Wanted::Auto | Wanted::Best);
    // A PNG of an animation is its first frame unless the spec says otherwise.
    let animated_by_default = wanted != Wanted::Png;
    let is_animated = match whole.get(Key::An) {
        Some(Value::Flag(flag)) => *flag,
        _ => animated_by_default,
    };
    whole.retain(|Entry { key, value, .. }| match key {
        Key::Il if !is_open && !matches!(wanted, Wanted::Jpg | Wanted::Png | Wanted::Gif) => false,
        Key::Ss if !is_open && !matches!(wanted, Wanted::Jpg | Wanted::Webp | Wanted::Avif) => false,
        Key::Mf if !is_animated => false,
        Key::An => is_animated != animated_by_default,
        _ => key.row().default.as_ref() != Some(value),
    });
}

/// One frame is not several.
fn check_page(whole: &Options) -> Result<(), SpecError> {
    let Some(page) = whole.entry(Key::Pg) else { return Ok(()) };
    let several = |entry: &&Entry| match entry.key {
        Key::An => entry.value == Value::Flag(true),
        key => key == Key::Mf,
    };
    match whole.iter().find(several) {
        None => Ok(()),
        Some(entry) => {
            let reason = format!("`{page}` is one frame, and this says how many there are to be");
            Err(SpecError::Conflict(Place::option(entry.to_string(), entry.position(), reason)))
        }
    }
}

/// The original bytes leave nothing to change.
fn check_original(spec: &Spec) -> Result<(), SpecError> {
    if spec.format() != Wanted::Orig {
        return Ok(());
    }
    let changes = |entry: &&Entry| !matches!(entry.key, Key::F | Key::Md | Key::D);
    match spec.steps.iter().flat_map(Options::iter).chain(spec.whole.iter()).find(changes) {
        None => Ok(()),
        Some(entry) => {
            let reason = "`f_orig` is the original bytes, which no option can change";
            Err(SpecError::Conflict(Place::option(entry.key.name(), entry.position(), reason)))
        }
    }
}

/// What no font has would be left out of the picture, and nobody would know what it was to say.
fn check_letters(step: &Options) -> Result<(), SpecError> {
    /// More of them say nothing more.
    const TOLD: usize = 8;
    let Some(entry) = step.entry(Key::L) else { return Ok(()) };
    let Value::Overlay(Overlay::Text(text)) = &entry.value else { return Ok(()) };
    let missing = fonts::missing(text);
    if missing.is_empty() {
        return Ok(());
    }
    let named = |letter: &char| format!("{letter} (U+{:04X})", u32::from(*letter));
    let told = missing.iter().take(TOLD).map(named).collect::<Vec<_>>().join(" ");
    let more = if missing.len() > TOLD { " and others" } else { "" };
    let reason = format!("no font here has {told}{more}; what they have is {}", fonts::COVERED);
    let mut place = Place::option("l", entry.position(), reason);
    place.allowed = Some(format!("text in {}", fonts::COVERED));
    Err(SpecError::BadValue(place))
}

fn check_limits(spec: &Spec, may_have_grown: bool) -> Result<(), SpecError> {
    let fullest = spec.steps.iter().map(Options::len).max().unwrap_or(0);
    let last = spec.steps.last().map_or(0, Options::len) + spec.whole.len();
    if spec.steps.len() > MAX_STEPS {
        return Err(too_many_steps());
    }
    if fullest.max(last) > MAX_OPTIONS {
        let reason = format!("the canonical form has more than {MAX_OPTIONS} options in a step");
        return Err(SpecError::TooLong(Place::new(reason)));
    }
    if may_have_grown {
        let mut length = Length(0);
        if write!(length, "{spec}").is_err() || length.0 > MAX_BYTES {
            let reason = format!("the canonical form has more than {MAX_BYTES} bytes");
            return Err(SpecError::TooLong(Place::new(reason)));
        }
    }
    Ok(())
}

struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
