//! How many images everybody has, kept beside them. What changes that calls [`moved`] in the same transaction.

use super::super::Image;
use super::super::listing::Reach;
use crate::db::{Db, DbError, Tx};

/// What becomes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::library) enum Move {
    Came,
    ToTrash,
    FromTrash,
    /// For good, from where it was.
    Gone,
}

/// Keeps the counts of its owner, its tags and its albums. For [`Move::Gone`]: while it still has its row.
pub(in crate::library) async fn moved(tx: &mut Tx, image: &Image, what: Move) -> Result<(), DbError> {
    let was_trashed = image.deleted_at.is_some();
    let (live, trashed) = match what {
        Move::Came => (1, 0),
        Move::ToTrash => (-1, 1),
        Move::FromTrash => (1, -1),
        Move::Gone if was_trashed => (0, -1),
        Move::Gone => (-1, 0),
    };
    add(tx, image.owner.unwrap_or(0), live, trashed).await?;
    if live == 0 || what == Move::Came {
        return Ok(());
    }
    let change = [i64::from(live).into(), image.pk.into()];
    let tags = "UPDATE tags SET images = images + ? WHERE pk IN \
                (SELECT tag_pk FROM image_tags WHERE image_pk = ?)";
    tx.execute(tags, &change).await?;
    let albums = "UPDATE albums SET images = images + ? WHERE pk IN \
                  (SELECT album_pk FROM album_images WHERE image_pk = ?)";
    tx.execute(albums, &change).await.map(|_| ())
}

async fn add(tx: &mut Tx, owner: i64, live: i32, trashed: i32) -> Result<(), DbError> {
    let (live, trashed) = (i64::from(live), i64::from(trashed));
    let sql = "UPDATE image_counts SET live = live + ?, trashed = trashed + ? WHERE owner = ?";
    let values = [live.into(), trashed.into(), owner.into()];
    if tx.execute(sql, &values).await? > 0 {
        return Ok(());
    }
    // An owner's first image. Images come under the lock of what their owner has, so nobody else is first at once.
    let insert = "INSERT INTO image_counts (owner, live, trashed) VALUES (?, ?, ?)";
    tx.execute(insert, &[owner.into(), live.into(), trashed.into()]).await.map(|_| ())
}

/// Of the live, those that have expired and wait for the clean-up do not count.
pub(in crate::library) async fn of(db: &Db, reach: Reach, trash: bool, now: i64) -> Result<u64, DbError> {
    let (kept, expired) = match reach {
        Reach::Owner(owner) => {
            let kept = "SELECT live, trashed FROM image_counts WHERE owner = ?";
            let expired = "SELECT COUNT(*) AS found FROM images \
                           WHERE trashed = 0 AND expires_at <= ? AND owner = ?";
            let row = db.row(kept, &[owner.into()]).await?;
            (row, if trash { None } else { db.row(expired, &[now.into(), owner.into()]).await? })
        }
        Reach::Everybody => {
            let kept = "SELECT COALESCE(SUM(live), 0) AS live, COALESCE(SUM(trashed), 0) AS trashed \
                        FROM image_counts";
            let expired = "SELECT COUNT(*) AS found FROM images WHERE trashed = 0 AND expires_at <= ?";
            let row = db.row(kept, &[]).await?;
            (row, if trash { None } else { db.row(expired, &[now.into()]).await? })
        }
    };
    let column = if trash { "trashed" } else { "live" };
    let kept = kept.map_or(Ok(0), |row| row.int(column))?;
    let expired = expired.map_or(Ok(0), |row| row.int("found"))?;
    Ok(u64::try_from(kept - expired).unwrap_or(0))
}
