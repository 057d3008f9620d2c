//! The statements that move images from one storage to another.

use super::{changed, images};
use crate::db::{Db, DbError, Query, Tx};
use crate::library::{Image, Relocation};

/// Images that are still to be moved, whatever their state, in the order of their keys.
pub(in crate::library) async fn after(
    db: &Db,
    plan: &Relocation,
    after: i64,
    limit: u32,
) -> Result<Vec<Image>, DbError> {
    let query = of(Query::new(select!("WHERE storage = ?")), plan, after)
        .push(" ORDER BY pk LIMIT ?", [limit.into()]);
    images(&db.rows_of(&query).await?)
}

pub(in crate::library) async fn count(db: &Db, plan: &Relocation, after: i64) -> Result<u64, DbError> {
    let query = of(Query::new("SELECT COUNT(*) AS total FROM images WHERE storage = ?"), plan, after);
    db.rows_of(&query).await?.first().map_or(Ok(0), |row| row.narrow("total"))
}

pub(in crate::library) async fn set_storage(tx: &mut Tx, image: &Image, to: &str) -> Result<(), DbError> {
    changed(tx, &image.id).await?;
    tx.execute("UPDATE images SET storage = ? WHERE pk = ?", &[to.into(), image.pk.into()]).await.map(|_| ())
}

fn of(query: Query, plan: &Relocation, after: i64) -> Query {
    let query = query.push("", [plan.from.as_str().into()]).push(" AND pk > ?", [after.into()]);
    match plan.owner {
        Some(owner) => query.push(" AND owner = ?", [owner.into()]),
        None => query,
    }
}
