//! The statements about sessions, refresh tokens, API keys, invitations and links.

use super::{select, user};
use crate::accounts::{ApiKey, Role, Scopes, User};
use crate::db::{Db, DbError, Row, Tx, Value};

/// Statements that leave nothing in a copy of the database by which anybody could sign in, see what was shared, upload or
/// reach a user's storage.
pub const BLANK: [&str; 11] = [
    "UPDATE users SET password_hash = NULL",
    "UPDATE api_keys SET hash = ''",
    "DELETE FROM sessions",
    "DELETE FROM refresh_tokens",
    "DELETE FROM invites",
    "DELETE FROM link_tokens",
    // Links that are still to be mailed.
    "UPDATE jobs SET payload = NULL WHERE kind = 'mail'",
    "UPDATE share_links SET hash = id, password_hash = NULL",
    "UPDATE user_storages SET secret = X''",
    "DELETE FROM upload_tickets",
    // They hold signed links.
    "DELETE FROM upload_answers",
];

/// A refresh token as it is stored, with the session it belongs to.
pub(in crate::accounts) struct Refresh {
    pub session: i64,
    pub sid: String,
    pub user: User,
    pub used: bool,
    pub revoked: bool,
    pub expires_at: i64,
}

pub(in crate::accounts) async fn insert_session(
    tx: &mut Tx,
    sid: &str,
    user: i64,
    expires_at: i64,
    now: i64,
) -> Result<i64, DbError> {
    let sql = "INSERT INTO sessions (id, user_pk, created_at, used_at, expires_at) VALUES (?, ?, ?, ?, ?)";
    tx.execute(sql, &[sid.into(), user.into(), now.into(), now.into(), expires_at.into()]).await?;
    let row = tx.row("SELECT pk FROM sessions WHERE id = ?", &[sid.into()]).await?;
    row.map_or(Ok(0), |row| row.int("pk"))
}

pub(in crate::accounts) async fn insert_refresh(
    tx: &mut Tx,
    hash: &str,
    session: i64,
    expires_at: i64,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO refresh_tokens (hash, session_pk, created_at, expires_at) VALUES (?, ?, ?, ?)";
    tx.execute(sql, &[hash.into(), session.into(), now.into(), expires_at.into()]).await?;
    let sql = "UPDATE sessions SET used_at = ?, expires_at = ? WHERE pk = ?";
    tx.execute(sql, &[now.into(), expires_at.into(), session.into()]).await.map(|_| ())
}

pub(in crate::accounts) async fn refresh(tx: &mut Tx, hash: &str) -> Result<Option<Refresh>, DbError> {
    let sql = "SELECT session_pk, user_pk, refresh_tokens.used_at AS used_at, revoked_at, sessions.id AS sid, \
               refresh_tokens.expires_at AS expires_at FROM refresh_tokens \
               JOIN sessions ON sessions.pk = session_pk WHERE hash = ?";
    let Some(row) = tx.row(sql, &[hash.into()]).await? else { return Ok(None) };
    let owner = tx.row(select!("WHERE pk = ?"), &[row.int("user_pk")?.into()]).await?;
    let Some(owner) = owner else { return Ok(None) };
    Ok(Some(Refresh {
        session: row.int("session_pk")?,
        sid: row.text("sid")?,
        user: user(&owner)?,
        used: row.opt_int("used_at")?.is_some(),
        revoked: row.opt_int("revoked_at")?.is_some(),
        expires_at: row.int("expires_at")?,
    }))
}

/// `false` if somebody was first.
pub(in crate::accounts) async fn use_refresh(tx: &mut Tx, hash: &str, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE refresh_tokens SET used_at = ? WHERE hash = ? AND used_at IS NULL";
    Ok(tx.execute(sql, &[now.into(), hash.into()]).await? == 1)
}

/// The account of a session that lives, for a token that was made in it during the second that begins at `made_at`. One
/// that was exchanged for another is good for a little longer, for requests that were on their way.
pub(in crate::accounts) async fn session_user(
    db: &Db,
    sid: &str,
    made_at: i64,
    now: i64,
) -> Result<Option<User>, DbError> {
    let sql = select!(
        "JOIN sessions ON sessions.user_pk = users.pk \
         WHERE sessions.id = ? AND revoked_at IS NULL AND expires_at > ? \
         AND (renewed_at IS NULL OR renewed_at <= ? OR renewed_at > ?)"
    );
    let values = [sid.into(), now.into(), (made_at + 999).into(), (now - OVERLAP).into()];
    db.row(sql, &values).await?.map(|row| user(&row)).transpose()
}

/// From now on tokens of the session that were made before are old ones; unless this one is an old one itself, of which
/// there may be several at once.
pub(in crate::accounts) async fn renewed(db: &Db, sid: &str, made_at: i64, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE sessions SET renewed_at = ? \
               WHERE id = ? AND revoked_at IS NULL AND (renewed_at IS NULL OR renewed_at <= ?)";
    db.execute(sql, &[now.into(), sid.into(), (made_at + 999).into()]).await.map(|_| ())
}

/// How long an access token lasts that was exchanged for another one.
const OVERLAP: i64 = 30_000;

pub(in crate::accounts) async fn revoke_session(tx: &mut Tx, sid: &str, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL";
    tx.execute(sql, &[now.into(), sid.into()]).await.map(|_| ())
}

pub(in crate::accounts) async fn revoke_sessions(tx: &mut Tx, user: i64, now: i64) -> Result<u64, DbError> {
    let sql = "UPDATE sessions SET revoked_at = ? WHERE user_pk = ? AND revoked_at IS NULL";
    tx.execute(sql, &[now.into(), user.into()]).await
}

/// Sessions and links that ended before `before`, with everything that hangs on them.
pub(in crate::accounts) async fn sweep(db: &Db, before: i64) -> Result<u64, DbError> {
    let mut gone = 0;
    for sql in [
        "DELETE FROM sessions WHERE expires_at < ?",
        "DELETE FROM link_tokens WHERE expires_at < ?",
        "DELETE FROM invites WHERE expires_at < ?",
    ] {
        gone += db.execute(sql, &[before.into()]).await?;
    }
    Ok(gone)
}

/// How many [`sweep`] would remove, without what hangs on them.
pub(in crate::accounts) async fn sweepable(db: &Db, before: i64) -> Result<u64, DbError> {
    let mut found = 0;
    for sql in [
        "SELECT COUNT(*) AS ended FROM sessions WHERE expires_at < ?",
        "SELECT COUNT(*) AS ended FROM link_tokens WHERE expires_at < ?",
        "SELECT COUNT(*) AS ended FROM invites WHERE expires_at < ?",
        "SELECT COUNT(*) AS ended FROM login_failures WHERE last_at < ?",
    ] {
        let row = db.row(sql, &[before.into()]).await?;
        found += row.map_or(Ok(0), |row| row.narrow::<u64>("ended"))?;
    }
    Ok(found)
}

pub(in crate::accounts) struct NewKey<'a> {
    pub id: &'a str,
    pub user: i64,
    pub hash: &'a str,
    pub name: &'a str,
    pub scopes: Scopes,
    pub expires_at: Option<i64>,
}

pub(in crate::accounts) async fn insert_key(tx: &mut Tx, key: &NewKey<'_>, now: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO api_keys (id, user_pk, hash, name, scopes, created_at, expires_at) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values: [Value; 7] = [
        key.id.into(),
        key.user.into(),
        key.hash.into(),
        key.name.into(),
        key.scopes.to_string().into(),
        now.into(),
        key.expires_at.into(),
    ];
    tx.execute(sql, &values).await.map(|_| ())
}

const KEY: &str = "SELECT pk, id, user_pk, hash, name, scopes, created_at, expires_at, used_at, revoked_at \
                   FROM api_keys WHERE id = ?";

/// A key with its hash and the key of its owner.
pub(in crate::accounts) async fn key(db: &Db, id: &str) -> Result<Option<(ApiKey, String, i64)>, DbError> {
    let Some(row) = db.row(KEY, &[id.into()]).await? else { return Ok(None) };
    Ok(Some((api_key(&row)?, row.text("hash")?, row.int("user_pk")?)))
}

/// Those that were not revoked, newest first.
pub(in crate::accounts) async fn keys(db: &Db, user: i64) -> Result<Vec<ApiKey>, DbError> {
    let sql = "SELECT pk, id, name, scopes, created_at, expires_at, used_at, revoked_at FROM api_keys \
               WHERE user_pk = ? AND revoked_at IS NULL ORDER BY pk DESC";
    db.rows(sql, &[user.into()]).await?.iter().map(api_key).collect()
}

pub(in crate::accounts) async fn revoke_key(db: &Db, user: i64, id: &str, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE api_keys SET revoked_at = ? WHERE user_pk = ? AND id = ? AND revoked_at IS NULL";
    Ok(db.execute(sql, &[now.into(), user.into(), id.into()]).await? == 1)
}

pub(in crate::accounts) async fn revoke_keys_named(
    tx: &mut Tx,
    user: i64,
    name: &str,
    now: i64,
) -> Result<u64, DbError> {
    let sql = "UPDATE api_keys SET revoked_at = ? WHERE user_pk = ? AND name = ? AND revoked_at IS NULL";
    tx.execute(sql, &[now.into(), user.into(), name.into()]).await
}

pub(in crate::accounts) async fn key_used(tx: &mut Tx, pk: i64, at: i64) -> Result<(), DbError> {
    let sql = "UPDATE api_keys SET used_at = ? WHERE pk = ? AND (used_at IS NULL OR used_at < ?)";
    tx.execute(sql, &[at.into(), pk.into(), at.into()]).await.map(|_| ())
}

pub(in crate::accounts) async fn insert_invite(
    db: &Db,
    hash: &str,
    role: Role,
    by: Option<i64>,
    expires_at: i64,
    now: i64,
) -> Result<(), DbError> {
    let sql = "INSERT INTO invites (hash, role, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?)";
    let values = [hash.into(), role.as_str().into(), by.into(), now.into(), expires_at.into()];
    db.execute(sql, &values).await.map(|_| ())
}

pub(in crate::accounts) async fn has_invite(db: &Db, hash: &str, now: i64) -> Result<bool, DbError> {
    let sql = "SELECT pk FROM invites WHERE hash = ? AND used_at IS NULL AND expires_at > ?";
    Ok(db.row(sql, &[hash.into(), now.into()]).await?.is_some())
}

/// The role that an invitation gives, if it is there, unused and not expired; it is used then.
pub(in crate::accounts) async fn use_invite(
    tx: &mut Tx,
    hash: &str,
    now: i64,
) -> Result<Option<Role>, DbError> {
    let sql = "UPDATE invites SET used_at = ? WHERE hash = ? AND used_at IS NULL AND expires_at > ?";
    if tx.execute(sql, &[now.into(), hash.into(), now.into()]).await? == 0 {
        return Ok(None);
    }
    let row = tx.row("SELECT role FROM invites WHERE hash = ?", &[hash.into()]).await?;
    row.map(|row| row.parse("role")).transpose()
}

pub(in crate::accounts) async fn invited(tx: &mut Tx, hash: &str, user: i64) -> Result<(), DbError> {
    tx.execute("UPDATE invites SET used_by = ? WHERE hash = ?", &[user.into(), hash.into()]).await.map(|_| ())
}

/// Makes a link; older ones of the same user and purpose end.
pub(in crate::accounts) async fn insert_link(
    tx: &mut Tx,
    hash: &str,
    purpose: &'static str,
    user: Option<i64>,
    expires_at: i64,
    now: i64,
) -> Result<(), DbError> {
    end_links(tx, purpose, user).await?;
    let sql =
        "INSERT INTO link_tokens (hash, purpose, user_pk, created_at, expires_at) VALUES (?, ?, ?, ?, ?)";
    let values = [hash.into(), purpose.into(), user.into(), now.into(), expires_at.into()];
    tx.execute(sql, &values).await.map(|_| ())
}

/// How many links of a purpose an account was given since then.
pub(in crate::accounts) async fn links_since(
    tx: &mut Tx,
    purpose: &'static str,
    user: i64,
    since: i64,
) -> Result<u64, DbError> {
    let sql =
        "SELECT COUNT(*) AS total FROM link_tokens WHERE user_pk = ? AND purpose = ? AND created_at > ?";
    let row = tx.row(sql, &[user.into(), purpose.into(), since.into()]).await?;
    row.map_or(Ok(0), |row| row.narrow("total"))
}

pub(in crate::accounts) async fn end_links(
    tx: &mut Tx,
    purpose: &'static str,
    user: Option<i64>,
) -> Result<(), DbError> {
    match user {
        Some(user) => {
            // Their rows stay until they expire: what was asked for lately is counted.
            let sql = "UPDATE link_tokens SET used_at = created_at \
                       WHERE purpose = ? AND user_pk = ? AND used_at IS NULL";
            tx.execute(sql, &[purpose.into(), user.into()]).await
        }
        None => {
            let sql = "DELETE FROM link_tokens WHERE purpose = ? AND user_pk IS NULL";
            tx.execute(sql, &[purpose.into()]).await
        }
    }
    .map(|_| ())
}

/// Whom an unused link is for: `Some(None)` for nobody yet.
pub(in crate::accounts) async fn link(
    db: &Db,
    hash: &str,
    purpose: &'static str,
    now: i64,
) -> Result<Option<Option<i64>>, DbError> {
    let sql = "SELECT user_pk FROM link_tokens \
               WHERE hash = ? AND purpose = ? AND used_at IS NULL AND expires_at > ?";
    let row = db.row(sql, &[hash.into(), purpose.into(), now.into()]).await?;
    row.map(|row| row.opt_int("user_pk")).transpose()
}

/// `false` if it was used meanwhile.
pub(in crate::accounts) async fn use_link(
    tx: &mut Tx,
    hash: &str,
    purpose: &'static str,
    now: i64,
) -> Result<bool, DbError> {
    let sql = "UPDATE link_tokens SET used_at = ? \
               WHERE hash = ? AND purpose = ? AND used_at IS NULL AND expires_at > ?";
    Ok(tx.execute(sql, &[now.into(), hash.into(), purpose.into(), now.into()]).await? == 1)
}

fn api_key(row: &Row) -> Result<ApiKey, DbError> {
    Ok(ApiKey {
        pk: row.int("pk")?,
        id: row.text("id")?,
        name: row.text("name")?,
        scopes: row.parse("scopes")?,
        created_at: row.int("created_at")?,
        expires_at: row.opt_int("expires_at")?,
        used_at: row.opt_int("used_at")?,
        revoked_at: row.opt_int("revoked_at")?,
    })
}
