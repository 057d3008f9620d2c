//! What can be wrong with a configuration. Every problem names its key and the place it comes from, and all that
//! can be found in one pass are reported together.
//!
//! The server never answers a request with these, so they are no [`Fault`](crate::error::Fault).

use std::fmt;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration file {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the working directory is unknown")]
    WorkingDirectory(#[source] std::io::Error),
    #[error("the configuration is not valid:{}", list(.0))]
    Invalid(Vec<Problem>),
}

/// One thing to fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The full name of the key, `keys[0].kid`; empty where no single key is to blame.
    pub key: String,
    /// What is wrong and what would be right; names the key.
    pub text: String,
    pub origin: Origin,
}

/// Where the wrong value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    CommandLine,
    Variable(String),
    /// Lines count from 1.
    File {
        path: PathBuf,
        line: Option<usize>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => {}
            Origin::CommandLine => f.write_str("command line: ")?,
            Origin::Variable(name) => write!(f, "environment variable {name}: ")?,
            Origin::File { path, line: Some(line) } => write!(f, "{}:{line}: ", path.display())?,
            Origin::File { path, line: None } => write!(f, "{}: ", path.display())?,
        }
        f.write_str(&self.text)
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
