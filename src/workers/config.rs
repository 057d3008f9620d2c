//! The worker's share of the `images:` section, and what `auto` means.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use crate::units::{Auto, ByteSize, Span};

/// The keys of the section `images` that are about workers.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Threads that decode and encode; `auto` = the cores that this process may use.
    pub workers: Auto<u32>,
    /// Memory that pictures in work may take at once; `auto` = half of the machine's or the container's, 2GiB at most.
    pub memory_budget: Auto<ByteSize>,
    /// Who would wait longer for a worker than this is refused on arrival.
    pub queue: Span,
    /// How long one picture may take once it is a worker's turn, its fetch included.
    pub timeout: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: Auto::Auto,
            memory_budget: Auto::Auto,
            queue: Span(Duration::from_secs(4)),
            timeout: Span(Duration::from_secs(20)),
        }
    }
}

const MOST_WORKERS: u32 = 1024;
const LEAST_BUDGET: u64 = 16 << 20;
const MOST_AUTO_BUDGET: u64 = 2 << 30;

impl Config {
    pub fn validate(&self) -> Result<(), String> {
        if let Auto::Value(workers) = self.workers
            && !(1..=MOST_WORKERS).contains(&workers)
        {
            return Err(format!("`images.workers` is {workers}: give it 1 to {MOST_WORKERS}, or auto"));
        }
        if let Auto::Value(budget) = self.memory_budget
            && budget.0 < LEAST_BUDGET
        {
            return Err(format!("`images.memory_budget` is {budget}: give it at least 16MiB, or auto"));
        }
        if self.timeout.0 < Duration::from_millis(100) {
            return Err(format!("`images.timeout` is {}: give it at least 100ms", self.timeout));
        }
        Ok(())
    }

    /// The number of threads for requests that somebody waits for.
    pub(super) fn threads(&self) -> usize {
        match self.workers {
            Auto::Value(workers) => workers.clamp(1, MOST_WORKERS) as usize,
            Auto::Auto => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        }
    }

    /// In bytes.
    pub(super) fn budget(&self) -> u64 {
        match self.memory_budget {
            Auto::Value(budget) => budget.0,
            Auto::Auto => (available_memory() / 2).clamp(LEAST_BUDGET, MOST_AUTO_BUDGET),
        }
    }
}

/// The machine's memory or the container's limit, whichever is less; 1 GiB where neither can be read.
fn available_memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine_memory(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let container = limit_of_groups(&groups, Path::new("/sys/fs/cgroup"));
    [machine, container].into_iter().flatten().min().unwrap_or(1 << 30)
}

fn machine_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The lowest limit on the way from this process's control group up to the root; version 2, then version 1.
fn limit_of_groups(groups: &str, mount: &Path) -> Option<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            c if c.split(',').any(|c| c == "memory") => (mount.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        for ancestor in Path::new(path.trim_start_matches('/')).ancestors() {
            let text = fs::read_to_string(mount.join(ancestor).join(file)).unwrap_or_default();
            limits.extend(text.trim().parse::<u64>().ok());
        }
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Config, String> {
        serde_json::from_str::<Config>(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_auto_and_numbers() {
        assert_eq!(parse("{}").unwrap(), Config::default());
        let auto = parse(r#"{"workers":"auto","memory_budget":"auto"}"#).unwrap();
        assert_eq!(auto, Config::default());
        let fixed = parse(r#"{"workers":3,"memory_budget":"512MiB","queue":"2s"}"#).unwrap();
        assert_eq!((fixed.threads(), fixed.budget()), (3, 512 << 20));
        assert!(parse(r#"{"workers":"many"}"#).unwrap_err().contains("or `auto`"));
        assert!(parse(r#"{"worker":1}"#).unwrap_err().contains("unknown field"));
    }

    #[test]
    fn refuses_what_cannot_work() {
        assert!(Config::default().validate().is_ok());
        let with = |json| parse(json).unwrap().validate();
        assert!(with(r#"{"workers":0}"#).unwrap_err().contains("images.workers"));
        assert!(with(r#"{"memory_budget":"1MiB"}"#).unwrap_err().contains("16MiB"));
        assert!(with(r#"{"timeout":"1ms"}"#).unwrap_err().contains("images.timeout"));
    }

    #[test]
    fn auto_follows_the_machine_and_the_container() {
        assert_eq!(machine_memory("MemTotal:        8000 kB\nMemFree: 1 kB\n"), Some(8_192_000));
        let root = tempfile::TempDir::new().unwrap();
        let group = root.path().join("a").join("b");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit_of_groups("0::/a/b\n", root.path()), None);
        fs::write(root.path().join("a").join("memory.max"), "1000\n").unwrap();
        assert_eq!(limit_of_groups("0::/a/b\n", root.path()), Some(1000), "a parent's limit counts");
        let old = root.path().join("memory").join("c");
        fs::create_dir_all(&old).unwrap();
        fs::write(old.join("memory.limit_in_bytes"), "500\n").unwrap();
        assert_eq!(limit_of_groups("4:cpu,memory:/c\n1:cpu:/x\n", root.path()), Some(500));
        let config = Config::default();
        assert!((LEAST_BUDGET..=MOST_AUTO_BUDGET).contains(&config.budget()));
        assert!(config.threads() >= 1);
    }
}
