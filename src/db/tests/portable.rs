//! What must be the same on every engine; run on each by `rooms`.

use crate::db::testing::{open, plan_uses_index};
use crate::db::*;

async fn table(dir: &Path) -> Db {
    let db = open(dir).await;
    let mut tx = db.write().await.unwrap();
    let sql = "CREATE TABLE things (pk {key}, id {id} NOT NULL UNIQUE, name {name}, text {text}, number {int}, part {real}, \
               bytes {blob})";
    for statement in schema::statements(db.pools.engine(), sql) {
        tx.run(AssertSqlSafe(statement).into_sql_str(), &[]).await.unwrap();
    }
    tx.commit().await.unwrap();
    db
}

const INSERT: &str = "INSERT INTO things (id, name, text, number, part, bytes) VALUES (?, ?, ?, ?, ?, ?)";

fn row(id: &str, rest: [Value; 5]) -> Vec<Value> {
    [id.into()].into_iter().chain(rest).collect()
}

#[tokio::test]
async fn what_goes_in_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let db = table(dir.path()).await;
    let long = "é\u{1f600}".repeat(40_000);
    let rows = [
        row("null", [Value::Null, Value::Null, Value::Null, Value::Null, Value::Null]),
        row(
            "full",
            ["名前 ".into(), long.as_str().into(), i64::MIN.into(), 0.1.into(), Value::Blob(vec![0, 255])],
        ),
        // The same statement with other types in the same places.
        row("whole", [Value::Null, "".into(), i64::MAX.into(), Value::Int(3), Value::Blob(Vec::new())]),
        row("back", ["b".into(), Value::Null, Value::Int(0), (-2.5).into(), Value::Null]),
    ];
    for row in &rows {
        assert_eq!(db.execute(INSERT, row).await.unwrap(), 1);
    }
    let read = db.rows("SELECT * FROM things ORDER BY pk", &[]).await.unwrap();
    assert_eq!(
        read.iter().map(|row| row.text("id").unwrap()).collect::<Vec<_>>(),
        ["null", "full", "whole", "back"]
    );
    assert_eq!(read[0].opt_text("name").unwrap(), None);
    assert_eq!(read[0].opt_int("number").unwrap(), None);
    assert_eq!(read[0].opt_real("part").unwrap(), None);
    assert_eq!(read[0].opt_blob("bytes").unwrap(), None);
    assert!(read[0].int("number").is_err() && read[0].text("text").is_err());
    assert_eq!(read[1].text("name").unwrap(), "名前 ");
    assert_eq!(read[1].text("text").unwrap(), long);
    assert_eq!(read[1].int("number").unwrap(), i64::MIN);
    assert_eq!(read[1].opt_real("part").unwrap(), Some(0.1));
    assert_eq!(read[1].blob("bytes").unwrap(), [0, 255]);
    assert_eq!(read[2].int("number").unwrap(), i64::MAX);
    assert_eq!(read[2].opt_real("part").unwrap(), Some(3.0));
    assert_eq!(read[2].text("text").unwrap(), "");
    assert_eq!(read[3].opt_real("part").unwrap(), Some(-2.5));
    assert_eq!(read[3].int("pk").unwrap(), 4);
}

#[tokio::test]
async fn sums_counts_and_comparisons_are_integers() {
    let dir = tempfile::tempdir().unwrap();
    let db = table(dir.path()).await;
    let sql = "SELECT COUNT(*) AS n, COALESCE(SUM(number), 0) AS total, MAX(number) AS most, MAX(number) > ? AS more, 7 AS lit \
               FROM things";
    let none = db.row(sql, &[Value::Int(0)]).await.unwrap().unwrap();
    assert_eq!(
        (none.int("n").unwrap(), none.int("total").unwrap(), none.opt_int("most").unwrap()),
        (0, 0, None)
    );
    for (at, number) in [1_i64 << 40, -90_000, 12_345].into_iter().enumerate() {
        let values = [Value::Null, Value::Null, number.into(), Value::Null, Value::Null];
        db.execute(INSERT, &row(&at.to_string(), values)).await.unwrap();
    }
    let some = db.row(sql, &[Value::Int(0)]).await.unwrap().unwrap();
    assert_eq!(some.int("n").unwrap(), 3);
    assert_eq!(some.int("total").unwrap(), (1 << 40) - 77_655);
    assert_eq!(some.int("most").unwrap(), 1 << 40);
    assert!(some.bool("more").unwrap());
    assert_eq!(some.int("lit").unwrap(), 7);
    let negative =
        db.row("SELECT SUM(number) AS total FROM things WHERE number < ?", &[Value::Int(0)]).await.unwrap();
    assert_eq!(negative.unwrap().int("total").unwrap(), -90_000);
}

#[tokio::test]
async fn text_is_compared_and_sorted_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let db = table(dir.path()).await;
    for (id, name) in [("k3Jd", "é"), ("K3JD", "e"), ("k3jd", "E "), ("z", "E"), ("_", "z"), ("-", "Z")] {
        let values = [name.into(), name.into(), Value::Int(0), Value::Null, Value::Null];
        db.execute(INSERT, &row(id, values)).await.unwrap();
    }
    for (column, value, found) in
        [("id", "K3JD", 1), ("name", "E", 1), ("name", "e", 1), ("text", "E", 1), ("name", "É", 0)]
    {
        let query = Query::new("SELECT pk FROM things WHERE ");
        let query = match column {
            "id" => query.push("id = ?", [value.into()]),
            "name" => query.push("name = ?", [value.into()]),
            _ => query.push("text = ?", [value.into()]),
        };
        assert_eq!(db.rows_of(&query).await.unwrap().len(), found, "{column} = {value}");
    }
    let rows = db.rows("SELECT name FROM things ORDER BY name", &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.text("name").unwrap()).collect();
    assert_eq!(names, ["E", "E ", "Z", "e", "z", "é"]);
    // What a column of ids cannot hold is simply not there.
    assert!(db.row("SELECT pk FROM things WHERE id = ?", &["é名".into()]).await.unwrap().is_none());
    let rows = db.rows("SELECT pk FROM things WHERE name LIKE ?", &["E%".into()]).await.unwrap();
    assert!(!rows.is_empty());
}

#[tokio::test]
async fn a_second_of_its_kind_is_refused_and_ends_the_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let db = table(dir.path()).await;
    let values = row("a", [Value::Null, Value::Null, Value::Int(1), Value::Null, Value::Null]);
    let mut tx = db.write().await.unwrap();
    tx.execute(INSERT, &values).await.unwrap();
    let second = tx.execute(INSERT, &values).await.unwrap_err();
    assert!(second.is_unique_violation(), "{second}");
    assert!(matches!(tx.row("SELECT 1 AS one", &[]).await, Err(DbError::Over)));
    assert!(matches!(tx.commit().await, Err(DbError::Over)));
    assert!(db.row("SELECT pk FROM things", &[]).await.unwrap().is_none());
    db.execute(INSERT, &values).await.unwrap();
    assert!(db.execute(INSERT, &values).await.unwrap_err().is_unique_violation());
}

#[tokio::test]
async fn an_update_counts_the_rows_it_matched() {
    let dir = tempfile::tempdir().unwrap();
    let db = table(dir.path()).await;
    db.execute(INSERT, &row("a", [Value::Null, Value::Null, Value::Int(1), Value::Null, Value::Null]))
        .await
        .unwrap();
    for _ in 0..2 {
        let touched = db.execute("UPDATE things SET number = 5 WHERE id = ?", &["a".into()]).await.unwrap();
        assert_eq!(touched, 1);
    }
    assert_eq!(db.execute("UPDATE things SET number = 5 WHERE id = ?", &["b".into()]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_transaction_read_is_true_when_it_writes() {
    let dir = tempfile::tempdir().unwrap();
    // As two nodes would have it.
    let both = [table(dir.path()).await, open(dir.path()).await];
    both[0]
        .execute(INSERT, &row("a", [Value::Null, Value::Null, Value::Int(0), Value::Null, Value::Null]))
        .await
        .unwrap();
    let raise = async |db: &Db| {
        let mut tx = db.write().await.unwrap();
        let number = tx.row("SELECT number FROM things", &[]).await.unwrap().unwrap().int("number").unwrap();
        tokio::task::yield_now().await;
        tx.execute("UPDATE things SET number = ?", &[(number + 1).into()]).await.unwrap();
        tx.commit().await.unwrap();
    };
    futures_util::future::join_all((0..40).map(|at| raise(&both[at % 2]))).await;
    let number = both[0].row("SELECT number FROM things", &[]).await.unwrap().unwrap().int("number").unwrap();
    assert_eq!(number, 40);
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing_and_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let both = [table(dir.path()).await, open(dir.path()).await];
    let values = row("a", [Value::Null, Value::Null, Value::Int(1), Value::Null, Value::Null]);
    let mut tx = both[0].write().await.unwrap();
    tx.execute(INSERT, &values).await.unwrap();
    drop(tx);
    both[1].execute(INSERT, &values).await.unwrap();
    assert_eq!(both[0].rows("SELECT pk FROM things", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn several_nodes_may_start_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let opened = futures_util::future::join_all((0..4).map(|_| open(dir.path()))).await;
    let rows = opened[3].rows("SELECT version FROM schema_migrations", &[]).await.unwrap();
    assert_eq!(rows.len(), migrate::ALL.len());
}

#[tokio::test]
async fn lists_are_read_by_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    for (sql, values) in [
        ("SELECT pk FROM images WHERE sha256 = ? ORDER BY pk", vec!["a".into()]),
        (
            "SELECT pk, name FROM images WHERE pk < ? AND deleted_at IS NULL ORDER BY pk DESC LIMIT ?",
            vec![Value::Int(9), Value::Int(3)],
        ),
        ("SELECT scope, name, counter, seq FROM generations WHERE seq > ?", vec![Value::Int(1)]),
        ("SELECT id FROM image_changes WHERE seq > ? AND seq <= ?", vec![Value::Int(1), Value::Int(2)]),
        ("SELECT pk, name FROM users WHERE pk > ? ORDER BY pk LIMIT ?", vec![Value::Int(0), Value::Int(9)]),
        (
            "SELECT pk, name FROM api_keys WHERE user_pk = ? AND revoked_at IS NULL ORDER BY pk DESC",
            vec![Value::Int(1)],
        ),
    ] {
        plan_uses_index(&db, &Query::new(sql).push("", values)).await;
    }
}

#[tokio::test]
#[should_panic(expected = "SELECT pk FROM images ORDER BY height")]
async fn a_list_without_an_index_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    plan_uses_index(&db, &Query::new("SELECT pk FROM images ORDER BY height")).await;
}

#[tokio::test]
async fn a_migration_that_failed_half_way_is_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let with = |sql| {
        let known =
            migrate::ALL.iter().map(|m| migrate::Migration { version: m.version, name: m.name, sql: m.sql });
        known.chain([migrate::Migration { version: 9000, name: "next", sql }]).collect::<Vec<_>>()
    };
    let broken = with("CREATE TABLE half (a {int});\nINSERT INTO half (a) VALUES (1);\nBROKEN;");
    let error = migrate::run(&db, &broken).await.unwrap_err();
    assert!(matches!(error, DbError::Migration { name: "next", .. }), "{error}");
    let mysql = matches!(db.pools.engine(), Engine::MariaDb | Engine::MySql);
    assert_eq!(db.row("SELECT a FROM half", &[]).await.is_ok(), mysql);
    if mysql {
        // As if it had been cut off between a step and its record.
        db.execute("UPDATE schema_steps SET done = 0", &[]).await.unwrap();
        db.execute("DELETE FROM half", &[]).await.unwrap();
    }
    let mended = with(
        "CREATE TABLE half (a {int});\nINSERT INTO half (a) VALUES (1);\nCREATE INDEX half_a ON half (a);",
    );
    migrate::run(&db, &mended).await.unwrap();
    migrate::run(&db, &mended).await.unwrap();
    assert_eq!(db.rows("SELECT a FROM half", &[]).await.unwrap().len(), 1);
}

#[test]
fn no_statement_of_ours_is_outside_the_portable_part() {
    // Each is missing on one engine at least, or means something else there.
    const WORDS: [&str; 12] = [
        "RETURNING",
        "ON CONFLICT",
        "ON DUPLICATE",
        "INSERT OR ",
        "REPLACE INTO",
        "datetime(",
        "strftime(",
        " || ",
        "ILIKE",
        " GLOB ",
        "FULL OUTER",
        "rowid",
    ];
    fn stores(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                stores(&path, found);
            } else if path.ends_with("store.rs") || path.parent().unwrap().ends_with("store") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    stores(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() >= 3, "{found:?}");
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: Vec<&str> = code.collect();
        for line in code.iter().filter(|line| line.contains('"') || line.ends_with('\\')) {
            for word in WORDS {
                // Rust has a `||` of its own, outside of texts.
                let in_text = |at: usize| !line.contains('"') || line[..at].matches('"').count() % 2 == 1;
                let used = line.match_indices(word).any(|(at, _)| word != " || " || in_text(at));
                assert!(!used, "{} uses {word}: {line}", path.display());
            }
        }
    }
}
