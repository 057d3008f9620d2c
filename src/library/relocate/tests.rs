//! Moving originals and versions between storages, also when it is cut off half-way.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::*;
use crate::db::{Db, now_ms};
use crate::library::{
    Coverage, Md5, NewImage, NewVersion, Past, Quota, Shape, Stored, SweepPlan, Visibility,
};
use crate::storage::{Config, ContentHash, ObjectKey, Scheme, Storages};

async fn library(dir: &Path) -> Library {
    let db = Db::open(&crate::db::Config::default(), dir).await.unwrap();
    let other = Config { root: Some(dir.join("other")), ..Config::default() };
    let memory = Config { scheme: Scheme::Memory, ..Config::default() };
    let configs = BTreeMap::from([("other".to_owned(), other), ("memory".to_owned(), memory)]);
    Library::new(db, Storages::open(&configs, "local", dir, dir).await.unwrap()).await.unwrap()
}

async fn add(library: &Library, content: &'static str, owner: Option<i64>) -> Image {
    let sha256 = ContentHash(Sha256::digest(content).into());
    let key = ObjectKey::for_content(&sha256, "png");
    let bytes = content.len() as u64;
    library.storages().default().put_bytes(&key, Bytes::from_static(content.as_bytes())).await.unwrap();
    let shape = Shape {
        format: "png".into(),
        width: 1,
        height: 1,
        orientation: 1,
        frames: 1,
        has_alpha: false,
        depth: 8,
        progressive: false,
    };
    let stored = Stored { storage: "local".into(), key, sha256, md5: Md5([1; 16]), bytes };
    let new = NewImage {
        id: None,
        name: "n.png".into(),
        stored,
        shape,
        visibility: Visibility::Public,
        owner,
        expires_at: None,
        stored_name: None,
        exif: None,
        past: Past::default(),
    };
    library.insert(&new).await.unwrap()
}

fn all() -> Relocation {
    Relocation { from: "local".into(), to: "other".into(), owner: None }
}

async fn refs(library: &Library, storage: &str, key: &ObjectKey) -> Option<u64> {
    objects::find(&library.db, storage, key).await.unwrap().map(|object| object.refs)
}

#[tokio::test]
async fn it_goes_on_where_it_ended_and_everything_is_readable_throughout() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let images = [
        add(&library, "one", None).await,
        add(&library, "two", Some(7)).await,
        add(&library, "one", Some(8)).await,
    ];
    let readable = async || {
        for (image, content) in images.iter().zip(["one", "two", "one"]) {
            let found = library.find(image.id.as_str()).await.unwrap().unwrap();
            assert_eq!(library.read(&found, 9).await.unwrap(), content);
            // What somebody still holds in his hands.
            assert_eq!(library.read(image, 9).await.unwrap(), content);
        }
    };
    readable().await;
    let first = library.relocate(&all(), now_ms, |_: &Relocated| false).await.unwrap();
    assert_eq!((first.images, first.bytes, first.left), (1, 3, 2));
    readable().await;
    let rest = library.relocate(&all(), now_ms, |_: &Relocated| true).await.unwrap();
    assert_eq!((rest.images, rest.left, rest.failed.len()), (2, 0, 0));
    readable().await;
    assert_eq!(library.relocate(&all(), now_ms, |_: &Relocated| true).await.unwrap(), Relocated::default());
    let (one, two) = (&images[0].key, &images[1].key);
    assert_eq!((refs(&library, "local", one).await, refs(&library, "other", one).await), (Some(0), Some(2)));
    assert_eq!((refs(&library, "local", two).await, refs(&library, "other", two).await), (Some(0), Some(1)));

    let plan = SweepPlan { grace: Duration::ZERO, coverage: Coverage::Rows, most: u64::MAX, dry_run: false };
    assert_eq!(library.sweep(&plan, now_ms() + 1000).await.unwrap().unneeded, 2);
    assert!(matches!(library.storages().default().stat(one).await, Err(StorageError::Missing { .. })));
    for (image, content) in images.iter().zip(["one", "two", "one"]) {
        let found = library.find(image.id.as_str()).await.unwrap().unwrap();
        assert_eq!(
            (found.storage.as_str(), library.read(&found, 9).await.unwrap()),
            ("other", content.into())
        );
    }
}

#[tokio::test]
async fn versions_come_along() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let (mine, others) = (add(&library, "one", Some(7)).await, add(&library, "two", Some(8)).await);
    let keep = async |image: &Image, variant: &str, content: &'static str| {
        let new = NewVersion {
            variant: variant.into(),
            spec: "w_3".into(),
            format: "webp",
            width: 3,
            height: 2,
            bytes: Bytes::from_static(content.as_bytes()),
        };
        library.keep_version(image, new, Quota::default(), now_ms()).await.unwrap().0
    };
    // The same content twice is one object; both rows move.
    for (image, variant, content) in [(&mine, "a", "small"), (&mine, "b", "small"), (&others, "a", "tiny")] {
        keep(image, variant, content).await;
    }
    let plan = Relocation { owner: Some(7), ..all() };
    // It ends after the image, and goes on with the versions.
    assert_eq!(
        library.relocate(&plan, now_ms, |done: &Relocated| done.images == 0).await.unwrap().versions,
        0
    );
    let done = library.relocate(&plan, now_ms, |_: &Relocated| true).await.unwrap();
    assert_eq!((done.images, done.versions, done.bytes), (0, 2, 10));
    let done = library.relocate(&all(), now_ms, |_: &Relocated| true).await.unwrap();
    assert_eq!((done.images, done.versions, done.failed.len()), (1, 1, 0));
    assert_eq!(library.relocate(&all(), now_ms, |_: &Relocated| true).await.unwrap(), Relocated::default());
    let plan = SweepPlan { grace: Duration::ZERO, coverage: Coverage::Rows, most: 1, dry_run: false };
    // No more than so many at once.
    for left in [3, 2, 1, 0] {
        assert_eq!(library.sweep(&plan, now_ms() + 1000).await.unwrap().unneeded, 1, "{left}");
    }
    assert_eq!(library.sweep(&plan, now_ms() + 1000).await.unwrap().unneeded, 0);
    for (image, contents) in [(&mine, &["small", "small"][..]), (&others, &["tiny"])] {
        let image = library.find_any(&image.id).await.unwrap().unwrap();
        let versions = library.versions(&image).await.unwrap();
        assert_eq!(versions.len(), contents.len());
        for (version, content) in versions.iter().zip(contents) {
            assert_eq!(version.storage, "other");
            assert_eq!(library.read_version(version, 99).await.unwrap(), content);
        }
    }
    let key = library.versions(&mine_again(&library, &mine).await).await.unwrap()[0].key.clone();
    assert_eq!(refs(&library, "other", &key).await, Some(2));
    // What is damaged stays and is named.
    let damaged = keep(&mine_again(&library, &mine).await, "c", "third").await;
    std::fs::write(library.storages().get("other").unwrap().path(&damaged.key).unwrap(), "THIRD").unwrap();
    let back = Relocation { from: "other".into(), to: "local".into(), owner: Some(7) };
    let done = library.relocate(&back, now_ms, |_: &Relocated| true).await.unwrap();
    assert_eq!((done.images, done.versions, done.failed), (1, 2, vec![mine.id.to_string()]));
}

async fn mine_again(library: &Library, image: &Image) -> Image {
    library.find_any(&image.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn one_users_pictures_alone() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let (his, others) = (add(&library, "same", Some(7)).await, add(&library, "same", Some(8)).await);
    let plan = Relocation { owner: Some(7), to: "memory".into(), ..all() };
    assert_eq!(library.to_relocate(&plan).await.unwrap(), 1);
    assert_eq!(library.relocate(&plan, now_ms, |_: &Relocated| true).await.unwrap().images, 1);
    let storage = async |image: &Image| library.find_any(&image.id).await.unwrap().unwrap().storage;
    assert_eq!((storage(&his).await.as_str(), storage(&others).await.as_str()), ("memory", "local"));
    assert_eq!(
        (refs(&library, "local", &his.key).await, refs(&library, "memory", &his.key).await),
        (Some(1), Some(1))
    );
}

#[tokio::test]
async fn what_is_missing_or_damaged_stays_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let (gone, cut, changed, good) = (
        add(&library, "gone", None).await,
        add(&library, "shortened", None).await,
        add(&library, "changed", None).await,
        add(&library, "good", None).await,
    );
    let path = |image: &Image| library.storages().default().path(&image.key).unwrap();
    std::fs::remove_file(path(&gone)).unwrap();
    std::fs::write(path(&cut), "short").unwrap();
    std::fs::write(path(&changed), "CHANGED").unwrap();
    let done = library.relocate(&all(), now_ms, |_: &Relocated| true).await.unwrap();
    assert_eq!((done.images, done.left), (1, 0));
    assert_eq!(done.failed, [&gone, &cut, &changed].map(|image| image.id.to_string()));
    for image in [&gone, &cut, &changed] {
        assert_eq!(library.find_any(&image.id).await.unwrap().unwrap().storage, "local");
        let there = library.storages().get("other").unwrap().stat(&image.key).await;
        assert!(matches!(there, Err(StorageError::Missing { .. })));
    }
    assert_eq!(library.find_any(&good.id).await.unwrap().unwrap().storage, "other");
}

#[tokio::test]
async fn what_was_deleted_meanwhile_stays_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let image = add(&library, "one", None).await;
    let (from, to) =
        (library.storage_named("local").await.unwrap(), library.storage_named("other").await.unwrap());
    library.delete_forever(std::slice::from_ref(&image.id), now_ms()).await.unwrap();
    assert!(!library.relocate_one(&image, &from, &to, now_ms()).await.unwrap());
    assert_eq!(refs(&library, "other", &image.key).await, Some(0));
    assert!(library.find_any(&image.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    for (from, to) in [("local", "local"), ("none", "local"), ("local", "~none")] {
        let plan = Relocation { from: from.into(), to: to.into(), owner: None };
        assert!(library.relocate(&plan, now_ms, |_: &Relocated| true).await.is_err(), "{from} {to}");
    }
}
