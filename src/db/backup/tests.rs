//! Backups, from every engine to every engine.

use super::*;
use crate::db::testing;

async fn filled(dir: &Path) -> Db {
    let db = testing::open(dir).await;
    for sql in [
        "INSERT INTO users (id, name, name_key, email, password_hash, role, token_generation, created_at, updated_at) \
         VALUES ('u1', 'Ana é', 'ana é', NULL, 'secret-hash', 'admin', 1, 5, 6)",
        "INSERT INTO users (id, name, name_key, role, token_generation, created_at, updated_at) \
         VALUES ('u2', 'Bo', 'bo', 'user', 1, 5, 6)",
        "INSERT INTO sessions (id, user_pk, created_at, used_at, expires_at) VALUES ('s1', 1, 1, 2, 3)",
        "DELETE FROM users WHERE id = 'u2'",
        "UPDATE counters SET value = 7 WHERE name = 'purges'",
    ] {
        db.execute(sql, &[]).await.unwrap();
    }
    db
}

async fn copy(db: &Db, file: &Path) {
    write(db, file, &[], &mut |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_copy_restores_everything_anywhere() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = filled(dir.path()).await;
    let file = dir.path().join("copy");
    copy(&db, &file).await;
    assert!(matches!(write(&db, &file, &[], &mut |_| {}).await, Err(DbError::Exists { .. })));
    // Into this engine, and into SQLite, from which another engine may take it.
    let into = [testing::open(other.path()).await, Db::open(&Config::default(), other.path()).await.unwrap()];
    for into in &into {
        restore(into, &file, other.path(), true, &mut |_| {}).await.unwrap();
        let sql = "SELECT users.name AS name, email, user_pk, counters.value AS purges FROM users \
                   JOIN sessions ON user_pk = users.pk JOIN counters ON counters.name = 'purges'";
        let row = into.row(sql, &[]).await.unwrap().unwrap();
        assert_eq!((row.text("name").unwrap(), row.opt_text("email").unwrap()), ("Ana é".to_owned(), None));
        assert_eq!((row.int("user_pk").unwrap(), row.int("purges").unwrap()), (1, 7));
        // A key that was handed out is not given to another, even after its row went.
        let sql = "INSERT INTO users (id, name, name_key, role, token_generation, created_at, updated_at) \
                   VALUES ('u3', 'Cy', 'cy', 'user', 1, 5, 6)";
        into.execute(sql, &[]).await.unwrap();
        let pk =
            into.row("SELECT pk FROM users WHERE id = 'u3'", &[]).await.unwrap().unwrap().int("pk").unwrap();
        assert_eq!(pk, 3);
        let full = restore(into, &file, other.path(), false, &mut |_| {}).await.unwrap_err();
        assert!(matches!(full, DbError::NotEmpty { .. }), "{full}");
        restore(into, &file, other.path(), true, &mut |_| {}).await.unwrap();
        assert_eq!(into.rows("SELECT pk FROM users", &[]).await.unwrap().len(), 1);
    }
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions(),
        std::os::unix::fs::PermissionsExt::from_mode(0o100_600)
    );
}

#[tokio::test]
async fn what_is_blanked_is_not_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let db = filled(dir.path()).await;
    let holds = |file: &Path| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(11).any(|window| window == b"secret-hash")
    };
    let (whole, blank) = (dir.path().join("whole"), dir.path().join("blank"));
    copy(&db, &whole).await;
    write(&db, &blank, &["UPDATE users SET password_hash = NULL"], &mut |_| {}).await.unwrap();
    assert_eq!((holds(&whole), holds(&blank)), (true, false));
}

#[tokio::test]
async fn what_is_no_copy_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = filled(dir.path()).await;
    let file = dir.path().join("file");
    for content in [&b""[..], b"SQLite format 3\0 and then nothing of the kind", &[7; 9000]] {
        std::fs::write(&file, content).unwrap();
        let refused = restore(&db, &file, dir.path(), true, &mut |_| {}).await.unwrap_err();
        assert!(matches!(refused, DbError::NoBackup { .. }), "{refused}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(restore(&db, &file, dir.path(), true, &mut |_| {}).await.is_err());
    // A copy by a newer binary.
    copy(&db, &file).await;
    let newer = Db::connect(&file_config(&file), dir.path()).await.unwrap();
    newer.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '', 0)", &[]).await.unwrap();
    newer.close().await;
    let refused = restore(&db, &file, dir.path(), true, &mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, DbError::TooNew { .. }), "{refused}");
    assert_eq!(db.rows("SELECT pk FROM users", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_few_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let db = testing::open(dir.path()).await;
    let folder = dir.path().join("backups");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("pixedge-by-hand.db"), "").unwrap();
    for at in 0..4 {
        scheduled(&db, &folder, 2, 1_795_000_000_000 + at * 1000).await.unwrap();
    }
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["pixedge-20261118T110642Z.db", "pixedge-20261118T110643Z.db", "pixedge-by-hand.db"]);
}
