//! The traps of the disk store, one test each: what must not be lost, written twice, brought back or passed on to a
//! request when the disk misbehaves.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::config::Layout;
use super::*;
use crate::units::ByteSize;

const MIB: u64 = 1 << 20;
const AT_ONCE: Duration = Duration::from_millis(1);

#[derive(Debug, PartialEq)]
enum Failure {
    Lost,
    Refused,
}

impl From<Lost> for Failure {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

fn config(memory: u64, disk: u64) -> Config {
    Config { memory: ByteSize(memory * MIB), disk: ByteSize(disk * MIB), ..Config::default() }
}

async fn open(config: &Config, root: &Path) -> Hybrid {
    Hybrid::open_with(Layout::new(config), root.to_owned(), Arc::new(Metrics::new()), AT_ONCE).await
}

fn key(n: usize) -> Key {
    Key::variant(&Identity::Content([0; 32]), n as u64, "_", &[])
}

/// An entry whose bytes depend on `n` everywhere.
fn entry(n: usize, len: usize) -> Arc<Entry> {
    let body: Vec<u8> = (0..len).map(|i| (i.wrapping_mul(31) ^ n.wrapping_mul(7919)) as u8).collect();
    Arc::new(Entry {
        body: Bytes::from(body),
        mime: "image/jpeg".into(),
        width: 1,
        height: 1,
        created_ms: n as u64,
        modified_ms: 0,
        expires_ms: None,
        extra: Bytes::new(),
        file: None,
    })
}

async fn until(cache: &Hybrid, wanted: impl Fn(&DiskStatus) -> bool) {
    cache.disk_status().wait_for(|status| wanted(status)).await.unwrap();
}

fn block_files(root: &Path) -> Vec<PathBuf> {
    let folder =
        fs::read_dir(root).unwrap().map(|found| found.unwrap().path()).find(|path| path.is_dir()).unwrap();
    fs::read_dir(folder).unwrap().map(|found| found.unwrap().path()).collect()
}

#[tokio::test]
async fn hits_write_nothing_to_disk() {
    let dir = TempDir::new().unwrap();
    let config = config(32, 64);
    let cache = open(&config, dir.path()).await;
    cache.insert(key(1), &entry(1, 50_000));
    cache.flush().await;
    let written = cache.written_bytes();
    assert!(written >= 50_000);
    for _ in 0..200 {
        assert_eq!(cache.get(&key(1)).await.unwrap().1, Tier::Memory);
    }
    cache.flush().await;
    assert_eq!(cache.written_bytes(), written);
    cache.close().await;

    let cache = open(&config, dir.path()).await;
    assert_eq!(cache.get(&key(1)).await.unwrap(), (entry(1, 50_000), Tier::Disk));
    for _ in 0..200 {
        assert_eq!(cache.get(&key(1)).await.unwrap().1, Tier::Memory, "a disk hit moves into memory");
    }
    cache.flush().await;
    assert_eq!(cache.written_bytes(), 0, "and is not written again");
}

/// Not a test by itself: the process that the next one kills. It dies without a chance to say goodbye.
#[tokio::test]
#[ignore = "started by `what_was_written_survives_kill_9`"]
async fn dies_after_inserting() {
    #[expect(clippy::disallowed_methods, reason = "the way from the test that starts this process")]
    let root = std::env::var("PIXEDGE_TEST_KILLED_CACHE");
    let Ok(root) = root else { return };
    let cache = open(&config(32, 64), Path::new(&root)).await;
    for n in 0..100 {
        cache.insert(key(n), &entry(n, 20_000));
    }
    cache.flush().await;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn what_was_written_survives_kill_9() {
    let dir = TempDir::new().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cache::tests::dies_after_inserting", "--ignored"])
        .env("PIXEDGE_TEST_KILLED_CACHE", dir.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    let cache = open(&config(32, 64), dir.path()).await;
    for n in 0..100 {
        assert_eq!(cache.get(&key(n)).await, Some((entry(n, 20_000), Tier::Disk)), "entry {n}");
    }
}

#[tokio::test]
async fn a_burst_is_not_dropped() {
    let dir = TempDir::new().unwrap();
    let config = config(256, 1024);
    let cache = open(&config, dir.path()).await;
    for n in 0..2000 {
        cache.insert(key(n), &entry(n, 50_000));
    }
    cache.close().await;
    let cache = open(&config, dir.path()).await;
    for n in 0..2000 {
        let (found, tier) = cache.get(&key(n)).await.unwrap_or_else(|| panic!("entry {n} is missing"));
        assert_eq!(tier, Tier::Disk);
        assert_eq!(found.body, entry(n, 50_000).body, "entry {n}");
    }
}

#[tokio::test]
async fn the_largest_entry_is_kept_and_a_larger_one_is_counted() {
    let dir = TempDir::new().unwrap();
    let config = config(256, 1024);
    let metrics = Arc::new(Metrics::new());
    let cache = Hybrid::open(&config, dir.path().to_owned(), Arc::clone(&metrics)).await;
    let largest = entry(1, cache.max_entry() - 100);
    assert!(largest.body.len() > 14 << 20);
    for n in 1..5 {
        cache.insert(key(n), &largest);
    }
    cache.insert(key(9), &entry(9, 16 << 20));
    assert!(cache.get(&key(9)).await.is_none());
    assert!(metrics.encode().contains("pixedge_cache_skipped_total{reason=\"too_large\"} 1"));
    cache.close().await;
    let cache = open(&config, dir.path()).await;
    for n in 1..5 {
        assert_eq!(cache.get(&key(n)).await.unwrap().0.body, largest.body);
    }
}

#[tokio::test]
async fn what_no_longer_fits_into_memory_is_still_on_disk() {
    let dir = TempDir::new().unwrap();
    let cache = open(&config(4, 64), dir.path()).await;
    for n in 0..160 {
        cache.insert(key(n), &entry(n, 100_000));
        cache.flush().await;
    }
    let mut tiers = Vec::new();
    for n in 0..160 {
        tiers.push(cache.get(&key(n)).await.unwrap_or_else(|| panic!("entry {n} is missing")).1);
    }
    assert!(tiers.contains(&Tier::Disk));
}

#[tokio::test]
async fn removed_keys_stay_gone() {
    let dir = TempDir::new().unwrap();
    let config = config(32, 64);
    let cache = open(&config, dir.path()).await;
    for n in 0..40 {
        cache.insert(key(n), &entry(n, 10_000));
    }
    // Some of them still wait to be written, or are being written right now.
    for n in 0..20 {
        cache.remove(&key(n));
        assert!(cache.get(&key(n)).await.is_none());
    }
    cache.flush().await;
    for n in 20..30 {
        cache.remove(&key(n));
        assert!(cache.get(&key(n)).await.is_none());
    }
    cache.insert(key(5), &entry(5, 10_000));
    cache.close().await;
    for restart in 0..2 {
        let cache = open(&config, dir.path()).await;
        for n in 0..40 {
            let kept = n == 5 || n >= 30;
            assert_eq!(cache.get(&key(n)).await.is_some(), kept, "entry {n} after restart {restart}");
        }
        cache.close().await;
    }
}

#[tokio::test]
async fn close_twice_and_insert_after_it_are_harmless() {
    let dir = TempDir::new().unwrap();
    let cache = open(&config(32, 64), dir.path()).await;
    cache.close().await;
    cache.close().await;
    cache.insert(key(1), &entry(1, 10));
    cache.remove(&key(2));
    cache.flush().await;
    assert_eq!(cache.get(&key(1)).await.unwrap().1, Tier::Memory);
}

#[tokio::test]
async fn damage_on_disk_is_a_miss() {
    let dir = TempDir::new().unwrap();
    let config = config(32, 64);
    let cache = open(&config, dir.path()).await;
    for n in 0..50 {
        cache.insert(key(n), &entry(n, 10_000));
    }
    cache.close().await;
    for file in block_files(dir.path()) {
        let mut bytes = fs::read(&file).unwrap();
        for (page, bytes) in bytes.chunks_mut(4096).enumerate() {
            // The pages at the front are the index; damage of the entries behind it is what must be noticed late.
            if page % 3 == 2 {
                bytes[100] ^= 0xff;
            }
        }
        fs::write(&file, bytes).unwrap();
    }
    let cache = open(&config, dir.path()).await;
    let mut lost = 0;
    for n in 0..50 {
        match cache.get(&key(n)).await {
            Some((found, _)) => assert_eq!(found, entry(n, 10_000), "never wrong bytes"),
            None => lost += 1,
        }
    }
    assert!(lost > 0);
    assert_eq!(*cache.disk_status().borrow(), DiskStatus::Up);
    cache.insert(key(0), &entry(0, 10_000));
    cache.flush().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_tried_again() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("file").join("cache");
    fs::write(dir.path().join("file"), "in the way").unwrap();
    let cache = open(&config(32, 64), &root).await;
    assert!(matches!(&*cache.disk_status().borrow(), DiskStatus::Down(why) if why.contains("cannot use")));
    cache.insert(key(1), &entry(1, 10_000));
    assert_eq!(cache.get(&key(1)).await.unwrap().1, Tier::Memory, "memory goes on");
    fs::remove_file(dir.path().join("file")).unwrap();
    until(&cache, |status| *status == DiskStatus::Up).await;
    cache.insert(key(2), &entry(2, 10_000));
    cache.flush().await;
    assert!(cache.written_bytes() >= 10_000);
}

#[tokio::test]
async fn a_removed_folder_is_noticed_and_made_anew() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("cache");
    let config = config(32, 64);
    let cache = open(&config, &root).await;
    cache.insert(key(1), &entry(1, 10_000));
    cache.flush().await;
    let mut status = cache.disk_status();
    status.mark_unchanged();
    fs::remove_dir_all(&root).unwrap();
    cache.insert(key(2), &entry(2, 10_000));
    status.changed().await.unwrap();
    until(&cache, |status| *status == DiskStatus::Up).await;
    cache.insert(key(3), &entry(3, 10_000));
    cache.close().await;
    let cache = open(&config, &root).await;
    assert!(cache.get(&key(3)).await.is_some());
    assert!(cache.get(&key(1)).await.is_none());
}

#[tokio::test]
async fn a_store_opened_anew_leaves_no_open_files_behind() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("cache");
    let cache = open(&config(32, 64), &root).await;
    let open_files = || {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .filter(|file| file.starts_with(&root))
            .count()
    };
    let before = open_files();
    assert!(before > 4);
    for n in 0..5 {
        let mut status = cache.disk_status();
        status.mark_unchanged();
        fs::remove_dir_all(&root).unwrap();
        cache.insert(key(n), &entry(n, 10_000));
        status.changed().await.unwrap();
        until(&cache, |status| *status == DiskStatus::Up).await;
    }
    // The former store's tasks end a moment after it.
    let closed = tokio::time::timeout(Duration::from_secs(10), async {
        while open_files() > before {
            tokio::task::yield_now().await;
        }
    });
    assert!(closed.await.is_ok(), "{} files were open, now {}", before, open_files());
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let dir = TempDir::new().unwrap();
    let first = open(&config(32, 64), dir.path()).await;
    let second = open(&config(32, 64), dir.path()).await;
    assert!(matches!(&*second.disk_status().borrow(), DiskStatus::Down(why) if why.contains("another")));
    second.insert(key(1), &entry(1, 10));
    assert!(second.get(&key(1)).await.is_some());
    first.close().await;
    drop(first);
    until(&second, |status| *status == DiskStatus::Up).await;
}

#[tokio::test]
async fn another_size_starts_anew_instead_of_reading_the_wrong_places() {
    let dir = TempDir::new().unwrap();
    let cache = open(&config(32, 64), dir.path()).await;
    cache.insert(key(1), &entry(1, 10_000));
    cache.close().await;
    drop(cache);
    let cache = open(&config(32, 128), dir.path()).await;
    assert_eq!(*cache.disk_status().borrow(), DiskStatus::Up);
    assert!(cache.get(&key(1)).await.is_none());
    let folders = fs::read_dir(dir.path()).unwrap().filter(|found| found.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), 1, "the old one is removed");
}

/// A small file system of its own; needs root.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn new(mebibytes: u32) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let size = format!("size={mebibytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(dir))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_nobodys_error_and_heals() {
    let Some(disk) = Tmpfs::new(8) else {
        eprintln!("skipped: cannot mount a tmpfs");
        return;
    };
    let metrics = Arc::new(Metrics::new());
    let layout = Layout::new(&config(32, 64));
    let root = disk.0.path().join("cache");
    let cache = Hybrid::open_with(layout, root, Arc::clone(&metrics), AT_ONCE).await;
    let ballast = disk.0.path().join("ballast");
    cache.insert(key(0), &entry(0, 10_000));
    cache.flush().await;
    let free = rustix::fs::statvfs(disk.0.path()).unwrap();
    let free = usize::try_from(free.f_bavail * free.f_frsize).unwrap();
    fs::write(&ballast, vec![1; free.saturating_sub(1 << 20)]).unwrap();
    let mut status = cache.disk_status();
    status.mark_unchanged();
    for n in 1..40 {
        cache.insert(key(n), &entry(n, 100_000));
        assert!(cache.get(&key(n)).await.is_some(), "hits go on");
    }
    status.changed().await.unwrap();
    until(&cache, |status| matches!(status, DiskStatus::Down(_) | DiskStatus::Up)).await;
    assert!(metrics.encode().contains("reason=\"disk_failed\""));

    fs::remove_file(&ballast).unwrap();
    // It may still fail once over what was queued; from some point on it holds.
    let mut n = 100;
    loop {
        until(&cache, |status| *status == DiskStatus::Up).await;
        cache.insert(key(n), &entry(n, 10_000));
        cache.flush().await;
        if *cache.disk_status().borrow() == DiskStatus::Up {
            break;
        }
        n += 1;
    }
    cache.close().await;
    let root = disk.0.path().join("cache");
    let cache = open(&config(32, 64), &root).await;
    assert!(cache.get(&key(n)).await.is_some());
    assert_eq!(cache.get(&key(0)).await.unwrap().0, entry(0, 10_000), "what was there before is still there");
}

#[tokio::test]
async fn without_a_disk_memory_works_alone() {
    let dir = TempDir::new().unwrap();
    let cache = open(&config(32, 0), &dir.path().join("none")).await;
    cache.insert(key(1), &entry(1, 10_000));
    assert_eq!(cache.get(&key(1)).await.unwrap().1, Tier::Memory);
    cache.remove(&key(1));
    assert!(cache.get(&key(1)).await.is_none());
    cache.flush().await;
    cache.close().await;
    assert!(!dir.path().join("none").exists());
}

#[tokio::test]
async fn memory_stays_within_its_capacity() {
    let dir = TempDir::new().unwrap();
    let cache = open(&config(4, 0), dir.path()).await;
    for n in 0..1000 {
        cache.insert(key(n), &entry(n, 20_000));
    }
    let mut kept = 0;
    for n in 0..1000 {
        kept += usize::from(cache.get(&key(n)).await.is_some());
    }
    assert!((100..=209).contains(&kept), "{kept} × 20 kB in 4 MiB");
}

async fn cache(config: &Config, root: &Path) -> Arc<Cache<Failure>> {
    Arc::new(Cache::open(config, root.to_owned(), Arc::new(Metrics::new())).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_misses_are_made_once() {
    let dir = TempDir::new().unwrap();
    let config = config(32, 64);
    let tested = cache(&config, dir.path()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let callers = (0..1000).map(|caller| {
        let (cache, runs) = (Arc::clone(&tested), Arc::clone(&runs));
        tokio::spawn(async move {
            let n = caller % 10;
            let work = move |commit: Commit| async move {
                assert!(commit.commit());
                runs.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(Arc::unwrap_or_clone(entry(n, 5000)))
            };
            let found = cache.get_or_render(key(n), work).await.unwrap();
            assert_eq!(found.entry, entry(n, 5000));
            found.outcome
        })
    });
    let outcomes: Vec<_> = join_all(callers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(runs.load(Ordering::SeqCst), 10);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Miss).count(), 10);
    tested.close().await;
    drop(tested);

    let again = cache(&config, dir.path()).await;
    let none = |_: Commit| async { Err(Failure::Refused) };
    assert_eq!(again.get_or_render(key(3), none).await.unwrap().outcome, Outcome::Disk);
    assert_eq!(again.get_or_render(key(3), none).await.unwrap().outcome, Outcome::Memory);
    let error = again.get_or_render(key(77), none).await.unwrap_err();
    assert_eq!(*error, Failure::Refused, "typed, and not kept:");
    assert!(again.get_or_render(key(77), |_| async { Ok(Arc::unwrap_or_clone(entry(1, 1))) }).await.is_ok());
}

#[tokio::test]
async fn an_expired_entry_is_made_anew_and_what_is_too_large_is_served_uncached() {
    let dir = TempDir::new().unwrap();
    let cache = cache(&config(32, 0), dir.path()).await;
    let mut old = Arc::unwrap_or_clone(entry(1, 10));
    old.expires_ms = Some(now_ms());
    cache.tiers().insert(key(1), &Arc::new(old));
    assert!(cache.tiers().get_memory(&key(1)).is_some(), "still there, to be served stale");
    let fresh = |_: Commit| async { Ok(Arc::unwrap_or_clone(entry(2, 10))) };
    let found = cache.get_or_render(key(1), fresh).await.unwrap();
    assert_eq!((found.outcome, found.entry), (Outcome::Miss, entry(2, 10)));
    for _ in 0..2 {
        let large = |_: Commit| async { Ok(Arc::unwrap_or_clone(entry(3, 20 << 20))) };
        let found = cache.get_or_render(key(3), large).await.unwrap();
        assert_eq!((found.outcome, found.entry.body.len()), (Outcome::Miss, 20 << 20));
    }
}

#[tokio::test]
async fn large_results_are_files() {
    let dir = TempDir::new().unwrap();
    let cache = cache(&config(64, 1024), dir.path()).await;
    for outcome in [Outcome::Miss, Outcome::Disk] {
        let large = |_: Commit| async { Ok(Arc::unwrap_or_clone(entry(3, 20 << 20))) };
        let found = cache.get_or_render(key(3), large).await.unwrap();
        assert_eq!((found.outcome, found.entry.body.len(), found.entry.len()), (outcome, 0, 20 << 20));
        assert!(cache.keeps(&found.entry));
    }
}

#[test]
fn the_keys_of_these_tests_differ() {
    assert_eq!((0..2000).map(key).collect::<HashSet<_>>().len(), 2000);
}
