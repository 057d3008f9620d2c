//! What the machine says: folders, who may read secrets, room on disks, the clock.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use rustix::process::geteuid;

use super::{Finding, folders as all_folders};
use crate::app::rooms::cache_dir;
use crate::config::Config;
use crate::db::now_ms;

const MIB: u64 = 1 << 20;
/// Less than this and uploads fail at any moment.
const NO_ROOM: u64 = 64 * MIB;
const LITTLE_ROOM: u64 = 1024 * MIB;
const LITTLE_INODES: u64 = 10_000;
/// No machine that runs this lives before it: 2025-01-01.
const EARLIEST: i64 = 1_735_689_600_000;
/// Nodes give each other's jobs up after a minute (`jobs.lease`), and links by mail are short-lived.
const FAR: i64 = 30_000;
const OFF: i64 = 3_000;

/// Root, where the data are another user's.
pub(super) fn stranger(config: &Config) -> Option<Finding> {
    let owner = std::fs::metadata(existing(&config.data_dir)).ok()?.uid();
    if !geteuid().is_root() || owner == 0 {
        return None;
    }
    let name = user_name(owner).unwrap_or_else(|| format!("#{owner}"));
    Some(Finding::broken(
        "user",
        format!(
            "this is root, and {} belongs to {name}: the rest was not looked at",
            config.data_dir.display()
        ),
        format!("sudo -u '{name}' pixedge check …"),
    ))
}

/// Whoever is no stranger to this machine could read them.
pub(super) fn secrets(config: &Config) -> Vec<Finding> {
    let own = [config.data_dir.join("secret.key"), config.data_dir.join("pixedge.db")];
    let mut open = Vec::new();
    for file in config.secret_files.iter().chain(&own) {
        let Ok(metadata) = std::fs::metadata(file) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            open.push(Finding::doubtful(
                "secrets",
                format!("{} holds secrets and has the mode {mode:03o}", file.display()),
                format!("chmod o= {}", file.display()),
            ));
        }
    }
    if open.is_empty() {
        open.push(Finding::fine("secrets", "no file with secrets is open to everybody"));
    }
    open
}

pub(super) fn folders(config: &Config) -> Vec<Finding> {
    [("data_dir", config.data_dir.clone()), ("cache", cache_dir(config))]
        .map(|(name, path)| folder(name.to_owned(), &path))
        .into()
}

/// Whether this process may write there; one that is missing is made at the start, if it can be.
pub(super) fn folder(part: String, path: &Path) -> Finding {
    let shown = path.display();
    let user = user_name(geteuid().as_raw()).unwrap_or_else(|| geteuid().as_raw().to_string());
    let fix = format!("mkdir -p {shown} && chown {user} {shown}, or name another folder");
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = existing(path);
            return match access(&above, Access::WRITE_OK | Access::EXEC_OK) {
                Ok(()) => Finding::fine(part, format!("{shown} is made when it is needed")),
                Err(error) => {
                    let text = format!("{shown} cannot be made in {}: {error}", above.display());
                    Finding::broken(part, text, fix)
                }
            };
        }
        Err(error) => return Finding::broken(part, format!("{shown}: {error}"), fix),
    };
    // A probe tells more than rights do: the file system may be read-only or full.
    let probe = path.join(format!(".check-{}", std::process::id()));
    let written = std::fs::write(&probe, b"pixedge").and_then(|()| std::fs::remove_file(&probe));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&probe);
        return Finding::broken(part, format!("{shown} cannot be written: {error}"), fix);
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        return Finding::doubtful(part, format!("everybody may write {shown}"), format!("chmod o-w {shown}"));
    }
    Finding::fine(part, format!("{shown} is writable"))
}

/// Each file system once.
pub(super) fn space(config: &Config) -> Vec<Finding> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for (name, path) in all_folders(config) {
        let path = existing(&path);
        let Ok(device) = std::fs::metadata(&path).map(|metadata| metadata.dev()) else { continue };
        if !seen.contains(&device) {
            seen.push(device);
            found.push(space_of(config, &name, &path));
        }
    }
    found
}

fn space_of(config: &Config, name: &str, path: &Path) -> Finding {
    let (part, shown) = (format!("disk of {name}"), path.display());
    let found = match statvfs(path) {
        Ok(found) => found,
        Err(error) => {
            return Finding::doubtful(part, format!("{shown}: {error}"), "see that the file system is well");
        }
    };
    let (free, total) = (found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize);
    let text = format!("{} MiB of {} MiB are free at {shown}", free / MIB, total / MIB);
    let fix = "make room, or move `data_dir`, `cache.path` or the storage to a larger file system";
    if free < NO_ROOM {
        return Finding::broken(part, text, fix);
    }
    if free < LITTLE_ROOM {
        return Finding::doubtful(part, text, fix);
    }
    if found.f_files > 0 && found.f_favail < LITTLE_INODES {
        return Finding::doubtful(part, format!("room for {} more files at {shown}", found.f_favail), fix);
    }
    let wanted = config.cache.disk.0.saturating_add(config.cache.originals.0);
    let holds_cache = std::fs::metadata(existing(&cache_dir(config))).map(|metadata| metadata.dev()).ok()
        == std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    if holds_cache && wanted > total {
        let text =
            format!("the cache may take {} MiB, and {shown} has {} MiB in all", wanted / MIB, total / MIB);
        return Finding::doubtful(part, text, "lower `cache.disk` and `cache.originals`");
    }
    Finding::fine(part, text)
}

/// `other` is what the database's server says.
pub(super) fn clock(config: &Config, other: Option<i64>) -> Finding {
    let now = now_ms();
    let zoned = jiff::Zoned::now();
    let shown =
        format!("{} ({})", zoned.strftime("%F %T"), zoned.time_zone().iana_name().unwrap_or("local time"));
    let fix = "have the machines' clocks set by NTP, for example by systemd-timesyncd";
    if now < EARLIEST {
        return Finding::broken(
            "clock",
            format!("it says {shown}: everything that expires would be wrong"),
            fix,
        );
    }
    let off = other.map_or(0, |other| (now - other).abs());
    if off > OFF {
        let text = format!("it says {shown}, {} s from the database's", off / 1000);
        return if off > FAR {
            Finding::broken("clock", text, fix)
        } else {
            Finding::doubtful("clock", text, fix)
        };
    }
    Finding::fine("clock", format!("{shown}; the clean-up is at {}", config.cleanup.time))
}

/// The path itself, or the nearest folder above it that is there.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn user_name(number: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let is = |line: &&str| line.split(':').nth(2).is_some_and(|field| field.parse() == Ok(number));
    users.lines().find(is)?.split(':').next().map(str::to_owned)
}
