//! `pixedge config convert`: the settings of another system as a configuration of ours. Every key that it finds is a line
//! of what it writes, with where it went or why it went nowhere, so that nothing is lost unnoticed.

mod read;
mod systems;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use yaml_serde::{Mapping, Value};

use super::Failure;
use read::{Setting, settings};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the settings of another system as a configuration of this one to standard output
    ///
    /// Each key of the file becomes a comment that says where it went, or why it went nowhere.
    /// Example: pixedge config convert --from imageproxy config/config.json > config.yaml
    Convert {
        /// Whose file it is
        #[arg(long, value_enum, value_name = "SYSTEM")]
        from: System,
        /// Its `config.json`, `.env` or `config.py`
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum System {
    /// mgek img_bed: config.json or flask_config.py
    Mgek,
    /// Image Proxy Project: config/config.json
    Imageproxy,
    /// WPIC: .env
    Wpic,
    /// The Vue 3 and Flask example: .env or app/config.py
    Vueflask,
}

pub(super) fn run(Command::Convert { from, file }: &Command) -> Result<(), Failure> {
    let text = read_file(file)?;
    print!("{}", convert(*from, &text)?);
    Ok(())
}

fn read_file(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure { code: 1, text: format!("{}: {error}", file.display()) })
}

/// The configuration, as YAML with its comments.
fn convert(from: System, text: &str) -> Result<String, Failure> {
    let all = settings(text).map_err(Failure::usage)?;
    if all.is_empty() {
        return Err(Failure::usage("there is no setting in this file"));
    }
    let rules = systems::rules(from);
    let mut out = Out { all: &all, root: Mapping::new() };
    let mut lines = Vec::new();
    for setting in &all {
        let said = match rules.iter().find(|(key, _)| key.eq_ignore_ascii_case(&setting.rule)) {
            Some((_, Rule::Not(why))) => format!("no counterpart: {why}"),
            Some((_, Rule::To(apply))) => apply(setting, &mut out),
            None => "not a documented key of this system; nothing was made of it".to_owned(),
        };
        lines.push(format!("# {}: {said}", setting.key));
    }
    for (key, value, why) in systems::always(from) {
        if let Some(value) = value {
            out.set(key, *value);
        }
        lines.push(format!("# ({key}): {why}"));
    }
    let body = yaml_serde::to_string(&out.root).map_err(|error| Failure::usage(error.to_string()))?;
    let name = from.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    Ok(format!(
        "# Made by `pixedge config convert --from {name}`. What became of each key:\n{}\n\n{body}",
        lines.join("\n")
    ))
}

/// What becomes of a key.
enum Rule {
    /// Sets something, and says what.
    To(fn(&Setting, &mut Out<'_>) -> String),
    /// Why there is nothing to set.
    Not(&'static str),
}

/// The configuration so far.
struct Out<'a> {
    all: &'a [Setting],
    root: Mapping,
}

impl Out<'_> {
    /// Another setting of the file, unless it is empty.
    fn other(&self, key: &str) -> Option<&str> {
        let found = self.all.iter().find(|setting| setting.key.eq_ignore_ascii_case(key))?;
        Some(found.value.as_str()).filter(|value| !value.is_empty())
    }

    fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.root.get(parts.next()?)?;
        parts.try_fold(first, |value, key| value.get(key))
    }

    fn set(&mut self, path: &str, value: impl Into<Value>) {
        let (sections, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut at = &mut self.root;
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            let inner = at.entry(section.into()).or_insert_with(|| Value::Mapping(Mapping::new()));
            match inner {
                Value::Mapping(inner) => at = inner,
                // Sections are made here only.
                _ => return,
            }
        }
        at.insert(key.into(), value.into());
    }

    /// Sets a key and says so.
    fn put(&mut self, path: &str, value: impl Into<Value>) -> String {
        self.set(path, value);
        format!("→ {path}")
    }

    /// Adds to a list.
    fn push(&mut self, path: &str, value: Value) {
        let mut list = match self.get(path) {
            Some(Value::Sequence(list)) => list.clone(),
            _ => Vec::new(),
        };
        list.push(value);
        self.set(path, Value::Sequence(list));
    }
}
