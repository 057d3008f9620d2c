//! The configuration as an untyped tree: the YAML file, overridden by the environment, with secrets fetched from
//! where the tree says that they are.

use std::path::{Path, PathBuf};

use yaml_serde::{Mapping, Value};

use super::environment::Environment;
use super::error::{Origin, Problem};
use super::path::{KeyPath, Segment};

/// Variables with this prefix are keys; `__` stands for the dot.
const PREFIX: &str = "PIXEDGE__";

/// Keys that hold a secret: each may be written as `<key>_env` (the name of a variable) or `<key>_file` instead.
const SECRETS: &[&str] = &[
    "secret",
    "admin_key",
    "password",
    "password_hash",
    "secret_access_key",
    "session_token",
    "token",
    "url",
    "smtp",
];

/// The sections that may hold secrets; elsewhere, as in `presets`, names belong to the user.
const SECRET_SECTIONS: &[&str] =
    &["auth", "database", "keys", "mail", "purge_hooks", "redis", "sources", "storages"];

#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) root: Value,
    overrides: Vec<Override>,
    /// Where a secret was written, for keys that are not in the file under their own name.
    renamed: Vec<(KeyPath, KeyPath)>,
    /// The files that secrets were fetched from.
    pub(super) secret_files: Vec<PathBuf>,
}

#[derive(Debug)]
struct Override {
    path: KeyPath,
    variable: String,
    /// The text as it stands in the environment, for keys that take text.
    raw: String,
}

impl Tree {
    pub(super) fn new(root: Value) -> Self {
        Self { root, ..Self::default() }
    }

    /// Applies every `PIXEDGE__…` variable; whole sections first, so that a single key can still override one.
    pub(super) fn apply(&mut self, environment: &Environment) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut variables: Vec<_> = environment
            .variables()
            .filter(|(name, _)| name.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX)))
            .map(|(name, text)| (name[PREFIX.len()..].split("__").collect::<Vec<_>>(), name, text))
            .collect();
        variables.sort_by_key(|(segments, name, _)| (segments.len(), name.to_owned()));
        for (segments, name, text) in variables {
            if let Err((key, text)) = self.set(&segments, name, text) {
                problems.push(Problem { key, text, origin: Origin::Variable(name.to_owned()) });
            }
        }
        problems
    }

    fn set(&mut self, segments: &[&str], variable: &str, raw: &str) -> Result<(), (String, String)> {
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err((String::new(), format!("names no key; write `{PREFIX}SECTION__KEY`")));
        }
        let value = parse(raw).map_err(|text| (String::new(), text))?;
        let mut path = KeyPath::default();
        let mut place = &mut self.root;
        for segment in segments {
            if place.is_null() {
                *place = Value::Mapping(Mapping::new());
            }
            let Value::Mapping(section) = place else {
                return Err((
                    path.to_string(),
                    format!("`{path}` is not a section and has no key `{segment}`"),
                ));
            };
            let written =
                section.keys().filter_map(Value::as_str).find(|key| key.eq_ignore_ascii_case(segment));
            let key = written.map_or_else(|| segment.to_ascii_lowercase(), str::to_owned);
            path = path.key(&key);
            place = section.entry(Value::String(key)).or_insert(Value::Null);
        }
        if let Some(earlier) = self.overrides.iter().find(|earlier| earlier.path == path) {
            return Err((path.to_string(), format!("`{path}` is set by {} too", earlier.variable)));
        }
        *place = value;
        self.overrides.push(Override { path, variable: variable.to_owned(), raw: raw.to_owned() });
        Ok(())
    }

    /// The variable's own text, where a whole key was set by one.
    pub(super) fn raw(&self, path: &KeyPath) -> Option<&str> {
        self.overrides.iter().find(|set| set.path == *path).map(|set| set.raw.as_str())
    }

    /// The variable that set the key or a section around it.
    pub(super) fn variable(&self, path: &KeyPath) -> Option<&str> {
        let mut setters = self.overrides.iter().rev();
        setters.find(|set| path.starts_with(&set.path)).map(|set| set.variable.as_str())
    }

    /// The key as the user wrote it: `keys[0].secret_env` for `keys[0].secret`.
    pub(super) fn written<'p>(&'p self, path: &'p KeyPath) -> &'p KeyPath {
        self.renamed.iter().find(|(key, _)| key == path).map_or(path, |(_, written)| written)
    }

    /// Signing keys may stand in the environment, never in the file, which ends up in backups and repositories.
    pub(super) fn inline_secrets(&self) -> Vec<(KeyPath, String)> {
        let top = KeyPath::default();
        let keys = self.root.get("keys").and_then(Value::as_sequence).into_iter().flatten().enumerate();
        let keys = keys.map(|(index, key)| (top.key("keys").index(index), key, "secret"));
        let auth = self.root.get("auth").into_iter();
        let auth = auth.flat_map(|auth| ["secret", "admin_key"].map(|name| (top.key("auth"), auth, name)));
        keys.chain(auth)
            .filter(|(_, section, name)| section.get(*name).is_some_and(|secret| !secret.is_null()))
            .map(|(path, _, name)| (path.key(name), name))
            .filter(|(path, _)| self.variable(path).is_none())
            .map(|(path, name)| {
                let text = format!("`{path}` stands in the file; name a variable with `{name}_env` or a file with `{name}_file` instead");
                (path, text)
            })
            .collect()
    }

    /// Whether a secret stands in the file itself. To be asked before those that stand elsewhere are fetched.
    pub(super) fn holds_secrets(&self) -> bool {
        fn within(tree: &Tree, value: &Value, path: &KeyPath) -> bool {
            match value {
                Value::Sequence(list) => {
                    list.iter().enumerate().any(|(index, inner)| within(tree, inner, &path.index(index)))
                }
                Value::Mapping(section) => section
                    .iter()
                    .filter_map(|(key, inner)| Some((key.as_str()?, inner)))
                    .any(|(key, inner)| within(tree, inner, &path.key(key))),
                Value::String(text) => {
                    // Of URLs only those with a login are secret.
                    let is_open = matches!(path.last_key(), Some("url" | "smtp")) && !text.contains('@');
                    is_secret(path) && !is_open && tree.variable(path).is_none()
                }
                _ => false,
            }
        }
        within(self, &self.root, &KeyPath::default())
    }

    /// Replaces every `<secret>_env` and `<secret>_file` by what it names. `base` is where relative paths begin.
    pub(super) fn fetch_secrets(&mut self, environment: &Environment, base: &Path) -> Vec<(KeyPath, String)> {
        let mut fetch =
            Fetch { environment, base, renamed: Vec::new(), files: Vec::new(), problems: Vec::new() };
        if let Value::Mapping(root) = &mut self.root {
            for (key, section) in root.iter_mut() {
                if let Some(key) = key.as_str().filter(|key| SECRET_SECTIONS.contains(key)) {
                    fetch.walk(section, &KeyPath::default().key(key));
                }
            }
        }
        self.renamed = fetch.renamed;
        self.secret_files = fetch.files;
        fetch.problems
    }
}

/// `[…]`, `{…}` and quoted text are YAML; anything else is one scalar, whatever YAML's punctuation is in it: a
/// password may begin with `*` or hold ` #`.
fn parse(raw: &str) -> Result<Value, String> {
    let wrong = |error| format!("is not valid YAML: {error}");
    if raw.starts_with(['[', '{', '"', '\'']) {
        return yaml_serde::from_str(raw).map_err(wrong);
    }
    Ok(match yaml_serde::from_str(raw) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) if !raw.contains('#') => value,
        _ => Value::String(raw.to_owned()),
    })
}

struct Fetch<'a> {
    environment: &'a Environment,
    base: &'a Path,
    renamed: Vec<(KeyPath, KeyPath)>,
    files: Vec<PathBuf>,
    problems: Vec<(KeyPath, String)>,
}

impl Fetch<'_> {
    fn walk(&mut self, value: &mut Value, path: &KeyPath) {
        match value {
            Value::Sequence(list) => {
                for (index, element) in list.iter_mut().enumerate() {
                    self.walk(element, &path.index(index));
                }
            }
            Value::Mapping(section) => {
                self.section(section, path);
                for (key, inner) in section.iter_mut() {
                    if let Some(key) = key.as_str() {
                        self.walk(inner, &path.key(key));
                    }
                }
            }
            _ => {}
        }
    }

    fn section(&mut self, section: &mut Mapping, path: &KeyPath) {
        for secret in SECRETS {
            for (suffix, read) in [("_env", Self::variable as fn(&Self, &str) -> _), ("_file", Self::file)] {
                let written = format!("{secret}{suffix}");
                let Some(Value::String(name)) = section.get(written.as_str()) else { continue };
                let written_path = path.key(&written);
                if section.get(*secret).is_some_and(|value| !value.is_null()) {
                    let other = self.renamed.iter().find(|(key, _)| *key == path.key(secret));
                    let other = other.map_or_else(|| path.key(secret), |(_, other)| other.clone());
                    self.problems.push((
                        written_path.clone(),
                        format!("`{written_path}` and `{other}` are both set; keep one"),
                    ));
                    section.remove(written.as_str());
                    continue;
                }
                match read(self, name) {
                    Ok(text) => {
                        if suffix == "_file" {
                            self.files.push(self.base.join(name));
                        }
                        section.insert((*secret).into(), text.into());
                        self.renamed.push((path.key(secret), written_path));
                    }
                    Err(text) => {
                        self.problems.push((written_path.clone(), format!("`{written_path}` {text}")));
                        // A stand-in, so that one missing variable is not reported as a missing key too.
                        section.insert((*secret).into(), STAND_IN.into());
                    }
                }
                section.remove(written.as_str());
            }
        }
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        match self.environment.get(name) {
            Some("") => Err(format!("names the environment variable {name}, which is empty")),
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("names the environment variable {name}, which is not set")),
        }
    }

    fn file(&self, name: &str) -> Result<String, String> {
        let path = self.base.join(name);
        let shown = path.display();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("names the file {shown}, which cannot be read: {error}"))?;
        // Editors and `echo` end a file with a newline that is no part of the secret.
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("names the file {shown}, which is empty")),
            secret => Ok(secret.to_owned()),
        }
    }
}

const STAND_IN: &str = "this secret could not be fetched";

/// Whether the value of this key must not be shown in a message.
pub(super) fn is_secret(path: &KeyPath) -> bool {
    let inside = matches!(path.0.first(), Some(Segment::Key(key)) if SECRET_SECTIONS.contains(&key.as_str()));
    inside && path.last_key().is_some_and(|key| SECRETS.contains(&key))
}

/// The keys that `tree` itself understands beside a section's own.
pub(super) fn secret_variants(known: &[&'static str]) -> Vec<String> {
    let secrets = known.iter().filter(|key| SECRETS.contains(*key));
    secrets.flat_map(|key| [format!("{key}_env"), format!("{key}_file")]).collect()
}
