//! What the process was given beside its arguments: environment variables and the working directory, read once, so
//! that everything after that is a function of its arguments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::Error;

#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    working_directory: PathBuf,
}

impl Environment {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process's environment")]
    pub fn of_process() -> Result<Self, Error> {
        // A variable that is not UTF-8 cannot be ours: names and values of keys are text.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let working_directory = std::env::current_dir().map_err(Error::WorkingDirectory)?;
        Ok(Self { variables, working_directory })
    }

    pub fn new(
        working_directory: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self { variables: variables.into_iter().collect(), working_directory: working_directory.into() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn working_directory(&self) -> &Path {
        &self.working_directory
    }
}
