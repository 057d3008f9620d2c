//! The configuration: built-in defaults, overridden by a YAML file, overridden by the environment, overridden by
//! the command line. What comes out is complete and valid: paths are absolute, secrets are fetched, and what was
//! left out has its value. Only the composition root sees it; each room gets its own section.
//!
//! The file is the one that `--config` names, else `config.yaml` in the working directory if there is one; nothing
//! else is read from there. Relative paths begin at the file's folder, without a file at the working directory.
//! `PIXEDGE__HTTP__LISTEN=…` overrides `http.listen` (in any case; lists and sections as YAML: `[a, b]`).
//!
//! A section or list with nothing in it is an empty one, and a key that takes one value needs one; only keys that
//! may be unset take `null`.

mod de;
mod environment;
mod error;
mod path;
mod section;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use yaml_serde::Value;

use path::KeyPath;
use tree::Tree;

pub use environment::Environment;
pub use error::{Error, Origin, Problem};
pub use section::Policy;
pub use section::auth::{Auth, Registration, Role, User};
pub use section::backup::Backup;
pub use section::ban::{Ban, Counted};
pub use section::cache::Cache;
pub use section::cleanup::Cleanup;
pub use section::database::Database;
pub use section::dialects::{Dialects, Switch};
pub use section::hotlink::{EmptyReferer, Hotlink, HotlinkAnswer};
pub use section::http::Http;
pub use section::images::Images;
pub use section::ipx::Ipx;
pub use section::jobs::Jobs;
pub use section::keys::Key;
pub use section::library::{Library, Visibility};
pub use section::limits::{Limit, Limits};
pub(crate) use section::listen_address;
pub use section::log::{Access, Format, Level, Log};
pub use section::mail::{Mail, MailLanguage};
pub use section::presets::Presets;
pub use section::purge_hooks::{PurgeHook, PurgeHooks};
pub use section::redis::Redis;
pub use section::source::{CacheControl, Source};
pub use section::storage::{Scheme, Storage};
pub use section::traces::Traces;
pub use section::uploads::Uploads;
pub use section::user_storages::UserStorages;

/// The file that is looked for in the working directory.
const FILE: &str = "config.yaml";
/// What `ipx.source` and `keys[].sources` call the library.
const LIBRARY: &str = "library";
/// The storage that is there without being configured.
const LOCAL: &str = "local";

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file that was read.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The files that secrets were read from, the configuration's own among them if some stand there.
    #[serde(skip)]
    pub secret_files: Vec<PathBuf>,
    /// A place in the code where the process dies, for tests of what that leaves: `PIXEDGE_CRASH_AT=name:times`.
    /// Release builds have no such places.
    #[serde(skip)]
    pub crash_at: Option<String>,
    /// Where everything is kept that has no place of its own.
    pub data_dir: PathBuf,
    pub http: Http,
    pub database: Database,
    pub redis: Redis,
    /// By name; `local`, in `data_dir`, is always there.
    pub storages: BTreeMap<String, Storage>,
    /// Where new pictures go.
    pub storage_default: String,
    pub user_storages: UserStorages,
    /// By name.
    pub sources: BTreeMap<String, Source>,
    pub ipx: Ipx,
    pub cache: Cache,
    /// By name.
    pub purge_hooks: PurgeHooks,
    pub images: Images,
    pub presets: Presets,
    pub limits: Limits,
    pub library: Library,
    pub hotlink: Hotlink,
    pub uploads: Uploads,
    pub cleanup: Cleanup,
    pub jobs: Jobs,
    pub auth: Auth,
    pub keys: Vec<Key>,
    pub mail: Mail,
    pub dialects: Dialects,
    pub backup: Backup,
    pub log: Log,
    pub traces: Traces,
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// `--config`; relative to the working directory, as are all paths here.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
}

impl Default for Config {
    /// The built-in values, before anything is derived from them.
    fn default() -> Self {
        Self {
            file: None,
            secret_files: Vec::new(),
            crash_at: None,
            data_dir: PathBuf::from("data"),
            http: Http::default(),
            database: Database::default(),
            redis: Redis::default(),
            storages: BTreeMap::new(),
            storage_default: LOCAL.to_owned(),
            user_storages: UserStorages::default(),
            sources: BTreeMap::new(),
            ipx: Ipx::default(),
            cache: Cache::default(),
            purge_hooks: PurgeHooks::new(),
            images: Images::default(),
            presets: Presets::new(),
            limits: Limits::default(),
            library: Library::default(),
            hotlink: Hotlink::default(),
            uploads: Uploads::default(),
            cleanup: Cleanup::default(),
            jobs: Jobs::default(),
            auth: Auth::default(),
            keys: Vec::new(),
            mail: Mail::default(),
            dialects: Dialects::default(),
            backup: Backup::default(),
            log: Log::default(),
            traces: Traces::default(),
        }
    }
}

impl Config {
    /// The configuration of this process.
    pub fn load(command_line: &CommandLine) -> Result<Self, Error> {
        Self::load_in(command_line, &Environment::of_process()?)
    }

    /// The same in a given environment.
    pub fn load_in(command_line: &CommandLine, environment: &Environment) -> Result<Self, Error> {
        let file = File::read(command_line, environment)?;
        let base = file.base(environment);
        let blame = |tree: &Tree, problems: Vec<(KeyPath, String)>| {
            let locate = |(path, text)| file.problem(tree, command_line, &path, text);
            Error::Invalid(problems.into_iter().map(locate).collect())
        };

        let mut tree = Tree::new(file.parse()?);
        let problems = tree.apply(environment);
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let mut problems = tree.inline_secrets();
        let open_secrets = file.path.clone().filter(|_| tree.holds_secrets());
        problems.extend(tree.fetch_secrets(environment, &base));
        let mut config: Self = match de::read(&tree) {
            Ok(config) if problems.is_empty() => config,
            Ok(_) => return Err(blame(&tree, problems)),
            Err(more) => {
                problems.extend(more);
                return Err(blame(&tree, problems));
            }
        };

        let (from, data_dir) = match &command_line.data_dir {
            Some(data_dir) => (environment.working_directory(), data_dir),
            None => (base.as_path(), &config.data_dir),
        };
        if data_dir.as_os_str().is_empty() {
            let text = "`data_dir` is empty; name a folder, or leave it out for `data`".to_owned();
            return Err(blame(&tree, vec![(KeyPath::default().key("data_dir"), text)]));
        }
        config.data_dir = from.join(data_dir);
        if let Some(listen) = command_line.listen {
            config.http.listen = listen;
        }
        config.derive(&base);
        config.file.clone_from(&file.path);
        config.secret_files = open_secrets.into_iter().chain(tree.secret_files.iter().cloned()).collect();
        config.crash_at = environment.get("PIXEDGE_CRASH_AT").map(str::to_owned);
        match config.validate() {
            Ok(()) => Ok(config),
            Err(texts) => {
                let problems = texts.into_iter().map(|text| (KeyPath::parse(named(&text)), text)).collect();
                Err(blame(&tree, problems))
            }
        }
    }

    /// Fills in what was left out and makes paths absolute.
    fn derive(&mut self, base: &Path) {
        self.http.derive();
        self.database.derive(&self.data_dir, base);
        self.cache.derive(&self.data_dir, base);
        self.log.derive(base);
        self.mail.derive(base);
        self.storages.values_mut().for_each(|storage| storage.derive(base));
        self.sources.values_mut().for_each(|source| source.derive(base));
        let objects = || Storage::folder(self.data_dir.join("objects"));
        self.storages.entry(LOCAL.to_owned()).or_insert_with(objects);
    }

    /// What is wrong in each section and between sections; every text begins with the name of a key.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let problems: Vec<String> = [
            self.http.validate(),
            self.database.validate(),
            self.redis.validate(),
            self.cache.validate(),
            section::purge_hooks::validate(&self.purge_hooks),
            self.images.validate(),
            section::presets::validate_specs("presets", &self.presets),
            self.limits.validate(),
            self.hotlink.validate(),
            self.uploads.validate(),
            self.cleanup.validate(),
            self.jobs.validate(),
            self.auth.validate(),
            self.validate_openness(),
            self.mail.validate(),
            self.dialects.validate(),
            self.traces.validate(),
            self.backup.validate(),
            self.validate_storages(),
            self.user_storages.validate(),
            self.validate_sources(),
            self.validate_keys(),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Where no account is needed, whoever reaches the server may upload and delete.
    fn validate_openness(&self) -> Result<(), String> {
        let reachable = !self.http.listen.ip().is_loopback();
        if self.auth.required || self.auth.open_to_network || !reachable {
            return Ok(());
        }
        Err(format!(
            "`auth.required` is false and `http.listen` is {}: everybody who reaches it could upload and delete; \
             listen on 127.0.0.1, or say `auth.open_to_network: true` as well",
            self.http.listen
        ))
    }

    fn validate_storages(&self) -> Result<(), String> {
        for (name, storage) in &self.storages {
            section::validate_name("storages", name)?;
            storage.validate(&format!("storages.{name}"))?;
        }
        if self.storage_default != LOCAL && !self.storages.contains_key(&self.storage_default) {
            let known = self.storages.keys().map(String::as_str).chain([LOCAL]);
            return Err(unknown_name("storage_default", &self.storage_default, "storages", known));
        }
        Ok(())
    }

    fn validate_sources(&self) -> Result<(), String> {
        for (name, source) in &self.sources {
            section::validate_name("sources", name)?;
            if name == LIBRARY {
                return Err(format!("`sources.{name}`: this name is the library's; take another"));
            }
            source.validate(&format!("sources.{name}"))?;
        }
        match &self.ipx.source {
            Some(name) if !self.knows_source(name) => {
                Err(unknown_name("ipx.source", name, "sources", self.source_names()))
            }
            _ => Ok(()),
        }
    }

    fn validate_keys(&self) -> Result<(), String> {
        for (index, key) in self.keys.iter().enumerate() {
            let section = format!("keys[{index}]");
            key.validate(&section)?;
            if self.keys[..index].iter().any(|other| other.kid == key.kid) {
                return Err(format!("`{section}.kid`: there is a key `{}` already", key.kid));
            }
            if let Some(position) = key.sources.iter().position(|name| !self.knows_source(name)) {
                let option = format!("{section}.sources[{position}]");
                return Err(unknown_name(&option, &key.sources[position], "sources", self.source_names()));
            }
        }
        Ok(())
    }

    fn knows_source(&self, name: &str) -> bool {
        name == LIBRARY || self.sources.contains_key(name)
    }

    fn source_names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str).chain([LIBRARY])
    }
}

fn unknown_name<'n>(option: &str, name: &str, section: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.collect();
    let hint = match de::nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", known.join(", ")),
    };
    format!("`{option}`: `{name}` is not in `{section}`; {hint}")
}

/// The key that a message begins with.
fn named(text: &str) -> &str {
    let text = text.strip_prefix('`').unwrap_or(text);
    text.split(['`', ' ', ':']).next().unwrap_or_default()
}

/// The configuration file, or none.
struct File {
    path: Option<PathBuf>,
    text: String,
}

impl File {
    fn read(command_line: &CommandLine, environment: &Environment) -> Result<Self, Error> {
        let chosen = command_line.config.as_deref();
        let path = environment.working_directory().join(chosen.unwrap_or(Path::new(FILE)));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path: Some(path), text }),
            Err(error) if chosen.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path: None, text: String::new() })
            }
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Where relative paths begin.
    fn base(&self, environment: &Environment) -> PathBuf {
        let folder = self.path.as_deref().and_then(Path::parent);
        folder.unwrap_or(environment.working_directory()).to_owned()
    }

    fn parse(&self) -> Result<Value, Error> {
        let mut deserializer = yaml_serde::Deserializer::from_str(&self.text).peekable();
        if deserializer.peek().is_none() {
            return Ok(Value::Null);
        }
        let parsed = yaml_serde::from_str::<Value>(&self.text).and_then(|mut value| {
            value.apply_merge()?;
            Ok(value)
        });
        match parsed {
            Ok(value @ (Value::Null | Value::Mapping(_))) => Ok(value),
            Ok(_) => {
                Err(self.broken(Some(1), "a configuration is a section with keys like `http:`".to_owned()))
            }
            Err(error) => {
                let line = error.location().map(|location| location.line());
                Err(self.broken(line, error.to_string()))
            }
        }
    }

    fn broken(&self, line: Option<usize>, text: String) -> Error {
        let path = self.path.clone().unwrap_or_default();
        Error::Invalid(vec![Problem { key: String::new(), text, origin: Origin::File { path, line } }])
    }

    /// Finds out where the wrong value of a key was written.
    fn problem(&self, tree: &Tree, command_line: &CommandLine, path: &KeyPath, text: String) -> Problem {
        let key = path.to_string();
        let written = tree.written(path);
        let line = written.line_in(&self.text);
        let from_command_line = match key.as_str() {
            "http.listen" => command_line.listen.is_some(),
            "data_dir" => command_line.data_dir.is_some(),
            _ => false,
        };
        let origin = match (tree.variable(written), &self.path) {
            _ if from_command_line => Origin::CommandLine,
            (Some(variable), _) => Origin::Variable(variable.to_owned()),
            (None, Some(path)) if line.is_some() => Origin::File { path: path.clone(), line },
            _ => Origin::Default,
        };
        Problem { key, text, origin }
    }
}
