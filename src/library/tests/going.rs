//! How images go: into the trash, out of it, for good, and with their time.

use std::time::Duration;

use super::*;
use crate::library::versions::NewVersion;
use crate::units::Span;

const ME: i64 = 7;
const MINE: Reach = Reach::Owner(ME);
const DAY: i64 = 86_400_000;

async fn image(library: &Library, name: &str, expires_at: Option<i64>) -> Image {
    let new = NewImage { owner: Some(ME), expires_at, ..new(name.as_bytes(), name) };
    library.insert(&new).await.unwrap()
}

/// How many are there and in the trash.
async fn counts(library: &Library, now: i64) -> (u64, u64) {
    let mut counts = [0; 2];
    for trash in [false, true] {
        let listing = Listing { reach: MINE, trash, limit: 500, ..Listing::default() };
        let page = library.page(&listing, now).await.unwrap();
        assert_eq!(page.total, Total { count: page.images.len() as u64, exact: true });
        counts[usize::from(trash)] = page.total.count;
    }
    (counts[0], counts[1])
}

#[tokio::test]
async fn all_of_one_owner_go_and_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    for name in ["a", "b", "c"] {
        image(&library, name, None).await;
    }
    let other = NewImage { owner: Some(8), ..new(b"d", "d") };
    let other = library.insert(&other).await.unwrap();
    let now = now_ms();
    library
        .trash(
            MINE,
            library.page(&Listing { reach: MINE, limit: 1, ..Listing::default() }, now).await.unwrap().images
                [0]
            .id
            .as_str(),
            now,
        )
        .await
        .unwrap();
    assert_eq!(library.trash_all_of(ME, now).await.unwrap(), 2);
    assert_eq!(counts(&library, now).await, (0, 3));
    assert!(library.find(other.id.as_str()).await.unwrap().is_some());
    assert_eq!(library.trash_all_of(ME, now).await.unwrap(), 0);
}

#[tokio::test]
async fn the_trash_keeps_for_so_long_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let trash = Span(Duration::from_secs(30 * 86_400));
    let library = library(dir.path()).await.with_config(Config { trash, ..Config::default() });
    let (a, b) = (image(&library, "a", None).await, image(&library, "b", None).await);
    let now = now_ms();
    let id = a.id.as_str();
    assert!(library.find(id).await.unwrap().is_some());
    assert!(library.trash(Reach::Owner(8), id, now).await.is_err());
    library.trash(MINE, id, now).await.unwrap();
    assert!(library.find(id).await.unwrap().is_none(), "shown from memory");
    assert!(library.trash(MINE, id, now).await.is_err());
    assert_eq!(counts(&library, now).await, (1, 1));
    assert!(library.restore(Reach::Owner(8), id, now).await.is_err());
    assert_eq!(library.restore(MINE, id, now).await.unwrap().id, a.id);
    assert!(library.find(id).await.unwrap().is_some());
    assert_eq!(counts(&library, now).await, (2, 0));

    library.trash(MINE, id, now).await.unwrap();
    library.trash(MINE, b.id.as_str(), now + DAY).await.unwrap();
    assert_eq!(library.empty_trash(now + 30 * DAY - 1, 10).await.unwrap(), 0);
    assert_eq!(library.empty_trash(now + 30 * DAY, 10).await.unwrap(), 1);
    assert!(library.find_any(&a.id).await.unwrap().is_none());
    assert_eq!(library.usage(Some(ME)).await.unwrap().files, 1);
    assert_eq!(library.empty_trash_of(8, now).await.unwrap(), 0);
    assert_eq!(library.empty_trash_of(ME, now).await.unwrap(), 1);
    assert_eq!(counts(&library, now).await, (0, 0));
    assert_eq!(library.usage(Some(ME)).await.unwrap().files, 0);
}

#[tokio::test]
async fn images_expire_in_batches_and_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let after = Duration::from_secs(86_400);
    let library =
        library(dir.path()).await.with_config(Config { expire_after: Some(after), ..Config::default() });
    let now = now_ms();
    for at in 0..5 {
        image(&library, &format!("{at}"), Some(now + at * DAY + 1)).await;
    }
    let stays = image(&library, "stays", None).await;
    assert_eq!(library.expire(now, 10).await.unwrap(), 0);
    let then = now + 2 * DAY + 1;
    assert_eq!(counts(&library, then).await, (3, 0));
    assert_eq!(library.expire(then, 2).await.unwrap(), 2);
    assert_eq!(library.expire(then, 2).await.unwrap(), 1);
    assert_eq!(library.expire(then, 2).await.unwrap(), 0);
    assert_eq!(counts(&library, then).await, (3, 3));
    let listing = Listing { reach: MINE, trash: true, ..Listing::default() };
    let gone = library.page(&listing, then).await.unwrap().images[0].clone();
    let back = library.restore(MINE, gone.id.as_str(), then).await.unwrap();
    assert_eq!(back.expires_at, Some(then + DAY));
    assert_eq!(library.restore(MINE, stays.id.as_str(), then).await.unwrap().expires_at, None);
    let never = Edit { expires_at: Some(None), ..Edit::default() };
    assert_eq!(library.edit(MINE, back.id.as_str(), &never, then).await.unwrap().expires_at, None);
    assert_eq!(library.expiry(5), Some(5 + DAY));
}

#[tokio::test]
async fn a_version_is_kept_once_counts_and_goes_with_its_image() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path()).await;
    let picture = image(&library, "a", None).await;
    let now = now_ms();
    let bytes = Bytes::from_static(b"a smaller one");
    let version = NewVersion {
        variant: "v1".to_owned(),
        spec: "w_3".to_owned(),
        format: "webp",
        width: 3,
        height: 2,
        bytes: bytes.clone(),
    };
    let key = ObjectKey::for_content(&ContentHash(Sha256::digest(&bytes).into()), "webp");
    let few = Quota { files: Some(1), bytes: None };
    let error = library.keep_version(&picture, version.clone(), few, now).await.unwrap_err();
    assert!(matches!(error, LibraryError::QuotaFiles { .. }), "{error}");
    let free = Quota::default();
    let (first, known) = library.keep_version(&picture, version.clone(), free, now).await.unwrap();
    let (again, repeated) = library.keep_version(&picture, version.clone(), few, now).await.unwrap();
    assert!(!known && repeated && first == again);
    let current = library.get(MINE, picture.id.as_str(), now).await.unwrap();
    assert_eq!(current.versions, 1);
    assert_eq!(library.version(&current, "v1").await.unwrap(), Some(first.clone()));
    assert_eq!(library.version(&current, "v2").await.unwrap(), None);
    assert_eq!(library.read_version(&first, 100).await.unwrap(), bytes);
    assert_eq!(library.usage(Some(ME)).await.unwrap().files, 2);

    let id = picture.id.as_str();
    assert!(library.delete_version(Reach::Owner(8), id, &first.id, now).await.is_err());
    library.delete_version(MINE, id, &first.id, now).await.unwrap();
    assert!(library.delete_version(MINE, id, &first.id, now).await.is_err());
    assert_eq!(library.usage(Some(ME)).await.unwrap().files, 1);
    library.keep_version(&picture, version.clone(), free, now).await.unwrap();
    library.trash(MINE, id, now).await.unwrap();
    assert_eq!(library.usage(Some(ME)).await.unwrap().files, 2);
    library.empty_trash_of(ME, now).await.unwrap();
    assert_eq!(library.usage(Some(ME)).await.unwrap(), Usage::default());
    let key = [key.as_str().into()];
    let row = library.db.row("SELECT refs FROM objects WHERE object_key = ?", &key).await.unwrap();
    assert_eq!(row.unwrap().int("refs").unwrap(), 0);
}
