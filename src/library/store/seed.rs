//! The statements that fill a library with rows by the thousand. Each kind of row is one text with a fixed number of
//! rows, so that an engine prepares it once; what may be NULL is a text of its own, because NULL is part of a text on
//! PostgreSQL.

use super::super::seed::{Made, Sums};
use crate::db::{Db, DbError, Query, Tx, Value};

/// The key of every image of a batch, by its place in it.
pub(in crate::library) async fn images(
    tx: &mut Tx,
    storage: &str,
    made: &[Made],
) -> Result<Vec<i64>, DbError> {
    let last = tx.row("SELECT COALESCE(MAX(pk), 0) AS last FROM images", &[]).await?;
    let last = last.map_or(Ok(0), |row| row.int("last"))?;
    let live = |made: &&Made| made.deleted_at.is_none() && made.expires_at.is_none();
    let rows = |of: &mut dyn Iterator<Item = &Made>| of.map(|made| row(made, storage)).collect();
    many(tx, &LIVE, rows(&mut made.iter().filter(live))).await?;
    many(tx, &TRASHED, rows(&mut made.iter().filter(|made| made.deleted_at.is_some()))).await?;
    many(tx, &EXPIRING, rows(&mut made.iter().filter(|made| made.expires_at.is_some()))).await?;
    let rows = tx.rows("SELECT pk, id FROM images WHERE pk > ?", &[last.into()]).await?;
    let keys = rows.iter().map(|row| Ok((row.text("id")?, row.int("pk")?)));
    let keys = keys.collect::<Result<std::collections::HashMap<_, _>, DbError>>()?;
    made.iter().map(|made| keys.get(&made.id).copied()).collect::<Option<_>>().ok_or_else(|| {
        DbError::Corrupt { column: "id", why: "an image is not there after it was made".to_owned() }
    })
}

pub(in crate::library) async fn objects(tx: &mut Tx, storage: &str, made: &[Made]) -> Result<(), DbError> {
    let rows = made.iter().map(|made| {
        let (key, sha256) = (made.key.as_str().into(), made.sha256.to_string().into());
        vec![storage.into(), key, sha256, made.bytes.into(), made.created_at.into()]
    });
    many(tx, &OBJECTS, rows.collect()).await
}

pub(in crate::library) async fn terms(tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<(), DbError> {
    many(tx, &TERMS, rows).await
}

pub(in crate::library) async fn tags(tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<(), DbError> {
    many(tx, &TAGS, rows).await
}

pub(in crate::library) async fn albums(tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<(), DbError> {
    many(tx, &ALBUMS, rows).await
}

/// Adds what was made to everything that is counted beside it.
pub(in crate::library) async fn count(tx: &mut Tx, sums: &Sums) -> Result<(), DbError> {
    for (owner, sum) in &sums.owners {
        let (bytes, files) =
            ("UPDATE user_usage SET bytes = bytes + ?, files = files + ? WHERE user_pk = ?", sum);
        let files = [files.bytes.into(), (files.live + files.trashed).into(), (*owner).into()];
        if tx.execute(bytes, &files).await? == 0 {
            let first = "INSERT INTO user_usage (bytes, files, user_pk, reserved_bytes, reserved_files) VALUES (?, ?, ?, 0, 0)";
            tx.execute(first, &files).await?;
        }
        let counts = [sum.live.into(), sum.trashed.into(), (*owner).into()];
        let more = "UPDATE image_counts SET live = live + ?, trashed = trashed + ? WHERE owner = ?";
        if tx.execute(more, &counts).await? == 0 {
            tx.execute("INSERT INTO image_counts (live, trashed, owner) VALUES (?, ?, ?)", &counts).await?;
        }
    }
    for (tag, images) in &sums.tags {
        let sql = "UPDATE tags SET images = images + ? WHERE pk = ?";
        tx.execute(sql, &[(*images).into(), (*tag).into()]).await?;
    }
    for (album, images) in &sums.albums {
        let sql = "UPDATE albums SET images = images + ? WHERE pk = ?";
        tx.execute(sql, &[(*images).into(), (*album).into()]).await?;
    }
    Ok(())
}

/// Whether there is neither an image nor an account.
pub(in crate::library) async fn is_empty(db: &Db) -> Result<bool, DbError> {
    let image = db.row("SELECT pk FROM images ORDER BY pk LIMIT 1", &[]).await?;
    let user = db.row("SELECT pk FROM users ORDER BY pk LIMIT 1", &[]).await?;
    Ok(image.is_none() && user.is_none())
}

/// A kind of row: the statement up to its first row, and one more row.
struct Insert {
    first: &'static str,
    next: &'static str,
}

macro_rules! image_rows {
    ($column:literal, $value:literal) => {
        Insert {
            first: concat!(
                "INSERT INTO images (id, name, sha256, md5, bytes, format, width, height, orientation, frames, ",
                "has_alpha, depth, progressive, visibility, storage, object_key, owner, created_at, updated_at, ",
                "trashed, views",
                $column,
                ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 0, 8, 0, ?, ?, ?, ?, ?, ?, ?, ?",
                $value,
                ")"
            ),
            next: concat!(
                ", (?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 0, 8, 0, ?, ?, ?, ?, ?, ?, ?, ?",
                $value,
                ")"
            ),
        }
    };
}

const LIVE: Insert = image_rows!("", "");
const TRASHED: Insert = image_rows!(", deleted_at", ", ?");
const EXPIRING: Insert = image_rows!(", expires_at", ", ?");
const OBJECTS: Insert = Insert {
    first: "INSERT INTO objects (storage, object_key, sha256, bytes, refs, created_at) VALUES (?, ?, ?, ?, 1, ?)",
    next: ", (?, ?, ?, ?, 1, ?)",
};
const TERMS: Insert = Insert {
    first: "INSERT INTO image_terms (owner, term, created_at, image_pk, uses) VALUES (?, ?, ?, ?, ?)",
    next: ", (?, ?, ?, ?, ?)",
};
const TAGS: Insert = Insert {
    first: "INSERT INTO image_tags (tag_pk, created_at, image_pk) VALUES (?, ?, ?)",
    next: ", (?, ?, ?)",
};
const ALBUMS: Insert = Insert {
    first: "INSERT INTO album_images (album_pk, image_pk, position) VALUES (?, ?, ?)",
    next: ", (?, ?, ?)",
};

/// In one statement: enough that the way to a server does not count, and few enough that its text stays short.
const ROWS: usize = 100;

async fn many(tx: &mut Tx, insert: &Insert, rows: Vec<Vec<Value>>) -> Result<(), DbError> {
    let mut rows = rows.into_iter().peekable();
    while let Some(first) = rows.next() {
        let query = Query::new(insert.first).push("", first);
        let query = rows.by_ref().take(ROWS - 1).fold(query, |query, row| query.push(insert.next, row));
        tx.execute_of(&query).await?;
    }
    Ok(())
}

fn row(made: &Made, storage: &str) -> Vec<Value> {
    let mut values = vec![
        made.id.as_str().into(),
        made.name.as_str().into(),
        made.sha256.to_string().into(),
        made.md5.to_string().into(),
        made.bytes.into(),
        made.format.into(),
        made.width.into(),
        made.height.into(),
        made.visibility.as_str().into(),
        storage.into(),
        made.key.as_str().into(),
        made.owner.into(),
        made.created_at.into(),
        made.created_at.into(),
        made.deleted_at.is_some().into(),
        made.views.into(),
    ];
    values.extend(made.deleted_at.or(made.expires_at).map(Value::Int));
    values
}
