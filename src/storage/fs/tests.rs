//! The storage of folders: objects are whole or not there, whatever happens in between.

use std::fs;
use std::os::unix::fs::symlink;

use futures_util::TryStreamExt;

use super::*;

struct Tree {
    _dir: tempfile::TempDir,
    root: Root,
    path: PathBuf,
    outside: PathBuf,
}

/// `root/a.txt`, `root/sub/b.txt` and a `secret` beside the root.
fn tree() -> Tree {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root");
    fs::create_dir_all(path.join("sub")).unwrap();
    fs::write(path.join("a.txt"), "aaa").unwrap();
    fs::write(path.join("sub/b.txt"), "bbbb").unwrap();
    let outside = dir.path().join("secret");
    fs::write(&outside, "secret").unwrap();
    Tree { root: Root::new(&path), path, outside, _dir: dir }
}

fn both(root: &Root, name: &str) -> [Result<OpenFile, FsError>; 2] {
    let checked = root.open_checked(name).and_then(|file| {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(FsError::NotFound);
        }
        Ok(OpenFile { stat: FileStat::of(&meta), file: Arc::new(file) })
    });
    [root.open_now(name), checked]
}

#[test]
fn links_that_stay_inside_are_followed() {
    let tree = tree();
    symlink("a.txt", tree.path.join("relative")).unwrap();
    symlink("../a.txt", tree.path.join("sub/up")).unwrap();
    symlink(tree.path.join("a.txt"), tree.path.join("absolute")).unwrap();
    symlink(tree.path.join("sub"), tree.path.join("folder")).unwrap();
    for (name, len) in [("relative", 3), ("sub/up", 3), ("absolute", 3), ("folder/b.txt", 4)] {
        for opened in both(&tree.root, name) {
            assert_eq!(opened.unwrap().stat.len, len, "{name}");
        }
    }
}

#[test]
fn links_that_lead_out_are_not_found() {
    let tree = tree();
    let parent = tree.path.parent().unwrap();
    symlink(&tree.outside, tree.path.join("absolute")).unwrap();
    symlink("../secret", tree.path.join("relative")).unwrap();
    symlink(parent, tree.path.join("folder")).unwrap();
    symlink("absolute", tree.path.join("chain")).unwrap();
    symlink("loop", tree.path.join("loop")).unwrap();
    symlink("nowhere", tree.path.join("dangling")).unwrap();
    symlink("/proc/self/root", tree.path.join("magic")).unwrap();
    // Not a prefix of whole names: `root-b` begins with `root`.
    fs::create_dir(parent.join("root-b")).unwrap();
    fs::write(parent.join("root-b/x"), "x").unwrap();
    symlink(parent.join("root-b"), tree.path.join("sibling")).unwrap();
    for name in [
        "absolute",
        "relative",
        "folder/secret",
        "chain",
        "loop",
        "dangling",
        "magic/etc/passwd",
        "sibling/x",
        "../secret",
        "sub/../../secret",
        "/etc/passwd",
    ] {
        for opened in both(&tree.root, name) {
            assert!(matches!(opened, Err(FsError::NotFound)), "{name}: {opened:?}");
        }
    }
}

#[test]
fn only_regular_files_are_opened() {
    let tree = tree();
    let pipe = tree.path.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path.join("socket")).unwrap();
    for name in ["pipe", "socket", "sub", "", ".", "a.txt/", "a.txt/b", &"x".repeat(300), "no\0name"] {
        for opened in both(&tree.root, name) {
            assert!(matches!(opened, Err(FsError::NotFound)), "{name:?}: {opened:?}");
        }
    }
}

#[tokio::test]
async fn reads_whole_in_ranges_and_in_pieces() {
    let tree = tree();
    let content: Vec<u8> = (0..700_000u32).map(|i| (i * 31 % 251) as u8).collect();
    fs::write(tree.path.join("big"), &content).unwrap();
    let (stat, bytes) = tree.root.read("big", 700_000).await.unwrap();
    assert_eq!((stat.len, &bytes[..]), (700_000, &content[..]));
    let opened = tree.root.open("big").await.unwrap();
    assert_eq!(opened.read_range(5..9).await.unwrap(), content[5..9]);
    let pieces: Vec<Bytes> = opened.stream(10..600_000).try_collect().await.unwrap();
    assert!(pieces.len() > 1);
    assert_eq!(pieces.concat(), content[10..600_000]);
    assert!(matches!(tree.root.read("big", 699_999).await, Err(FsError::TooLarge { limit: 699_999 })));
}

#[tokio::test]
async fn a_file_that_shrinks_ends_its_stream_with_an_error() {
    let tree = tree();
    fs::write(tree.path.join("big"), vec![1; 600_000]).unwrap();
    let opened = tree.root.open("big").await.unwrap();
    fs::OpenOptions::new().write(true).open(tree.path.join("big")).unwrap().set_len(300_000).unwrap();
    let read: Result<Vec<Bytes>, FsError> = opened.stream(0..600_000).try_collect().await;
    assert!(matches!(read, Err(FsError::Io(_))), "{read:?}");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_believed() {
    let tree = tree();
    let opened = tree.root.open_now("a.txt").unwrap();
    fs::OpenOptions::new().append(true).open(tree.path.join("a.txt")).unwrap().set_len(9).unwrap();
    assert!(matches!(opened.read_now(100), Err(FsError::Changed)));
}

#[tokio::test]
async fn a_missing_root_is_a_fault_and_not_a_missing_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(&dir.path().join("unmounted"));
    assert!(matches!(root.stat("a").await, Err(FsError::Root { .. })));
    assert!(root.check().await.is_err());
}

#[tokio::test]
async fn a_root_that_is_a_link_can_be_switched() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("one", "1"), ("two", "22")] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("a"), text).unwrap();
    }
    let current = dir.path().join("current");
    symlink("one", &current).unwrap();
    let root = Root::new(&current);
    assert_eq!(root.stat("a").await.unwrap().len, 1);
    fs::remove_file(&current).unwrap();
    symlink("two", &current).unwrap();
    assert_eq!(root.stat("a").await.unwrap().len, 2);
}
