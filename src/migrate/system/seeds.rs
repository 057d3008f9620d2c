//! The small services whose wire formats are spoken here: the image proxy's `images.db`, mgek img_bed's `test.db`, and
//! the tables of Vue3 + Flask and of WPIC, whose passwords are bcrypt.

use super::super::model::{Catalogue, Person, Picture, Reach, file_name, url_path, whole};
use super::super::record::{Record, key};
use super::{System, Terms};
use crate::migrate::MigrateError;

/// One table, `images`: `md5`, `path`, `created_at` (seconds), `original_name` (`filename` in older ones),
/// `access_count`. Its users stand in `config.json`.
pub(super) const IMAGEPROXY: System = System {
    name: "imageproxy",
    tables: &[],
    pictures: "images",
    prefix: "",
    note: |_, _, _, _| Ok(()),
    picture: imageproxy,
};

/// `token` (`mail`) and `image`: `name`, `mail`, `path`, `url`, `time` (seconds).
pub(super) const MGEK: System = System {
    name: "mgek",
    tables: &["token"],
    pictures: "image",
    prefix: "",
    note: mgek_account,
    picture: mgek,
};

/// `users`: `id`, `username`, `password`, `created_at`; `images`: `id`, `user_id`, `filename`, `filepath`, `created_at`.
pub(super) const VUEFLASK: System = System {
    name: "vueflask",
    tables: &["users"],
    pictures: "images",
    prefix: "",
    note: user,
    picture: vueflask,
};

/// `users`: `username`, `email`, `password_hash`, `storage_quota`, `is_active`, `created_at`; `file_records`: `user_id`,
/// `filename`, `original_filename`, `file_path`, `file_hash`, `status`, `download_count`, `created_at`, `expires_at`.
pub(super) const WPIC: System = System {
    name: "wpic",
    tables: &["users"],
    pictures: "file_records",
    prefix: "",
    note: user,
    picture: wpic,
};

fn imageproxy(row: &Record, terms: &Terms, _: &Catalogue) -> Result<Picture, String> {
    let md5 = row.text("md5").ok_or("the row has no MD5")?;
    let path = row.text("path").ok_or("the row names no file")?;
    let stored = file_name(path);
    Ok(Picture {
        label: stored.to_owned(),
        key: md5.to_owned(),
        mark: row.text("created_at").unwrap_or_default().to_owned(),
        files: files(path),
        name: row.first(&["original_name", "filename"]).unwrap_or(stored).to_owned(),
        created_at: row.seconds("created_at"),
        views: row.int("access_count").and_then(|views| u64::try_from(views).ok()).unwrap_or(0),
        old: vec![whole(format!("{}/{md5}", terms.prefix("/get")))],
        ..Picture::default()
    })
}

/// Who signs in by a mailbox has no password; the old tokens end.
fn mgek_account(_: &str, row: &Record, _: &Terms, into: &mut Catalogue) -> Result<(), MigrateError> {
    into.count()?;
    if let Some(mail) = row.text("mail") {
        let person = Person { email: Some(mail.to_owned()), role: "user".to_owned(), ..Person::default() };
        into.people.insert(mail.to_owned(), person);
    }
    Ok(())
}

fn mgek(row: &Record, terms: &Terms, _: &Catalogue) -> Result<Picture, String> {
    let name = row.text("name").ok_or("the row has no name")?;
    let of_url = row.text("url").filter(|_| terms.old_prefix.is_none()).and_then(url_path);
    let mut files = vec![name.to_owned()];
    files.extend(row.text("path").map(|path| file_name(path).to_owned()).filter(|file| file != name));
    Ok(Picture {
        label: name.to_owned(),
        key: name.to_owned(),
        mark: row.text("time").unwrap_or_default().to_owned(),
        owner: row.text("mail").map(str::to_owned),
        files,
        name: name.to_owned(),
        created_at: row.seconds("time"),
        reach: Reach::Everybody,
        old: vec![whole(of_url.unwrap_or_else(|| format!("{}/{name}", terms.prefix("/images"))))],
        // Its clients ask for the picture by this name.
        stored_name: Some(name.to_owned()),
        ..Picture::default()
    })
}

fn user(_: &str, row: &Record, terms: &Terms, into: &mut Catalogue) -> Result<(), MigrateError> {
    into.count()?;
    let Some(id) = row.text("id").map(key) else { return Ok(()) };
    let quota = row.int("storage_quota").and_then(|bytes| u64::try_from(bytes).ok());
    let person = Person {
        name: row.text("username").unwrap_or_default().to_owned(),
        email: row.text("email").map(str::to_owned),
        password_hash: row.first(&["password_hash", "password"]).map(str::to_owned),
        role: "user".to_owned(),
        disabled: row.flag("is_active") == Some(false),
        quota_bytes: quota,
        quota_files: None,
        created_at: row.time("created_at", &terms.zone),
    };
    into.people.insert(id, person);
    Ok(())
}

fn vueflask(row: &Record, terms: &Terms, _: &Catalogue) -> Result<Picture, String> {
    let id = row.text("id").ok_or("the row has no id")?;
    let path = row.first(&["filepath", "filename"]).ok_or("the row names no file")?;
    let stored = file_name(path);
    let paths = [terms.prefix("/uploads"), format!("/api/images{}", terms.prefix("/uploads"))];
    Ok(Picture {
        label: stored.to_owned(),
        key: key(id),
        mark: format!("{stored} {}", row.text("created_at").unwrap_or_default()),
        owner: row.text("user_id").map(key),
        files: files(path),
        name: row.text("filename").unwrap_or(stored).to_owned(),
        created_at: row.time("created_at", &terms.zone),
        reach: Reach::Everybody,
        old: paths.map(|folder| whole(format!("{folder}/{stored}"))).into(),
        stored_name: Some(stored.to_owned()),
        ..Picture::default()
    })
}

fn wpic(row: &Record, terms: &Terms, _: &Catalogue) -> Result<Picture, String> {
    let id = row.text("id").ok_or("the row has no id")?;
    match row.text("status") {
        None | Some("active" | "deleted") => {}
        Some(_) => return Err("its upload was never completed".to_owned()),
    }
    let path = row.first(&["file_path", "filename"]).ok_or("the row names no file")?;
    let stored = row.text("filename").unwrap_or_else(|| file_name(path));
    let mut files = files(path);
    if !files.iter().any(|file| file == stored) {
        files.push(stored.to_owned());
    }
    let is_deleted = row.text("status") == Some("deleted");
    let updated_at = row.time("updated_at", &terms.zone);
    Ok(Picture {
        label: stored.to_owned(),
        key: key(id),
        mark: row.text("file_hash").unwrap_or_default().to_owned(),
        owner: row.text("user_id").map(key),
        files,
        name: row.first(&["original_filename", "filename"]).unwrap_or(stored).to_owned(),
        created_at: row.time("created_at", &terms.zone),
        expires_at: row.time("expires_at", &terms.zone),
        deleted_at: updated_at.filter(|_| is_deleted),
        // It showed files to their owners, and to those with a token.
        reach: Reach::Guarded,
        views: row.int("download_count").and_then(|views| u64::try_from(views).ok()).unwrap_or(0),
        ..Picture::default()
    })
}

/// As the row says, from its end on: `/srv/app/uploads/a/b.jpg` may be `uploads/a/b.jpg`, `a/b.jpg` or `b.jpg` below the
/// folder that is given.
fn files(path: &str) -> Vec<String> {
    let path = path.replace('\\', "/");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let first = parts.len().saturating_sub(DEEPEST);
    (first..parts.len()).map(|from| parts[from..].join("/")).collect()
}

const DEEPEST: usize = 8;
