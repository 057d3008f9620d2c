//! The result cache: memory, and disk behind it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::units::ByteSize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// How much memory results may fill; pool and queue sizes scale with it.
    pub memory: ByteSize,
    /// How much disk results may fill; 0 for none.
    pub disk: ByteSize,
    /// How much disk the originals of sources over a network may fill; 0 for none.
    pub originals: ByteSize,
    /// The folder of the disk tier. Unset: `cache` in `data_dir`.
    pub path: Option<PathBuf>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            memory: ByteSize(256 << 20),
            disk: ByteSize(4 << 30),
            originals: ByteSize(1 << 30),
            path: None,
        }
    }
}

impl Cache {
    pub(in crate::config) fn derive(&mut self, data_dir: &Path, base: &Path) {
        self.path = Some(self.path.as_ref().map_or_else(|| data_dir.join("cache"), |path| base.join(path)));
    }

    pub fn validate(&self) -> Result<(), String> {
        if self.memory < ByteSize(4 << 20) {
            return Err(format!("`cache.memory`: {} is too little; give at least `4MiB`", self.memory));
        }
        if self.disk.0 != 0 && self.disk < ByteSize(16 << 20) {
            return Err(format!(
                "`cache.disk`: {} is too little; give at least `16MiB`, or 0 for none",
                self.disk
            ));
        }
        Ok(())
    }
}
