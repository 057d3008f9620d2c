//! Sources against real folders and servers: what they give, and what never leaves them.

use std::os::unix::fs::symlink;
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> SourcePath {
    SourcePath::parse(text).unwrap()
}

fn source(yaml: &str, base: &Path) -> Source {
    let configs = BTreeMap::from([("s".to_owned(), yaml_serde::from_str(yaml).unwrap())]);
    Sources::new(&configs, base).unwrap().get("s").unwrap().clone()
}

fn folder(base: &Path) -> Source {
    std::fs::create_dir_all(base.join("root/sub")).unwrap();
    std::fs::write(base.join("root/sub/a.jpg"), "content").unwrap();
    std::fs::write(base.join("secret"), "secret").unwrap();
    source("{ root: root, revalidate: 60s }", base)
}

async fn memory() -> Source {
    let source = source("{ scheme: memory, unsigned: open }", Path::new(""));
    source.fill(&path("sub/a.jpg"), Bytes::from_static(b"content")).await.unwrap();
    source
}

fn slot(source: &Source, name: &str) -> Arc<Slot> {
    Arc::clone(source.inner.known.lock().unwrap().get(name).unwrap())
}

async fn suite(source: &Source) {
    let a = path("sub/a.jpg");
    let stat = source.stat(&a).await.unwrap();
    assert_eq!(stat.len, 7);
    let (identity, bytes) = source.read_all(&a, 7).await.unwrap();
    assert_eq!((&identity, &bytes[..]), (stat.identity(), &b"content"[..]));
    assert_eq!(source.identity(&a).await.unwrap(), identity);
    assert!(matches!(source.read_all(&a, 6).await, Err(SourceError::TooManyBytes { limit: 6 })));
    assert_eq!(source.read(&a, Some(1..4), 3).await.unwrap(), "ont");
    assert_eq!(source.read(&a, None, 9).await.unwrap(), "content");
    assert!(matches!(source.read(&a, Some(1..4), 2).await, Err(SourceError::TooManyBytes { .. })));
    let (streamed, stream) = source.stream(&a, |len| 2..len).await.unwrap();
    assert_eq!(streamed, identity);
    assert_eq!(stream.try_collect::<Vec<Bytes>>().await.unwrap().concat(), b"ntent");
    for missing in ["sub", "sub/b.jpg", "sub/a.jpg/b", "b"] {
        let missing = path(missing);
        assert!(matches!(source.stat(&missing).await, Err(SourceError::NotFound)), "{missing}");
        assert!(matches!(source.identity(&missing).await, Err(SourceError::NotFound)), "{missing}");
        assert!(matches!(source.read_all(&missing, 9).await, Err(SourceError::NotFound)), "{missing}");
        assert!(
            matches!(source.stream(&missing, |len| 0..len).await, Err(SourceError::NotFound)),
            "{missing}"
        );
    }
    source.check().await.unwrap();
}

#[tokio::test]
async fn a_folder_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    suite(&source).await;
    assert!(source.stat(&path("sub/a.jpg")).await.unwrap().modified_ms.unwrap() > 1_600_000_000_000);
    assert_eq!((source.name(), source.policy()), ("s", Policy::Ladder));
}

#[tokio::test]
async fn memory_is_read_and_a_new_version_is_another_identity() {
    let source = memory().await;
    suite(&source).await;
    assert_eq!(source.policy(), Policy::Open);
    let before = source.stat(&path("sub/a.jpg")).await.unwrap();
    source.fill(&path("sub/a.jpg"), Bytes::from_static(b"CONTENT")).await.unwrap();
    assert_ne!(source.stat(&path("sub/a.jpg")).await.unwrap().identity(), before.identity());
}

#[tokio::test]
async fn nothing_outside_of_the_root_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    symlink("../secret", dir.path().join("root/link.jpg")).unwrap();
    symlink(dir.path(), dir.path().join("root/up")).unwrap();
    symlink("sub/a.jpg", dir.path().join("root/inside.jpg")).unwrap();
    for name in ["link.jpg", "up/secret"] {
        assert!(matches!(source.read_all(&path(name), 99).await, Err(SourceError::NotFound)), "{name}");
        assert!(matches!(source.identity(&path(name)).await, Err(SourceError::NotFound)), "{name}");
        assert!(source.stream(&path(name), |len| 0..len).await.is_err(), "{name}");
    }
    assert_eq!(source.read(&path("inside.jpg"), None, 99).await.unwrap(), "content");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Real files, whatever the name: either the one content of the root, or nothing.
    #[test]
    fn no_name_reads_the_secret(parts in prop::collection::vec("\\.\\.|\\.|sub|up|a\\.jpg|secret|root|%2e%2e|", 1..7)) {
        let dir = tempfile::tempdir().unwrap();
        let source = folder(dir.path());
        symlink("..", dir.path().join("root/up")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if let Ok(path) = SourcePath::parse(&parts.join("/"))
            && let Ok((_, bytes)) = runtime.block_on(source.read_all(&path, 99))
        {
            prop_assert_eq!(&bytes[..], b"content");
        }
    }
}

#[tokio::test]
async fn an_identity_is_asked_for_once_and_then_taken_for_true() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let (a, file) = (path("sub/a.jpg"), dir.path().join("root/sub/a.jpg"));
    let before = source.identity(&a).await.unwrap();
    std::fs::write(&file, "other content").unwrap();
    assert_eq!(source.identity(&a).await.unwrap(), before);

    // Older than `revalidate`: the old one is used once more, and the new one is on its way.
    slot(&source, "sub/a.jpg").age(Duration::from_secs(61));
    assert_eq!(source.identity(&a).await.unwrap(), before);
    while slot(&source, "sub/a.jpg").is_refreshing() {
        tokio::task::yield_now().await;
    }
    let after = source.identity(&a).await.unwrap();
    assert_eq!(after.len(), 13);

    // Much older: the request waits.
    std::fs::write(&file, "third").unwrap();
    slot(&source, "sub/a.jpg").age(Duration::from_secs(601));
    assert_eq!(source.identity(&a).await.unwrap().len(), 5);

    // Same size, other time.
    let stamped = std::fs::File::options().write(true).open(&file).unwrap();
    stamped.set_modified(SystemTime::now() - Duration::from_secs(999)).unwrap();
    slot(&source, "sub/a.jpg").age(Duration::from_secs(601));
    let again = source.identity(&a).await.unwrap();
    assert_eq!(again.len(), 5);
    assert_ne!(again.validator(), after.validator());
}

#[tokio::test]
async fn reading_teaches_what_the_object_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let a = path("sub/a.jpg");
    let before = source.identity(&a).await.unwrap();
    std::fs::write(dir.path().join("root/sub/a.jpg"), "other content").unwrap();
    let (read, _) = source.read_all(&a, 99).await.unwrap();
    assert_ne!(read, before);
    assert_eq!(source.identity(&a).await.unwrap(), read);
    std::fs::remove_file(dir.path().join("root/sub/a.jpg")).unwrap();
    assert!(source.read_all(&a, 99).await.is_err());
    assert!(matches!(source.identity(&a).await, Err(SourceError::NotFound)));
}

#[tokio::test]
async fn what_is_missing_is_remembered_for_ten_seconds_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let b = path("sub/b.jpg");
    assert!(matches!(source.identity(&b).await, Err(SourceError::NotFound)));
    std::fs::write(dir.path().join("root/sub/b.jpg"), "new").unwrap();
    assert!(matches!(source.identity(&b).await, Err(SourceError::NotFound)));
    slot(&source, "sub/b.jpg").age(Duration::from_secs(11));
    assert_eq!(source.identity(&b).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_failing_source_does_not_make_us_forget() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let a = path("sub/a.jpg");
    let before = source.identity(&a).await.unwrap();
    std::fs::rename(dir.path().join("root"), dir.path().join("unmounted")).unwrap();
    slot(&source, "sub/a.jpg").age(Duration::from_secs(601));
    assert_eq!(source.identity(&a).await.unwrap(), before);
    assert!(matches!(source.read_all(&a, 99).await, Err(SourceError::Failed { .. })));
    assert!(matches!(source.identity(&path("other")).await, Err(SourceError::Failed { .. })));
    assert!(source.check().await.is_err());
}

/// Nobody gets a place until all wait: then whoever asks the source sits in the queue for one.
#[tokio::test]
async fn many_who_ask_at_once_ask_the_source_once() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let source = source("{ root: root, concurrency: 1, revalidate: 60s }", dir.path());
    let a = path("sub/a.jpg");
    let held = source.inner.reads.acquire().await.unwrap();
    let mut asking = futures_util::future::join_all((0..50).map(|_| source.identity(&a)));
    assert!(futures_util::poll!(&mut asking).is_pending());
    drop(held);
    let said = asking.await;
    let first = said[0].as_ref().unwrap();
    assert!(said.iter().all(|one| one.as_ref().unwrap() == first));
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn a_source_that_has_no_place_in_time_says_so() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path());
    let source = source("{ root: root, timeout: 500ms, concurrency: 1 }", dir.path());
    let held = source.inner.reads.acquire().await.unwrap();
    let error = source.read_all(&path("sub/a.jpg"), 99).await.unwrap_err();
    assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    drop(held);
    source.read_all(&path("sub/a.jpg"), 99).await.unwrap();
}

#[test]
fn what_is_not_right_says_so() {
    let open = |yaml: &str| {
        let configs: BTreeMap<String, Config> = yaml_serde::from_str(yaml).unwrap();
        Sources::new(&configs, Path::new("")).err().unwrap().to_string()
    };
    for scheme in ["s3", "webdav"] {
        let text = open(&format!("far: {{ scheme: {scheme} }}"));
        assert!(text.contains("sources.far") && text.contains("endpoint"), "{text}");
    }
    assert!(open("far: { scheme: http }").contains("sources.far needs an endpoint"));
    assert!(open("a: { scheme: fs }").contains("sources.a.root"));
    assert!(open("\"a/b\": { root: x }").contains("`a/b`"));
    assert!(open("a: { root: x, timeout: 0 }").contains("sources.a.timeout"));
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config: Config = yaml_serde::from_str("{ root: x }").unwrap();
    assert_eq!(config.belief().revalidate, Duration::from_secs(1));
    assert_eq!(config.cache_control.max_age.to_string(), "30d");
    assert_eq!(config.cache_control.stale_while_revalidate.to_string(), "1d");
    let config: Config = yaml_serde::from_str("{ scheme: s3, cache_control: { max_age: 1h } }").unwrap();
    assert_eq!(config.belief().revalidate, Duration::from_secs(60));
    assert_eq!(config.cache_control.stale_while_revalidate.to_string(), "1d");
}

#[tokio::test]
async fn a_failure_is_remembered_for_ten_seconds_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let a = path("sub/a.jpg");
    std::fs::rename(dir.path().join("root"), dir.path().join("unmounted")).unwrap();
    assert!(matches!(source.identity(&a).await, Err(SourceError::Failed { .. })));
    std::fs::rename(dir.path().join("unmounted"), dir.path().join("root")).unwrap();
    let asked = source.asked();
    assert!(matches!(source.identity(&a).await, Err(SourceError::Failed { .. })));
    assert!(matches!(source.read_all(&a, 99).await, Err(SourceError::Failed { .. })));
    assert_eq!(source.asked(), asked);
    slot(&source, "sub/a.jpg").age(Duration::from_secs(10));
    assert_eq!(source.identity(&a).await.unwrap().len(), 7);
    source.read_all(&a, 99).await.unwrap();
}

#[tokio::test]
async fn a_server_that_nobody_reaches_is_left_alone_for_a_moment() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let yaml = format!(
        "{{ scheme: http, remote: {{ endpoint: 'http://{address}' }}, timeout: 2s, allow_addresses: [127.0.0.1] }}"
    );
    let source = source(&yaml, Path::new(""));
    assert!(matches!(source.identity(&path("a.jpg")).await, Err(SourceError::Unreachable { .. })));

    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    assert!(matches!(source.identity(&path("b.jpg")).await, Err(SourceError::Unreachable { .. })));
    assert!(matches!(source.read_all(&path("c.jpg"), 99).await, Err(SourceError::Unreachable { .. })));
    assert!(futures_util::poll!(Box::pin(listener.accept())).is_pending());

    source.inner.down.lock().unwrap().as_mut().unwrap().0 -= DOWN;
    let d = path("d.jpg");
    let (asked, _) = tokio::join!(
        async { tokio::time::timeout(Duration::from_secs(2), listener.accept()).await.unwrap().unwrap() },
        async { tokio::time::timeout(Duration::from_secs(1), source.identity(&d)).await }
    );
    assert!(asked.1.ip().is_loopback());
}
