//! The words that images are searched by. A term counts how many of an image's texts, its name and its tags, it stands
//! in, so that text can come and go without looking at the others, for one image or for all of a tag at once.

use std::collections::BTreeSet;

use super::super::Image;
use super::super::words::terms;
use crate::db::{Db, DbError, Query, Tx, Value};

/// A text is one of the image's from now on.
pub(in crate::library) async fn add(tx: &mut Tx, image: &Image, text: &str) -> Result<(), DbError> {
    let mut terms = terms(text);
    let mine = key(image);
    if !terms.is_empty() {
        let values = terms.iter().map(|term| term.as_str().into());
        let known = Query::new("SELECT term FROM image_terms WHERE image_pk = ?")
            .push("", [image.pk.into()])
            .push_list(" AND term IN ", values);
        let known: BTreeSet<String> =
            tx.rows_of(&known).await?.iter().map(|row| row.text("term")).collect::<Result<_, _>>()?;
        if !known.is_empty() {
            let again = Query::new(
                "UPDATE image_terms SET uses = uses + 1 WHERE owner = ? AND created_at = ? AND image_pk = ?",
            )
            .push("", mine.clone())
            .push_list(" AND term IN ", known.iter().map(|term| term.as_str().into()));
            tx.execute_of(&again).await?;
            terms.retain(|term| !known.contains(term));
        }
    }
    if terms.is_empty() {
        return Ok(());
    }
    let mut insert = Query::new("INSERT INTO image_terms (owner, created_at, image_pk, uses, term) VALUES ");
    for (at, term) in terms.into_iter().enumerate() {
        let values = mine.clone().into_iter().chain([Value::Text(term)]);
        insert = insert.push(if at == 0 { "(?, ?, ?, 1, ?)" } else { ", (?, ?, ?, 1, ?)" }, values);
    }
    tx.execute_of(&insert).await.map(|_| ())
}

/// A text is no longer one of the image's.
pub(in crate::library) async fn remove(tx: &mut Tx, image: &Image, text: &str) -> Result<(), DbError> {
    let terms = terms(text);
    if terms.is_empty() {
        return Ok(());
    }
    let values: Vec<Value> = terms.into_iter().map(Value::Text).collect();
    let less = Query::new(
        "UPDATE image_terms SET uses = uses - 1 WHERE owner = ? AND created_at = ? AND image_pk = ?",
    )
    .push("", key(image))
    .push_list(" AND term IN ", values);
    tx.execute_of(&less).await?;
    tx.execute("DELETE FROM image_terms WHERE image_pk = ? AND uses <= 0", &[image.pk.into()])
        .await
        .map(|_| ())
}

/// The words of a tag are those of all its images from now on.
pub(in crate::library) async fn add_to_tagged(
    tx: &mut Tx,
    owner: i64,
    tag: i64,
    name: &str,
) -> Result<(), DbError> {
    for term in terms(name) {
        let again = "UPDATE image_terms SET uses = uses + 1 WHERE owner = ? AND term = ? AND image_pk IN \
                     (SELECT image_pk FROM image_tags WHERE tag_pk = ?)";
        tx.execute(again, &[owner.into(), term.as_str().into(), tag.into()]).await?;
        let first = "INSERT INTO image_terms (owner, term, created_at, image_pk, uses) \
                     SELECT ?, ?, image_tags.created_at, image_tags.image_pk, 1 FROM image_tags \
                     WHERE image_tags.tag_pk = ? AND NOT EXISTS (SELECT 1 FROM image_terms AS had \
                     WHERE had.owner = ? AND had.term = ? AND had.image_pk = image_tags.image_pk)";
        let term = Value::Text(term);
        tx.execute(first, &[owner.into(), term.clone(), tag.into(), owner.into(), term]).await?;
    }
    Ok(())
}

/// The words of a tag are no longer those of its images. Before they lose the tag itself.
pub(in crate::library) async fn remove_from_tagged(
    tx: &mut Tx,
    owner: i64,
    tag: i64,
    name: &str,
) -> Result<(), DbError> {
    for term in terms(name) {
        let less = "UPDATE image_terms SET uses = uses - 1 WHERE owner = ? AND term = ? AND image_pk IN \
                    (SELECT image_pk FROM image_tags WHERE tag_pk = ?)";
        let term = Value::Text(term);
        tx.execute(less, &[owner.into(), term.clone(), tag.into()]).await?;
        let none = "DELETE FROM image_terms WHERE owner = ? AND term = ? AND uses <= 0";
        tx.execute(none, &[owner.into(), term]).await?;
    }
    Ok(())
}

/// Makes the terms of images that were recorded before there were any; of processes that start at once, one does it.
pub(in crate::library) async fn make(db: &Db) -> Result<(), DbError> {
    let row = db.row("SELECT value FROM counters WHERE name = 'image_terms'", &[]).await?;
    if row.map_or(Ok(RULES), |row| row.int("value"))? >= RULES {
        return Ok(());
    }
    let mut tx = db.write().await?;
    let mine = "UPDATE counters SET value = ? WHERE name = 'image_terms' AND value < ?";
    if tx.execute(mine, &[RULES.into(), RULES.into()]).await? == 0 {
        return Ok(());
    }
    let mut last = 0;
    loop {
        let some = Query::new(super::COLUMNS).push("WHERE pk > ? ORDER BY pk LIMIT 500", [Value::Int(last)]);
        let images = super::images(&tx.rows_of(&some).await?)?;
        let Some(image) = images.last() else { return tx.commit().await };
        last = image.pk;
        for image in &images {
            add(&mut tx, image, &image.name).await?;
        }
    }
}

/// Raised when text is taken apart by other rules; what was made by the old ones has to go then.
const RULES: i64 = 1;

/// Owner, time and image, of which the key of the table is made beside the term.
fn key(image: &Image) -> [Value; 3] {
    [image.owner.unwrap_or(0).into(), image.created_at.into(), image.pk.into()]
}
