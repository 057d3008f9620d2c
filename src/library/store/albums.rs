//! The statements about albums.

use super::super::listing::Reach;
use super::super::{Album, LibraryError};
use crate::db::{Db, DbError, Query, Row, Tx, Value};

/// What a list of images needs to know of an album.
pub(in crate::library) type AlbumRow = Album;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT albums.pk AS pk, albums.id AS id, albums.owner AS owner, albums.name AS name, ",
            "albums.images AS images, albums.created_at AS created_at, albums.updated_at AS updated_at, ",
            "cover.id AS cover FROM albums LEFT JOIN images AS cover ",
            "ON cover.pk = albums.cover_pk AND cover.trashed = 0 ",
            $rest
        )
    };
}

pub(in crate::library) async fn by_id(db: &Db, reach: Reach, id: &str) -> Result<Option<Album>, DbError> {
    db.row_of(&one(reach, id)).await?.map(|row| album(&row)).transpose()
}

pub(in crate::library) async fn find(tx: &mut Tx, reach: Reach, id: &str) -> Result<Album, LibraryError> {
    let row = tx.row_of(&one(reach, id)).await?;
    let missing = || LibraryError::Missing { what: "album", id: id.to_owned() };
    Ok(album(&row.ok_or_else(missing)?)?)
}

fn one(reach: Reach, id: &str) -> Query {
    let query = Query::new(select!("WHERE albums.id = ?")).push("", [id.into()]);
    match reach {
        Reach::Owner(owner) => query.push(" AND albums.owner = ?", [owner.into()]),
        Reach::Everybody => query,
    }
}

/// Newest first.
pub(in crate::library) async fn list(
    db: &Db,
    owner: i64,
    before: i64,
    limit: u32,
) -> Result<Vec<Album>, DbError> {
    let sql = select!("WHERE albums.owner = ? AND albums.pk < ? ORDER BY albums.pk DESC LIMIT ?");
    let rows = db.rows(sql, &[owner.into(), before.into(), limit.into()]).await?;
    rows.iter().map(album).collect()
}

pub(in crate::library) async fn list_from(
    db: &Db,
    owner: i64,
    skip: u64,
    limit: u32,
) -> Result<Vec<Album>, DbError> {
    let sql = select!("WHERE albums.owner = ? ORDER BY albums.pk DESC LIMIT ? OFFSET ?");
    let skip = i64::try_from(skip).unwrap_or(i64::MAX);
    let rows = db.rows(sql, &[owner.into(), limit.into(), skip.into()]).await?;
    rows.iter().map(album).collect()
}

pub(in crate::library) async fn count_of(db: &Db, owner: i64) -> Result<u64, DbError> {
    let row = db.row("SELECT COUNT(*) AS n FROM albums WHERE owner = ?", &[owner.into()]).await?;
    row.map_or(Ok(0), |row| Ok(u64::try_from(row.int("n")?).unwrap_or(0)))
}

pub(in crate::library) async fn insert(
    tx: &mut Tx,
    id: &str,
    owner: i64,
    name: &str,
    now: i64,
) -> Result<(), DbError> {
    let sql =
        "INSERT INTO albums (id, owner, name, images, created_at, updated_at) VALUES (?, ?, ?, 0, ?, ?)";
    tx.execute(sql, &[id.into(), owner.into(), name.into(), now.into(), now.into()]).await.map(|_| ())
}

pub(in crate::library) async fn rename(tx: &mut Tx, album: i64, name: &str, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE albums SET name = ?, updated_at = ? WHERE pk = ?";
    tx.execute(sql, &[name.into(), now.into(), album.into()]).await.map(|_| ())
}

pub(in crate::library) async fn set_cover(
    tx: &mut Tx,
    album: i64,
    image: Option<i64>,
    now: i64,
) -> Result<(), DbError> {
    let sql = "UPDATE albums SET cover_pk = ?, updated_at = ? WHERE pk = ?";
    tx.execute(sql, &[image.into(), now.into(), album.into()]).await.map(|_| ())
}

pub(in crate::library) async fn delete(tx: &mut Tx, album: i64) -> Result<(), DbError> {
    tx.execute("DELETE FROM albums WHERE pk = ?", &[album.into()]).await.map(|_| ())
}

pub(in crate::library) async fn has(tx: &mut Tx, album: i64, image: i64) -> Result<bool, DbError> {
    let sql = "SELECT position FROM album_images WHERE album_pk = ? AND image_pk = ?";
    Ok(tx.row(sql, &[album.into(), image.into()]).await?.is_some())
}

/// The same outside of a transaction.
pub(in crate::library) async fn holds(db: &Db, album: i64, image: i64) -> Result<bool, DbError> {
    let sql = "SELECT position FROM album_images WHERE album_pk = ? AND image_pk = ?";
    Ok(db.row(sql, &[album.into(), image.into()]).await?.is_some())
}

/// The first and the last position that is taken.
pub(in crate::library) async fn ends(tx: &mut Tx, album: i64) -> Result<(i64, i64), DbError> {
    let first = "SELECT position FROM album_images WHERE album_pk = ? ORDER BY position, image_pk LIMIT 1";
    let last =
        "SELECT position FROM album_images WHERE album_pk = ? ORDER BY position DESC, image_pk DESC LIMIT 1";
    let position = |row: Option<Row>| row.map_or(Ok(0), |row| row.int("position"));
    let first = position(tx.row(first, &[album.into()]).await?)?;
    Ok((first, position(tx.row(last, &[album.into()]).await?)?))
}

/// An image that is not in the album yet.
pub(in crate::library) async fn put(
    tx: &mut Tx,
    album: i64,
    image: i64,
    position: i64,
    is_live: bool,
) -> Result<(), DbError> {
    let sql = "INSERT INTO album_images (album_pk, image_pk, position) VALUES (?, ?, ?)";
    tx.execute(sql, &[album.into(), image.into(), position.into()]).await?;
    count(tx, album, i64::from(is_live)).await
}

pub(in crate::library) async fn place(
    tx: &mut Tx,
    album: i64,
    image: i64,
    position: i64,
) -> Result<(), DbError> {
    let sql = "UPDATE album_images SET position = ? WHERE album_pk = ? AND image_pk = ?";
    tx.execute(sql, &[position.into(), album.into(), image.into()]).await.map(|_| ())
}

/// Whether the image was in it.
pub(in crate::library) async fn take(
    tx: &mut Tx,
    album: i64,
    image: i64,
    is_live: bool,
) -> Result<bool, DbError> {
    let sql = "DELETE FROM album_images WHERE album_pk = ? AND image_pk = ?";
    if tx.execute(sql, &[album.into(), image.into()]).await? == 0 {
        return Ok(false);
    }
    let cover = "UPDATE albums SET cover_pk = NULL WHERE pk = ? AND cover_pk = ?";
    tx.execute(cover, &[album.into(), image.into()]).await?;
    count(tx, album, -i64::from(is_live)).await?;
    Ok(true)
}

async fn count(tx: &mut Tx, album: i64, change: i64) -> Result<(), DbError> {
    let sql = "UPDATE albums SET images = images + ? WHERE pk = ?";
    tx.execute(sql, &[change.into(), album.into()]).await.map(|_| ())
}

/// The keys of the albums that an image is in.
pub(in crate::library) async fn of_image(tx: &mut Tx, image: i64) -> Result<Vec<i64>, DbError> {
    let rows = tx.rows("SELECT album_pk FROM album_images WHERE image_pk = ?", &[image.into()]).await?;
    rows.iter().map(|row| row.int("album_pk")).collect()
}

/// Each image's key with the id of an album that it is in.
pub(in crate::library) async fn of_images(db: &Db, images: &[i64]) -> Result<Vec<(i64, String)>, DbError> {
    let query = Query::new(
        "SELECT album_images.image_pk AS image_pk, albums.id AS id FROM album_images \
         INNER JOIN albums ON albums.pk = album_images.album_pk",
    )
    .push_list(" WHERE album_images.image_pk IN ", images.iter().map(|pk| Value::Int(*pk)))
    .push(" ORDER BY albums.pk", []);
    db.rows_of(&query).await?.iter().map(|row| Ok((row.int("image_pk")?, row.text("id")?))).collect()
}

/// The first live images of albums that have no cover of their own, by the album's key.
pub(in crate::library) async fn first_image(db: &Db, album: i64) -> Result<Option<String>, DbError> {
    let sql = "SELECT images.id AS id FROM album_images INNER JOIN images ON images.pk = album_images.image_pk \
               WHERE album_images.album_pk = ? AND images.trashed = 0 \
               ORDER BY album_images.position, album_images.image_pk LIMIT 1";
    db.row(sql, &[album.into()]).await?.map(|row| row.text("id")).transpose()
}

/// The ids of its images that are not in the trash.
pub(in crate::library) async fn order(db: &Db, album: &str) -> Result<Vec<String>, DbError> {
    let sql = "SELECT images.id AS id FROM albums \
               INNER JOIN album_images ON album_images.album_pk = albums.pk \
               INNER JOIN images ON images.pk = album_images.image_pk \
               WHERE albums.id = ? AND images.trashed = 0 \
               ORDER BY album_images.position, album_images.image_pk";
    db.rows(sql, &[album.into()]).await?.iter().map(|row| row.text("id")).collect()
}

fn album(row: &Row) -> Result<Album, DbError> {
    Ok(Album {
        pk: row.int("pk")?,
        id: row.text("id")?,
        owner: row.int("owner")?,
        name: row.text("name")?,
        images: u64::try_from(row.int("images")?).unwrap_or(0),
        cover: row.opt_text("cover")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
    })
}
