//! Uploads from the first byte to the row, and what is undone where they end early.

use std::collections::BTreeMap;
use std::path::Path;

use md5::Md5 as Md5Hasher;
use sha2::{Digest, Sha256};

use super::*;
use crate::error::Fault;
use crate::library::{Coverage, Page, SweepPlan, Swept};
use crate::storage::{ContentHash, LOCAL, ObjectKey, Storages};

pub(super) async fn uploads(data_dir: &Path) -> Uploads {
    let db = crate::db::testing::open(data_dir).await;
    let storages = Storages::open(&BTreeMap::new(), LOCAL, data_dir, data_dir).await.unwrap();
    let library = Library::new(db, storages).await.unwrap();
    Uploads::new(library, super::Config::default())
}

/// A PNG of one grey; different sides make different files.
pub(super) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![9; (width * height) as usize]).unwrap();
    writer.finish().unwrap();
    bytes
}

fn objects(dir: &Path) -> usize {
    walk(&dir.join("objects")).into_iter().filter(|path| path.ends_with(".png")).count()
}

fn walk(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] })
        .collect()
}

fn named(name: &str) -> Wish {
    Wish { same: Sameness::ContentAndName, ..Wish::named(name) }
}

pub(super) fn of(pk: i64, bytes: Option<u64>, files: Option<u64>) -> Owner {
    Owner { pk: Some(pk), quota: library::Quota { bytes, files } }
}

fn temporary(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("objects/.temporary")).unwrap().count()
}

#[tokio::test]
async fn a_picture_is_measured_hashed_stored_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let bytes = Bytes::from(png(7, 5));
    let first = uploads.bytes(Owner::default(), named("a.png"), bytes.clone()).await.unwrap();
    assert!(!first.duplicate);
    let image = &first.image;
    assert_eq!((image.shape.width, image.shape.height, image.shape.format.as_str()), (7, 5, "png"));
    assert_eq!(image.sha256.0[..], Sha256::digest(&bytes)[..]);
    assert_eq!(image.md5.0[..], Md5Hasher::digest(&bytes)[..]);
    let stored_name = image.stored_name.as_deref().unwrap();
    assert!(stored_name.ends_with(".png") && !stored_name.starts_with(image.id.as_str()));
    assert_eq!(uploads.library.read(image, 9999).await.unwrap(), bytes);
    let again = uploads.bytes(Owner::default(), named("a.png"), bytes.clone()).await.unwrap();
    assert!(again.duplicate && again.image == *image);
    let other = uploads.bytes(Owner::default(), named("b.png"), bytes.clone()).await.unwrap();
    assert!(!other.duplicate && other.image.key == image.key);
    let somebody = uploads.bytes(of(7, None, None), Wish::named("c.png"), bytes).await.unwrap();
    assert!(!somebody.duplicate && somebody.image.owner == Some(7));
    assert_eq!((objects(dir.path()), temporary(dir.path())), (1, 0));
    let usage = uploads.library.usage(None).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (2, 2 * image.bytes));
}

#[tokio::test]
async fn what_is_no_picture_or_too_much_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let with = |config: super::Config| Uploads::new(uploads.library.clone(), config);
    let code = async |uploads: &Uploads, wish: Wish, bytes: &[u8]| {
        let bytes = Bytes::copy_from_slice(bytes);
        uploads.bytes(of(1, Some(9_000_000), Some(9)), wish, bytes).await.unwrap_err().code()
    };
    let png = png(7, 5);
    assert_eq!(code(&uploads, named("a"), b"hello, this is text").await, "not_an_image");
    assert_eq!(code(&uploads, named("a"), &png[..20]).await, "undecodable");
    assert_eq!(code(&uploads, named("a"), b"").await, "not_an_image");
    let limits = Limits { max_pixels: 34, ..Limits::default() };
    let strict = with(super::Config { limits, ..super::Config::default() });
    assert_eq!(code(&strict, named("a"), &png).await, "too_many_pixels");
    let strict = with(super::Config { max_bytes: 40, ..super::Config::default() });
    assert_eq!(code(&strict, named("a"), &png).await, "too_many_bytes");
    let strict = with(super::Config { types: "image/gif".parse().unwrap(), ..super::Config::default() });
    assert_eq!(code(&strict, named("a"), &png).await, "type_not_allowed");
    let types = Some("image/jpeg".parse().unwrap());
    assert_eq!(code(&uploads, Wish { types, ..named("a") }, &png).await, "type_not_allowed");
    assert_eq!((objects(dir.path()), temporary(dir.path())), (0, 0));
    assert_eq!(uploads.library.count().await.unwrap(), 0);
    settled(&uploads, 1).await;
}

/// What is reserved is given back in the background.
async fn settled(uploads: &Uploads, owner: i64) {
    for _ in 0..500 {
        if uploads.library.usage(Some(owner)).await.unwrap().reserved_files == 0 {
            assert_eq!(uploads.library.usage(Some(owner)).await.unwrap().reserved_bytes, 0);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("room is still reserved: {:?}", uploads.library.usage(Some(owner)).await.unwrap());
}

#[tokio::test]
async fn the_byte_too_much_ends_it_while_it_streams() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let wish = Wish { max_bytes: Some(3_000_000), ..Wish::named("a") };
    let mut session = uploads.begin(of(1, Some(5_000_000), None), wish.clone()).await.unwrap();
    for _ in 0..3 {
        session.write(Bytes::from(vec![0; 1_000_000])).await.unwrap();
    }
    let reserved = uploads.library.usage(Some(1)).await.unwrap().reserved_bytes;
    assert!((3_000_000..=5_000_000).contains(&reserved), "{reserved}");
    let error = session.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert!(matches!(error, UploadError::TooManyBytes { limit: 3_000_000 }), "{error}");
    drop(session);
    assert_eq!(temporary(dir.path()), 0);
    settled(&uploads, 1).await;
    let declared = Wish { declared: Some(3_000_001), ..wish };
    let refused = uploads.begin(Owner::default(), declared).await.err().unwrap();
    assert_eq!(refused.code(), "too_many_bytes");
}

#[tokio::test]
async fn of_many_at_once_as_many_come_in_as_there_is_room_for() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (uploads(dir.path()).await, uploads(dir.path()).await);
    let sizes: Vec<Vec<u8>> = (0..200).map(|i| png(1 + i % 20, 1 + i / 20)).collect();
    let largest = sizes.iter().map(Vec::len).max().unwrap() as u64;
    for (owner, quota) in [(1, of(1, None, Some(10))), (2, of(2, Some(10 * largest), Some(10)))] {
        let tasks = sizes.iter().enumerate().map(|(i, bytes)| {
            let uploads = [&here, &there][i % 2].clone();
            let bytes = Bytes::from(bytes.clone());
            tokio::spawn(async move { uploads.bytes(quota, Wish::named("a.png"), bytes).await })
        });
        let done: Vec<_> =
            futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        let accepted = done.iter().filter(|done| done.is_ok()).count();
        assert_eq!(accepted, 10);
        assert!(done.iter().filter_map(|done| done.as_ref().err()).all(|e| e.code() == "quota_exceeded"));
        settled(&here, owner).await;
        let usage = here.library.usage(Some(owner)).await.unwrap();
        assert_eq!(usage.files, 10);
    }
}

#[tokio::test]
async fn a_repeat_is_no_second_picture() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let owner = of(1, Some(1_000_000), Some(5));
    let bytes = Bytes::from(png(3, 3));
    let tasks = (0..20).map(|_| {
        let (uploads, bytes) = (uploads.clone(), bytes.clone());
        tokio::spawn(async move {
            loop {
                match uploads.bytes(owner, Wish::named("a.png"), bytes.clone()).await {
                    Ok(done) => return done,
                    // All twenty want room for a file of their own before anybody knows that they are one.
                    Err(error) => assert_eq!(error.code(), "quota_exceeded"),
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let done: Vec<Uploaded> =
        futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(done.iter().filter(|done| !done.duplicate).count(), 1);
    assert!(done.iter().all(|one| one.image.id == done[0].image.id));
    settled(&uploads, 1).await;
    let usage = uploads.library.usage(Some(1)).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (1, bytes.len() as u64));
}

#[tokio::test]
async fn other_content_under_the_same_id() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let owner = of(1, Some(1_000_000), Some(1));
    let first = uploads.bytes(owner, Wish::named("a.png"), png(3, 3).into()).await.unwrap().image;
    let replace = async |owner: Owner, wish: Wish, bytes: Vec<u8>| {
        let mut session = uploads.begin_replacement(owner, wish).await?;
        session.write(bytes.into()).await?;
        session.replace(&first.id).await
    };
    let second = replace(owner, Wish::named(""), png(90, 90)).await.unwrap();
    assert_eq!((second.pk, second.name.as_str(), second.shape.width), (first.pk, "a.png", 90));
    assert_eq!(second.stored_name, first.stored_name);
    let usage = uploads.library.usage(Some(1)).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (1, second.bytes));
    let stranger = replace(of(2, None, None), Wish::named("b"), png(4, 4)).await.unwrap_err();
    assert_eq!(stranger.code(), "not_found");
    let small = of(1, Some(second.bytes), Some(1));
    assert_eq!(replace(small, Wish::named(""), png(900, 900)).await.unwrap_err().code(), "quota_exceeded");
    // The old object goes once its time of grace is over, the new one stays.
    let plan = SweepPlan { grace: Duration::ZERO, coverage: Coverage::All, most: u64::MAX, dry_run: false };
    let swept = uploads.library.sweep(&plan, now_ms() + 1000).await.unwrap();
    assert!(swept.unneeded >= 1 && swept.missing.is_empty(), "{swept:?}");
    uploads.library.read(&second, 1 << 20).await.unwrap();
    assert_eq!(objects(dir.path()), 1);
}

#[tokio::test]
async fn what_is_deleted_for_good_goes_with_the_sweep_unless_somebody_else_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let library = &uploads.library;
    let [a, b] = [1, 2].map(|pk| of(pk, Some(1_000_000), None));
    let one = uploads.bytes(a, Wish::named("a.png"), png(3, 3).into()).await.unwrap().image;
    let same = uploads.bytes(b, Wish::named("b.png"), png(3, 3).into()).await.unwrap().image;
    let now = now_ms();
    let sweep = async |later: i64| {
        let plan = SweepPlan {
            grace: Duration::from_secs(3600),
            coverage: Coverage::All,
            most: u64::MAX,
            dry_run: false,
        };
        library.sweep(&plan, now + later).await.unwrap()
    };
    assert_eq!(library.delete_forever(&[one.id.clone(), one.id.clone()], now).await.unwrap(), 1);
    assert_eq!(library.usage(Some(1)).await.unwrap(), library::Usage::default());
    assert!(library.find_any(&one.id).await.unwrap().is_none());
    assert_eq!(sweep(4_000_000).await, Swept::default());
    library.delete_forever(&[same.id], now).await.unwrap();
    assert_eq!(sweep(1000).await.unneeded, 0);
    // Somebody brings it again in time: it stays.
    let back = uploads.bytes(a, Wish::named("a.png"), png(3, 3).into()).await.unwrap().image;
    assert_eq!(sweep(90_000_000).await.unneeded, 0);
    library.read(&back, 9999).await.unwrap();
    library.delete_forever(&[back.id], now).await.unwrap();
    let look = SweepPlan { grace: Duration::ZERO, coverage: Coverage::Rows, most: u64::MAX, dry_run: true };
    assert_eq!(library.sweep(&look, now + 90_000_000).await.unwrap().unneeded, 1);
    assert_eq!(sweep(90_000_000).await.unneeded, 1);
    assert_eq!((objects(dir.path()), sweep(99_000_000).await), (0, Swept::default()));
}

#[tokio::test]
async fn the_sweep_finds_what_no_row_knows_and_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let library = &uploads.library;
    let image = uploads.bytes(Owner::default(), named("a.png"), png(3, 3).into()).await.unwrap().image;
    let stray = ObjectKey::for_content(&ContentHash([0xee; 32]), "png");
    library.storages().default().put_bytes(&stray, Bytes::from_static(b"stray")).await.unwrap();
    std::fs::write(dir.path().join("objects/ee/ee/README"), "not ours").unwrap();
    std::fs::remove_file(library.path(&image).unwrap().unwrap()).unwrap();
    std::fs::write(dir.path().join("objects/.temporary/half"), "half").unwrap();
    let sweep = async |grace: u64, dry_run: bool| {
        let plan =
            SweepPlan { grace: Duration::from_secs(grace), coverage: Coverage::All, most: u64::MAX, dry_run };
        library.sweep(&plan, now_ms()).await.unwrap()
    };
    let young = sweep(3600, false).await;
    assert_eq!((young.orphans, young.temporary, young.foreign), (0, 0, 1));
    assert_eq!(young.missing, [format!("local/{}", image.key)]);
    assert_eq!((sweep(0, true).await.orphans, objects(dir.path())), (1, 1));
    let swept = sweep(0, false).await;
    assert_eq!((swept.orphans, swept.temporary, objects(dir.path())), (1, 1, 0));
    assert!(library.find_any(&image.id).await.unwrap().is_some());
    // The same picture comes again: what was gone is back.
    uploads.bytes(Owner::default(), named("other.png"), png(3, 3).into()).await.unwrap();
    let after = sweep(0, false).await;
    assert_eq!((after.orphans, after.missing.len()), (0, 0));
    library.read(&image, 9999).await.unwrap();
}

#[tokio::test]
async fn a_week_of_sweeps_sees_every_folder_once() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let library = &uploads.library;
    for folder in 0..=u8::MAX {
        let stray = ObjectKey::for_content(&ContentHash([folder; 32]), "png");
        library.storages().default().put_bytes(&stray, Bytes::from_static(b"stray")).await.unwrap();
    }
    let sweep = async |day: i64, most: u64| {
        let coverage = Coverage::Day(day);
        let plan = SweepPlan { grace: Duration::ZERO, coverage, most, dry_run: false };
        library.sweep(&plan, now_ms()).await.unwrap().orphans
    };
    assert_eq!((sweep(20_000, 10).await, sweep(20_000, 10).await), (10, 10));
    let mut swept = 0;
    for day in 20_001..20_008 {
        let today = sweep(day, u64::MAX).await;
        assert!((16..=37).contains(&today), "{day}: {today}");
        swept += today;
    }
    assert_eq!((swept, objects(dir.path())), (236, 0));
}

#[tokio::test]
async fn an_expiry_and_the_exif_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let usual = Some(Duration::from_secs(60));
    let uploads = Uploads::new(
        uploads(dir.path()).await.library,
        super::Config { expire_after: usual, ..super::Config::default() },
    );
    let jpeg = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo/demo.jpg")).unwrap();
    let before = now_ms();
    let upload = async |expires: Expires, bytes: &[u8]| {
        let wish = Wish { expires, ..Wish::named("a") };
        uploads.bytes(of(1, None, None), wish, Bytes::copy_from_slice(bytes)).await.unwrap()
    };
    let first = upload(Expires::Usual, &jpeg).await.image;
    assert!(first.expires_at.unwrap() >= before + 60_000);
    let again = upload(Expires::At(before + 99_000_000), &jpeg).await;
    assert!(again.duplicate);
    assert_eq!(again.image.expires_at, Some(before + 99_000_000));
    assert_eq!(upload(Expires::Never, &jpeg).await.image.expires_at, None);
    assert_eq!(uploads.library.exif(&upload(Expires::Never, &png(1, 1)).await.image).await.unwrap(), None);
}

#[tokio::test]
async fn a_large_file_is_measured_by_its_beginning_and_stored_in_pieces() {
    let data = tempfile::tempdir().unwrap();
    let ingest = uploads(data.path()).await;
    // A text chunk of 200 KB stands between the first look and the pixels.
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1500, 1500);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::NoCompression);
    encoder.add_text_chunk("Comment".to_owned(), "x".repeat(200_000)).unwrap();
    encoder.write_header().unwrap().write_image_data(&vec![7; 2_250_000]).unwrap();
    let mut session = ingest.begin(Owner::default(), named("large.png")).await.unwrap();
    for piece in bytes.chunks(256 * 1024) {
        session.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert!(!session.finish().await.unwrap().duplicate);
    let image = &ingest.library.list(&Page { limit: 1, before: None }).await.unwrap()[0];
    assert_eq!((image.bytes, image.shape.width), (bytes.len() as u64, 1500));
    assert_eq!(image.md5.0[..], Md5Hasher::digest(&bytes)[..]);
    assert_eq!(ingest.library.read(image, u64::MAX).await.unwrap(), bytes);
}

#[tokio::test]
async fn the_demo_is_always_there_under_its_ids() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = uploads(dir.path()).await;
    let pictures =
        |side| [("demo", "demo.png", Bytes::from(png(side, side))), ("demo-2", "2.png", png(9, 1).into())];
    ingest.ensure_demo(&pictures(3)).await.unwrap();
    let first = ingest.library.find("demo").await.unwrap().unwrap();
    ingest.ensure_demo(&pictures(3)).await.unwrap();
    assert_eq!(ingest.library.find("demo").await.unwrap().unwrap(), first);
    assert_eq!(ingest.library.count().await.unwrap(), 2);

    // A newer binary brings another picture; a lost object comes back.
    ingest.ensure_demo(&pictures(4)).await.unwrap();
    let second = ingest.library.find("demo").await.unwrap().unwrap();
    assert_eq!((second.pk, second.shape.width), (first.pk, 4));
    std::fs::remove_file(ingest.library.path(&second).unwrap().unwrap()).unwrap();
    ingest.ensure_demo(&pictures(4)).await.unwrap();
    ingest.library.read(&second, 9999).await.unwrap();
}
