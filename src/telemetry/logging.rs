//! Where log lines go and what they look like. Everything is a `tracing` event; the access log is one of them, with
//! the target [`ACCESS`].

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::mask;

/// Target of access log lines.
pub const ACCESS: &str = "pixedge::access";

/// The `log` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`, also by module: `info,pixedge::http=debug`.
    pub level: String,
    /// `text` for people, `json` for machines (one object a line).
    pub format: Format,
    /// Which requests leave a line: `off`, `sampled` (one in a hundred and every 5xx) or `all`.
    pub access: Access,
    /// Appended to; standard error where unset.
    pub file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    #[default]
    Off,
    Sampled,
    All,
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`log.level`: `{0}` is not a level like `info` or `info,pixedge::http=debug`")]
    Level(String),
    #[error("`log.file`: {path} cannot be opened for appending")]
    File { path: PathBuf, source: io::Error },
    #[error("logging was started before")]
    Twice,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Text, access: Access::Off, file: None }
    }
}

impl Config {
    pub fn validate(&self) -> Result<(), String> {
        self.filter().map(|_| ()).map_err(|error| error.to_string())
    }

    /// The access log has its own switch, so a quieter level must not silence it.
    fn filter(&self) -> Result<EnvFilter, LogError> {
        let wrong = || LogError::Level(self.level.clone());
        let plain = |part: &str| {
            let part = part.trim();
            // EnvFilter takes any word for a module name, so that `level: inof` would switch everything off.
            part.contains('=')
                || part.parse::<tracing_subscriber::filter::LevelFilter>().is_ok_and(|_| !part.is_empty())
        };
        if self.level.trim().is_empty() || !self.level.split(',').all(plain) {
            return Err(wrong());
        }
        let filter = EnvFilter::try_new(self.level.replace(char::is_whitespace, "")).map_err(|_| wrong())?;
        let mut filter = filter;
        for target in TELLTALES {
            filter = filter.add_directive(format!("{target}=info").parse().map_err(|_| wrong())?);
        }
        let access = if self.access == Access::Off { "off" } else { "info" };
        Ok(filter.add_directive(format!("{ACCESS}={access}").parse().map_err(|_| wrong())?))
    }

    fn open(&self) -> Result<Option<File>, LogError> {
        let Some(path) = &self.file else { return Ok(None) };
        let open = OpenOptions::new().create(true).append(true).open(path);
        open.map(Some).map_err(|source| LogError::File { path: path.clone(), source })
    }
}

/// Crates that write keys out below this level, whatever level was asked for.
const TELLTALES: [&str; 3] = ["reqsign", "reqsign_core", "reqsign_aws_v4"];

/// What other servers say in their errors is logged, and may repeat what we sent them.
struct Masking<M>(M);

struct Masked<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Masking<M> {
    type Writer = Masked<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Masked(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for Masked<W> {
    /// An event comes whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&mask::credentials(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Starts logging for the whole process and turns panics into log lines. Once, from `main`.
pub fn init(config: &Config) -> Result<(), LogError> {
    let file = config.open()?;
    let colours = file.is_none() && io::IsTerminal::is_terminal(&io::stderr());
    let writer = match file {
        Some(file) => BoxMakeWriter::new(Masking(Mutex::new(file))),
        None => BoxMakeWriter::new(Masking(io::stderr)),
    };
    let builder =
        tracing_subscriber::fmt().with_env_filter(config.filter()?).with_ansi(colours).with_writer(writer);
    let started = match config.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|_| LogError::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(location, message, "panic");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(level: &str) -> Config {
        Config { level: level.to_owned(), ..Config::default() }
    }

    #[test]
    fn levels_are_checked_before_the_start() {
        for good in ["info", "WARN", "off", "info,pixedge::http=debug", "warn, foyer=error"] {
            level(good).validate().unwrap();
        }
        for bad in ["", "inof", "info,", "verbose", "pixedge=loud"] {
            let error = level(bad).validate().unwrap_err();
            assert!(error.contains("log.level") && error.contains("`info`"), "{bad}: {error}");
        }
    }

    #[test]
    fn the_access_log_does_not_depend_on_the_level() {
        let text = Config { access: Access::All, ..level("error") }.filter().unwrap().to_string();
        assert!(text.contains("pixedge::access=info"), "{text}");
        let text = level("trace").filter().unwrap().to_string();
        assert!(text.contains("pixedge::access=off"), "{text}");
    }

    #[test]
    fn keys_are_not_written_out_at_any_level() {
        for asked in ["trace", "debug,reqsign_core=trace"] {
            let text = level(asked).filter().unwrap().to_string();
            assert!(text.contains("reqsign_core=info") && !text.contains("reqsign_core=trace"), "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { file: Some(folder.path().join("no/such/folder.log")), ..Config::default() };
        let error = config.open().unwrap_err().to_string();
        assert!(error.contains("log.file") && error.contains("folder.log"), "{error}");
    }
}
