//! The statements about what came in from elsewhere, and about a library as a whole.

use super::{COLUMNS, images};
use crate::db::{Db, DbError, Query, Tx};
use crate::library::Image;

/// The image that came from there, whatever its state.
pub(in crate::library) async fn image(db: &Db, origin: &str) -> Result<Option<Image>, DbError> {
    let sql = "SELECT image_pk FROM imported WHERE origin = ? AND image_pk IS NOT NULL";
    let Some(row) = db.row(sql, &[origin.into()]).await? else { return Ok(None) };
    let query = Query::new(COLUMNS).push("WHERE pk = ?", [row.int("image_pk")?.into()]);
    Ok(images(&db.rows_of(&query).await?)?.pop())
}

/// The public id of the album that came from there.
pub(in crate::library) async fn album(db: &Db, origin: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT albums.id AS id FROM imported INNER JOIN albums ON albums.pk = imported.album_pk \
               WHERE imported.origin = ?";
    db.row(sql, &[origin.into()]).await?.map(|row| row.text("id")).transpose()
}

/// Nothing where the image is gone.
pub(in crate::library) async fn note_image(tx: &mut Tx, origin: &str, image: i64) -> Result<(), DbError> {
    tx.execute("DELETE FROM imported WHERE origin = ?", &[origin.into()]).await?;
    let sql = "INSERT INTO imported (origin, image_pk) SELECT ?, pk FROM images WHERE pk = ?";
    tx.execute(sql, &[origin.into(), image.into()]).await.map(|_| ())
}

pub(in crate::library) async fn note_album(tx: &mut Tx, origin: &str, album: i64) -> Result<(), DbError> {
    tx.execute("DELETE FROM imported WHERE origin = ?", &[origin.into()]).await?;
    let sql = "INSERT INTO imported (origin, album_pk) VALUES (?, ?)";
    tx.execute(sql, &[origin.into(), album.into()]).await.map(|_| ())
}

/// All images there are after the key `after`, whatever their state, in the order in which they came.
pub(in crate::library) async fn all(db: &Db, after: i64, limit: u32) -> Result<Vec<Image>, DbError> {
    let rest = "WHERE pk > ? ORDER BY pk LIMIT ?";
    images(&db.rows_of(&Query::new(COLUMNS).push(rest, [after.into(), limit.into()])).await?)
}
