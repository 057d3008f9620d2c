//! The statements about share links, of images and of albums.

use crate::db::{Db, DbError, Row, Tx, Value};
use crate::library::Page;
use crate::library::shares::{NewShare, Share, SharePassword, Shared};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT share_links.pk AS pk, share_links.id AS id, share_links.image_pk AS image_pk, images.id AS image_id, ",
            "share_links.album_pk AS album_pk, albums.id AS album_id, share_links.owner AS owner, ",
            "password_hash, max_views, share_links.views AS views, share_links.created_at AS created_at, viewed_at, ",
            "share_links.expires_at AS expires_at, revoked_at FROM share_links LEFT JOIN images ON images.pk = share_links.image_pk ",
            "LEFT JOIN albums ON albums.pk = share_links.album_pk ",
            $rest
        )
    };
}

pub(in crate::library) async fn insert(
    tx: &mut Tx,
    id: &str,
    hash: &str,
    what: &Shared,
    owner: Option<i64>,
    new: &NewShare,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO share_links (id, hash, image_pk, album_pk, owner, password_hash, max_views, views, created_at, \
               expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?)";
    let (image, album) = match what {
        Shared::Image { pk, .. } => (Some(*pk), None),
        Shared::Album { pk, .. } => (None, Some(*pk)),
    };
    let values: [Value; 9] = [
        id.into(),
        hash.into(),
        image.into(),
        album.into(),
        owner.into(),
        new.password_hash.as_ref().map(|hash| hash.0.as_str()).into(),
        new.max_views.and_then(|most| i64::try_from(most).ok()).into(),
        now.into(),
        new.expires_at.into(),
    ];
    tx.execute(sql, &values).await.map(|_| ())
}

pub(in crate::library) async fn by_id(db: &Db, id: &str) -> Result<Option<Share>, DbError> {
    db.row(select!("WHERE share_links.id = ?"), &[id.into()]).await?.map(|row| share(&row)).transpose()
}

pub(in crate::library) async fn by_hash(db: &Db, hash: &str) -> Result<Option<Share>, DbError> {
    db.row(select!("WHERE hash = ?"), &[hash.into()]).await?.map(|row| share(&row)).transpose()
}

/// The row decides, not what was read of it before.
pub(in crate::library) async fn take_view(db: &Db, pk: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE share_links SET views = views + 1, viewed_at = ? WHERE pk = ? AND revoked_at IS NULL \
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
            let sql = select!(
                "WHERE share_links.owner = ? AND share_links.pk < ? ORDER BY share_links.pk DESC LIMIT ?"
            );
            db.rows(sql, &[owner.into(), before, limit]).await?
        }
        None => {
            let sql = select!("WHERE share_links.pk < ? ORDER BY share_links.pk DESC LIMIT ?");
            db.rows(sql, &[before, limit]).await?
        }
    };
    rows.iter().map(share).collect()
}

pub(in crate::library) async fn of_image(db: &Db, image: i64, page: &Page) -> Result<Vec<Share>, DbError> {
    let (before, limit) = bounds(page);
    let sql =
        select!("WHERE share_links.image_pk = ? AND share_links.pk < ? ORDER BY share_links.pk DESC LIMIT ?");
    db.rows(sql, &[image.into(), before, limit]).await?.iter().map(share).collect()
}

pub(in crate::library) async fn of_album(db: &Db, album: i64, page: &Page) -> Result<Vec<Share>, DbError> {
    let (before, limit) = bounds(page);
    let sql =
        select!("WHERE share_links.album_pk = ? AND share_links.pk < ? ORDER BY share_links.pk DESC LIMIT ?");
    db.rows(sql, &[album.into(), before, limit]).await?.iter().map(share).collect()
}

pub(in crate::library) async fn revoke(db: &Db, pk: i64, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE share_links SET revoked_at = ? WHERE pk = ? AND revoked_at IS NULL";
    db.execute(sql, &[now.into(), pk.into()]).await.map(|_| ())
}

pub(in crate::library) async fn sweep(db: &Db, before: i64) -> Result<u64, DbError> {
    let sql = "DELETE FROM share_links WHERE revoked_at < ? OR expires_at < ? \
               OR (max_views IS NOT NULL AND views >= max_views AND viewed_at < ?)";
    db.execute(sql, &[before.into(), before.into(), before.into()]).await
}

pub(in crate::library) async fn sweepable(db: &Db, before: i64) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS total FROM share_links WHERE revoked_at < ? OR expires_at < ? \
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
        what: match row.opt_int("album_pk")? {
            Some(pk) => Shared::Album { pk, id: row.text("album_id")? },
            None => Shared::Image { pk: row.int("image_pk")?, id: row.parse("image_id")? },
        },
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
