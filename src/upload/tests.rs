use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::codec::CodecError;

use crate::error::Fault;
use crate::library::Page;
use crate::storage::{LOCAL, Storages};

async fn ingest(data_dir: &Path) -> Ingest {
    let db = crate::db::testing::open(data_dir).await;
    let storages = Storages::open(&BTreeMap::new(), LOCAL, data_dir, data_dir).await.unwrap();
    let library = Library::new(db, storages).await.unwrap();
    Ingest::new(library, Limits::default(), Visibility::Public)
}

/// A PNG of one grey; different sides make different files.
fn png(width: u32, height: u32) -> Vec<u8> {
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

async fn import(ingest: &Ingest, dir: &Path) -> (Summary, Vec<String>) {
    let mut seen = Vec::new();
    let summary = ingest.import_dir(dir, |file| {
        let what = match &file.outcome {
            Outcome::Added(image) => format!("added {}", image.name),
            Outcome::Known(image) => format!("known {}", image.name),
            Outcome::Skipped(why) => format!("skipped: {why}"),
        };
        seen.push(format!("{} {what}", file.path));
    });
    (summary.await.unwrap(), seen)
}

#[tokio::test]
async fn a_picture_is_measured_hashed_stored_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = ingest(dir.path()).await;
    let bytes = Bytes::from(png(7, 5));
    let first = ingest.bytes(&Upload::named("a.png"), bytes.clone()).await.unwrap();
    assert!(!first.duplicate);
    let image = &first.image;
    assert_eq!((image.shape.width, image.shape.height, image.shape.format.as_str()), (7, 5, "png"));
    assert_eq!(image.sha256.0[..], Sha256::digest(&bytes)[..]);
    assert_eq!(image.md5.0[..], Md5Hasher::digest(&bytes)[..]);
    assert_eq!(ingest.library.read(image, 9999).await.unwrap(), bytes);
    let again = ingest.bytes(&Upload::named("a.png"), bytes.clone()).await.unwrap();
    assert!(again.duplicate && again.image == *image);
    let other = ingest.bytes(&Upload::named("b.png"), bytes).await.unwrap();
    assert!(!other.duplicate && other.image.key == image.key);
    assert_eq!(objects(dir.path()), 1);
}

#[tokio::test]
async fn what_is_no_picture_or_too_much_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = ingest(dir.path()).await;
    let named = Upload::named("a.png");
    let text = ingest.bytes(&named, Bytes::from_static(b"hello, this is text")).await.unwrap_err();
    assert_eq!(text.code(), "not_an_image");
    let cut = Bytes::from(png(7, 5)).slice(..20);
    assert_eq!(ingest.bytes(&named, cut).await.unwrap_err().code(), "undecodable");
    assert_eq!(ingest.bytes(&named, Bytes::new()).await.unwrap_err().code(), "not_an_image");
    let strict = Ingest { limits: Limits { max_pixels: 34, ..Limits::default() }, ..ingest.clone() };
    let large = strict.bytes(&named, png(7, 5).into()).await.unwrap_err();
    assert!(matches!(large, UploadError::Codec(CodecError::TooManyPixels { .. })), "{large}");
    let strict = Ingest { limits: Limits { max_bytes: 40, ..Limits::default() }, ..ingest.clone() };
    assert_eq!(strict.bytes(&named, png(7, 5).into()).await.unwrap_err().code(), "too_many_bytes");
    assert_eq!(objects(dir.path()), 0);
    assert_eq!(ingest.library.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_folder_is_imported_once() {
    let (data, pictures) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ingest, root) = (ingest(data.path()).await, pictures.path());
    std::fs::create_dir_all(root.join("b/c")).unwrap();
    std::fs::create_dir_all(root.join(".git")).unwrap();
    std::fs::write(root.join("a.png"), png(1, 1)).unwrap();
    std::fs::write(root.join("b/c/deep.png"), png(2, 1)).unwrap();
    std::fs::write(root.join("b/same.png"), png(1, 1)).unwrap();
    std::fs::write(root.join("wrong.jpg"), png(3, 1)).unwrap();
    std::fs::write(root.join("note.txt"), "no picture").unwrap();
    std::fs::write(root.join(".git/x.png"), png(4, 1)).unwrap();
    let (summary, seen) = import(&ingest, root).await;
    assert_eq!(
        seen,
        [
            ".git skipped: hidden",
            "a.png added a.png",
            "b/c/deep.png added deep.png",
            "b/same.png added same.png",
            "note.txt skipped: these bytes are not a picture in a format that is known here",
            "wrong.jpg added wrong.jpg",
        ]
    );
    assert_eq!(summary, Summary { added: 4, known: 0, skipped: 2 });
    assert_eq!(objects(data.path()), 3);
    let wrong = &ingest.library.list(&Page { limit: 1, before: None }).await.unwrap()[0];
    assert_eq!(wrong.shape.format, "png");

    let (summary, _) = import(&ingest, root).await;
    assert_eq!(summary, Summary { added: 0, known: 4, skipped: 2 });
    std::fs::write(root.join("a.png"), png(9, 9)).unwrap();
    assert_eq!(import(&ingest, root).await.0, Summary { added: 1, known: 3, skipped: 2 });
    assert_eq!(ingest.library.count().await.unwrap(), 5);
}

#[tokio::test]
async fn an_import_takes_nothing_from_outside_and_ends() {
    let (data, outer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ingest = ingest(data.path()).await;
    let root = outer.path().join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(outer.path().join("outside.png"), png(1, 1)).unwrap();
    std::fs::write(root.join("sub/in.png"), png(2, 1)).unwrap();
    symlink("../outside.png", root.join("1.png")).unwrap();
    symlink("sub/in.png", root.join("2.png")).unwrap();
    symlink("..", root.join("sub/circle")).unwrap();
    symlink(outer.path(), root.join("up")).unwrap();
    symlink("nothing", root.join("z.png")).unwrap();
    let (summary, seen) = import(&ingest, &root).await;
    assert_eq!(
        seen,
        [
            "1.png skipped: a link that leads out of the folder, or to no file",
            "2.png added 2.png",
            "sub/circle skipped: a link to a folder",
            "sub/in.png added in.png",
            "up skipped: a link to a folder",
            "z.png skipped: a link that leads out of the folder, or to no file",
        ]
    );
    assert_eq!(summary, Summary { added: 2, known: 0, skipped: 4 });
    assert!(ingest.import_dir(&root.join("nowhere"), |_| {}).await.is_err());
}

#[tokio::test]
async fn a_large_file_is_measured_by_its_beginning_and_stored_in_pieces() {
    let (data, pictures) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ingest = ingest(data.path()).await;
    // A text chunk of 200 KB stands between the first look and the pixels.
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1500, 1500);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::NoCompression);
    encoder.add_text_chunk("Comment".to_owned(), "x".repeat(200_000)).unwrap();
    encoder.write_header().unwrap().write_image_data(&vec![7; 2_250_000]).unwrap();
    std::fs::write(pictures.path().join("large.png"), &bytes).unwrap();
    assert_eq!(import(&ingest, pictures.path()).await.0.added, 1);
    let image = &ingest.library.list(&Page { limit: 1, before: None }).await.unwrap()[0];
    assert_eq!((image.bytes, image.shape.width), (bytes.len() as u64, 1500));
    assert_eq!(image.md5.0[..], Md5Hasher::digest(&bytes)[..]);
    assert_eq!(ingest.library.read(image, u64::MAX).await.unwrap(), bytes);
}

#[tokio::test]
async fn the_demo_is_always_there_under_its_ids() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = ingest(dir.path()).await;
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
