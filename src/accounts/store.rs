//! The statements about users and failed sign-ins; those about secrets are in `tokens`.

pub(super) mod tokens;

use super::password::PasswordHash;
use super::user::Checked;
use super::{AccountsError, Quota, Role, User, token};
use crate::db::{Db, DbError, Row, Tx, Value};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT users.pk AS pk, users.id AS id, users.name AS name, email, password_hash, role, quota_bytes, quota_files, ",
            "token_generation, users.created_at AS created_at, users.updated_at AS updated_at, disabled_at FROM users ",
            $rest
        )
    };
}
pub(super) use select;

pub(super) async fn by_pk(db: &Db, pk: i64) -> Result<Option<User>, DbError> {
    db.row(select!("WHERE pk = ?"), &[pk.into()]).await?.map(|row| user(&row)).transpose()
}

pub(super) async fn by_id(db: &Db, id: &str) -> Result<Option<User>, DbError> {
    db.row(select!("WHERE id = ?"), &[id.into()]).await?.map(|row| user(&row)).transpose()
}

/// By what somebody typed: no name holds an `@`, every address does.
pub(super) async fn by_login(
    db: &Db,
    login: &str,
) -> Result<Option<(User, Option<PasswordHash>)>, AccountsError> {
    let sql = if login.contains('@') { select!("WHERE email = ?") } else { select!("WHERE name_key = ?") };
    let Some(row) = db.row(sql, &[login.trim().to_lowercase().into()]).await? else { return Ok(None) };
    let hash = row.opt_text("password_hash")?.map(|hash| hash.parse()).transpose()?;
    Ok(Some((user(&row)?, hash)))
}

pub(super) async fn password_hash(db: &Db, pk: i64) -> Result<Option<String>, DbError> {
    let row = db.row("SELECT password_hash FROM users WHERE pk = ?", &[pk.into()]).await?;
    row.map_or(Ok(None), |row| row.opt_text("password_hash"))
}

/// The account, unless it was disabled or its password changed since `hash` was read.
pub(super) async fn same_password(
    tx: &mut Tx,
    pk: i64,
    hash: Option<&PasswordHash>,
) -> Result<Option<User>, DbError> {
    let sql = select!("WHERE pk = ? AND password_hash = ? AND disabled_at IS NULL");
    let row = tx.row(sql, &[pk.into(), hash.map(PasswordHash::as_str).into()]).await?;
    row.map(|row| user(&row)).transpose()
}

pub(super) async fn list(db: &Db, after: i64, limit: u32) -> Result<Vec<User>, DbError> {
    let rows = db.rows(select!("WHERE pk > ? ORDER BY pk LIMIT ?"), &[after.into(), limit.into()]).await?;
    rows.iter().map(user).collect()
}

pub(super) async fn is_empty(tx: &mut Tx) -> Result<bool, DbError> {
    Ok(tx.row("SELECT pk FROM users LIMIT 1", &[]).await?.is_none())
}

pub(super) async fn insert(
    tx: &mut Tx,
    new: &Checked,
    role: Role,
    hash: Option<&PasswordHash>,
    now: i64,
) -> Result<User, AccountsError> {
    let id = token::public_id()?;
    let sql = "INSERT INTO users (id, name, name_key, email, password_hash, role, token_generation, created_at, \
               updated_at) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)";
    let values: [Value; 8] = [
        id.as_str().into(),
        new.name.as_str().into(),
        new.name_key.as_str().into(),
        new.email.clone().into(),
        hash.map(PasswordHash::as_str).into(),
        role.as_str().into(),
        now.into(),
        now.into(),
    ];
    match tx.execute(sql, &values).await {
        Ok(_) => {}
        Err(error) if error.is_unique_violation() => return Err(AccountsError::NameTaken),
        Err(error) => return Err(error.into()),
    }
    let row = tx.row(select!("WHERE id = ?"), &[id.into()]).await?;
    let row = row.ok_or(AccountsError::NotFound { what: "user" })?;
    Ok(user(&row)?)
}

/// Another password; with `end_all` everything that the old one opened ends.
pub(super) async fn set_password(
    tx: &mut Tx,
    pk: i64,
    hash: &PasswordHash,
    end_all: bool,
    now: i64,
) -> Result<(), AccountsError> {
    let sql = "UPDATE users SET password_hash = ?, updated_at = ?, token_generation = token_generation + ? \
               WHERE pk = ?";
    let values = [hash.as_str().into(), now.into(), end_all.into(), pk.into()];
    found(tx.execute(sql, &values).await?)
}

pub(super) async fn end_tokens(tx: &mut Tx, pk: i64, now: i64) -> Result<(), AccountsError> {
    let sql = "UPDATE users SET token_generation = token_generation + 1, updated_at = ? WHERE pk = ?";
    found(tx.execute(sql, &[now.into(), pk.into()]).await?)
}

pub(super) async fn set_role(tx: &mut Tx, pk: i64, role: Role, now: i64) -> Result<(), AccountsError> {
    let sql = "UPDATE users SET role = ?, updated_at = ? WHERE pk = ?";
    found(tx.execute(sql, &[role.as_str().into(), now.into(), pk.into()]).await?)
}

pub(super) async fn set_disabled(
    tx: &mut Tx,
    pk: i64,
    disabled_at: Option<i64>,
    now: i64,
) -> Result<(), AccountsError> {
    let sql = "UPDATE users SET disabled_at = ?, updated_at = ? WHERE pk = ?";
    found(tx.execute(sql, &[disabled_at.into(), now.into(), pk.into()]).await?)
}

pub(super) async fn set_quota(tx: &mut Tx, pk: i64, quota: Quota, now: i64) -> Result<(), AccountsError> {
    let int = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    let sql = "UPDATE users SET quota_bytes = ?, quota_files = ?, updated_at = ? WHERE pk = ?";
    let values = [int(quota.bytes).into(), int(quota.files).into(), now.into(), pk.into()];
    found(tx.execute(sql, &values).await?)
}

pub(super) async fn delete(tx: &mut Tx, pk: i64) -> Result<(), AccountsError> {
    found(tx.execute("DELETE FROM users WHERE pk = ?", &[pk.into()]).await?)
}

/// Whether somebody else could still administrate.
pub(super) async fn has_other_admin(tx: &mut Tx, pk: i64) -> Result<bool, DbError> {
    let sql = "SELECT pk FROM users WHERE role = 'admin' AND disabled_at IS NULL AND pk <> ? LIMIT 1";
    Ok(tx.row(sql, &[pk.into()]).await?.is_some())
}

/// How often `subject` failed lately and until when it must wait.
pub(super) async fn failures(tx: &mut Tx, subject: &str, since: i64) -> Result<(i64, i64), DbError> {
    let sql = "SELECT failures, locked_until FROM login_failures WHERE subject = ? AND last_at >= ?";
    match tx.row(sql, &[subject.into(), since.into()]).await? {
        Some(row) => Ok((row.int("failures")?, row.int("locked_until")?)),
        None => Ok((0, 0)),
    }
}

pub(super) async fn note_failure(
    tx: &mut Tx,
    subject: &str,
    failures: i64,
    locked_until: i64,
    now: i64,
) -> Result<(), DbError> {
    let values = [failures.into(), now.into(), locked_until.into(), subject.into()];
    let sql = "UPDATE login_failures SET failures = ?, last_at = ?, locked_until = ? WHERE subject = ?";
    if tx.execute(sql, &values).await? == 0 {
        let sql = "INSERT INTO login_failures (failures, last_at, locked_until, subject) VALUES (?, ?, ?, ?)";
        tx.execute(sql, &values).await?;
    }
    Ok(())
}

pub(super) async fn take_failure_back(db: &Db, subject: &str) -> Result<u64, DbError> {
    let sql = "UPDATE login_failures SET failures = failures - 1, locked_until = 0 WHERE subject = ?";
    db.execute(sql, &[subject.into()]).await
}

pub(super) async fn forget_failures(tx: &mut Tx, subject: &str) -> Result<(), DbError> {
    tx.execute("DELETE FROM login_failures WHERE subject = ?", &[subject.into()]).await.map(|_| ())
}

pub(super) async fn sweep_failures(db: &Db, before: i64) -> Result<u64, DbError> {
    db.execute("DELETE FROM login_failures WHERE last_at < ?", &[before.into()]).await
}

pub(super) async fn settings(db: &Db) -> Result<Vec<(String, String)>, DbError> {
    let rows = db.rows("SELECT name, value FROM settings", &[]).await?;
    rows.iter().map(|row| Ok((row.text("name")?, row.text("value")?))).collect()
}

/// `None` = as if nobody had decided.
pub(super) async fn set_setting(
    tx: &mut Tx,
    name: &'static str,
    value: Option<&str>,
    now: i64,
) -> Result<(), DbError> {
    tx.execute("DELETE FROM settings WHERE name = ?", &[name.into()]).await?;
    if let Some(value) = value {
        let sql = "INSERT INTO settings (name, value, updated_at) VALUES (?, ?, ?)";
        tx.execute(sql, &[name.into(), value.into(), now.into()]).await?;
    }
    Ok(())
}

/// Accounts whose name begins like this, in any case.
pub(super) async fn list_named(db: &Db, prefix: &str, after: i64, limit: u32) -> Result<Vec<User>, DbError> {
    let key = prefix.to_lowercase();
    // Everything that begins with the prefix lies between it and itself with the last character there is.
    let until = format!("{key}\u{10FFFF}");
    let sql = select!("WHERE name_key >= ? AND name_key < ? AND pk > ? ORDER BY pk LIMIT ?");
    let rows = db.rows(sql, &[key.into(), until.into(), after.into(), limit.into()]).await?;
    rows.iter().map(user).collect()
}

pub(super) async fn count(db: &Db) -> Result<u64, DbError> {
    let row = db.row("SELECT COUNT(*) AS total FROM users", &[]).await?;
    row.map_or(Ok(0), |row| row.narrow("total"))
}

pub(super) fn user(row: &Row) -> Result<User, DbError> {
    let quota = |column| Ok::<_, DbError>(row.opt_int(column)?.map(|value| value.max(0) as u64));
    Ok(User {
        pk: row.int("pk")?,
        id: row.text("id")?,
        name: row.text("name")?,
        email: row.opt_text("email")?,
        role: row.parse("role")?,
        quota_bytes: quota("quota_bytes")?,
        quota_files: quota("quota_files")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
        disabled_at: row.opt_int("disabled_at")?,
        generation: row.int("token_generation")?,
    })
}

fn found(touched: u64) -> Result<(), AccountsError> {
    if touched == 0 { Err(AccountsError::NotFound { what: "user" }) } else { Ok(()) }
}
