//! The statements about uploads that take more than one request. What several may want at once is one statement each,
//! whose condition says how things were when they were looked at.

use super::int;
use crate::db::{Db, DbError, Query, Row, Tx};
use crate::storage::{PieceKey, StagedKey};

/// An upload as it stands.
#[derive(Debug, Clone)]
pub(in crate::upload) struct Pending {
    pub id: String,
    pub owner: i64,
    pub storage: String,
    pub total: u64,
    pub received: u64,
    /// As the client wrote it.
    pub metadata: Option<String>,
    pub wish: String,
    /// The name of the room that is promised; `None` = nothing limits the owner.
    pub promise: Option<String>,
    /// The object that somebody else brings.
    pub staged: Option<StagedKey>,
    /// The id of the image that it became.
    pub image: Option<String>,
    pub expires_at: i64,
    /// Nobody may see it any more.
    pub ended: bool,
}

/// A part that is kept.
#[derive(Debug, Clone)]
pub(in crate::upload) struct Piece {
    pub begins_at: u64,
    pub bytes: u64,
    pub key: PieceKey,
}

const COLUMNS: &str = "SELECT id, user_pk, storage, total_bytes, received, metadata, wish, promise, staged, image, \
                       expires_at, ended_at FROM pending_uploads";

pub(in crate::upload) async fn insert(db: &Db, new: &Pending, now: i64) -> Result<(), DbError> {
    let sql = "INSERT INTO pending_uploads (id, user_pk, storage, total_bytes, received, pieces, metadata, wish, \
               promise, staged, created_at, expires_at) VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?)";
    let values = [
        new.id.as_str().into(),
        new.owner.into(),
        new.storage.as_str().into(),
        int(new.total),
        new.metadata.as_deref().into(),
        new.wish.as_str().into(),
        new.promise.as_deref().into(),
        new.staged.as_ref().map(StagedKey::as_str).into(),
        now.into(),
        new.expires_at.into(),
    ];
    db.execute(sql, &values).await.map(|_| ())
}

/// The upload of this id, if it is this owner's.
pub(in crate::upload) async fn find(db: &Db, owner: i64, id: &str) -> Result<Option<Pending>, DbError> {
    let query = Query::new(COLUMNS).push(" WHERE id = ? AND user_pk = ?", [id.into(), owner.into()]);
    db.row_of(&query).await?.as_ref().map(pending).transpose()
}

/// What is over, whatever became of it, by id.
pub(in crate::upload) async fn expired(db: &Db, now: i64, after: &str) -> Result<Vec<Pending>, DbError> {
    let query = Query::new(COLUMNS)
        .push(" WHERE expires_at < ? AND id > ? ORDER BY id LIMIT 200", [now.into(), after.into()]);
    db.rows_of(&query).await?.iter().map(pending).collect()
}

/// Adds a part at the offset where the upload stands. `false` = it stands elsewhere, or is over, or has too many.
pub(in crate::upload) async fn add_piece(
    tx: &mut Tx,
    upload: &str,
    piece: &Piece,
    most: u32,
) -> Result<bool, DbError> {
    let sql = "UPDATE pending_uploads SET received = received + ?, pieces = pieces + 1 \
               WHERE id = ? AND received = ? AND pieces < ? AND image IS NULL AND ended_at IS NULL";
    let values = [int(piece.bytes), upload.into(), int(piece.begins_at), most.into()];
    if tx.execute(sql, &values).await? == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO upload_pieces (upload, begins_at, bytes, piece) VALUES (?, ?, ?, ?)";
    let values = [upload.into(), int(piece.begins_at), int(piece.bytes), piece.key.as_str().into()];
    tx.execute(sql, &values).await?;
    Ok(true)
}

/// In the order of their bytes.
pub(in crate::upload) async fn pieces(db: &Db, upload: &str) -> Result<Vec<Piece>, DbError> {
    let sql = "SELECT begins_at, bytes, piece FROM upload_pieces WHERE upload = ? ORDER BY begins_at";
    let piece = |row: &Row| {
        Ok(Piece {
            begins_at: row.narrow("begins_at")?,
            bytes: row.narrow("bytes")?,
            key: row.parse("piece")?,
        })
    };
    db.rows(sql, &[upload.into()]).await?.iter().map(piece).collect()
}

/// The upload became an image. `false` = somebody else ended it meanwhile.
pub(in crate::upload) async fn became(db: &Db, upload: &str, image: &str) -> Result<bool, DbError> {
    let sql = "UPDATE pending_uploads SET received = total_bytes, image = ?, claimed_at = NULL \
               WHERE id = ? AND image IS NULL AND ended_at IS NULL";
    Ok(db.execute(sql, &[image.into(), upload.into()]).await? > 0)
}

/// The upload comes to nothing. `false` = it is over already, or an image.
pub(in crate::upload) async fn fail(db: &Db, upload: &str, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE pending_uploads SET ended_at = ? WHERE id = ? AND image IS NULL AND ended_at IS NULL";
    Ok(db.execute(sql, &[now.into(), upload.into()]).await? > 0)
}

/// The upload is over; an image that it became stays. `false` = it was over already.
pub(in crate::upload) async fn end(db: &Db, upload: &str, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE pending_uploads SET ended_at = ? WHERE id = ? AND ended_at IS NULL";
    Ok(db.execute(sql, &[now.into(), upload.into()]).await? > 0)
}

/// Of many who would look at what arrived one is let in. Whoever began before `since` has died.
pub(in crate::upload) async fn claim(db: &Db, upload: &str, since: i64, now: i64) -> Result<bool, DbError> {
    let sql = "UPDATE pending_uploads SET claimed_at = ? WHERE id = ? AND image IS NULL AND ended_at IS NULL \
               AND (claimed_at IS NULL OR claimed_at < ?)";
    Ok(db.execute(sql, &[now.into(), upload.into(), since.into()]).await? > 0)
}

/// Gives back what was claimed at this time.
pub(in crate::upload) async fn unclaim(db: &Db, upload: &str, claimed_at: i64) -> Result<(), DbError> {
    let sql = "UPDATE pending_uploads SET claimed_at = NULL WHERE id = ? AND claimed_at = ?";
    db.execute(sql, &[upload.into(), claimed_at.into()]).await.map(|_| ())
}

/// What was brought is under another name now.
pub(in crate::upload) async fn set_staged(db: &Db, upload: &str, staged: &StagedKey) -> Result<(), DbError> {
    let sql = "UPDATE pending_uploads SET staged = ? WHERE id = ?";
    db.execute(sql, &[staged.as_str().into(), upload.into()]).await.map(|_| ())
}

pub(in crate::upload) async fn forget_pieces(db: &Db, upload: &str) -> Result<(), DbError> {
    db.execute("DELETE FROM upload_pieces WHERE upload = ?", &[upload.into()]).await.map(|_| ())
}

/// Forgets an upload.
pub(in crate::upload) async fn delete(db: &Db, upload: &str) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    tx.execute("DELETE FROM upload_pieces WHERE upload = ?", &[upload.into()]).await?;
    tx.execute("DELETE FROM pending_uploads WHERE id = ?", &[upload.into()]).await?;
    tx.commit().await
}

fn pending(row: &Row) -> Result<Pending, DbError> {
    let staged = match row.opt_text("staged")? {
        Some(_) => Some(row.parse("staged")?),
        None => None,
    };
    Ok(Pending {
        id: row.text("id")?,
        owner: row.int("user_pk")?,
        storage: row.text("storage")?,
        total: row.narrow("total_bytes")?,
        received: row.narrow("received")?,
        metadata: row.opt_text("metadata")?,
        wish: row.text("wish")?,
        promise: row.opt_text("promise")?,
        staged,
        image: row.opt_text("image")?,
        expires_at: row.int("expires_at")?,
        ended: row.opt_int("ended_at")?.is_some(),
    })
}
