//! The `cache:` section, and the sizes that follow from it.

use std::path::PathBuf;

use serde::Deserialize;

use crate::units::ByteSize;

const MIB: u64 = 1 << 20;

/// The section `cache` of the configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Results kept in memory. The write buffers of the disk cache come on top and scale with it.
    pub memory: ByteSize,
    /// Results kept on disk; 0 = in memory only.
    pub disk: ByteSize,
    /// Originals of sources over a network, kept on disk; 0 = none.
    pub originals: ByteSize,
    /// The folder of the disk cache; unset = `cache` in `data_dir`.
    pub path: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory: ByteSize(256 * MIB),
            disk: ByteSize(4096 * MIB),
            originals: ByteSize(1024 * MIB),
            path: None,
        }
    }
}

impl Config {
    pub fn validate(&self) -> Result<(), String> {
        if self.memory.0 < 4 * MIB {
            return Err(format!("`cache.memory` is {}: give it at least 4MiB", self.memory));
        }
        if self.disk.0 != 0 && self.disk.0 < 16 * MIB {
            return Err(format!(
                "`cache.disk` is {}: give it at least 16MiB, or 0 to cache in memory only",
                self.disk
            ));
        }
        Ok(())
    }
}

/// What the two capacities mean for the parts of the cache, all in bytes but `shards`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) memory: usize,
    /// Locks of the memory tier.
    pub(super) shards: usize,
    /// Entries above this would empty a shard for themselves.
    pub(super) max_in_memory: usize,
    pub(super) disk: usize,
    /// Of results that are too large for the store.
    pub(super) large: usize,
    /// What the store writes and forgets at once; one file each.
    pub(super) block: usize,
    /// The largest entry that is kept at all, encoded.
    pub(super) max_entry: usize,
    /// Handed to the store at once, then waited for.
    pub(super) batch: usize,
    /// Waiting to be written.
    pub(super) queue: usize,
}

impl Layout {
    pub(super) fn new(config: &Config) -> Self {
        let memory = config.memory.0;
        let large = config.disk.0 / 8;
        let disk = config.disk.0 - large;
        let shards = (memory / (32 * MIB)).clamp(1, 16);
        // 16 MiB up to 4 GiB. Beyond that larger instead of more, because each block is an open file; below 128 MiB
        // smaller, because forgetting a block must not forget a large part of the cache.
        let block = (disk / 256 / MIB * MIB).clamp(16 * MIB, 1024 * MIB).min(disk / 8 / MIB * MIB);
        let room = if disk == 0 { 16 * MIB } else { block };
        // A quarter of the memory: both of the store's buffers grow to the largest entry that was ever written.
        let max_entry = (room - MIB / 16).min(15 * MIB).min(memory / 4);
        let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            memory: bytes(memory),
            shards: bytes(shards),
            max_in_memory: bytes(memory / shards / 2),
            disk: bytes(disk),
            large: bytes(large),
            block: bytes(block),
            max_entry: bytes(max_entry),
            batch: bytes((memory / 32).clamp(MIB, 4 * MIB)),
            queue: bytes(memory / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(memory: u64, disk: u64) -> Config {
        Config { memory: ByteSize(memory * MIB), disk: ByteSize(disk * MIB), ..Config::default() }
    }

    #[test]
    fn refuses_what_cannot_work_and_says_what_can() {
        assert!(Config::default().validate().is_ok());
        assert!(config(4, 0).validate().is_ok());
        assert!(config(4, 16).validate().is_ok());
        assert!(config(3, 16).validate().unwrap_err().contains("cache.memory"));
        assert!(config(4, 15).validate().unwrap_err().contains("0 to cache in memory only"));
    }

    #[test]
    fn sizes_fit_into_each_other() {
        for memory in [4, 32, 256, 4096, 65536] {
            for disk in [0, 16, 64, 1024, 4096, 102_400] {
                let layout = Layout::new(&config(memory, disk));
                assert!(layout.max_in_memory * 2 * layout.shards <= layout.memory, "{layout:?}");
                assert!(layout.queue > layout.max_entry, "{layout:?}");
                if disk > 0 {
                    assert!(layout.max_entry < layout.block, "{layout:?}");
                    assert!((8..=256).contains(&(layout.disk / layout.block)), "{layout:?}");
                }
            }
        }
    }

    #[test]
    fn the_default_keeps_fifteen_mebibytes() {
        let layout = Layout::new(&Config::default());
        assert_eq!(layout.max_entry, 15 << 20);
        assert_eq!(layout.block, 16 << 20);
        assert_eq!(layout.large, 512 << 20);
        assert!(layout.max_in_memory > layout.max_entry);
    }
}
