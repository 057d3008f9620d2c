//! The statements about what people have and what was promised to them. Each is a condition and a change in one.

use crate::db::{Db, DbError, Row, Tx, Value};
use crate::library::usage::{Quota, Usage};

/// A promise as it stands in its row.
pub(in crate::library) struct Promise {
    pub id: String,
    pub owner: i64,
    pub bytes: u64,
    pub files: u64,
}

pub(in crate::library) async fn read(db: &Db, owner: i64) -> Result<Option<Usage>, DbError> {
    let sql = "SELECT bytes, files, reserved_bytes, reserved_files FROM user_usage WHERE user_pk = ?";
    db.row(sql, &[owner.into()]).await?.as_ref().map(usage).transpose()
}

/// The first row of somebody; fails where there is one.
pub(in crate::library) async fn insert(db: &Db, owner: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO user_usage (user_pk, bytes, files, reserved_bytes, reserved_files) VALUES (?, 0, 0, 0, 0)";
    db.execute(sql, &[owner.into()]).await.map(|_| ())
}

/// Makes everybody else who changes what this owner has wait for this transaction. `false` = there is no row.
pub(in crate::library) async fn lock(tx: &mut Tx, owner: i64) -> Result<bool, DbError> {
    Ok(tx.execute("UPDATE user_usage SET files = files WHERE user_pk = ?", &[owner.into()]).await? > 0)
}

/// Promises so much more. `false` = it does not fit, or there is no row.
pub(in crate::library) async fn promise(
    tx: &mut Tx,
    owner: i64,
    quota: Quota,
    bytes: u64,
    files: u64,
) -> Result<bool, DbError> {
    let sql = "UPDATE user_usage SET reserved_bytes = reserved_bytes + ?, reserved_files = reserved_files + ? \
               WHERE user_pk = ? AND bytes + reserved_bytes <= ? AND files + reserved_files <= ?";
    if_it_fits(tx, sql, owner, quota, bytes, files).await
}

/// A statement that adds bytes and files to a row in which, with what is promised, so many may stand before.
async fn if_it_fits(
    tx: &mut Tx,
    sql: &'static str,
    owner: i64,
    quota: Quota,
    bytes: u64,
    files: u64,
) -> Result<bool, DbError> {
    let values = [int(bytes), int(files), owner.into(), room(quota.bytes, bytes), room(quota.files, files)];
    Ok(tx.execute(sql, &values).await? > 0)
}

pub(in crate::library) async fn insert_promise(
    tx: &mut Tx,
    promise: &Promise,
    expires_at: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO reservations (id, user_pk, bytes, files, expires_at) VALUES (?, ?, ?, ?, ?)";
    let Promise { id, owner, bytes, files } = promise;
    let values = [id.as_str().into(), (*owner).into(), int(*bytes), int(*files), expires_at.into()];
    tx.execute(sql, &values).await.map(|_| ())
}

/// `false` = the promise was taken back meanwhile.
pub(in crate::library) async fn grow_promise(
    tx: &mut Tx,
    id: &str,
    bytes: u64,
    expires_at: i64,
) -> Result<bool, DbError> {
    let sql = "UPDATE reservations SET bytes = bytes + ?, expires_at = ? WHERE id = ?";
    Ok(tx.execute(sql, &[int(bytes), expires_at.into(), id.into()]).await? > 0)
}

pub(in crate::library) async fn renew_promise(db: &Db, id: &str, expires_at: i64) -> Result<(), DbError> {
    let sql = "UPDATE reservations SET expires_at = ? WHERE id = ?";
    db.execute(sql, &[expires_at.into(), id.into()]).await.map(|_| ())
}

/// Makes a file of `bytes` out of a promise. `false` = there is no such promise any more, or it was for less.
pub(in crate::library) async fn keep_promise(
    tx: &mut Tx,
    id: &str,
    owner: i64,
    bytes: u64,
) -> Result<bool, DbError> {
    let less = "UPDATE reservations SET bytes = bytes - ?, files = files - 1 WHERE id = ? AND bytes >= ? AND files > 0";
    if tx.execute(less, &[int(bytes), id.into(), int(bytes)]).await? == 0 {
        return Ok(false);
    }
    let kept = "UPDATE user_usage SET bytes = bytes + ?, files = files + 1, reserved_bytes = reserved_bytes - ?, \
                reserved_files = reserved_files - 1 WHERE user_pk = ?";
    tx.execute(kept, &[int(bytes), int(bytes), owner.into()]).await?;
    Ok(true)
}

pub(in crate::library) async fn promised(db: &Db, id: &str) -> Result<Option<Promise>, DbError> {
    let sql = "SELECT id, user_pk, bytes, files FROM reservations WHERE id = ?";
    db.row(sql, &[id.into()]).await?.as_ref().map(row_of_promise).transpose()
}

/// The promises of those who have not been heard of since.
pub(in crate::library) async fn expired(db: &Db, now: i64) -> Result<Vec<Promise>, DbError> {
    let sql =
        "SELECT id, user_pk, bytes, files FROM reservations WHERE expires_at < ? ORDER BY id LIMIT 1000";
    db.rows(sql, &[now.into()]).await?.iter().map(row_of_promise).collect()
}

/// Takes a promise back as it stood when it was read. `false` = it was changed since.
pub(in crate::library) async fn take_back(tx: &mut Tx, promise: &Promise) -> Result<bool, DbError> {
    let Promise { id, owner, bytes, files } = promise;
    let sql = "UPDATE user_usage SET reserved_bytes = reserved_bytes - ?, reserved_files = reserved_files - ? \
               WHERE user_pk = ?";
    tx.execute(sql, &[int(*bytes), int(*files), (*owner).into()]).await?;
    let sql = "DELETE FROM reservations WHERE id = ? AND bytes = ? AND files = ?";
    Ok(tx.execute(sql, &[id.as_str().into(), int(*bytes), int(*files)]).await? > 0)
}

/// So much more is there, if it fits. `false` = it does not.
pub(in crate::library) async fn add(
    tx: &mut Tx,
    owner: i64,
    quota: Quota,
    bytes: u64,
    files: u64,
) -> Result<bool, DbError> {
    let sql = "UPDATE user_usage SET bytes = bytes + ?, files = files + ? \
               WHERE user_pk = ? AND bytes + reserved_bytes <= ? AND files + reserved_files <= ?";
    if_it_fits(tx, sql, owner, quota, bytes, files).await
}

/// So much less is there.
pub(in crate::library) async fn subtract(
    tx: &mut Tx,
    owner: i64,
    bytes: u64,
    files: u64,
) -> Result<(), DbError> {
    let sql = "UPDATE user_usage SET bytes = bytes - ?, files = files - ? WHERE user_pk = ?";
    tx.execute(sql, &[int(bytes), int(files), owner.into()]).await.map(|_| ())
}

/// How much there may be before `more` is added; negative where not even that fits.
fn room(limit: Option<u64>, more: u64) -> Value {
    let limit = limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX);
    Value::Int(limit.saturating_sub(i64::try_from(more).unwrap_or(i64::MAX)))
}

fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn usage(row: &Row) -> Result<Usage, DbError> {
    Ok(Usage {
        bytes: row.narrow("bytes")?,
        files: row.narrow("files")?,
        reserved_bytes: row.narrow("reserved_bytes")?,
        reserved_files: row.narrow("reserved_files")?,
    })
}

fn row_of_promise(row: &Row) -> Result<Promise, DbError> {
    Ok(Promise {
        id: row.text("id")?,
        owner: row.int("user_pk")?,
        bytes: row.narrow("bytes")?,
        files: row.narrow("files")?,
    })
}
