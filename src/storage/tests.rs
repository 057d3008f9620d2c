//! What every storage promises, tried on each of them.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use futures_util::TryStreamExt;

use super::*;

async fn local(dir: &Path) -> Storage {
    Storages::open(&BTreeMap::new(), LOCAL, dir, dir).await.unwrap().default().clone()
}

async fn memory() -> Storage {
    let config = Config { scheme: Scheme::Memory, ..Config::default() };
    let all = BTreeMap::from([("m".to_owned(), config)]);
    let dir = tempfile::tempdir().unwrap();
    Storages::open(&all, "m", dir.path(), dir.path()).await.unwrap().default().clone()
}

fn object(content: &[u8]) -> (ContentHash, ObjectKey, Bytes) {
    let hash = ContentHash(Sha256::digest(content).into());
    (hash, ObjectKey::for_content(&hash, "bin"), Bytes::copy_from_slice(content))
}

fn temporary_files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("objects").join(TEMPORARY)).unwrap().count()
}

fn pieces_of(content: &[u8]) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    let pieces: Vec<_> = content.chunks(300_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    futures_util::stream::iter(pieces)
}

/// The same promises, whatever the store.
async fn suite(storage: &Storage) {
    let content: Vec<u8> = (0..2_500_000u32).map(|i| (i % 249) as u8).collect();
    let (_, key, bytes) = object(&content);
    assert!(matches!(storage.stat(&key).await, Err(StorageError::Missing { .. })));
    assert!(matches!(storage.read(&key, 9).await, Err(StorageError::Missing { .. })));
    assert!(
        matches!(storage.stream(&key, 0..1).await.err(), Some(StorageError::Missing { .. }))
            || storage.local.is_none()
    );
    storage.delete(&key).await.unwrap();
    storage.put_bytes(&key, bytes.clone()).await.unwrap();
    storage.put_bytes(&key, bytes.clone()).await.unwrap();
    assert_eq!(storage.stat(&key).await.unwrap(), 2_500_000);
    assert_eq!(storage.read(&key, 2_500_000).await.unwrap(), bytes);
    assert!(matches!(storage.read(&key, 2_499_999).await, Err(StorageError::TooLarge { .. })));
    assert_eq!(storage.read_range(&key, 7..1_000_007).await.unwrap(), content[7..1_000_007]);
    let pieces: Vec<Bytes> = storage.stream(&key, 3..2_400_000).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), content[3..2_400_000]);
    storage.check().await.unwrap();
    storage.delete(&key).await.unwrap();
    assert!(matches!(storage.stat(&key).await, Err(StorageError::Missing { .. })));

    let (hash, key, _) = object(&content);
    storage.put_stream(&key, &hash, 2_500_000, pieces_of(&content)).await.unwrap();
    assert_eq!(storage.read(&key, u64::MAX).await.unwrap(), bytes);
    let (_, empty, bytes) = object(b"");
    storage.put_bytes(&empty, bytes).await.unwrap();
    assert_eq!(storage.read(&empty, 0).await.unwrap().len(), 0);
}

#[tokio::test]
async fn files_keep_the_promises() {
    let dir = tempfile::tempdir().unwrap();
    suite(&local(dir.path()).await).await;
    assert_eq!(temporary_files(dir.path()), 0);
}

#[tokio::test]
async fn memory_keeps_the_promises() {
    suite(&memory().await).await;
}

#[tokio::test]
async fn what_is_not_the_content_of_its_key_is_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let storage = local(dir.path()).await;
    let (hash, key, _) = object(b"what was hashed");
    let stored = storage.put_stream(&key, &hash, 15, pieces_of(b"what came later")).await;
    assert!(matches!(stored, Err(StorageError::Changed)), "{stored:?}");
    let broken = [Ok(Bytes::from_static(b"what")), Err(std::io::ErrorKind::ConnectionReset.into())];
    let stored = storage.put_stream(&key, &hash, 15, futures_util::stream::iter(broken)).await;
    assert!(matches!(stored, Err(StorageError::Failed { .. })), "{stored:?}");
    assert!(matches!(storage.stat(&key).await, Err(StorageError::Missing { .. })));
    assert_eq!(temporary_files(dir.path()), 0);
}

/// A process that dies while it stores is, to the store, a future that is never polled again.
#[tokio::test]
async fn wherever_a_put_dies_the_key_shows_nothing_or_everything() {
    let content: Vec<u8> = (0..3_000_000u32).map(|i| (i % 241) as u8).collect();
    let (hash, key, _) = object(&content);
    let mut finished = false;
    for polls in 0..1000 {
        let dir = tempfile::tempdir().unwrap();
        let storage = local(dir.path()).await;
        finished = {
            let mut put = pin!(storage.put_stream(&key, &hash, 3_000_000, pieces_of(&content)));
            let mut left = polls;
            std::future::poll_fn(|context| match put.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(done.map(|()| true).unwrap()),
                Poll::Pending if left == 0 => Poll::Ready(false),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
        };
        match storage.read(&key, u64::MAX).await {
            Ok(bytes) => assert_eq!(bytes, content, "after {polls} polls"),
            Err(StorageError::Missing { .. }) => assert!(!finished, "after {polls} polls"),
            Err(error) => panic!("after {polls} polls: {error}"),
        }
        // Once more succeeds, whatever the dead one left.
        storage.put_stream(&key, &hash, 3_000_000, pieces_of(&content)).await.unwrap();
        assert_eq!(storage.read(&key, u64::MAX).await.unwrap(), content);
        if finished {
            break;
        }
    }
    assert!(finished);
}

#[tokio::test]
async fn a_truncated_object_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let storage = local(dir.path()).await;
    let (_, key, bytes) = object(b"whole content");
    storage.put_bytes(&key, bytes.clone()).await.unwrap();
    std::fs::write(storage.path(&key).unwrap(), "whole").unwrap();
    storage.put_bytes(&key, bytes.clone()).await.unwrap();
    assert_eq!(storage.read(&key, 99).await.unwrap(), bytes);
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_after_a_day() {
    let dir = tempfile::tempdir().unwrap();
    local(dir.path()).await;
    let temporary = dir.path().join("objects").join(TEMPORARY);
    for (name, age) in [("old", 25 * 3600), ("young", 3600)] {
        let file = std::fs::File::create(temporary.join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    local(dir.path()).await;
    let left: Vec<_> =
        std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["young"]);
}

#[tokio::test]
async fn what_is_not_right_or_not_listed_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let open = async |yaml: &str, default: &str| {
        let configs: BTreeMap<String, Config> = yaml_serde::from_str(yaml).unwrap();
        Storages::open(&configs, default, dir.path(), dir.path()).await.err().unwrap().to_string()
    };
    assert!(open("far: { scheme: s3 }", LOCAL).await.contains("storages.far.endpoint"));
    assert!(open("{}", "far").await.contains("storage_default"));
    assert!(open("a: { scheme: fs }", LOCAL).await.contains("storages.a.root"));
    assert!(open("a: { scheme: http }", LOCAL).await.contains("sources"));
    assert!(open("a.b: { scheme: memory }", LOCAL).await.contains("`a.b`"));
}

#[tokio::test]
async fn a_file_comes_in_parts_that_are_found_again_and_go_together() {
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..2_300_000u32).map(|i| (i % 239) as u8).collect();
    let bytes = Bytes::from(content);
    let (upload, other) = ("0".repeat(32), "1".repeat(32));
    for storage in [local(dir.path()).await, memory().await] {
        let piece = async |upload: &str, at: u64, bytes: Bytes| {
            let (key, mut file) = storage.begin_piece(upload, at).await.unwrap();
            file.write(bytes.clone()).await.unwrap();
            assert_eq!(storage.keep_piece(&key, file).await.unwrap(), bytes.len() as u64);
            key
        };
        let first = piece(&upload, 0, bytes.slice(..1_500_000)).await;
        let second = piece(&upload, 1_500_000, bytes.slice(1_500_000..)).await;
        piece(&upload, 1_500_000, bytes.slice(1_500_000..1_600_000)).await;
        let foreign = piece(&other, 0, bytes.slice(..10)).await;
        let mut whole = storage.begin().await.unwrap();
        for (key, len) in [(&first, 1_500_000), (&second, 800_000)] {
            let mut pieces = storage.piece_stream(key, len).await.unwrap();
            while let Some(piece) = pieces.try_next().await.unwrap() {
                whole.write(piece).await.unwrap();
            }
        }
        let (hash, _, _) = object(&bytes);
        assert_eq!(whole.finish().await.unwrap().sha256, hash);

        // Half-written files go with their process; parts stay until their upload goes.
        let (_, mut dropped) = storage.begin_piece(&upload, 5).await.unwrap();
        dropped.write(bytes.clone()).await.unwrap();
        drop((dropped, whole));
        assert_eq!(storage.abandoned(Duration::ZERO).await, Vec::<String>::new());
        assert_eq!(storage.discard_pieces(&upload).await.unwrap(), 3);
        assert_eq!(storage.discard_pieces(&upload).await.unwrap(), 0);
        let gone = async { storage.piece_stream(&first, 9).await?.try_next().await };
        assert!(gone.await.is_err());
        let mut there = storage.piece_stream(&foreign, 10).await.unwrap();
        assert_eq!(there.try_next().await.unwrap().unwrap(), bytes.slice(..10));
        storage.discard_piece(&foreign).await.unwrap();
    }
}
