//! A file of the user's: what it is called, what is in it, and the hashes that tell it from others.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::{Failure, Stop};

/// A file that was read once.
pub(crate) struct Local {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) md5: String,
    pub(crate) sha256: String,
    /// All of it, where it is small: what is sent is then what was hashed, whatever becomes of the file meanwhile.
    pub(crate) content: Option<Vec<u8>>,
}

/// The largest file that is held in memory and sent in one request.
pub(crate) const WHOLE: u64 = 8 << 20;

impl Local {
    pub(crate) fn read(path: &Path, stop: &Stop) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::file(path, &error);
        let mut file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(Failure::File { path: path.to_owned(), reason: "is no file".to_owned() });
        }
        if meta.len() == 0 {
            return Err(Failure::File { path: path.to_owned(), reason: "is empty".to_owned() });
        }
        let mut kept = (meta.len() <= WHOLE).then(Vec::new);
        let (mut md5, mut sha256, mut bytes) = (Md5::new(), Sha256::new(), 0);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            stop.check()?;
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            let piece = &buffer[..read];
            md5.update(piece);
            sha256.update(piece);
            bytes += read as u64;
            if let Some(content) = &mut kept {
                content.extend_from_slice(piece);
            }
        }
        Ok(Self {
            path: path.to_owned(),
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes,
            md5: hex(&md5.finalize()),
            sha256: hex(&sha256.finalize()),
            content: kept,
        })
    }
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
