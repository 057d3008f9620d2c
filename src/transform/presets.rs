//! Named specs of the configuration. They are read once at start; a URL that names one never parses it again.

use std::collections::BTreeMap;

use crate::transform::domain::is_name;
use crate::transform::draft::Draft;
use crate::transform::options::Key;
use crate::transform::spec::Options;

const MAX_DEPTH: usize = 4;

/// The presets of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Presets {
    /// Sorted by name.
    list: Vec<(Box<str>, Preset)>,
}

/// A preset with its own presets expanded, not yet folded, so that the options beside it can still win.
#[derive(Debug, Clone)]
pub(crate) struct Preset {
    pub(crate) steps: Vec<Options>,
    pub(crate) whole: Options,
}

impl Presets {
    /// Reads `name: spec`; an error names the preset and what is wrong with it.
    pub fn new(texts: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut waiting: BTreeMap<String, &str> = BTreeMap::new();
        for (name, text) in texts {
            if !is_name(name) {
                return Err(format!("preset `{name}`: a name has 1–64 letters, digits, `-` and `_`"));
            }
            if waiting.insert(name.to_ascii_lowercase(), text).is_some() {
                return Err(format!("preset `{name}` stands there twice; case makes no difference"));
            }
        }
        let mut presets = Self::default();
        // Each round reads the presets that need only those of the rounds before.
        for _ in 0..MAX_DEPTH {
            let known = presets.clone();
            waiting.retain(|name, text| match read(text, &known) {
                Ok(preset) => {
                    presets.list.push((name.as_str().into(), preset));
                    false
                }
                Err(_) => true,
            });
            presets.list.sort_by(|a, b| a.0.cmp(&b.0));
        }
        match waiting.first_key_value() {
            None => Ok(presets),
            Some((name, text)) => {
                let reason = read(text, &presets).err().unwrap_or_default();
                Err(format!("preset `{name}` ({text}): {reason}; presets nest at most {MAX_DEPTH} deep"))
            }
        }
    }

    /// `name` in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&Preset> {
        let at = self.list.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        Some(&self.list[at].1)
    }
}

fn read(text: &str, known: &Presets) -> Result<Preset, String> {
    let mut draft = Draft::new(known);
    let mut at = 0;
    for step in text.split('/') {
        draft.step(step, at, &[',']).map_err(|error| error.to_string())?;
        at += step.len() + 1;
    }
    // A preset that cannot stand alone may still make sense beside options; but most that cannot are mistakes,
    // except that `ar` may wait for a side.
    let alone = draft.clone();
    let (mut steps, mut whole) = draft.into_parts();
    if !steps.iter().any(|step| step.get(Key::Ar).is_some()) {
        alone.finish().map_err(|error| error.to_string())?;
    }
    for entry in steps.iter_mut().flat_map(Options::iter_mut).chain(whole.iter_mut()) {
        // Positions are those of the configuration; in a URL they would mislead.
        entry.at = None;
        entry.trusted = true;
    }
    Ok(Preset { steps, whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::Spec;

    fn presets(list: &[(&str, &str)]) -> Result<Presets, String> {
        Presets::new(&list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn canonical(text: &str, presets: &Presets) -> String {
        Spec::parse(text, presets).map_or_else(|error| format!("error {error}"), |spec| spec.to_string())
    }

    #[test]
    fn inline_options_win_and_later_names_win() {
        let presets =
            presets(&[("a", "w_100,h_50,q_50"), ("B", "w_200,f_webp"), ("two", "w_800/r_max,q_40,flip")])
                .unwrap();
        for (text, expected) in [
            ("t_a", "w_100,h_50,q_50"),
            ("w_300,t_a", "w_300,h_50,q_50"),
            ("t_a,w_300", "w_300,h_50,q_50"),
            ("t_a:b", "w_200,h_50,f_webp,q_50"),
            ("preset_B:a", "w_100,h_50,f_webp,q_50"),
            ("q_80/t_a", "w_100,h_50,q_80"),
            ("a_90/t_a/a_90", "a_90/w_100,h_50/a_90,q_50"),
            ("t_two", "w_800/flip_1,r_max,q_40"),
            ("t_two,flip_0,w_30", "w_800/w_30,r_max,q_40"),
            ("t_a,s_30", "w_30,h_30,c_afill,q_50"),
        ] {
            assert_eq!(canonical(text, &presets), expected, "{text}");
        }
        assert!(canonical("t_nope", &presets).contains("unknown preset"));
        assert!(canonical("t_a,t_b", &presets).contains("twice"));
        assert!(canonical("t_a:b:a:b:a:b:a:b:a", &presets).contains("at most 8 presets"));
    }

    #[test]
    fn presets_nest_four_deep_and_no_further() {
        let chain = [("a", "w_1"), ("b", "t_a,h_1"), ("c", "t_b,q_30"), ("d", "t_c,f_png"), ("e", "t_d")];
        assert_eq!(canonical("t_d", &presets(&chain[..4]).unwrap()), "w_1,h_1,f_png,q_30");
        assert!(presets(&chain).unwrap_err().contains("preset `e`"));
        assert!(presets(&[("a", "t_b"), ("b", "t_a")]).is_err());
        assert!(presets(&[("a", "w_0")]).unwrap_err().contains("preset `a`"));
        assert!(presets(&[("a b", "w_1")]).is_err());
        assert!(presets(&[("a", "w_1"), ("A", "w_2")]).is_err());
    }

    #[test]
    fn an_aspect_may_wait_for_its_side() {
        let presets = presets(&[("wide", "ar_16:9,c_fill")]).unwrap();
        assert_eq!(canonical("t_wide,w_320", &presets), "w_320,h_180,c_fill");
        assert!(canonical("t_wide", &presets).contains("bad value"));
    }
}
