//! The statements about images that go: to the trash, back, by age, for good.

use super::super::Image;
use super::counts::{Move, moved};
use super::{COLUMNS, images};
use crate::db::{Db, DbError, Query, Tx};

/// Whether it was not there yet.
pub(in crate::library) async fn put(tx: &mut Tx, image: &Image, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE images SET deleted_at = ?, trashed = 1, updated_at = ? WHERE pk = ? AND trashed = 0";
    if tx.execute(sql, &[now.into(), now.into(), image.pk.into()]).await? == 0 {
        return Ok(false);
    }
    moved(tx, image, Move::ToTrash).await?;
    Ok(true)
}

/// Whether it was there.
pub(in crate::library) async fn restore(
    tx: &mut Tx,
    image: &Image,
    expires_at: Option<i64>,
    now: i64,
) -> Result<bool, DbError> {
    let sql = "UPDATE images SET deleted_at = NULL, trashed = 0, expires_at = ?, updated_at = ? \
               WHERE pk = ? AND trashed = 1";
    if tx.execute(sql, &[expires_at.into(), now.into(), image.pk.into()]).await? == 0 {
        return Ok(false);
    }
    moved(tx, image, Move::FromTrash).await?;
    Ok(true)
}

/// Live images whose time has come, the longest overdue first.
pub(in crate::library) async fn expired(db: &Db, now: i64, limit: u32) -> Result<Vec<Image>, DbError> {
    let rest = "WHERE trashed = 0 AND expires_at <= ? ORDER BY expires_at LIMIT ?";
    images(&db.rows_of(&Query::new(COLUMNS).push(rest, [now.into(), limit.into()])).await?)
}

/// Images that were deleted before then, the oldest first.
pub(in crate::library) async fn deleted_before(
    db: &Db,
    then: i64,
    limit: u32,
) -> Result<Vec<Image>, DbError> {
    let rest = "WHERE trashed = 1 AND deleted_at <= ? ORDER BY deleted_at LIMIT ?";
    images(&db.rows_of(&Query::new(COLUMNS).push(rest, [then.into(), limit.into()])).await?)
}

/// What somebody has in the trash, the oldest first.
pub(in crate::library) async fn of_owner(db: &Db, owner: i64, limit: u32) -> Result<Vec<Image>, DbError> {
    let rest = "WHERE owner = ? AND trashed = 1 ORDER BY created_at, pk LIMIT ?";
    images(&db.rows_of(&Query::new(COLUMNS).push(rest, [owner.into(), limit.into()])).await?)
}

/// What somebody has that is not in the trash.
pub(in crate::library) async fn kept_by(db: &Db, owner: i64, limit: u32) -> Result<Vec<Image>, DbError> {
    let rest = "WHERE owner = ? AND trashed = 0 ORDER BY created_at, pk LIMIT ?";
    images(&db.rows_of(&Query::new(COLUMNS).push(rest, [owner.into(), limit.into()])).await?)
}

pub(in crate::library) async fn count_expired(db: &Db, now: i64) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS found FROM images WHERE trashed = 0 AND expires_at <= ?";
    db.row(sql, &[now.into()]).await?.map_or(Ok(0), |row| row.narrow("found"))
}

pub(in crate::library) async fn count_deleted_before(db: &Db, then: i64) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS found FROM images WHERE trashed = 1 AND deleted_at <= ?";
    db.row(sql, &[then.into()]).await?.map_or(Ok(0), |row| row.narrow("found"))
}
