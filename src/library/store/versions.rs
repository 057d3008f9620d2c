//! The statements about versions: results that are kept as objects.

use super::super::versions::{Kept, NewVersion, Version};
use super::super::{ImageId, Relocation};
use crate::db::{Db, DbError, Query, Row, Tx, Value};

const SELECT: &str = "SELECT pk, id, image_pk, spec, storage, object_key, sha256, bytes, format, width, height, created_at \
                      FROM versions ";

pub(in crate::library) async fn of_image(db: &Db, image: i64) -> Result<Vec<Version>, DbError> {
    let query = Query::new(SELECT).push("WHERE image_pk = ? ORDER BY pk", [image.into()]);
    db.rows_of(&query).await?.iter().map(version).collect()
}

/// The same inside of a transaction.
pub(in crate::library) async fn all_of(tx: &mut Tx, image: i64) -> Result<Vec<Version>, DbError> {
    let query = Query::new(SELECT).push("WHERE image_pk = ? ORDER BY pk", [image.into()]);
    tx.rows_of(&query).await?.iter().map(version).collect()
}

pub(in crate::library) async fn by_variant(
    db: &Db,
    image: i64,
    variant: &str,
) -> Result<Option<Version>, DbError> {
    let query = Query::new(SELECT).push("WHERE image_pk = ? AND variant = ?", [image.into(), variant.into()]);
    db.row_of(&query).await?.map(|row| version(&row)).transpose()
}

pub(in crate::library) async fn in_tx(
    tx: &mut Tx,
    image: i64,
    variant: &str,
) -> Result<Option<Version>, DbError> {
    let query = Query::new(SELECT).push("WHERE image_pk = ? AND variant = ?", [image.into(), variant.into()]);
    tx.row_of(&query).await?.map(|row| version(&row)).transpose()
}

pub(in crate::library) async fn by_id(tx: &mut Tx, image: i64, id: &str) -> Result<Option<Version>, DbError> {
    let query = Query::new(SELECT).push("WHERE image_pk = ? AND id = ?", [image.into(), id.into()]);
    tx.row_of(&query).await?.map(|row| version(&row)).transpose()
}

pub(in crate::library) async fn insert(
    tx: &mut Tx,
    image: i64,
    id: &str,
    new: &NewVersion,
    kept: &Kept,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO versions (id, image_pk, variant, spec, storage, object_key, sha256, bytes, format, width, \
               height, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values: [Value; 12] = [
        id.into(),
        image.into(),
        new.variant.as_str().into(),
        new.spec.as_str().into(),
        kept.storage.as_str().into(),
        kept.key.as_str().into(),
        kept.sha256.to_string().into(),
        Value::Int(new.bytes.len() as i64),
        new.format.into(),
        new.width.into(),
        new.height.into(),
        now.into(),
    ];
    tx.execute(sql, &values).await?;
    count(tx, image, 1).await
}

pub(in crate::library) async fn remove(tx: &mut Tx, version: &Version) -> Result<bool, DbError> {
    if tx.execute("DELETE FROM versions WHERE pk = ?", &[version.pk.into()]).await? == 0 {
        return Ok(false);
    }
    count(tx, version.image_pk, -1).await?;
    Ok(true)
}

/// Versions that are still to be moved, in the order of their keys, each with its image's id and owner.
pub(in crate::library) async fn to_relocate(
    db: &Db,
    plan: &Relocation,
    after: i64,
    limit: u32,
) -> Result<Vec<(Version, ImageId, Option<i64>)>, DbError> {
    let select = "SELECT versions.pk AS pk, versions.id AS id, image_pk, spec, versions.storage AS storage, \
                  versions.object_key AS object_key, versions.sha256 AS sha256, versions.bytes AS bytes, \
                  versions.format AS format, versions.width AS width, versions.height AS height, \
                  versions.created_at AS created_at, images.id AS image_id, owner \
                  FROM versions JOIN images ON images.pk = image_pk WHERE versions.storage = ? AND versions.pk > ?";
    let query = Query::new(select).push("", [plan.from.as_str().into(), after.into()]);
    let query = match plan.owner {
        Some(owner) => query.push(" AND owner = ?", [owner.into()]),
        None => query,
    };
    let rows = db.rows_of(&query.push(" ORDER BY versions.pk LIMIT ?", [limit.into()])).await?;
    rows.iter().map(|row| Ok((version(row)?, row.parse("image_id")?, row.opt_int("owner")?))).collect()
}

/// `false` = it is gone, or was moved already.
pub(in crate::library) async fn set_storage(
    tx: &mut Tx,
    version: &Version,
    to: &str,
) -> Result<bool, DbError> {
    let sql = "UPDATE versions SET storage = ? WHERE pk = ? AND storage = ?";
    Ok(tx.execute(sql, &[to.into(), version.pk.into(), version.storage.as_str().into()]).await? > 0)
}

async fn count(tx: &mut Tx, image: i64, change: i64) -> Result<(), DbError> {
    let sql = "UPDATE images SET versions = versions + ? WHERE pk = ?";
    tx.execute(sql, &[change.into(), image.into()]).await.map(|_| ())
}

fn version(row: &Row) -> Result<Version, DbError> {
    Ok(Version {
        pk: row.int("pk")?,
        id: row.text("id")?,
        image_pk: row.int("image_pk")?,
        spec: row.text("spec")?,
        storage: row.text("storage")?,
        key: row.parse("object_key")?,
        sha256: row.parse("sha256")?,
        bytes: row.narrow("bytes")?,
        format: row.text("format")?,
        width: row.narrow("width")?,
        height: row.narrow("height")?,
        created_at: row.int("created_at")?,
    })
}
