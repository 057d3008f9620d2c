//! The statements about uploads that outlive a request.

pub(super) mod pending;

use crate::db::{Db, DbError, Row, Value};

/// An answer that was given, or will be.
pub(super) struct Answer {
    pub fingerprint: String,
    pub status: u16,
    /// `None` = the upload is still under way.
    pub text: Option<String>,
    pub expires_at: i64,
}

/// A permission as it stands.
pub(super) struct Ticket {
    pub owner: i64,
    pub max_bytes: u64,
    pub once: bool,
    pub wish: String,
    pub expires_at: i64,
    pub used: bool,
}

pub(super) async fn answer(db: &Db, id: &str) -> Result<Option<Answer>, DbError> {
    let sql = "SELECT fingerprint, status, answer, expires_at FROM upload_answers WHERE id = ?";
    let answer = |row: Row| {
        Ok(Answer {
            fingerprint: row.text("fingerprint")?,
            status: row.narrow("status")?,
            text: row.opt_text("answer")?,
            expires_at: row.int("expires_at")?,
        })
    };
    db.row(sql, &[id.into()]).await?.map(answer).transpose()
}

/// Fails where there is one.
pub(super) async fn begin_answer(
    db: &Db,
    id: &str,
    fingerprint: &str,
    expires_at: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO upload_answers (id, fingerprint, status, expires_at) VALUES (?, ?, 0, ?)";
    db.execute(sql, &[id.into(), fingerprint.into(), expires_at.into()]).await.map(|_| ())
}

pub(super) async fn end_answer(
    db: &Db,
    id: &str,
    status: u16,
    text: &str,
    expires_at: i64,
) -> Result<(), DbError> {
    let sql = "UPDATE upload_answers SET status = ?, answer = ?, expires_at = ? WHERE id = ?";
    let values = [u32::from(status).into(), text.into(), expires_at.into(), id.into()];
    db.execute(sql, &values).await.map(|_| ())
}

pub(super) async fn forget_answer(db: &Db, id: &str, expires_at: i64) -> Result<u64, DbError> {
    db.execute("DELETE FROM upload_answers WHERE id = ? AND expires_at = ?", &[id.into(), expires_at.into()])
        .await
}

pub(super) async fn insert_ticket(db: &Db, hash: &str, ticket: &Ticket, now: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO upload_tickets (hash, user_pk, max_bytes, once, wish, created_at, expires_at) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    let Ticket { owner, max_bytes, once, wish, expires_at, .. } = ticket;
    let values = [
        hash.into(),
        (*owner).into(),
        int(*max_bytes),
        (*once).into(),
        wish.as_str().into(),
        now.into(),
        (*expires_at).into(),
    ];
    db.execute(sql, &values).await.map(|_| ())
}

pub(super) async fn ticket(db: &Db, hash: &str) -> Result<Option<Ticket>, DbError> {
    let sql = "SELECT user_pk, max_bytes, once, wish, expires_at, used_at FROM upload_tickets WHERE hash = ?";
    let ticket = |row: Row| {
        Ok(Ticket {
            owner: row.int("user_pk")?,
            max_bytes: row.narrow("max_bytes")?,
            once: row.bool("once")?,
            wish: row.text("wish")?,
            expires_at: row.int("expires_at")?,
            used: row.opt_int("used_at")?.is_some(),
        })
    };
    db.row(sql, &[hash.into()]).await?.map(ticket).transpose()
}

/// Of many who come with one ticket at once one is let in. Whoever claimed it before `since` has died.
pub(super) async fn claim_ticket(db: &Db, hash: &str, since: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE upload_tickets SET claimed_at = ? \
               WHERE hash = ? AND used_at IS NULL AND (claimed_at IS NULL OR claimed_at < ?)";
    Ok(db.execute(sql, &[now.into(), hash.into(), since.into()]).await? > 0)
}

pub(super) async fn end_claim(db: &Db, hash: &str, used_at: Option<i64>) -> Result<(), DbError> {
    let sql = "UPDATE upload_tickets SET claimed_at = NULL, used_at = ? WHERE hash = ?";
    db.execute(sql, &[used_at.into(), hash.into()]).await.map(|_| ())
}

/// Answers and tickets that ended before.
pub(super) async fn sweep(db: &Db, now: i64, tickets_before: i64) -> Result<u64, DbError> {
    let answers = db.execute("DELETE FROM upload_answers WHERE expires_at < ?", &[now.into()]).await?;
    let tickets = "DELETE FROM upload_tickets WHERE expires_at < ?";
    Ok(answers + db.execute(tickets, &[tickets_before.into()]).await?)
}

fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
