//! Uploads in several requests: parts, offsets, checksums, and who comes first.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;

use super::*;
use crate::db::now_ms;
use crate::library;
use crate::upload::tests::{of, png, uploads};

type Got = Result<Bytes, ()>;

async fn append(uploads: &Uploads, id: &str, offset: u64, bytes: &[u8]) -> Result<Received, UploadError> {
    append_all(uploads, id, offset, None, bytes.chunks(100_000).map(|c| Ok(Bytes::copy_from_slice(c)))).await
}

async fn append_all(
    uploads: &Uploads,
    id: &str,
    offset: u64,
    checksum: Option<Checksum>,
    bytes: impl IntoIterator<Item = Got>,
) -> Result<Received, UploadError> {
    let bytes: Vec<_> = bytes.into_iter().collect();
    uploads.append(of(1, None, None), id, offset, checksum, stream::iter(bytes), now_ms()).await
}

async fn begun(uploads: &Uploads, total: usize) -> String {
    let (owner, wish) = (of(1, None, None), Wish::named("a.png"));
    uploads.open(owner, &wish, total as u64, None, now_ms()).await.unwrap().id
}

/// A picture of some nine megabytes: three parts.
fn large() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 3000, 3000);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::NoCompression);
    encoder.write_header().unwrap().write_image_data(&vec![7; 9_000_000]).unwrap();
    bytes
}

fn left(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir.join("objects/.temporary")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn parts_become_the_picture_that_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let bytes = large();
    let id = begun(&uploads, bytes.len()).await;
    // Cut off where nobody expects it, twice, then to the end.
    let cut = |from: usize, to: usize| {
        bytes[from..to]
            .chunks(70_000)
            .map(|c| Ok(Bytes::copy_from_slice(c)))
            .chain([Err(())])
            .collect::<Vec<_>>()
    };
    for (from, to) in [(0, 5_000_001), (5_000_001, 5_000_013)] {
        let torn = append_all(&uploads, &id, from as u64, None, cut(from, to)).await;
        assert!(matches!(torn, Err(UploadError::Torn)));
        assert_eq!(uploads.progress(1, &id, now_ms()).await.unwrap().received, to as u64);
    }
    assert_eq!(left(dir.path()), 3);
    let wrong = append(&uploads, &id, 5, &bytes[5..]).await;
    assert!(matches!(wrong, Err(UploadError::Offset { received: 5_000_013 })));
    let done = append(&uploads, &id, 5_000_013, &bytes[5_000_013..]).await.unwrap();
    let image = done.image.unwrap();
    assert_eq!((done.received, image.bytes), (bytes.len() as u64, bytes.len() as u64));
    assert_eq!(uploads.library.read(&image, u64::MAX).await.unwrap(), bytes);
    assert_eq!(left(dir.path()), 0);
    let after = uploads.progress(1, &id, now_ms()).await.unwrap();
    assert_eq!((after.received, after.image.as_deref()), (after.total, Some(image.id.as_str())));
    // What is whole takes nothing more.
    assert!(matches!(append(&uploads, &id, after.total, b"x").await, Err(UploadError::TooManyBytes { .. })));
    assert!(append(&uploads, &id, after.total, b"").await.is_ok());
}

#[tokio::test]
async fn of_many_who_bring_the_same_part_one_counts() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let bytes = png(300, 300);
    let id = begun(&uploads, bytes.len()).await;
    let half = bytes.len() / 2;
    let same = (0..8).map(|_| append(&uploads, &id, 0, &bytes[..half]));
    let counted = futures_util::future::join_all(same).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((counted, left(dir.path())), (1, 1));
    let rest = (0..8).map(|_| append(&uploads, &id, half as u64, &bytes[half..]));
    for done in futures_util::future::join_all(rest).await {
        match done {
            Ok(done) => assert!(done.image.is_some()),
            Err(error) => assert!(
                matches!(error, UploadError::Offset { .. } | UploadError::TooManyBytes { .. }),
                "{error}"
            ),
        }
    }
    assert_eq!((uploads.library.count().await.unwrap(), left(dir.path())), (1, 0));
    assert_eq!(uploads.library.usage(Some(1)).await.unwrap().files, 1);
}

#[tokio::test]
async fn a_wrong_checksum_takes_its_part_along() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let bytes = large();
    let id = begun(&uploads, bytes.len()).await;
    let sum = |of: &[u8]| {
        use base64::Engine as _;
        use sha2::Digest as _;
        let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(of));
        Some(Checksum::parse(&format!("sha256 {digest}")).unwrap())
    };
    let pieces =
        |of: &[u8]| of.chunks(90_000).map(|c| Got::Ok(Bytes::copy_from_slice(c))).collect::<Vec<_>>();
    let (first, rest) = bytes.split_at(8_500_000);
    let wrong = append_all(&uploads, &id, 0, sum(rest), pieces(first)).await;
    assert!(matches!(wrong, Err(UploadError::Checksum)));
    let torn = pieces(first).into_iter().chain([Err(())]);
    assert!(matches!(append_all(&uploads, &id, 0, sum(first), torn).await, Err(UploadError::Torn)));
    assert_eq!((uploads.progress(1, &id, now_ms()).await.unwrap().received, left(dir.path())), (0, 0));
    assert_eq!(append_all(&uploads, &id, 0, sum(first), pieces(first)).await.unwrap().received, 8_500_000);
    let done = append_all(&uploads, &id, 8_500_000, sum(rest), pieces(rest)).await.unwrap();
    assert_eq!(uploads.library.read(&done.image.unwrap(), u64::MAX).await.unwrap(), bytes);
}

#[tokio::test]
async fn what_is_no_picture_ends_and_gives_its_room_back() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let owner = of(1, Some(1000), Some(2));
    let open = async |total: u64| uploads.open(owner, &Wish::named("a"), total, None, now_ms()).await;
    let append = async |id: &str, at: u64, bytes: &[u8]| {
        let bytes = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(bytes))]);
        uploads.append(owner, id, at, None, bytes, now_ms()).await
    };
    let reserved = async || {
        let usage = uploads.library.usage(Some(1)).await.unwrap();
        (usage.reserved_bytes, usage.reserved_files, usage.files)
    };
    let first = open(600).await.unwrap().id;
    let full = open(600).await;
    assert!(matches!(full, Err(UploadError::Library(library::LibraryError::QuotaBytes { .. }))));
    assert!(matches!(open(u64::MAX).await, Err(UploadError::TooManyBytes { .. })));
    assert_eq!(reserved().await, (600, 1, 0));
    append(&first, 0, &[1; 300]).await.unwrap();
    let bad = append(&first, 300, &[1; 300]).await;
    assert!(matches!(bad, Err(UploadError::Codec(_))), "{bad:?}");
    assert!(matches!(uploads.progress(1, &first, now_ms()).await, Err(UploadError::NoUpload)));
    assert_eq!((reserved().await, left(dir.path())), ((0, 0, 0), 0));

    let bytes = png(9, 9);
    let second = open(bytes.len() as u64).await.unwrap().id;
    append(&second, 0, &bytes[..20]).await.unwrap();
    assert!(matches!(uploads.progress(2, &second, now_ms()).await, Err(UploadError::NoUpload)));
    assert!(matches!(uploads.terminate(2, &second, now_ms()).await, Err(UploadError::NoUpload)));
    uploads.terminate(1, &second, now_ms()).await.unwrap();
    assert!(matches!(append(&second, 20, &bytes[20..]).await, Err(UploadError::NoUpload)));
    assert_eq!((reserved().await, left(dir.path())), ((0, 0, 0), 0));

    let third = open(bytes.len() as u64).await.unwrap().id;
    append(&third, 0, &bytes).await.unwrap();
    assert_eq!(reserved().await, (0, 0, 1));
}

#[tokio::test]
async fn what_expires_is_swept_with_all_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path()).await;
    let owner = of(1, Some(1000), None);
    let upload = uploads.open(owner, &Wish::named("a"), 900, None, now_ms()).await.unwrap();
    append(&uploads, &upload.id, 0, &[1; 500]).await.unwrap();
    // A part that a crash left before it counted.
    let storage = uploads.library.storages().default().clone();
    let (key, mut file) = storage.begin_piece(&upload.id, 500).await.unwrap();
    file.write(Bytes::from_static(b"lost")).await.unwrap();
    storage.keep_piece(&key, file).await.unwrap();
    assert_eq!(left(dir.path()), 2);
    let over = upload.expires_at + 1;
    assert!(matches!(uploads.progress(1, &upload.id, over).await, Err(UploadError::UploadExpired)));
    let plan = library::SweepPlan {
        grace: std::time::Duration::ZERO,
        coverage: library::Coverage::Rows,
        most: u64::MAX,
        dry_run: false,
    };
    uploads.library.sweep(&plan, over - 2).await.unwrap();
    assert_eq!((uploads.sweep_pending(over - 2).await.unwrap(), left(dir.path())), (0, 2));
    assert_eq!((uploads.sweep_pending(over).await.unwrap(), left(dir.path())), (1, 0));
    assert_eq!(uploads.library.usage(Some(1)).await.unwrap().reserved_bytes, 0);
    assert!(matches!(uploads.progress(1, &upload.id, over).await, Err(UploadError::NoUpload)));
}
