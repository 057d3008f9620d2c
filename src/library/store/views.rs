//! The statements about counted views.

use crate::db::{Db, DbError, Row, Tx, Value};
use crate::library::views::{Count, Day};

/// Counts of one image; nothing where it is gone. The row of the image is none that others need to read again for it.
pub(in crate::library) async fn add(
    tx: &mut Tx,
    image: i64,
    day: i64,
    count: &Count,
    now: i64,
) -> Result<(), DbError> {
    let [views, served, saved] = values(count);
    let sql = "UPDATE images SET views = views + ?, last_viewed_at = ? WHERE pk = ?";
    if tx.execute(sql, &[views.clone(), now.into(), image.into()]).await? == 0 {
        return Ok(());
    }
    let sql = "UPDATE image_days SET views = views + ?, bytes_served = bytes_served + ?, \
               bytes_saved = bytes_saved + ? WHERE image_pk = ? AND day = ?";
    let row = [views, served, saved, image.into(), day.into()];
    if tx.execute(sql, &row).await? == 0 {
        // Of two processes that come here at once one fails, and writes again with the next counts.
        let sql =
            "INSERT INTO image_days (views, bytes_served, bytes_saved, image_pk, day) VALUES (?, ?, ?, ?, ?)";
        tx.execute(sql, &row).await?;
    }
    Ok(())
}

/// Counts of all images.
pub(in crate::library) async fn add_day(tx: &mut Tx, day: i64, count: &Count) -> Result<(), DbError> {
    let [views, served, saved] = values(count);
    let sql = "UPDATE view_days SET views = views + ?, bytes_served = bytes_served + ?, \
               bytes_saved = bytes_saved + ? WHERE day = ?";
    let row = [views, served, saved, day.into()];
    if tx.execute(sql, &row).await? == 0 {
        let sql = "INSERT INTO view_days (views, bytes_served, bytes_saved, day) VALUES (?, ?, ?, ?)";
        tx.execute(sql, &row).await?;
    }
    Ok(())
}

pub(in crate::library) async fn days(db: &Db, since: i64) -> Result<Vec<Day>, DbError> {
    let sql = "SELECT day, views, bytes_served, bytes_saved FROM view_days WHERE day >= ? ORDER BY day";
    db.rows(sql, &[since.into()]).await?.iter().map(read).collect()
}

pub(in crate::library) async fn days_of(db: &Db, image: i64, since: i64) -> Result<Vec<Day>, DbError> {
    let sql = "SELECT day, views, bytes_served, bytes_saved FROM image_days \
               WHERE image_pk = ? AND day >= ? ORDER BY day";
    db.rows(sql, &[image.into(), since.into()]).await?.iter().map(read).collect()
}

fn values(count: &Count) -> [Value; 3] {
    [count.views, count.bytes_served, count.bytes_saved]
        .map(|number| i64::try_from(number).unwrap_or(i64::MAX).into())
}

fn read(row: &Row) -> Result<Day, DbError> {
    let count = Count {
        views: row.narrow("views")?,
        bytes_served: row.narrow("bytes_served")?,
        bytes_saved: row.narrow("bytes_saved")?,
    };
    Ok(Day { day: row.int("day")?, count })
}
