//! The statements about stored objects. In every transaction the rows of `user_usage` are locked before those of
//! `objects`, and these in the order of their keys, so that no two wait for each other.

use crate::db::{Db, DbError, Row, Tx, Value};
use crate::storage::{ContentHash, ObjectKey};

/// A row of `objects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::library) struct Object {
    pub pk: i64,
    pub storage: String,
    pub key: ObjectKey,
    pub bytes: u64,
    pub refs: u64,
    pub removing: bool,
    pub missing_at: Option<i64>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT pk, storage, object_key, bytes, refs, removing_at, missing_at FROM objects ", $rest)
    };
}

pub(in crate::library) async fn find(
    db: &Db,
    storage: &str,
    key: &ObjectKey,
) -> Result<Option<Object>, DbError> {
    let row = db.row(select!("WHERE storage = ? AND object_key = ?"), &named(storage, key)).await?;
    row.as_ref().map(object).transpose()
}

/// A row for an object that is about to appear; nobody needs it yet.
pub(in crate::library) async fn insert(
    db: &Db,
    storage: &str,
    key: &ObjectKey,
    sha256: &ContentHash,
    bytes: u64,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO objects (storage, object_key, sha256, bytes, refs, created_at, doomed_at) \
               VALUES (?, ?, ?, ?, 0, ?, ?)";
    let [storage, key] = named(storage, key);
    let values = [storage, key, sha256.to_string().into(), int(bytes), now.into(), now.into()];
    db.execute(sql, &values).await.map(|_| ())
}

/// Begins the grace time anew of an object that nobody needs at the moment. `false` = there is no such row.
pub(in crate::library) async fn touch(
    db: &Db,
    storage: &str,
    key: &ObjectKey,
    now: i64,
) -> Result<bool, DbError> {
    let sql = "UPDATE objects SET doomed_at = ? \
               WHERE storage = ? AND object_key = ? AND removing_at IS NULL AND refs = 0";
    let [storage, key] = named(storage, key);
    Ok(db.execute(sql, &[now.into(), storage, key]).await? > 0)
}

/// One more needs it. `false` = there is no such object, or it is being removed.
pub(in crate::library) async fn add_ref(
    tx: &mut Tx,
    storage: &str,
    key: &ObjectKey,
) -> Result<bool, DbError> {
    let sql = "UPDATE objects SET refs = refs + 1, doomed_at = NULL, missing_at = NULL \
               WHERE storage = ? AND object_key = ? AND removing_at IS NULL";
    Ok(tx.execute(sql, &named(storage, key)).await? > 0)
}

/// One less needs it; after the last one its grace time begins.
pub(in crate::library) async fn drop_ref(
    tx: &mut Tx,
    storage: &str,
    key: &ObjectKey,
    now: i64,
) -> Result<(), DbError> {
    let less = "UPDATE objects SET refs = refs - 1 WHERE storage = ? AND object_key = ? AND refs > 0";
    tx.execute(less, &named(storage, key)).await?;
    let doom = "UPDATE objects SET doomed_at = ? WHERE storage = ? AND object_key = ? AND refs = 0";
    let [storage, key] = named(storage, key);
    tx.execute(doom, &[now.into(), storage, key]).await.map(|_| ())
}

/// Objects that nobody has needed since before `since`, and those whose removal was begun before it and not ended.
pub(in crate::library) async fn doomed(
    db: &Db,
    since: i64,
    after: i64,
    limit: u32,
) -> Result<Vec<Object>, DbError> {
    let sql = select!(
        "WHERE pk > ? AND refs = 0 AND ((removing_at IS NULL AND doomed_at < ?) OR removing_at < ?) \
         ORDER BY pk LIMIT ?"
    );
    objects(&db.rows(sql, &[after.into(), since.into(), since.into(), limit.into()]).await?)
}

/// Takes an object for removal, so that nobody can need it any more; `false` = somebody does, or removes it already.
pub(in crate::library) async fn begin_removal(
    db: &Db,
    pk: i64,
    since: i64,
    now: i64,
) -> Result<bool, DbError> {
    let sql = "UPDATE objects SET removing_at = ? WHERE pk = ? AND refs = 0 \
               AND ((removing_at IS NULL AND doomed_at < ?) OR removing_at < ?)";
    Ok(db.execute(sql, &[now.into(), pk.into(), since.into(), since.into()]).await? > 0)
}

/// A row for an object that nobody knows and that is being removed; fails where there is one.
pub(in crate::library) async fn insert_removed(
    db: &Db,
    storage: &str,
    key: &ObjectKey,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO objects (storage, object_key, sha256, bytes, refs, created_at, doomed_at, removing_at) \
               VALUES (?, ?, ?, 0, 0, ?, ?, ?)";
    let [storage, key_value] = named(storage, key);
    let sha256 = key.content().to_string().into();
    db.execute(sql, &[storage, key_value, sha256, now.into(), now.into(), now.into()]).await.map(|_| ())
}

pub(in crate::library) async fn end_removal(db: &Db, storage: &str, key: &ObjectKey) -> Result<(), DbError> {
    let sql =
        "DELETE FROM objects WHERE storage = ? AND object_key = ? AND refs = 0 AND removing_at IS NOT NULL";
    db.execute(sql, &named(storage, key)).await.map(|_| ())
}

/// All rows of a storage whose keys begin with a folder's name; `from` and `to` are that name and the next greater one.
pub(in crate::library) async fn within(
    db: &Db,
    storage: &str,
    from: &str,
    to: &str,
) -> Result<Vec<Object>, DbError> {
    let sql = select!("WHERE storage = ? AND object_key >= ? AND object_key < ?");
    objects(&db.rows(sql, &[storage.into(), from.into(), to.into()]).await?)
}

pub(in crate::library) async fn set_missing(db: &Db, pk: i64, at: Option<i64>) -> Result<(), DbError> {
    db.execute("UPDATE objects SET missing_at = ? WHERE pk = ?", &[at.into(), pk.into()]).await.map(|_| ())
}

fn named(storage: &str, key: &ObjectKey) -> [Value; 2] {
    [storage.into(), key.as_str().into()]
}

fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn objects(rows: &[Row]) -> Result<Vec<Object>, DbError> {
    rows.iter().map(object).collect()
}

fn object(row: &Row) -> Result<Object, DbError> {
    Ok(Object {
        pk: row.int("pk")?,
        storage: row.text("storage")?,
        key: row.parse("object_key")?,
        bytes: row.narrow("bytes")?,
        refs: row.narrow("refs")?,
        removing: row.opt_int("removing_at")?.is_some(),
        missing_at: row.opt_int("missing_at")?,
    })
}

/// How many objects are needed in each storage, and their bytes.
pub(in crate::library) async fn sums(db: &Db) -> Result<Vec<(String, u64, u64)>, DbError> {
    let sql = "SELECT storage, COUNT(*) AS objects, COALESCE(SUM(bytes), 0) AS total FROM objects \
               WHERE refs > 0 GROUP BY storage ORDER BY storage";
    let rows = db.rows(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.text("storage")?, row.narrow("objects")?, row.narrow("total")?))).collect()
}
