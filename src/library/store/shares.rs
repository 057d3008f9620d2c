//! The statements about share links.

use crate::db::{Db, DbError, Row, Tx, Value};
use crate::library::shares::{NewShare, Share, SharePassword};
use crate::library::{Image, Page};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT shares.pk AS pk, shares.id AS id, image_pk, images.id AS image_id, shares.owner AS owner, ",
            "password_hash, max_views, shares.views AS views, shares.created_at AS created_at, viewed_at, ",
            "shares.expires_at AS expires_at, revoked_at FROM shares JOIN images ON images.pk = image_pk ",
            $rest
        )
    };
}

pub(in crate::library) async fn insert(
    tx: &mut Tx,
    id: &str,
    hash: &str,
    image: &Image,
    new: &NewShare,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO shares (id, hash, image_pk, owner, password_hash, max_views, views, created_at, expires_at) \
               VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)";
    let values: [Value; 8] = [
        id.into(),
        hash.into(),
        image.pk.into(),
        image.owner.into(),
        new.password_hash.as_ref().map(|hash| hash.0.as_str()).into(),
        new.max_views.and_then(|most| i64::try_from(most).ok()).into(),
        now.into(),
        new.expires_at.into(),
    ];
    tx.execute(sql, &values).await.map(|_| ())
}

pub(in crate::library) async fn by_id(db: &Db, id: &str) -> Result<Option<Share>, DbError> {
    db.row(select!("WHERE shares.id = ?"), &[id.into()]).await?.map(|row| share(&row)).transpose()
}

pub(in crate::library) async fn by_hash(db: &Db, hash: &str) -> Result<Option<Share>, DbError> {
    db.row(select!("WHERE hash = ?"), &[hash.into()]).await?.map(|row| share(&row)).transpose()
}

/// The row decides, not what was read of it before.
pub(in crate::library) async fn take_view(db: &Db, pk: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE shares SET views = views + 1, viewed_at = ? WHERE pk = ? AND revoked_at IS NULL \
               AND (expires_at IS NULL OR expires_at > ?) AND (max_views IS NULL OR views < max_views)";
    Ok(db.execute(sql, &[now.into(), pk.into(), now.into()]).await? == 1)
}

pub(in crate::library) async fn list(
    db: &Db,
    owner: Option<i64>,
    page: &Page,
) -> Result<Vec<Share>, DbError> {
    let (before, limit) = bounds(page);
    let rows = match owner {
        Some(owner) => {
            let sql = select!("WHERE shares.owner = ? AND shares.pk < ? ORDER BY shares.pk DESC LIMIT ?");
            db.rows(sql, &[owner.into(), before, limit]).await?
        }
        None => {
            let sql = select!("WHERE shares.pk < ? ORDER BY shares.pk DESC LIMIT ?");
            db.rows(sql, &[before, limit]).await?
        }
    };
    rows.iter().map(share).collect()
}

pub(in crate::library) async fn of_image(db: &Db, image: i64, page: &Page) -> Result<Vec<Share>, DbError> {
    let (before, limit) = bounds(page);
    let sql = select!("WHERE image_pk = ? AND shares.pk < ? ORDER BY shares.pk DESC LIMIT ?");
    db.rows(sql, &[image.into(), before, limit]).await?.iter().map(share).collect()
}

pub(in crate::library) async fn revoke(db: &Db, pk: i64, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE shares SET revoked_at = ? WHERE pk = ? AND revoked_at IS NULL";
    db.execute(sql, &[now.into(), pk.into()]).await.map(|_| ())
}

pub(in crate::library) async fn sweep(db: &Db, before: i64) -> Result<u64, DbError> {
    let sql = "DELETE FROM shares WHERE revoked_at < ? OR expires_at < ? \
               OR (max_views IS NOT NULL AND views >= max_views AND viewed_at < ?)";
    db.execute(sql, &[before.into(), before.into(), before.into()]).await
}

pub(in crate::library) async fn sweepable(db: &Db, before: i64) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS total FROM shares WHERE revoked_at < ? OR expires_at < ? \
               OR (max_views IS NOT NULL AND views >= max_views AND viewed_at < ?)";
    let row = db.row(sql, &[before.into(), before.into(), before.into()]).await?;
    row.map_or(Ok(0), |row| row.narrow("total"))
}

fn bounds(page: &Page) -> (Value, Value) {
    (page.before.unwrap_or(i64::MAX).into(), page.limit.min(1000).into())
}

fn share(row: &Row) -> Result<Share, DbError> {
    let max_views = row.opt_int("max_views")?;
    Ok(Share {
        pk: row.int("pk")?,
        id: row.text("id")?,
        image_pk: row.int("image_pk")?,
        image: row.parse("image_id")?,
        owner: row.opt_int("owner")?,
        password_hash: row.opt_text("password_hash")?.map(SharePassword),
        max_views: max_views.map(|most| u64::try_from(most).unwrap_or(0)),
        views: row.narrow("views")?,
        created_at: row.int("created_at")?,
        viewed_at: row.opt_int("viewed_at")?,
        expires_at: row.opt_int("expires_at")?,
        revoked_at: row.opt_int("revoked_at")?,
    })
}
