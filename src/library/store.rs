//! The statements about images; what belongs to them is beneath.

pub(super) mod albums;
pub(super) mod counts;
pub(super) mod imported;
pub(super) mod list;
pub(super) mod objects;
pub(super) mod owned;
pub(super) mod redirects;
pub(super) mod seed;
pub(super) mod shares;
pub(super) mod tags;
pub(super) mod terms;
pub(super) mod trash;
pub(super) mod usage;
pub(super) mod versions;
pub(super) mod views;

use super::generations::Raised;
use super::listing::Reach;
use super::{Image, ImageId, LibraryError, NewImage, Page, Sameness, Scope, Shape, Visibility};
use crate::db::{Db, DbError, Query, Row, Tx, Value};
use crate::storage::{ContentHash, Md5};
use counts::{Move, moved};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT pk, id, name, sha256, md5, bytes, format, width, height, orientation, frames, has_alpha, depth, ",
            "progressive, focal_x, focal_y, visibility, storage, object_key, owner, created_at, updated_at, ",
            "deleted_at, expires_at, stored_name, versions, views, last_viewed_at FROM images ",
            $rest
        )
    };
}

pub(super) mod relocate;
/// All of an image's row, for statements that are put together.
pub(super) const COLUMNS: &str = select!("");

pub(super) async fn by_id(db: &Db, id: &str) -> Result<Option<Image>, DbError> {
    db.row(select!("WHERE id = ?"), &[id.into()]).await?.map(|row| image(&row)).transpose()
}

pub(super) async fn by_pk(db: &Db, pk: i64) -> Result<Option<Image>, DbError> {
    db.row(select!("WHERE pk = ?"), &[pk.into()]).await?.map(|row| image(&row)).transpose()
}

pub(super) async fn by_stored_name(db: &Db, name: &str) -> Result<Option<Image>, DbError> {
    // No column holds more, and some engines refuse to compare it.
    if name.len() > 255 || name.contains('\0') {
        return Ok(None);
    }
    db.row(select!("WHERE stored_name = ?"), &[name.into()]).await?.map(|row| image(&row)).transpose()
}

pub(super) async fn by_id_in(tx: &mut Tx, id: &ImageId) -> Result<Option<Image>, DbError> {
    tx.row(select!("WHERE id = ?"), &[id.as_str().into()]).await?.map(|row| image(&row)).transpose()
}

pub(super) async fn exif(db: &Db, pk: i64) -> Result<Option<String>, DbError> {
    let row = db.row("SELECT exif FROM images WHERE pk = ?", &[pk.into()]).await?;
    row.map_or(Ok(None), |row| row.opt_text("exif"))
}

/// Whether any image lies in the storage.
pub(super) async fn any_in(db: &Db, storage: &str) -> Result<bool, DbError> {
    Ok(any_key_in(db, storage).await?.is_some())
}

/// The key of some image's object there.
pub(super) async fn any_key_in(db: &Db, storage: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT object_key FROM images WHERE storage = ? ORDER BY pk LIMIT 1";
    db.row(sql, &[storage.into()]).await?.map(|row| row.text("object_key")).transpose()
}

/// Ends a row for good, and with it by cascade what refers to it. After [`changed`]; its versions are gone already.
pub(super) async fn delete(tx: &mut Tx, image: &Image) -> Result<(), DbError> {
    moved(tx, image, Move::Gone).await?;
    tx.execute("DELETE FROM images WHERE pk = ?", &[image.pk.into()]).await.map(|_| ())
}

pub(super) async fn by_md5(db: &Db, hash: &Md5) -> Result<Vec<Image>, DbError> {
    images(&db.rows(select!("WHERE md5 = ? ORDER BY pk"), &[hash.to_string().into()]).await?)
}

pub(super) async fn by_sha256(db: &Db, hash: &ContentHash) -> Result<Vec<Image>, DbError> {
    images(&db.rows(select!("WHERE sha256 = ? ORDER BY pk"), &[hash.to_string().into()]).await?)
}

pub(super) async fn list(db: &Db, page: &Page, now: i64) -> Result<Vec<Image>, DbError> {
    let sql = select!(
        "WHERE pk < ? AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?) ORDER BY pk DESC LIMIT ?"
    );
    let values = [page.before.unwrap_or(i64::MAX).into(), now.into(), page.limit.min(1000).into()];
    images(&db.rows(sql, &values).await?)
}

pub(super) async fn count(db: &Db, now: i64) -> Result<u64, DbError> {
    let sql = "SELECT COUNT(*) AS total FROM images \
               WHERE deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?)";
    db.row(sql, &[now.into()]).await?.map_or(Ok(0), |row| row.narrow("total"))
}

/// The image of the same owner that counts as the same as `new`.
pub(super) async fn same(tx: &mut Tx, new: &NewImage, same: Sameness) -> Result<Option<Image>, DbError> {
    if same == Sameness::Never {
        return Ok(None);
    }
    let sha256 = new.stored.sha256.to_string();
    let rows = tx.rows(select!("WHERE sha256 = ? ORDER BY pk"), &[sha256.into()]).await?;
    let images = images(&rows)?;
    Ok(images
        .into_iter()
        .find(|image| image.owner == new.owner && (same == Sameness::Content || image.name == new.name)))
}

/// Takes a repeated image out of the trash and gives it the expiry that the repeat asked for.
pub(super) async fn renew(
    tx: &mut Tx,
    mut image: Image,
    expires_at: Option<i64>,
    now: i64,
) -> Result<Image, DbError> {
    if image.deleted_at.is_none() && image.expires_at == expires_at {
        return Ok(image);
    }
    changed(tx, &image.id).await?;
    if image.deleted_at.is_some() {
        moved(tx, &image, Move::FromTrash).await?;
    }
    let sql = "UPDATE images SET deleted_at = NULL, trashed = 0, expires_at = ?, updated_at = ? WHERE pk = ?";
    tx.execute(sql, &[expires_at.into(), now.into(), image.pk.into()]).await?;
    (image.deleted_at, image.expires_at, image.updated_at) = (None, expires_at, now);
    Ok(image)
}

pub(super) async fn insert(tx: &mut Tx, new: &NewImage, now: i64) -> Result<Image, LibraryError> {
    // A made id that exists already is less likely than a broken disk; one that was given may well exist.
    let id = match &new.id {
        Some(id) => id.clone(),
        None => ImageId::random()?,
    };
    let sql = "INSERT INTO images (id, name, sha256, md5, bytes, format, width, height, orientation, frames, \
               has_alpha, depth, progressive, visibility, storage, object_key, owner, created_at, updated_at, \
               expires_at, stored_name, exif, views) \
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut values = vec![Value::from(id.as_str())];
    values.extend(content(new));
    let created_at = new.past.created_at.unwrap_or(now);
    values.extend([new.owner.into(), created_at.into(), now.into(), new.expires_at.into()]);
    values.extend([free_name(tx, new.stored_name.as_deref()).await?.into(), new.exif.clone().into()]);
    values.push(i64::try_from(new.past.views).unwrap_or(i64::MAX).into());
    match tx.execute(sql, &values).await {
        Ok(_) => {}
        Err(error) if error.is_unique_violation() => {
            return Err(LibraryError::IdTaken { id: id.to_string() });
        }
        Err(error) => return Err(error.into()),
    }
    let image = reread(tx, &id).await?;
    moved(tx, &image, Move::Came).await?;
    terms::add(tx, &image, &image.name).await?;
    Ok(image)
}

/// The wanted name, or one like it that nobody has.
async fn free_name(tx: &mut Tx, wanted: Option<&str>) -> Result<Option<String>, LibraryError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let taken = tx.row("SELECT pk FROM images WHERE stored_name = ?", &[wanted.into()]).await?.is_some();
    if !taken {
        return Ok(Some(wanted.to_owned()));
    }
    let more = ImageId::random()?;
    let (stem, extension) = wanted.rsplit_once('.').unwrap_or((wanted, ""));
    Ok(Some(format!("{stem}-{more}.{extension}")))
}

/// Other content under the same id; the focal point was that of the old picture.
pub(super) async fn replace(
    tx: &mut Tx,
    id: &ImageId,
    new: &NewImage,
    now: i64,
) -> Result<Image, LibraryError> {
    let sql = "UPDATE images SET name = ?, sha256 = ?, md5 = ?, bytes = ?, format = ?, width = ?, height = ?, \
               orientation = ?, frames = ?, has_alpha = ?, depth = ?, progressive = ?, visibility = ?, \
               storage = ?, object_key = ?, focal_x = NULL, focal_y = NULL, updated_at = ?, deleted_at = NULL, \
               trashed = 0, expires_at = ?, exif = ? WHERE id = ?";
    let mut values: Vec<Value> = content(new).into();
    values.extend([now.into(), new.expires_at.into(), new.exif.clone().into(), id.as_str().into()]);
    changed(tx, id).await?;
    let before = reread(tx, id).await?;
    if before.deleted_at.is_some() {
        moved(tx, &before, Move::FromTrash).await?;
    }
    terms::remove(tx, &before, &before.name).await?;
    tx.execute(sql, &values).await?;
    let image = reread(tx, id).await?;
    terms::add(tx, &image, &image.name).await?;
    Ok(image)
}

/// The images with these ids that are within reach, whatever their state.
pub(super) async fn within(tx: &mut Tx, reach: Reach, ids: &[&str]) -> Result<Vec<Image>, DbError> {
    let query = Query::new(COLUMNS).push_list("WHERE id IN ", ids.iter().map(|id| (*id).into()));
    let query = match reach {
        Reach::Owner(owner) => query.push(" AND owner = ?", [owner.into()]),
        Reach::Everybody => query,
    };
    images(&tx.rows_of(&query).await?)
}

pub(super) async fn rename(tx: &mut Tx, image: &Image, name: &str, now: i64) -> Result<(), DbError> {
    terms::remove(tx, image, &image.name).await?;
    let sql = "UPDATE images SET name = ?, updated_at = ? WHERE pk = ?";
    tx.execute(sql, &[name.into(), now.into(), image.pk.into()]).await?;
    terms::add(tx, image, name).await
}

pub(super) async fn set_visibility(
    tx: &mut Tx,
    image: i64,
    visibility: Visibility,
    now: i64,
) -> Result<(), DbError> {
    let sql = "UPDATE images SET visibility = ?, updated_at = ? WHERE pk = ?";
    tx.execute(sql, &[visibility.as_str().into(), now.into(), image.into()]).await.map(|_| ())
}

pub(super) async fn put_focal(
    tx: &mut Tx,
    image: i64,
    focal: Option<(f64, f64)>,
    now: i64,
) -> Result<u64, DbError> {
    let sql = "UPDATE images SET focal_x = ?, focal_y = ?, updated_at = ? WHERE pk = ?";
    let (x, y) = (focal.map(|(x, _)| x), focal.map(|(_, y)| y));
    tx.execute(sql, &[x.into(), y.into(), now.into(), image.into()]).await
}

pub(super) async fn set_expiry(tx: &mut Tx, image: i64, at: Option<i64>, now: i64) -> Result<(), DbError> {
    let sql = "UPDATE images SET expires_at = ?, updated_at = ? WHERE pk = ?";
    tx.execute(sql, &[at.into(), now.into(), image.into()]).await.map(|_| ())
}

pub(super) async fn set_focal(
    tx: &mut Tx,
    id: &ImageId,
    focal: Option<(f64, f64)>,
    now: i64,
) -> Result<(), LibraryError> {
    changed(tx, id).await?;
    let sql = "UPDATE images SET focal_x = ?, focal_y = ?, updated_at = ? WHERE id = ?";
    let (x, y) = (focal.map(|(x, _)| x), focal.map(|(_, y)| y));
    match tx.execute(sql, &[x.into(), y.into(), now.into(), id.as_str().into()]).await? {
        0 => Err(LibraryError::NotFound { id: id.to_string() }),
        _ => Ok(()),
    }
}

/// The number of the last change of an image.
pub(super) async fn changes(db: &Db) -> Result<u64, DbError> {
    let row = db.row("SELECT value FROM counters WHERE name = 'image_changes'", &[]).await?;
    row.map_or(Ok(0), |row| row.narrow("value"))
}

/// Which images were changed after the change `seen`, up to the change `upto`.
pub(super) async fn changed_since(db: &Db, seen: u64, upto: u64) -> Result<Vec<String>, DbError> {
    let between = [Value::Int(seen as i64), Value::Int(upto as i64)];
    let rows = db.rows("SELECT id FROM image_changes WHERE seq > ? AND seq <= ?", &between).await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// All who change images wait here for each other; what is read from now on is not changed by anybody else.
pub(super) async fn lock(tx: &mut Tx) -> Result<(), DbError> {
    tx.execute("UPDATE counters SET value = value WHERE name = 'image_changes'", &[]).await.map(|_| ())
}

/// Tells other processes that the image is another one from this transaction on. Before the change itself: all who
/// change images wait here for each other, so that the numbers follow the order of the commits.
pub(super) async fn changed(tx: &mut Tx, id: &ImageId) -> Result<(), DbError> {
    all_changed(tx, &[id.as_str()]).await
}

/// The same for many.
pub(super) async fn all_changed(tx: &mut Tx, ids: &[&str]) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    let count = ids.len() as i64;
    tx.tell_others();
    tx.execute("UPDATE counters SET value = value + ? WHERE name = 'image_changes'", &[count.into()]).await?;
    let row = tx.row("SELECT value FROM counters WHERE name = 'image_changes'", &[]).await?;
    let last = row.map_or(Ok(0), |row| row.int("value"))?;
    let mut insert = Query::new("INSERT INTO image_changes (seq, id) VALUES ");
    for (at, id) in ids.iter().enumerate() {
        let seq = last - count + 1 + at as i64;
        insert = insert.push(if at == 0 { "(?, ?)" } else { ", (?, ?)" }, [seq.into(), (*id).into()]);
    }
    tx.execute_of(&insert).await?;
    // Nobody reads more than the last thousand; sweeping at each change keeps every sweep small.
    let sweep = "DELETE FROM image_changes WHERE seq <= ?";
    tx.execute(sweep, &[(last - 10_000).into()]).await.map(|_| ())
}

/// What was purged after the purge `seen`.
pub(super) async fn purged_since(db: &Db, seen: u64) -> Result<Vec<Raised>, DbError> {
    let sql = "SELECT scope, name, counter, seq FROM generations WHERE seq > ?";
    let rows = db.rows(sql, &[Value::Int(seen as i64)]).await?;
    let raised = |row: &Row| {
        Ok(Raised {
            scope: row.parse("scope")?,
            name: row.text("name")?,
            counter: row.narrow("counter")?,
            seq: row.narrow("seq")?,
        })
    };
    rows.iter().map(raised).collect()
}

/// Raises a counter and returns it. As with changes of images, the number of the purge is taken first, so that the
/// numbers follow the order of the commits.
pub(super) async fn raise(tx: &mut Tx, scope: Scope, name: &str) -> Result<u64, DbError> {
    tx.tell_others();
    tx.execute("UPDATE counters SET value = value + 1 WHERE name = 'purges'", &[]).await?;
    let key: [Value; 2] = [scope.as_str().into(), name.into()];
    let raise = "UPDATE generations SET counter = counter + 1, \
                 seq = (SELECT value FROM counters WHERE name = 'purges') WHERE scope = ? AND name = ?";
    if tx.execute(raise, &key).await? == 0 {
        let first = "INSERT INTO generations (scope, name, counter, seq) \
                     SELECT ?, ?, 1, value FROM counters WHERE name = 'purges'";
        tx.execute(first, &key).await?;
    }
    let row = tx.row("SELECT counter FROM generations WHERE scope = ? AND name = ?", &key).await?;
    row.map_or(Ok(0), |row| row.narrow("counter"))
}

/// The columns from `name` to `object_key`, without the focal point.
fn content(new: &NewImage) -> [Value; 15] {
    let Shape { format, width, height, orientation, frames, has_alpha, depth, progressive } = &new.shape;
    [
        new.name.as_str().into(),
        new.stored.sha256.to_string().into(),
        new.stored.md5.to_string().into(),
        Value::Int(new.stored.bytes as i64),
        format.as_str().into(),
        (*width).into(),
        (*height).into(),
        u32::from(*orientation).into(),
        (*frames).into(),
        (*has_alpha).into(),
        u32::from(*depth).into(),
        (*progressive).into(),
        new.visibility.as_str().into(),
        new.stored.storage.as_str().into(),
        new.stored.key.as_str().into(),
    ]
}

async fn reread(tx: &mut Tx, id: &ImageId) -> Result<Image, LibraryError> {
    let row = tx.row(select!("WHERE id = ?"), &[id.as_str().into()]).await?;
    let row = row.ok_or_else(|| LibraryError::NotFound { id: id.to_string() })?;
    Ok(image(&row)?)
}

fn images(rows: &[Row]) -> Result<Vec<Image>, DbError> {
    rows.iter().map(image).collect()
}

fn image(row: &Row) -> Result<Image, DbError> {
    Ok(Image {
        pk: row.int("pk")?,
        id: row.parse("id")?,
        name: row.text("name")?,
        stored_name: row.opt_text("stored_name")?,
        sha256: row.parse("sha256")?,
        md5: row.parse("md5")?,
        bytes: row.narrow("bytes")?,
        shape: Shape {
            format: row.text("format")?,
            width: row.narrow("width")?,
            height: row.narrow("height")?,
            orientation: row.narrow("orientation")?,
            frames: row.narrow("frames")?,
            has_alpha: row.bool("has_alpha")?,
            depth: row.narrow("depth")?,
            progressive: row.bool("progressive")?,
        },
        focal: row.opt_real("focal_x")?.zip(row.opt_real("focal_y")?),
        visibility: row.parse("visibility")?,
        storage: row.text("storage")?,
        key: row.parse("object_key")?,
        owner: row.opt_int("owner")?,
        created_at: row.int("created_at")?,
        updated_at: row.int("updated_at")?,
        deleted_at: row.opt_int("deleted_at")?,
        expires_at: row.opt_int("expires_at")?,
        versions: row.narrow("versions")?,
        views: row.narrow("views")?,
        last_viewed_at: row.opt_int("last_viewed_at")?,
    })
}
