//! The statements of the operator's own tables.

use super::audit::{Actor, Entry, Wanted};
use crate::db::{Db, DbError, Query, Value};

pub(super) async fn note(
    db: &Db,
    actor: Actor<'_>,
    action: &'static str,
    subject: &str,
    detail: &str,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO audit (at, actor, actor_name, address, action, subject, detail) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    let user = &actor.who.user;
    let values: [Value; 7] = [
        now.into(),
        user.id.as_str().into(),
        user.name.as_str().into(),
        actor.address.to_string().into(),
        action.into(),
        subject.chars().take(255).collect::<String>().into(),
        detail.into(),
    ];
    db.execute(sql, &values).await.map(|_| ())
}

pub(super) async fn entries(db: &Db, wanted: &Wanted<'_>) -> Result<Vec<Entry>, DbError> {
    let sql = "SELECT pk, at, actor, actor_name, address, action, subject, detail FROM audit WHERE pk < ?";
    let mut query = Query::new(sql).push("", [wanted.before.unwrap_or(i64::MAX).into()]);
    if let Some(actor) = wanted.actor {
        query = query.push(" AND actor = ?", [actor.into()]);
    }
    if let Some(action) = wanted.action {
        query = query.push(" AND action = ?", [action.into()]);
    }
    query = query.push(" ORDER BY pk DESC LIMIT ?", [wanted.limit.min(1000).into()]);
    let rows = db.rows_of(&query).await?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                number: row.int("pk")?,
                at: row.int("at")?,
                actor: row.text("actor")?,
                actor_name: row.text("actor_name")?,
                address: row.text("address")?,
                action: row.text("action")?,
                subject: row.text("subject")?,
                detail: row.text("detail")?,
            })
        })
        .collect()
}
