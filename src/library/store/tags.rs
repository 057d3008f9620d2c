//! The statements about tags.

use super::super::{Image, Tag};
use crate::db::{Db, DbError, Query, Row, Tx, Value};

/// What a list of images needs to know of a tag.
pub(in crate::library) type TagRow = Tag;

const SELECT: &str = "SELECT pk, name, images, created_at FROM tags WHERE owner = ? AND name = ?";

pub(in crate::library) async fn find(db: &Db, owner: i64, name: &str) -> Result<Option<Tag>, DbError> {
    db.row(SELECT, &[owner.into(), name.into()]).await?.map(|row| tag(&row)).transpose()
}

pub(in crate::library) async fn find_in(tx: &mut Tx, owner: i64, name: &str) -> Result<Option<Tag>, DbError> {
    tx.row(SELECT, &[owner.into(), name.into()]).await?.map(|row| tag(&row)).transpose()
}

/// By name, from the one after `after` on.
pub(in crate::library) async fn list(
    db: &Db,
    owner: i64,
    after: &str,
    limit: u32,
) -> Result<Vec<Tag>, DbError> {
    let sql =
        "SELECT pk, name, images, created_at FROM tags WHERE owner = ? AND name > ? ORDER BY name LIMIT ?";
    db.rows(sql, &[owner.into(), after.into(), limit.into()]).await?.iter().map(tag).collect()
}

/// The tag of this name, made where there is none. Under [`super::lock`], so that nobody else makes it at once.
pub(in crate::library) async fn take(tx: &mut Tx, owner: i64, name: &str, now: i64) -> Result<Tag, DbError> {
    if let Some(tag) = find_in(tx, owner, name).await? {
        return Ok(tag);
    }
    let sql = "INSERT INTO tags (owner, name, images, created_at) VALUES (?, ?, 0, ?)";
    tx.execute(sql, &[owner.into(), name.into(), now.into()]).await?;
    let missing = DbError::Corrupt { column: "name", why: "a tag is not there after it was made".to_owned() };
    find_in(tx, owner, name).await?.ok_or(missing)
}

pub(in crate::library) async fn rename(tx: &mut Tx, tag: i64, name: &str) -> Result<(), DbError> {
    tx.execute("UPDATE tags SET name = ? WHERE pk = ?", &[name.into(), tag.into()]).await.map(|_| ())
}

/// Puts the images of one tag under another.
pub(in crate::library) async fn merge(tx: &mut Tx, from: i64, to: i64) -> Result<(), DbError> {
    let both = "INSERT INTO image_tags (tag_pk, created_at, image_pk) \
                SELECT ?, these.created_at, these.image_pk FROM image_tags AS these WHERE these.tag_pk = ? \
                AND NOT EXISTS (SELECT 1 FROM image_tags AS others WHERE others.tag_pk = ? \
                AND others.created_at = these.created_at AND others.image_pk = these.image_pk)";
    tx.execute(both, &[to.into(), from.into(), to.into()]).await?;
    let count = "SELECT COUNT(*) AS found FROM image_tags INNER JOIN images ON images.pk = image_tags.image_pk \
                 WHERE image_tags.tag_pk = ? AND images.trashed = 0";
    let count = tx.row(count, &[to.into()]).await?.map_or(Ok(0), |row| row.int("found"))?;
    tx.execute("UPDATE tags SET images = ? WHERE pk = ?", &[count.into(), to.into()]).await.map(|_| ())
}

pub(in crate::library) async fn delete(tx: &mut Tx, tag: i64) -> Result<(), DbError> {
    tx.execute("DELETE FROM tags WHERE pk = ?", &[tag.into()]).await.map(|_| ())
}

/// Whether it is new to the image.
pub(in crate::library) async fn put(tx: &mut Tx, tag: i64, image: &Image) -> Result<bool, DbError> {
    let key = [tag.into(), image.created_at.into(), image.pk.into()];
    let has = "SELECT tag_pk FROM image_tags WHERE tag_pk = ? AND created_at = ? AND image_pk = ?";
    if tx.row(has, &key).await?.is_some() {
        return Ok(false);
    }
    tx.execute("INSERT INTO image_tags (tag_pk, created_at, image_pk) VALUES (?, ?, ?)", &key).await?;
    count(tx, tag, i64::from(image.deleted_at.is_none())).await?;
    Ok(true)
}

/// Whether the image had it.
pub(in crate::library) async fn remove(tx: &mut Tx, tag: i64, image: &Image) -> Result<bool, DbError> {
    let sql = "DELETE FROM image_tags WHERE tag_pk = ? AND created_at = ? AND image_pk = ?";
    if tx.execute(sql, &[tag.into(), image.created_at.into(), image.pk.into()]).await? == 0 {
        return Ok(false);
    }
    count(tx, tag, -i64::from(image.deleted_at.is_none())).await?;
    Ok(true)
}

async fn count(tx: &mut Tx, tag: i64, change: i64) -> Result<(), DbError> {
    let sql = "UPDATE tags SET images = images + ? WHERE pk = ?";
    tx.execute(sql, &[change.into(), tag.into()]).await.map(|_| ())
}

pub(in crate::library) async fn of_image(tx: &mut Tx, image: i64) -> Result<Vec<Tag>, DbError> {
    let sql = "SELECT tags.pk AS pk, tags.name AS name, tags.images AS images, tags.created_at AS created_at \
               FROM image_tags INNER JOIN tags ON tags.pk = image_tags.tag_pk \
               WHERE image_tags.image_pk = ? ORDER BY tags.name";
    tx.rows(sql, &[image.into()]).await?.iter().map(tag).collect()
}

/// Each image's key with one of its tags, by name.
pub(in crate::library) async fn of_images(db: &Db, images: &[i64]) -> Result<Vec<(i64, String)>, DbError> {
    let query = Query::new(
        "SELECT image_tags.image_pk AS image_pk, tags.name AS name FROM image_tags \
         INNER JOIN tags ON tags.pk = image_tags.tag_pk",
    )
    .push_list(" WHERE image_tags.image_pk IN ", images.iter().map(|pk| Value::Int(*pk)))
    .push(" ORDER BY tags.name", []);
    db.rows_of(&query).await?.iter().map(|row| Ok((row.int("image_pk")?, row.text("name")?))).collect()
}

fn tag(row: &Row) -> Result<Tag, DbError> {
    Ok(Tag {
        pk: row.int("pk")?,
        name: row.text("name")?,
        images: u64::try_from(row.int("images")?).unwrap_or(0),
        created_at: row.int("created_at")?,
    })
}
