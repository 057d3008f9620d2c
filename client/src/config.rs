//! Which server, who one is there, and where the cache lies: from a file that nobody else can read, and from the
//! environment. The Python package reads the same file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

use crate::{Failure, Urls};

/// What a [`crate::Client`] needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://img.example.com`
    pub server: String,
    pub credential: Credential,
    /// Where the cache is kept; `None` = nowhere.
    pub cache: Option<PathBuf>,
    /// For how long the cache is believed without asking the server.
    pub revalidate: Duration,
    /// How long one request may be put off by a server that is busy.
    pub patience: Duration,
    /// What the user should know about the file.
    pub warning: Option<String>,
}

/// How one shows who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Where the server asks for no account.
    None,
    /// An API key or an access token.
    Key(String),
    Password {
        username: String,
        password: String,
    },
}

/// The file as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    #[serde(default)]
    pub(crate) server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// What the server calls the key, to revoke it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache: Option<PathBuf>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revalidate: Option<u64>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) patience: Option<u64>,
}

/// `config/config.json` of image_proxy_project.
#[derive(Deserialize)]
struct Old {
    server: OldServer,
    #[serde(default)]
    users: Vec<OldUser>,
}

#[derive(Deserialize)]
struct OldServer {
    domain: String,
    port: Option<u16>,
}

#[derive(Deserialize)]
struct OldUser {
    username: String,
    password: String,
}

const REVALIDATE: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);

impl Config {
    /// For a server, with the usual settings and no cache.
    pub fn of(server: &str, credential: Credential) -> Result<Self, Failure> {
        Urls::new(server).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self {
            server: server.trim_end_matches('/').to_owned(),
            credential,
            cache: None,
            revalidate: REVALIDATE,
            patience: PATIENCE,
            warning: None,
        })
    }

    /// [`Self::load_for`] the server that the file and the environment name.
    pub fn load(path: Option<&Path>) -> Result<Self, Failure> {
        Self::load_for(path, None)
    }

    /// From `path`, else the file that `PIXEDGE_CLIENT_CONFIG` names, else the usual one, which may be missing. What
    /// the environment says stands over the file: `PIXEDGE_SERVER`, `PIXEDGE_KEY`, `PIXEDGE_CLIENT_CACHE`; and `server`
    /// over both.
    pub fn load_for(path: Option<&Path>, server: Option<&str>) -> Result<Self, Failure> {
        let named = path.map(Path::to_owned).or_else(|| variable("PIXEDGE_CLIENT_CONFIG").map(PathBuf::from));
        let path = named.clone().or_else(usual_path);
        let (stored, warning) = match path {
            Some(path) => read(&path, named.is_some())?,
            None => (Stored::default(), None),
        };
        let server = server.map(str::to_owned).or_else(|| variable("PIXEDGE_SERVER"));
        Self::put_together(stored, server.as_deref(), variable("PIXEDGE_KEY"), warning)
    }

    fn put_together(
        stored: Stored,
        server: Option<&str>,
        key: Option<String>,
        warning: Option<String>,
    ) -> Result<Self, Failure> {
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        // Credentials are for the server that they were made for.
        let is_elsewhere = server.is_some_and(|server| trimmed(server) != trimmed(&stored.server));
        let server = server.map_or(stored.server, str::to_owned);
        if server.is_empty() {
            let text = "which server is not known: run `pixedge-client login https://…`, or set PIXEDGE_SERVER and \
                        PIXEDGE_KEY";
            return Err(Failure::Usage(text.to_owned()));
        }
        let credential = match (key, stored.key, stored.username, stored.password) {
            (Some(key), ..) => Credential::Key(key),
            _ if is_elsewhere => Credential::None,
            (_, Some(key), ..) => Credential::Key(key),
            (.., Some(username), Some(password)) => Credential::Password { username, password },
            _ => Credential::None,
        };
        let cache = match variable("PIXEDGE_CLIENT_CACHE").map(PathBuf::from).or(stored.cache) {
            Some(path) if path.as_os_str() == "off" => None,
            Some(path) => Some(path),
            None => usual_cache(),
        };
        Ok(Self {
            cache,
            revalidate: stored.revalidate.map_or(REVALIDATE, Duration::from_secs),
            patience: stored.patience.map_or(PATIENCE, Duration::from_secs),
            warning,
            ..Self::of(&server, credential)?
        })
    }

    /// The account that the cache's rows belong to: what one user was told is nothing for another.
    pub(crate) fn account(&self) -> String {
        let who = match &self.credential {
            Credential::None => "anyone".to_owned(),
            Credential::Key(key) => format!("key:{}", &crate::local::sha256_hex(key.as_bytes())[..16]),
            Credential::Password { username, .. } => format!("user:{username}"),
        };
        format!("{} {who}", self.server)
    }
}

impl Stored {
    /// What is kept at `path` or at the usual place, and where that is.
    pub(crate) fn open(path: Option<&Path>) -> Result<(PathBuf, Self), Failure> {
        let named = path.map(Path::to_owned).or_else(|| variable("PIXEDGE_CLIENT_CONFIG").map(PathBuf::from));
        let path = named.or_else(usual_path).ok_or_else(|| {
            Failure::Usage("there is no home folder to keep credentials in: give --config FILE".to_owned())
        })?;
        let stored = if path.exists() { read(&path, true)?.0 } else { Self::default() };
        Ok((path, stored))
    }

    /// Puts it there, whole or not at all, readable for its owner alone.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::file(path, &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::Usage(error.to_string()))?;
        let _ = fs::remove_file(&beside);
        let written = private_file(&beside)
            .and_then(|mut file| {
                writeln!(file, "{text}")?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&beside, path));
        written.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(failed)
    }
}

/// A new file that only its owner can read, from the moment it is there.
pub(crate) fn private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn read(path: &Path, must_exist: bool) -> Result<(Stored, Option<String>), Failure> {
    let wrong = |reason: String| Failure::Config { path: path.to_owned(), reason };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(Default::default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(wrong("there is no such file".to_owned()));
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    let open = is_open(path).map_err(|error| wrong(error.to_string()))?;
    if value["server"].is_object() {
        let old: Old = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        let warning =
            open.then(|| format!("{}: others can read the passwords in it; `chmod 600` it", path.display()));
        return Ok((old.stored(), warning));
    }
    if open {
        return Err(wrong(format!("others can read the credentials in it: chmod 600 {}", path.display())));
    }
    let stored = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    Ok((stored, None))
}

impl Old {
    fn stored(self) -> Stored {
        let domain = self.server.domain.trim_end_matches('/').to_owned();
        let server = match (domain.contains("://"), self.server.port) {
            (true, _) => domain,
            (false, None | Some(80)) => format!("http://{domain}"),
            (false, Some(443)) => format!("https://{domain}"),
            (false, Some(port)) => format!("http://{domain}:{port}"),
        };
        let user = self.users.into_iter().next();
        let (username, password) = user.map(|user| (user.username, user.password)).unzip();
        Stored { server, username, password, ..Stored::default() }
    }
}

/// Whether anybody but the owner can read or change it.
#[cfg(unix)]
fn is_open(path: &Path) -> io::Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::mode(&fs::metadata(path)?) & 0o077 != 0)
}

/// A profile's folder is its owner's already.
#[cfg(not(unix))]
fn is_open(_: &Path) -> io::Result<bool> {
    Ok(false)
}

fn usual_path() -> Option<PathBuf> {
    let folder = folder("XDG_CONFIG_HOME", "APPDATA", ".config")?;
    Some(folder.join("pixedge").join("client.json"))
}

fn usual_cache() -> Option<PathBuf> {
    let folder = folder("XDG_CACHE_HOME", "LOCALAPPDATA", ".cache")?;
    Some(folder.join("pixedge").join("client.db"))
}

fn folder(unix: &str, windows: &str, below_home: &str) -> Option<PathBuf> {
    if cfg!(windows) {
        return variable(windows).map(PathBuf::from);
    }
    let named = variable(unix).map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(PathBuf::from(variable("HOME")?).join(below_home)))
}

#[expect(clippy::disallowed_methods, reason = "this is where the client reads its environment")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

impl std::fmt::Debug for Credential {
    /// Without the secrets: what is logged is read by many.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Key(_) => f.write_str("Key(…)"),
            Self::Password { username, .. } => write!(f, "Password({username:?}, …)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(text: &str) -> Stored {
        serde_json::from_str::<Old>(text).unwrap().stored()
    }

    #[test]
    fn the_configuration_of_image_proxy_project() {
        let stored = old(
            r#"{"server": {"domain": "img.example.com", "port": 8000}, "cleanup": {"enable": true},
                "users": [{"username": "alice", "password": "alice123"}, {"username": "b", "password": "c"}]}"#,
        );
        assert_eq!(stored.server, "http://img.example.com:8000");
        assert_eq!(
            (stored.username.as_deref(), stored.password.as_deref()),
            (Some("alice"), Some("alice123"))
        );
        for (server, url) in [
            (r#"{"domain": "a", "port": 443}"#, "https://a"),
            (r#"{"domain": "a", "port": 80}"#, "http://a"),
            (r#"{"domain": "https://a/x/", "port": 8000}"#, "https://a/x"),
            (r#"{"domain": "a"}"#, "http://a"),
        ] {
            assert_eq!(old(&format!(r#"{{"server": {server}}}"#)).server, url);
        }
    }

    #[test]
    fn credentials_go_to_no_other_server() {
        let stored =
            || Stored { server: "https://a".to_owned(), key: Some("secret".to_owned()), ..Stored::default() };
        let of = |server, key: Option<&str>| {
            Config::put_together(stored(), server, key.map(str::to_owned), None).unwrap().credential
        };
        let key = |key: &str| Credential::Key(key.to_owned());
        assert_eq!(of(None, None), key("secret"));
        assert_eq!(of(Some("https://a/"), None), key("secret"));
        assert_eq!(of(Some("https://b"), None), Credential::None);
        assert_eq!(of(Some("https://b"), Some("other")), key("other"));
        assert!(!format!("{:?}", key("secret")).contains("secret"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/client.json");
        Stored { server: "https://a".to_owned(), ..Stored::default() }.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path, true).unwrap().0.server, "https://a");
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let failure = read(&path, true).unwrap_err();
            assert!(failure.to_string().contains("chmod 600"), "{mode:o}: {failure}");
            assert_eq!(failure.exit_code(), 3);
        }
        fs::write(&path, r#"{"sever": "https://a"}"#).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(&path, true).unwrap_err().to_string().contains("`sever`"));
    }
}
