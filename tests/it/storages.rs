//! One suite for every storage: a folder, memory, a real S3-compatible server and a real WebDAV server keep the same
//! promises; and what each says when something is wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use pixedge::storage::{
    ContentHash, Credential, ObjectKey, Problem, Reach, Settings, Step, Storage, StorageError, Storages,
};
use pixedge::units::Secret;
use sha2::{Digest, Sha256};

use crate::support::Home;
use crate::support::daemons::{Daemons, S3_KEY, S3_SECRET, free_port, installed, webdav_with_login};
use crate::support::web::{self, Web};

const EVERY: [&str; 4] = ["disk", "memory", "s3", "dav"];

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn content(len: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

fn named(content: &[u8]) -> (ContentHash, ObjectKey) {
    let hash = ContentHash(Sha256::digest(content).into());
    (hash, ObjectKey::for_content(&hash, "bin"))
}

fn pieces(content: &Bytes) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
    let content = content.clone();
    let starts = (0..content.len()).step_by(300_000);
    futures_util::stream::iter(
        starts.map(move |at| Ok(content.slice(at..content.len().min(at + 300_000)))).collect::<Vec<_>>(),
    )
}

/// `folder` is what S3 and WebDAV show; the bucket `pictures` is there.
async fn all(folder: &Path, daemons: &Daemons) -> Storages {
    std::fs::create_dir_all(folder.join("pictures")).unwrap();
    let yaml = format!(
        "disk: {{ scheme: fs, root: '{}' }}\n\
         memory: {{ scheme: memory }}\n\
         s3: {{ scheme: s3, root: deep/er, timeout: 5s, remote: {{ {} }} }}\n\
         dav: {{ scheme: webdav, root: deep, timeout: 5s, remote: {{ endpoint: '{}' }} }}\n",
        folder.join("disk").display(),
        s3(&daemons.s3.url()),
        daemons.webdav.url(),
    );
    open(&yaml, folder).await
}

async fn open(yaml: &str, folder: &Path) -> Storages {
    let configs: BTreeMap<String, pixedge::storage::Config> = yaml_serde::from_str(yaml).unwrap();
    let default = configs.keys().next().unwrap().clone();
    Storages::open(&configs, &default, &folder.join("data"), folder).await.unwrap()
}

fn s3(endpoint: &str) -> String {
    format!(
        "endpoint: '{endpoint}', bucket: pictures, region: us-east-1, access_key_id: {S3_KEY}, \
         secret_access_key: {S3_SECRET}"
    )
}

#[test]
fn every_storage_keeps_the_promises() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(daemons) = Daemons::start("storages", folder.path(), logs.path()) else { return };
    runtime().block_on(async {
        let storages = all(folder.path(), &daemons).await;
        for name in EVERY {
            let storage = storages.get(name).unwrap();
            storage.probe().await.unwrap_or_else(|trouble| panic!("{name}: {trouble}"));
            objects(storage).await;
            sizes(storage).await;
            the_same_at_once(storage).await;
            temporary(storage).await;
        }
    });
    for place in ["disk/.temporary", "pictures/deep/er/.temporary", "deep/.temporary", "data/incoming"] {
        let left = std::fs::read_dir(folder.path().join(place)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{place}");
    }
}

async fn objects(storage: &Storage) {
    let name = storage.name();
    let content = content(2_500_000, 1);
    let (hash, key) = named(&content);
    let len = content.len() as u64;
    assert!(matches!(storage.stat(&key).await, Err(StorageError::Missing { .. })), "{name}");
    assert!(matches!(storage.read(&key, 9).await, Err(StorageError::Missing { .. })), "{name}");
    storage.delete(&key).await.unwrap();
    let refused = storage.put_stream(&key, &ContentHash([1; 32]), len, pieces(&content)).await;
    assert!(matches!(refused, Err(StorageError::Changed)), "{name}: {refused:?}");
    assert!(matches!(storage.stat(&key).await, Err(StorageError::Missing { .. })), "{name}");
    for _ in 0..2 {
        storage.put_stream(&key, &hash, len, pieces(&content)).await.unwrap();
    }
    assert_eq!(storage.stat(&key).await.unwrap(), len, "{name}");
    assert!(storage.read(&key, u64::MAX).await.unwrap() == content, "{name}");
    assert!(matches!(storage.read(&key, 9).await, Err(StorageError::TooLarge { .. })), "{name}");
    assert!(storage.read_range(&key, 7..1_000_007).await.unwrap() == content[7..1_000_007], "{name}");
    let streamed: Vec<Bytes> = storage.stream(&key, 3..2_400_000).await.unwrap().try_collect().await.unwrap();
    assert!(streamed.concat() == content[3..2_400_000], "{name}");

    let listed = storage.list(hash.0[0]).await.unwrap();
    assert_eq!((listed.objects.as_slice(), listed.foreign), ([key.clone()].as_slice(), 0), "{name}");
    assert!(storage.list(hash.0[0] ^ 1).await.unwrap().objects.is_empty(), "{name}");
    let age = storage.age(&key).await.unwrap();
    assert!(age.is_some() || name == "memory", "{name}");
    assert!(age.is_none_or(|age| age < Duration::from_secs(120)), "{name}: {age:?}");

    storage.delete(&key).await.unwrap();
    assert!(matches!(storage.stat(&key).await, Err(StorageError::Missing { .. })), "{name}");
    assert!(matches!(storage.delete(&key).await, Ok(())), "{name}");
}

/// Around the size of a piece, of S3's parts, and far beyond.
async fn sizes(storage: &Storage) {
    for (seed, len) in [0, 1, (1 << 20) - 1, 1 << 20, 5 * (1 << 20) + 1, 30_000_000].into_iter().enumerate() {
        let content = content(len, 10 + seed as u64);
        let (hash, key) = named(&content);
        storage.put_stream(&key, &hash, len as u64, pieces(&content)).await.unwrap();
        let name = storage.name();
        assert_eq!(storage.stat(&key).await.unwrap(), len as u64, "{name}");
        assert!(storage.read(&key, u64::MAX).await.unwrap() == content, "{name} {len}");
        storage.delete(&key).await.unwrap();
        if len <= 1 << 20 {
            storage.put_bytes(&key, content.clone()).await.unwrap();
            assert!(storage.read(&key, u64::MAX).await.unwrap() == content, "{name} {len}");
            storage.delete(&key).await.unwrap();
        }
    }
}

/// Several bring the same, and somebody looks on: nothing, or everything.
async fn the_same_at_once(storage: &Storage) {
    let content = content(3_000_000, 30);
    let (hash, key) = named(&content);
    let puts = (0..4).map(|_| storage.put_stream(&key, &hash, 3_000_000, pieces(&content)));
    let looking = async {
        let mut seen = 0;
        while seen < 3 {
            match storage.read(&key, u64::MAX).await {
                Ok(read) => {
                    assert!(read == content, "{}: {} bytes were seen", storage.name(), read.len());
                    seen += 1;
                }
                Err(StorageError::Missing { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{}: {error:?}", storage.name()),
            }
        }
    };
    let (puts, ()) = tokio::join!(futures_util::future::join_all(puts), looking);
    puts.into_iter().for_each(|put| put.unwrap());
    assert!(storage.read(&key, u64::MAX).await.unwrap() == content);
    storage.delete(&key).await.unwrap();
}

/// Bytes that come in before anybody knows what they are.
async fn temporary(storage: &Storage) {
    let name = storage.name();
    let content = content(6_000_000, 40);
    let (hash, key) = named(&content);
    for _ in 0..2 {
        let mut temporary = storage.begin().await.unwrap();
        for at in (0..content.len()).step_by(700_000) {
            temporary.write(content.slice(at..content.len().min(at + 700_000))).await.unwrap();
        }
        let digests = temporary.finish().await.unwrap();
        assert_eq!((digests.sha256, digests.bytes), (hash, 6_000_000), "{name}");
        temporary.promote(&key, &digests).await.unwrap();
        assert!(storage.read(&key, u64::MAX).await.unwrap() == content, "{name}");
    }
    storage.delete(&key).await.unwrap();
    let mut dropped = storage.begin().await.unwrap();
    dropped.write(content.slice(..100)).await.unwrap();
    drop(dropped);
    assert!(storage.list(hash.0[0]).await.unwrap().objects.is_empty(), "{name}");
}

#[test]
fn a_server_that_goes_in_the_middle_leaves_no_half_object() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(mut daemons) = Daemons::start("storages", folder.path(), logs.path()) else { return };
    runtime().block_on(async {
        let storages = all(folder.path(), &daemons).await;
        let content = content(12_000_000, 50);
        let (hash, key) = named(&content);
        for name in ["s3", "dav"] {
            let storage = storages.get(name).unwrap();
            let daemon = if name == "s3" { &mut daemons.s3 } else { &mut daemons.webdav };
            // By the time of the last piece the first parts are under way, or everything is gathered.
            let dying = pieces(&content).inspect_ok(|piece| {
                if piece.len() < 300_000 || piece == &content.slice(content.len() - 300_000..) {
                    daemon.kill();
                }
            });
            let put = storage.put_stream(&key, &hash, content.len() as u64, dying).await;
            assert!(
                matches!(put, Err(StorageError::Failed { .. } | StorageError::Timeout { .. })),
                "{name}: {put:?}"
            );
            let trouble = storage.probe().await.unwrap_err();
            assert_eq!((trouble.step, trouble.problem), (Step::Write, Problem::Refused), "{name}");
            daemon.start_again();
            assert!(matches!(storage.stat(&key).await, Err(StorageError::Missing { .. })), "{name}");
            storage.put_stream(&key, &hash, content.len() as u64, pieces(&content)).await.unwrap();

            // And while it is read.
            let mut read = storage.stream(&key, 0..content.len() as u64).await.unwrap();
            let mut got = read.try_next().await.unwrap().unwrap().len();
            let daemon = if name == "s3" { &mut daemons.s3 } else { &mut daemons.webdav };
            daemon.kill();
            let ended = loop {
                match read.try_next().await {
                    Ok(Some(piece)) => got += piece.len(),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            assert!(ended.is_err() || got == content.len(), "{name}: {got} bytes passed for everything");
            daemon.start_again();
            assert!(storage.read(&key, u64::MAX).await.unwrap() == content, "{name}");
        }
    });
}

#[test]
fn the_test_of_a_storage_says_what_is_wrong() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(daemons) = Daemons::start("storages", folder.path(), logs.path()) else { return };
    std::fs::create_dir_all(folder.path().join("pictures")).unwrap();
    let login = tempfile::tempdir().unwrap();
    let Some(dav) = webdav_with_login("storages", folder.path(), ("ana", "right"), login.path()) else {
        return;
    };
    let skewed = Web::start(|request| {
        web::answer(request, "403 Forbidden", &[], br#"<?xml version="1.0" encoding="UTF-8"?>
            <Error><Code>RequestTimeTooSkewed</Code><Message>m</Message><Resource>/</Resource><RequestId>1</RequestId></Error>"#)
    });
    let elsewhere = Web::start(|request| {
        web::answer(request, "400 Bad Request", &[], br#"<?xml version="1.0" encoding="UTF-8"?>
            <Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Resource>/</Resource><RequestId>1</RequestId></Error>"#)
    });
    let page = Web::start(|request| web::answer(request, "405 Method Not Allowed", &[], b"a page"));
    let url = daemons.s3.url();
    let right = s3(&url);
    let scheme =
        |scheme: &str, remote: &str| format!("{{ scheme: {scheme}, timeout: 2s, remote: {{ {remote} }} }}");
    let of_s3 = |remote: &str| scheme("s3", remote);
    let of_dav = |remote: String| scheme("webdav", &remote);
    let closed = free_port();
    let cases = [
        (of_s3(&right.replace(S3_SECRET, "another-secret")), Problem::Credentials),
        (of_s3(&right.replace(S3_KEY, "another-key")), Problem::Credentials),
        (of_s3(&right.replace("bucket: pictures", "bucket: nothing-here")), Problem::Bucket),
        (of_s3(&right.replace(&url, "http://no-such-host.invalid")), Problem::Dns),
        (of_s3(&right.replace(&url, &format!("http://127.0.0.1:{closed}"))), Problem::Refused),
        (of_s3(&right.replace("http://", "https://")), Problem::Tls),
        (of_s3(&right.replace(&url, &skewed.url())), Problem::Clock),
        (of_s3(&right.replace(&url, &elsewhere.url())), Problem::Region),
        (of_s3(&right.replace(&url, &page.url())), Problem::Protocol),
        (of_dav(format!("endpoint: '{}', username: ana, password: wrong", dav.url())), Problem::Credentials),
        (of_dav(format!("endpoint: '{}'", dav.url())), Problem::Credentials),
        (of_dav(format!("endpoint: '{}'", page.url())), Problem::Protocol),
    ];
    runtime().block_on(async {
        for (yaml, problem) in cases {
            let storages = open(&format!("a: {yaml}"), folder.path()).await;
            let trouble = storages.default().probe().await.unwrap_err();
            // A server that takes a TLS greeting for nonsense may also just hang up.
            let hung_up = problem == Problem::Tls && trouble.problem == Problem::Protocol;
            let found = if hung_up { Problem::Tls } else { trouble.problem };
            assert_eq!((trouble.step, found), (Step::Write, problem), "{yaml}: {trouble}");
        }
        let yaml = of_dav(format!("endpoint: '{}', username: ana, password: right", dav.url()));
        open(&format!("a: {yaml}"), folder.path()).await.default().probe().await.unwrap();
    });
}

/// Neither where the endpoint points nor where its name leads to is trusted, as it is of the operator's own storages.
#[test]
fn a_users_storage_gets_no_way_into_our_network() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(daemons) = Daemons::start("storages", folder.path(), logs.path()) else { return };
    std::fs::create_dir_all(folder.path().join("pictures")).unwrap();
    let inner = Web::start(|request| web::answer(request, "200 OK", &[], b"inner"));
    let target = format!("{}/latest/meta-data", inner.url().replace("127.0.0.1", "127.0.0.2"));
    let leads = Web::start(move |request| {
        let status = if request.method == "PUT" { "200 OK" } else { "302 Found" };
        web::answer(request, status, &[("Location", &target), ("ETag", "\"1\"")], b"")
    });
    let settings = |endpoint: &str| -> Settings {
        serde_json::from_value(serde_json::json!({
            "scheme": "s3", "endpoint": endpoint, "bucket": "pictures", "access_key_id": S3_KEY
        }))
        .unwrap()
    };
    let credential = Credential(Secret::new(S3_SECRET));
    let storages = runtime().block_on(open("m: { scheme: memory }", folder.path()));
    let owned = |endpoint: &str, reach: &Reach| {
        storages.owned("~a", &settings(endpoint), &credential, reach, Duration::from_secs(2)).unwrap()
    };
    let listed = |port: u16| Reach {
        hosts: Some(vec![format!("127.0.0.1:{port}").parse().unwrap()]),
        allow_addresses: vec!["127.0.0.1/32".parse().unwrap()],
    };
    runtime().block_on(async {
        let closed = Reach::default();
        for endpoint in
            [daemons.s3.url().as_str(), "http://169.254.169.254", "http://localhost", "http://[::1]"]
        {
            let trouble = owned(endpoint, &closed).probe().await.unwrap_err();
            assert_eq!(trouble.problem, Problem::NotAllowed, "{endpoint}: {trouble}");
        }
        owned(&daemons.s3.url(), &listed(daemons.s3.port())).probe().await.unwrap();
        let trouble = owned(&leads.url(), &listed(leads.port)).probe().await.unwrap_err();
        assert_eq!((trouble.step, trouble.problem), (Step::Read, Problem::NotAllowed), "{trouble}");
    });
    assert!(inner.connects().is_empty());
}

/// A browser's way, with Amazon's own library as the judge of what arrived.
#[test]
fn others_can_put_what_was_announced_and_nothing_else() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(daemons) = Daemons::start("storages", folder.path(), logs.path()) else { return };
    let Some(python) = installed("storages", "venv/bin/python") else { return };
    let Some(_) = installed("storages", "venv/bin/boto3.ready") else { return };
    let put = |url: &str, media_type: &str, body: &[u8]| {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let sent = agent.put(url).header("content-type", media_type).send(body);
        sent.map_or(0, |answer| answer.status().as_u16())
    };
    runtime().block_on(async {
        let storages = all(folder.path(), &daemons).await;
        let storage = storages.get("s3").unwrap();
        assert!(!storages.get("disk").unwrap().can_presign());
        let content = content(300_000, 60);
        let (_, key) = named(&content);
        let staged = storage.staged_key().unwrap();
        let minute = Duration::from_secs(60);
        let presigned = storage.presign_put(&staged, 300_000, "image/jpeg", minute, now_ms()).unwrap();
        let url = presigned.url.as_str();
        for (media_type, body) in [
            ("image/jpeg", &content[..299_999]),
            ("image/jpeg", &[&content[..], b"x"].concat()[..]),
            ("text/html", &content[..]),
        ] {
            assert_eq!(put(url, media_type, body), 403, "{media_type} {}", body.len());
        }
        assert_eq!(put(&url.replace(staged.as_str(), &"0".repeat(32)), "image/jpeg", &content), 403);
        let late = storage.presign_put(&staged, 300_000, "image/jpeg", minute, now_ms() - 120_000).unwrap();
        assert_eq!(put(&late.url, "image/jpeg", &content), 403);
        assert!(matches!(storage.staged_len(&staged).await, Err(StorageError::Missing { .. })));
        assert_eq!(put(url, "image/jpeg", &content), 200);

        let looked = Command::new(&python)
            .args(["-c", BOTO, &daemons.s3.url(), S3_KEY, S3_SECRET])
            .arg(format!("deep/er/.temporary/{staged}"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[looked.stdout, looked.stderr].concat()).into_owned();
        assert!(text.contains("300000 image/jpeg"), "{text}");
        assert!(text.contains(&ContentHash(Sha256::digest(&content).into()).to_string()), "{text}");

        // Frozen, it is out of reach of those who still have the URL.
        let frozen = storage.freeze(&staged).await.unwrap();
        assert_eq!(put(url, "image/jpeg", &[7; 300_000]), 200);
        assert_eq!(storage.staged_len(&frozen).await.unwrap(), 300_000);
        let read: Vec<Bytes> =
            storage.staged_stream(&frozen, 300_000).await.unwrap().try_collect().await.unwrap();
        assert!(read.concat() == content);
        storage.promote_staged(&frozen, &key, 300_000).await.unwrap();
        assert!(storage.read(&key, u64::MAX).await.unwrap() == content);
        assert!(matches!(storage.staged_len(&frozen).await, Err(StorageError::Missing { .. })));

        // What nobody came back for; the clock is the caller's.
        let day = Duration::from_secs(86_400);
        assert_eq!(storage.sweep_staged(day, now_ms()).await.unwrap(), 0);
        assert_eq!(storage.sweep_staged(day, now_ms() + 90_000_000).await.unwrap(), 1);
        assert!(matches!(storage.staged_len(&staged).await, Err(StorageError::Missing { .. })));
        storage.discard_staged(&staged).await.unwrap();
    });
}

const BOTO: &str = "import sys, hashlib, boto3, botocore.config as c
url, key, secret, name = sys.argv[1:]
s3 = boto3.client('s3', endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret, region_name='us-east-1',
                  config=c.Config(s3={'addressing_style': 'path'}))
o = s3.get_object(Bucket='pictures', Key=name)
print(o['ContentLength'], o['ContentType'], hashlib.sha256(o['Body'].read()).hexdigest())";

/// In a mount namespace of its own, where the folder of objects is a file system of 300 kB.
#[test]
fn a_full_disk_leaves_no_half_object() {
    let home = Home::new("");
    let objects = home.path().join("data/objects");
    std::fs::create_dir_all(&objects).unwrap();
    let pictures = home.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let large = crate::support::pictures::encoded(pixedge::codec::Format::Jpeg, 2400, 1600, 3);
    assert!(large.len() > 300_000, "{}", large.len());
    std::fs::write(pictures.join("large.jpg"), large).unwrap();
    let import = home.command(&["import", pictures.to_str().unwrap()]);
    let script = format!(
        "mount -t tmpfs -o size=300k none '{0}' && {{ echo mounted; \"$@\" ; echo code $?; find '{0}' -type f; }}",
        objects.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command.arg(import.get_program()).args(import.get_args()).current_dir(home.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if !said.contains("mounted") {
        assert!(
            std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(),
            "no namespace to mount a small disk in: {said}"
        );
        eprintln!("a full disk: NOT RUN, there is no namespace to mount a small one in: {said}");
        return;
    }
    assert!(said.contains("is full"), "{said}");
    assert!(!said.contains("code 0"), "{said}");
    assert!(!said.contains(objects.to_str().unwrap()), "something stayed behind: {said}");
}
