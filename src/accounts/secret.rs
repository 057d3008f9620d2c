//! The server's own secret where none is configured: made once, readable by its owner alone.

use std::io::{ErrorKind, Write};
use std::path::Path;

use super::AccountsError;
use crate::units::Secret;

/// The secret in `path`, made if there is none. Of two processes that start at once, both get the same.
pub fn load_or_make(path: &Path) -> Result<Secret, AccountsError> {
    let failed = |source| AccountsError::Secret { path: path.to_owned(), source };
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().len() >= LEAST => return Ok(Secret::new(text.trim())),
            Ok(_) => {
                let why = "is too short; remove it, and a new one is made";
                return Err(failed(std::io::Error::new(ErrorKind::InvalidData, why)));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => make(path)?,
            Err(error) => return Err(failed(error)),
        }
    }
}

const LEAST: usize = 32;

/// Under another name first: `path` is there whole or not at all, and never replaced.
fn make(path: &Path) -> Result<(), AccountsError> {
    let failed = |source| AccountsError::Secret { path: path.to_owned(), source };
    let mut bytes = [0; 36];
    getrandom::fill(&mut bytes).map_err(|error| AccountsError::Random(error.to_string()))?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // The name and the secret have no byte in common.
    let (name, secret) = hex.split_at(8);
    let own = path.with_extension(format!("{name}.tmp"));
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&own).map_err(failed)?;
    let made = file.write_all(secret.as_bytes()).and_then(|()| file.sync_all());
    let linked = made.and_then(|()| match std::fs::hard_link(&own, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // Some file systems have no links; there two first starts at once are not told apart.
        Err(_) => std::fs::rename(&own, path),
        Ok(()) => Ok(()),
    });
    // A name that stays behind harms nobody.
    let _ = std::fs::remove_file(&own);
    linked.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let made = load_or_make(&path).unwrap();
        assert_eq!(load_or_make(&path).unwrap(), made);
        assert_eq!(made.expose().len(), 64);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "short").unwrap();
        assert!(load_or_make(&path).is_err());
    }
}
