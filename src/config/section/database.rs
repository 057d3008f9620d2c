//! Where accounts, images and jobs are recorded.

use std::path::Path;

use serde::Deserialize;

use crate::units::Secret;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH`, `postgres://…` or `mysql://…`; it may hold a password. Unset: `pixedge.db` in `data_dir`.
    pub url: Option<Secret>,
}

impl Database {
    pub(in crate::config) fn derive(&mut self, data_dir: &Path, base: &Path) {
        let url = match &self.url {
            None => format!("sqlite:{}", data_dir.join("pixedge.db").display()),
            Some(url) => {
                let url = url.expose();
                // `sqlite://data/x.db` is a relative path too: SQLite has no host.
                match url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)) {
                    Some(path) if !path.is_empty() && !path.starts_with(":memory:") => {
                        format!("sqlite:{}", base.join(path).display())
                    }
                    _ => url.to_owned(),
                }
            }
        };
        self.url = Some(Secret::new(url));
    }

    pub fn validate(&self) -> Result<(), String> {
        const SCHEMES: [&str; 5] = ["sqlite:", "postgres://", "postgresql://", "mysql://", "mariadb://"];
        match self.url.as_ref().map(Secret::expose) {
            Some(url)
                if !SCHEMES.iter().any(|s| url.strip_prefix(s).is_some_and(|rest| !rest.is_empty())) =>
            {
                Err("`database.url` is not a URL that begins with `sqlite:`, `postgres://` or `mysql://`"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}
