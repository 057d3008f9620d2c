//! Users' own storages: who may, what is tested, and that their secrets stay sealed.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::db::Db;
use crate::storage::{Problem, Storages};

const NOW: i64 = 1_800_000_000_000;

async fn library(dir: &Path, secret: &str) -> Library {
    let db = Db::open(&crate::db::Config::default(), dir).await.unwrap();
    for pk in [1_i64, 2] {
        let user = "INSERT INTO users (pk, id, name, name_key, role, token_generation, created_at, updated_at) \
                    VALUES (?, ?, ?, ?, 'user', 0, 0, 0)";
        let name = format!("user{pk}");
        let values = [pk.into(), name.as_str().into(), name.as_str().into(), name.as_str().into()];
        let _ = db.execute(user, &values).await;
    }
    let storages = Storages::open(&BTreeMap::new(), crate::storage::LOCAL, dir, dir).await.unwrap();
    let library = Library::new(db, storages).await.unwrap();
    let timeout = Duration::from_millis(500);
    library.with_owned(
        Seal::new(&Secret::new(secret)),
        OwnedConfig { timeout, max_per_user: 2, ..OwnedConfig::default() },
    )
}

fn settings() -> Settings {
    serde_json::from_str(
        r#"{"scheme":"s3","endpoint":"https://s3.example.com","bucket":"pictures","access_key_id":"id"}"#,
    )
    .unwrap()
}

/// A row as it is after a test that passed, which takes a server.
async fn kept(library: &Library, owner: i64, secret: &str) -> OwnedRow {
    let id = random_id().unwrap();
    let row = OwnedRow {
        pk: 0,
        owner: Some(owner),
        label: "mine".into(),
        settings: written(&settings()).unwrap(),
        secret: library.sealed(&id, &Credential(Secret::new(secret))).unwrap(),
        id,
        created_at: NOW,
        updated_at: NOW,
    };
    let mut tx = library.db.write().await.unwrap();
    rows::insert(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    library.own_row(owner, &row.id).await.unwrap()
}

fn code(error: &LibraryError) -> &'static str {
    crate::error::Fault::code(error)
}

#[tokio::test]
async fn what_is_kept_holds_no_secret_and_belongs_to_one() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path(), "the secret of this server, which is long").await;
    let row = kept(&library, 1, "hunter2-hunter2").await;
    assert_eq!(library.secret_of(&row).unwrap().0.expose(), "hunter2-hunter2");
    for file in ["pixedge.db", "pixedge.db-wal"] {
        let bytes = std::fs::read(dir.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|part| part == b"hunter2"), "{file}");
    }
    assert_eq!(library.owned_storages(1).await.unwrap().len(), 1);
    assert!(library.owned_storages(2).await.unwrap().is_empty());
    for error in [
        library.owned_storage(2, &row.id).await.unwrap_err(),
        library.test_owned(2, &row.id).await.unwrap_err(),
        library.close_storage(2, &row.id, NOW).await.unwrap_err(),
        library.set_default_storage(2, Some(&row.id), NOW).await.unwrap_err(),
    ] {
        assert_eq!(code(&error), "not_found");
    }
    // A secret is of no use in another row.
    let other = OwnedRow { id: "0123".into(), ..row };
    assert_eq!(code(&library.secret_of(&other).unwrap_err()), "storage_locked");
}

#[tokio::test]
async fn another_server_secret_is_told_by_the_name_of_the_storage() {
    let dir = tempfile::tempdir().unwrap();
    let row = kept(&library(dir.path(), "the secret of this server, which is long").await, 1, "s").await;
    let library = library(dir.path(), "another secret of this server, also long").await;
    let error = library.test_owned(1, &row.id).await.unwrap_err();
    assert_eq!(code(&error), "storage_locked");
    assert!(error.to_string().contains("`mine`") && error.to_string().contains("auth.secret"), "{error}");
    // Who only looks at a picture learns nothing of it; the log does.
    let error = library.storage_named(&name_of(&row.id)).await.err().unwrap();
    assert!(error.to_string().contains("mine"), "{error}");
    assert!(!crate::error::Fault::message(&error).contains("mine"), "{error}");
    // What it holds can still be ended.
    library.close_storage(1, &row.id, NOW).await.unwrap();
}

#[tokio::test]
async fn each_has_one_place_for_new_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path(), "the secret of this server, which is long").await;
    let row = kept(&library, 1, "s").await;
    let of = async |owner| library.storage_for(owner).await.unwrap().name().to_owned();
    assert_eq!(of(Some(1)).await, "local");
    for _ in 0..2 {
        library.set_default_storage(1, Some(&row.id), NOW).await.unwrap();
        assert_eq!(of(Some(1)).await, name_of(&row.id));
    }
    assert_eq!((of(Some(2)).await, of(None).await), ("local".to_owned(), "local".to_owned()));
    let error = library.set_default_storage(1, Some("none"), NOW).await.unwrap_err();
    assert_eq!(code(&error), "not_found");
    library.close_storage(1, &row.id, NOW).await.unwrap();
    assert_eq!(of(Some(1)).await, "local");
    library.set_default_storage(1, Some("local"), NOW).await.unwrap();
    library.set_default_storage(1, None, NOW).await.unwrap();
    assert_eq!(library.default_storage_of(1).await.unwrap(), None);
}

#[tokio::test]
async fn an_instance_lives_as_long_as_its_row_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path(), "the secret of this server, which is long").await;
    let elsewhere = self::library(dir.path(), "the secret of this server, which is long").await;
    let row = kept(&library, 1, "s").await;
    let name = name_of(&row.id);
    let is_kept = |library: &Library| library.owned.get(&row.id).1.is_some();
    for library in [&library, &elsewhere] {
        library.storage_named(&name).await.unwrap();
        assert!(is_kept(library));
        library.poll().await.unwrap();
        assert!(is_kept(library));
    }
    let input = OwnedInput { label: "renamed".into(), settings: settings(), secret: None };
    library.change_storage(1, &row.id, &input, NOW + 1).await.unwrap();
    assert!(!is_kept(&library) && is_kept(&elsewhere));
    elsewhere.poll().await.unwrap();
    assert!(!is_kept(&elsewhere));
    // Who began to read before the change keeps nothing of it.
    let (seen, _) = library.owned.get(&row.id);
    let old = library.storage_named(&name).await.unwrap();
    library.owned.forget(None);
    library.owned.put(&row.id, &old, seen);
    assert!(!is_kept(&library));
}

#[tokio::test]
async fn a_secret_is_not_sent_to_another_server_than_it_was_given_for() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path(), "the secret of this server, which is long").await;
    let row = kept(&library, 1, "s").await;
    let to = |endpoint: &str| OwnedInput {
        label: "mine".into(),
        settings: Settings { endpoint: endpoint.into(), ..settings() },
        secret: None,
    };
    for endpoint in ["https://thief.example.com", "http://s3.example.com", "https://s3.example.com:444"] {
        let error = library.change_storage(1, &row.id, &to(endpoint), NOW).await.unwrap_err();
        assert!(matches!(error, LibraryError::Owned(OwnedError::SecretAgain)), "{endpoint}: {error}");
    }
    // The same server is asked, and does not exist.
    let error =
        library.change_storage(1, &row.id, &to("https://s3.example.com/path"), NOW).await.unwrap_err();
    assert_eq!(code(&error), "storage_test_failed", "{error}");
}

#[tokio::test]
async fn what_fails_its_test_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path(), "the secret of this server, which is long").await;
    let input = |endpoint: &str| OwnedInput {
        label: "mine".into(),
        settings: Settings { endpoint: endpoint.into(), ..settings() },
        secret: Some(Credential(Secret::new("s"))),
    };
    for endpoint in ["http://127.0.0.1:1", "http://169.254.169.254", "https://10.0.0.1:9000"] {
        let error = library.add_storage(1, &input(endpoint), NOW).await.unwrap_err();
        let LibraryError::Owned(OwnedError::Trouble(trouble)) = &error else { panic!("{endpoint}: {error}") };
        assert_eq!(trouble.problem, Problem::NotAllowed, "{endpoint}");
    }
    let wrong = OwnedInput { label: "\n".into(), ..input("https://s3.example.com") };
    assert_eq!(code(&library.add_storage(1, &wrong, NOW).await.unwrap_err()), "invalid_fields");
    assert!(library.owned_storages(1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_closed_storage_goes_once_nothing_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path(), "the secret of this server, which is long").await;
    let row = kept(&library, 1, "s").await;
    let object = "INSERT INTO objects (storage, object_key, sha256, bytes, refs, created_at, doomed_at) \
                  VALUES (?, 'k', 's', 1, 0, 0, 0)";
    library.db.execute(object, &[name_of(&row.id).into()]).await.unwrap();
    library.close_storage(1, &row.id, NOW).await.unwrap();
    assert!(library.owned_storages(1).await.unwrap().is_empty());
    // What lies there must still be removed, which takes the keys.
    assert_eq!(library.sweep_storages(NOW + 1).await.unwrap(), 0);
    assert!(library.storage_named(&name_of(&row.id)).await.is_ok());
    library.db.execute("DELETE FROM objects", &[]).await.unwrap();
    assert_eq!(library.sweep_storages(NOW).await.unwrap(), 0);
    assert_eq!(library.sweep_storages(NOW + 1).await.unwrap(), 1);
    library.owned.forget(None);
    assert!(library.storage_named(&name_of(&row.id)).await.is_err());
}
