//! The library over a real database and folder: what is found, changed, purged and forgotten.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::*;
use crate::storage::{LOCAL, ObjectKey};

mod going;
mod labels;
mod lists;

pub(super) async fn library(dir: &std::path::Path) -> Library {
    let db = crate::db::testing::open(dir).await;
    let storages = Storages::open(&BTreeMap::new(), LOCAL, dir, dir).await.unwrap();
    Library::new(db, storages).await.unwrap()
}

pub(super) fn new(content: &[u8], name: &str) -> NewImage {
    let sha256 = ContentHash(Sha256::digest(content).into());
    NewImage {
        id: None,
        name: name.to_owned(),
        stored: Stored {
            storage: LOCAL.to_owned(),
            key: ObjectKey::for_content(&sha256, "jpg"),
            sha256,
            md5: Md5([7; 16]),
            bytes: content.len() as u64,
        },
        shape: Shape {
            format: "jpg".to_owned(),
            width: 4032,
            height: 3024,
            orientation: 6,
            frames: 1,
            has_alpha: false,
            depth: 8,
            progressive: true,
        },
        visibility: Visibility::Public,
        owner: None,
        expires_at: None,
        stored_name: None,
        exif: None,
        past: Past::default(),
    }
}

#[tokio::test]
async fn what_was_recorded_is_found_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = library(dir.path()).await;
    let image = first.insert(&new(b"one", "Été.jpg")).await.unwrap();
    assert_eq!(image.oriented(), (3024, 4032));
    assert_eq!((image.bytes, image.created_at, image.focal), (3, image.updated_at, None));
    first.db.close().await;
    let again = library(dir.path()).await;
    assert_eq!(again.find(image.id.as_str()).await.unwrap().unwrap(), Arc::new(image.clone()));
    assert_eq!(again.find_by_sha256(&image.sha256).await.unwrap(), [image]);
    assert_eq!(again.find("nothere1").await.unwrap(), None);
    assert_eq!(again.find("../../etc").await.unwrap(), None);
}

#[tokio::test]
async fn ids_are_compared_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let given = NewImage { id: Some("k3Jd9s".parse().unwrap()), ..new(b"one", "a") };
    library.insert(&given).await.unwrap();
    assert!(library.find("K3JD9S").await.unwrap().is_none());
    let other = NewImage { id: Some("K3JD9S".parse().unwrap()), ..new(b"two", "b") };
    library.insert(&other).await.unwrap();
    let taken = library.insert(&given).await.unwrap_err();
    assert!(matches!(taken, LibraryError::IdTaken { .. }), "{taken}");
}

#[tokio::test]
async fn many_at_once_are_all_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let inserts = (0..200u32).map(|i| {
        let library = library.clone();
        tokio::spawn(async move { library.insert(&new(&i.to_le_bytes(), "a")).await.unwrap().pk })
    });
    let mut keys: Vec<i64> =
        futures_util::future::join_all(inserts).await.into_iter().map(Result::unwrap).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 200);
    assert_eq!(library.count().await.unwrap(), 200);
}

#[tokio::test]
async fn the_same_at_once_is_recorded_once() {
    let dir = tempfile::tempdir().unwrap();
    // Two handles, as two processes would have.
    let both = [library(dir.path()).await, library(dir.path()).await];
    let inserts = (0..40).map(|i| {
        let library = both[i % 2].clone();
        tokio::spawn(async move {
            library.insert_once(&new(b"same", "a.jpg"), Sameness::ContentAndName).await.unwrap()
        })
    });
    let done: Vec<(Image, bool)> =
        futures_util::future::join_all(inserts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(done.iter().filter(|(_, duplicate)| !duplicate).count(), 1);
    assert!(done.iter().all(|(image, _)| image.id == done[0].0.id));
    let (other, duplicate) =
        both[0].insert_once(&new(b"same", "b.jpg"), Sameness::ContentAndName).await.unwrap();
    assert!(!duplicate && other.id != done[0].0.id);
    let (first, duplicate) = both[0].insert_once(&new(b"same", "c.jpg"), Sameness::Content).await.unwrap();
    assert!(duplicate && first.id == done[0].0.id);
    let somebody = NewImage { owner: Some(1), ..new(b"same", "a.jpg") };
    assert!(!both[0].insert_once(&somebody, Sameness::Content).await.unwrap().1);
}

#[tokio::test]
async fn a_repeat_comes_out_of_the_trash_and_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let image = library.insert(&new(b"one", "a")).await.unwrap();
    let trash = "UPDATE images SET deleted_at = 1, trashed = 1, expires_at = 1 WHERE pk = ?";
    library.db.execute(trash, &[image.pk.into()]).await.unwrap();
    assert!(library.find(image.id.as_str()).await.unwrap().is_none());
    assert!(library.find_any(&image.id).await.unwrap().is_some());
    assert_eq!(library.count().await.unwrap(), 0);
    let (again, duplicate) = library.insert_once(&new(b"one", "a"), Sameness::Content).await.unwrap();
    assert!(duplicate && again.id == image.id);
    assert_eq!(library.find(image.id.as_str()).await.unwrap(), Some(Arc::new(again)));
}

#[tokio::test]
async fn the_expired_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    for (name, at, shown) in [("past", now_ms() - 1, false), ("future", now_ms() + 60_000, true)] {
        let expiring = NewImage { expires_at: Some(at), ..new(name.as_bytes(), name) };
        let image = library.insert(&expiring).await.unwrap();
        assert_eq!(library.find(image.id.as_str()).await.unwrap().is_some(), shown, "{name}");
    }
    assert_eq!(library.list(&Page { limit: 9, before: None }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_goes_on_where_the_last_page_ended() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    for i in 0..7u8 {
        library.insert(&new(&[i], &i.to_string())).await.unwrap();
    }
    let mut names = Vec::new();
    let mut page = Page { limit: 3, before: None };
    loop {
        let images = library.list(&page).await.unwrap();
        let Some(last) = images.last() else { break };
        page.before = Some(last.pk);
        names.extend(images.into_iter().map(|image| image.name));
    }
    assert_eq!(names.concat(), "6543210");
}

#[tokio::test]
async fn replacing_keeps_the_id_and_forgets_the_focal_point() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let image = library.insert(&new(b"one", "a")).await.unwrap();
    library.set_focal(&image.id, Some((0.25, 1.0))).await.unwrap();
    let focal = library.find_any(&image.id).await.unwrap().unwrap().focal;
    assert_eq!(focal, Some((0.25, 1.0)));
    assert!(matches!(library.set_focal(&image.id, Some((0.0, 1.1))).await, Err(LibraryError::Focal)));
    assert!(library.set_focal(&image.id, Some((f64::NAN, 0.0))).await.is_err());
    let replaced = library.replace(&image.id, &new(b"two", "b")).await.unwrap();
    assert_eq!((replaced.pk, &replaced.id, replaced.focal), (image.pk, &image.id, None));
    assert_ne!(replaced.sha256, image.sha256);
    let nobody = "nothere1".parse().unwrap();
    assert!(matches!(library.replace(&nobody, &new(b"x", "x")).await, Err(LibraryError::NotFound { .. })));
}

#[tokio::test]
async fn the_way_to_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let recorded = new(b"0123456789", "a");
    let image = library.insert(&recorded).await.unwrap();
    assert!(matches!(library.read(&image, 99).await, Err(LibraryError::Storage(_))));
    let storage = library.storages().default();
    storage.put_bytes(&image.key, Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(&library.read(&image, 10).await.unwrap()[..], b"0123456789");
    assert_eq!(&library.read_range(&image, 2..5).await.unwrap()[..], b"234");
    for (range, expected) in [(None, &b"0123456789"[..]), (Some(9..10), b"9")] {
        let pieces: Vec<Bytes> = library.stream(&image, range).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), expected);
    }
    let path = library.path(&image).unwrap().unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"0123456789");
    let lost = Image { storage: "gone".to_owned(), ..image };
    assert!(library.read(&lost, 10).await.is_err());
}

#[tokio::test]
async fn a_purge_outlives_a_restart_and_reaches_other_processes() {
    let dir = tempfile::tempdir().unwrap();
    let [here, there] = [library(dir.path()).await, library(dir.path()).await];
    assert_eq!(here.image_generation("demo"), 0);
    assert_eq!(here.purge(Scope::Image, "demo").await.unwrap(), 1);
    assert_eq!(here.purge(Scope::Image, "demo").await.unwrap(), 2);
    assert_eq!(here.purge(Scope::All, "").await.unwrap(), 1);
    assert_eq!((here.image_generation("demo"), here.image_generation("other")), (3, 1));
    assert_eq!(there.image_generation("demo"), 0);
    there.poll().await.unwrap();
    assert_eq!((there.image_generation("demo"), there.object_generation("samples", "a.jpg")), (3, 1));
    // Each asks only for what is new, in whatever order the two purge.
    there.purge(Scope::Tag, "demo").await.unwrap();
    here.purge(Scope::Image, "other").await.unwrap();
    for library in [&here, &there, &library(dir.path()).await] {
        library.poll().await.unwrap();
        assert_eq!((library.image_generation("demo"), library.image_generation("other")), (4, 2));
    }
}

#[tokio::test]
async fn a_prefix_ends_where_a_segment_ends() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let generations = || {
        let paths = ["2026/a.jpg", "2026/11/a.jpg", "2026/11", "20261/a.jpg", "a/2026/a.jpg", "2026"];
        paths.map(|path| library.object_generation("photos", path))
    };
    library.purge(Scope::Prefix, "photos/2026").await.unwrap();
    assert_eq!(generations(), [1, 1, 1, 0, 0, 1]);
    library.purge(Scope::Prefix, "photos/2026/11").await.unwrap();
    assert_eq!(generations(), [1, 2, 2, 0, 0, 1]);
    library.purge(Scope::Prefix, "photos/2026/a.jpg").await.unwrap();
    assert_eq!(generations(), [2, 2, 2, 0, 0, 1]);
    library.purge(Scope::Source, "photos").await.unwrap();
    assert_eq!(generations(), [3, 3, 3, 1, 1, 2]);
    assert_eq!(library.object_generation("other", "2026/a.jpg"), 0);
}

#[tokio::test]
async fn what_is_kept_in_memory_is_never_older_than_the_last_poll() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (library(dir.path()).await, library(dir.path()).await);
    let image = here.insert(&new(b"one", "a")).await.unwrap();
    let focal = async |library: &Library| library.find(image.id.as_str()).await.unwrap().unwrap().focal;
    assert_eq!((focal(&here).await, focal(&there).await), (None, None));
    // Kept: a change that nobody is told of is not seen.
    let unseen = "UPDATE images SET focal_x = 1, focal_y = 1";
    here.db.execute(unseen, &[]).await.unwrap();
    assert_eq!((focal(&here).await, focal(&there).await), (None, None));

    here.set_focal(&image.id, Some((0.5, 0.25))).await.unwrap();
    assert_eq!((focal(&here).await, focal(&there).await), (Some((0.5, 0.25)), None));
    there.poll().await.unwrap();
    assert_eq!(focal(&there).await, Some((0.5, 0.25)));

    here.db.execute("UPDATE counters SET value = value + 1001", &[]).await.unwrap();
    here.db.execute(unseen, &[]).await.unwrap();
    there.poll().await.unwrap();
    assert_eq!(focal(&there).await, Some((1.0, 1.0)));
}

#[test]
fn a_row_that_was_read_before_a_change_is_not_kept() {
    let known = known::Known::default();
    let Err(before) = known.get("a") else { panic!("nothing is known yet") };
    known.learn(Some(&[]), 1);
    let row = Image {
        pk: 1,
        id: "abc".parse().unwrap(),
        name: String::new(),
        stored_name: None,
        sha256: new(b"", "").stored.sha256,
        md5: new(b"", "").stored.md5,
        bytes: 0,
        shape: new(b"", "").shape,
        focal: None,
        visibility: Visibility::Public,
        storage: String::new(),
        key: new(b"", "").stored.key,
        owner: None,
        created_at: 0,
        updated_at: 0,
        deleted_at: None,
        expires_at: None,
        versions: 0,
        views: 0,
        last_viewed_at: None,
    };
    let row = Arc::new(row);
    known.put(&row, before);
    let Err(now) = known.get("abc") else { panic!("the old row was kept") };
    known.put(&row, now);
    assert!(known.get("abc").is_ok());
}
