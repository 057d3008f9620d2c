//! The statements about storages that users bring themselves, and where each user's pictures go.

use crate::db::{Db, DbError, Row, Tx, Value};

/// A row as it is kept; `settings` is JSON and `secret` sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::library) struct OwnedRow {
    pub pk: i64,
    pub id: String,
    pub owner: Option<i64>,
    pub label: String,
    pub settings: String,
    pub secret: Vec<u8>,
    pub created_at: i64,
    pub updated_at: i64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT pk, id, user_pk, label, settings, secret, created_at, updated_at FROM user_storages ",
            $rest
        )
    };
}

/// Closed ones too: their pictures are still there.
pub(in crate::library) async fn find(db: &Db, id: &str) -> Result<Option<OwnedRow>, DbError> {
    db.row(select!("WHERE id = ?"), &[id.into()]).await?.map(|row| owned(&row)).transpose()
}

/// One that its owner may still use.
pub(in crate::library) async fn find_of(db: &Db, owner: i64, id: &str) -> Result<Option<OwnedRow>, DbError> {
    let sql = select!("WHERE id = ? AND user_pk = ? AND closed_at IS NULL");
    db.row(sql, &[id.into(), owner.into()]).await?.map(|row| owned(&row)).transpose()
}

pub(in crate::library) async fn all_of(db: &Db, owner: i64) -> Result<Vec<OwnedRow>, DbError> {
    let sql = select!("WHERE user_pk = ? AND closed_at IS NULL ORDER BY pk");
    db.rows(sql, &[owner.into()]).await?.iter().map(owned).collect()
}

/// Everybody's, closed ones too.
pub(in crate::library) async fn all(db: &Db, after: i64, limit: u32) -> Result<Vec<OwnedRow>, DbError> {
    let sql = select!("WHERE pk > ? ORDER BY pk LIMIT ?");
    db.rows(sql, &[after.into(), limit.into()]).await?.iter().map(owned).collect()
}

pub(in crate::library) async fn count_of(tx: &mut Tx, owner: i64) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS total FROM user_storages WHERE user_pk = ? AND closed_at IS NULL";
    tx.row(sql, &[owner.into()]).await?.map_or(Ok(0), |row| row.narrow("total"))
}

pub(in crate::library) async fn insert(tx: &mut Tx, row: &OwnedRow) -> Result<(), DbError> {
    let sql = "INSERT INTO user_storages (id, user_pk, label, settings, secret, version, created_at, updated_at) \
               VALUES (?, ?, ?, ?, ?, 1, ?, ?)";
    let values = [
        row.id.as_str().into(),
        row.owner.into(),
        row.label.as_str().into(),
        row.settings.as_str().into(),
        Value::Blob(row.secret.clone()),
        row.created_at.into(),
        row.updated_at.into(),
    ];
    tx.execute(sql, &values).await.map(|_| ())
}

/// `false` = somebody else changed or closed it since it was read.
pub(in crate::library) async fn update(tx: &mut Tx, row: &OwnedRow, read_at: i64) -> Result<bool, DbError> {
    let sql = "UPDATE user_storages SET label = ?, settings = ?, secret = ?, version = version + 1, updated_at = ? \
               WHERE pk = ? AND updated_at = ? AND closed_at IS NULL";
    let values = [
        row.label.as_str().into(),
        row.settings.as_str().into(),
        Value::Blob(row.secret.clone()),
        row.updated_at.into(),
        row.pk.into(),
        read_at.into(),
    ];
    Ok(tx.execute(sql, &values).await? > 0)
}

/// `false` = it was closed already.
pub(in crate::library) async fn close(tx: &mut Tx, pk: i64, now: i64) -> Result<bool, DbError> {
    let sql =
        "UPDATE user_storages SET closed_at = ?, version = version + 1 WHERE pk = ? AND closed_at IS NULL";
    Ok(tx.execute(sql, &[now.into(), pk.into()]).await? > 0)
}

/// Ends closed and ownerless ones that hold nothing, by their own rows alone.
pub(in crate::library) async fn abandoned(db: &Db, before: i64) -> Result<Vec<OwnedRow>, DbError> {
    let sql = select!("WHERE closed_at < ? OR (user_pk IS NULL AND updated_at < ?) ORDER BY pk");
    db.rows(sql, &[before.into(), before.into()]).await?.iter().map(owned).collect()
}

pub(in crate::library) async fn remove(tx: &mut Tx, pk: i64) -> Result<(), DbError> {
    tx.execute("DELETE FROM user_storages WHERE pk = ?", &[pk.into()]).await.map(|_| ())
}

/// Whether any image or object lies there, by the storage's name.
pub(in crate::library) async fn holds(db: &Db, name: &str) -> Result<bool, DbError> {
    let image = db.row("SELECT pk FROM images WHERE storage = ? LIMIT 1", &[name.into()]).await?;
    let object = db.row("SELECT pk FROM objects WHERE storage = ? LIMIT 1", &[name.into()]).await?;
    Ok(image.is_some() | object.is_some())
}

/// Somebody's default there, which ends.
pub(in crate::library) async fn forget_default(tx: &mut Tx, storage: &str) -> Result<(), DbError> {
    tx.execute("DELETE FROM default_storages WHERE storage = ?", &[storage.into()]).await.map(|_| ())
}

pub(in crate::library) async fn default_of(db: &Db, owner: i64) -> Result<Option<String>, DbError> {
    let row = db.row("SELECT storage FROM default_storages WHERE user_pk = ?", &[owner.into()]).await?;
    row.map(|row| row.text("storage")).transpose()
}

pub(in crate::library) async fn set_default(
    tx: &mut Tx,
    owner: i64,
    storage: Option<&str>,
    now: i64,
) -> Result<(), DbError> {
    let Some(storage) = storage else {
        return tx
            .execute("DELETE FROM default_storages WHERE user_pk = ?", &[owner.into()])
            .await
            .map(|_| ());
    };
    // MySQL counts a row only where it is changed, so this one always is.
    let update = "UPDATE default_storages SET storage = ?, updated_at = updated_at + 1 WHERE user_pk = ?";
    if tx.execute(update, &[storage.into(), owner.into()]).await? == 0 {
        let insert = "INSERT INTO default_storages (user_pk, storage, updated_at) VALUES (?, ?, ?)";
        tx.execute(insert, &[owner.into(), storage.into(), now.into()]).await?;
    }
    Ok(())
}

/// Tells other processes; before the change itself, so that the numbers follow the order of the commits.
pub(in crate::library) async fn changed(tx: &mut Tx) -> Result<(), DbError> {
    tx.tell_others();
    let sql = "UPDATE counters SET value = value + 1 WHERE name = 'storage_changes'";
    tx.execute(sql, &[]).await.map(|_| ())
}

pub(in crate::library) async fn changes(db: &Db) -> Result<u64, DbError> {
    let row = db.row("SELECT value FROM counters WHERE name = 'storage_changes'", &[]).await?;
    row.map_or(Ok(0), |row| row.narrow("value"))
}

fn owned(row: &Row) -> Result<OwnedRow, DbError> {
    Ok(OwnedRow {
        pk: row.int("pk")?,
        id: row.text("id")?,
        owner: row.opt_int("user_pk")?,
        label: row.text("label")?,
        settings: row.text("settings")?,
        secret: row.blob("secret")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}
