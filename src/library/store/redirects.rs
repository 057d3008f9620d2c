//! The statements about old paths of images.

use crate::db::{Db, DbError, Query, Tx, Value};
use crate::library::redirects::{Moved, OldPath};

/// The state of the table.
pub(in crate::library) async fn state(db: &Db) -> Result<u64, DbError> {
    let row = db.row("SELECT value FROM counters WHERE name = 'redirects'", &[]).await?;
    row.map_or(Ok(0), |row| row.narrow("value"))
}

/// Keys and hashes after the key `after`, in order.
pub(in crate::library) async fn hashes(
    db: &Db,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, String)>, DbError> {
    let sql = "SELECT pk, hash FROM redirects WHERE pk > ? ORDER BY pk LIMIT ?";
    let rows = db.rows(sql, &[after.into(), limit.into()]).await?;
    rows.iter().map(|row| Ok((row.int("pk")?, row.text("hash")?))).collect()
}

pub(in crate::library) async fn find(db: &Db, hash: &str) -> Result<Option<Moved>, DbError> {
    let sql = "SELECT redirects.spec AS spec, images.id AS id FROM redirects \
               INNER JOIN images ON images.pk = redirects.image_pk WHERE redirects.hash = ?";
    let row = db.row(sql, &[hash.into()]).await?;
    row.map(|row| Ok(Moved { image: row.text("id")?, spec: row.text("spec")? })).transpose()
}

/// Who has come first keeps a path; whether this one is new. After [`raise`].
pub(in crate::library) async fn add(
    tx: &mut Tx,
    hash: &str,
    old: &OldPath,
    image: i64,
    now: i64,
) -> Result<bool, DbError> {
    if tx.row("SELECT pk FROM redirects WHERE hash = ?", &[hash.into()]).await?.is_some() {
        return Ok(false);
    }
    let sql = "INSERT INTO redirects (hash, path, spec, created_at, image_pk) \
               SELECT ?, ?, ?, ?, pk FROM images WHERE pk = ?";
    let row = [hash.into(), old.path.as_str().into(), old.spec.as_str().into(), now.into(), image.into()];
    Ok(tx.execute(sql, &row).await? > 0)
}

/// Has all servers look for new paths. Its row is locked from here on, so that no two add the same at once.
pub(in crate::library) async fn raise(tx: &mut Tx) -> Result<(), DbError> {
    tx.tell_others();
    tx.execute("UPDATE counters SET value = value + 1 WHERE name = 'redirects'", &[]).await.map(|_| ())
}

/// Each image's key with one of its old paths.
pub(in crate::library) async fn of_images(db: &Db, images: &[i64]) -> Result<Vec<(i64, OldPath)>, DbError> {
    let query = Query::new("SELECT image_pk, path, spec FROM redirects")
        .push_list(" WHERE image_pk IN ", images.iter().map(|pk| Value::Int(*pk)))
        .push(" ORDER BY pk", []);
    let rows = db.rows_of(&query).await?;
    rows.iter()
        .map(|row| Ok((row.int("image_pk")?, OldPath { path: row.text("path")?, spec: row.text("spec")? })))
        .collect()
}
