//! Chevereto 3 and 4, Chevereto Free: `users`, `login_passwords` (`logins` before 4), `albums`, `storages`, `tags`,
//! `tags_files` and `images`, with `chv_` before their names.

use super::super::model::{Catalogue, Collection, Picture, Place, Reach, url_path, whole};
use super::super::record::{Record, key};
use super::{System, Terms, join};
use crate::library::OldPath;
use crate::migrate::MigrateError;

pub(super) const CHEVERETO: System = System {
    name: "chevereto",
    tables: &["users", "login_passwords", "logins", "albums", "storages", "tags", "tags_files"],
    pictures: "images",
    prefix: "chv_",
    note,
    picture,
};

/// Beside each picture lie smaller ones: a square of 160 px, and one of 500 px unless the settings say otherwise.
const BESIDE: [(&str, &str); 2] = [("th", "w_160,h_160,c_fill"), ("md", "w_500")];

fn note(table: &str, row: &Record, terms: &Terms, into: &mut Catalogue) -> Result<(), MigrateError> {
    into.count()?;
    let id = |column: &str| row.text(column).map(key);
    match table {
        "users" => {
            let Some(id) = id("user_id") else { return Ok(()) };
            // The table of passwords may stand before that of users.
            let person = into.people.entry(id).or_default();
            person.name = row.first(&["user_username", "user_name"]).unwrap_or_default().to_owned();
            person.email = row.text("user_email").map(str::to_owned);
            person.role = if row.flag("user_is_admin") == Some(true) { "admin" } else { "user" }.to_owned();
            person.disabled = row.text("user_status") == Some("banned");
            person.created_at = row.time("user_date_gmt", &terms.zone);
        }
        "login_passwords" => {
            let hash = row.text("login_password_hash").map(str::to_owned);
            if let Some((id, hash)) = id("login_password_user_id").zip(hash) {
                into.people.entry(id).or_default().password_hash = Some(hash);
            }
        }
        "logins" => {
            let hash = row.text("login_secret").map(str::to_owned);
            let is_password = row.text("login_type") == Some("password");
            if let Some((id, hash)) = id("login_user_id").zip(hash).filter(|_| is_password) {
                into.people.entry(id).or_default().password_hash = Some(hash);
            }
        }
        "albums" => {
            let Some(id) = id("album_id") else { return Ok(()) };
            let album = Collection {
                owner: row.text("album_user_id").map(key),
                name: row.text("album_name").unwrap_or_default().to_owned(),
                created_at: row.time("album_date_gmt", &terms.zone),
                // The pages of an album are guarded; the files of its pictures never were.
                reach: match row.text("album_privacy") {
                    None | Some("public") => Reach::Everybody,
                    Some(_) => Reach::Unlisted,
                },
                ..Collection::default()
            };
            into.albums.insert(id, album);
        }
        "storages" => {
            let Some(id) = id("storage_id") else { return Ok(()) };
            into.places.insert(id, Place { url_path: row.text("storage_url").and_then(url_path) });
        }
        "tags" => {
            if let Some((id, name)) = id("tag_id").zip(row.text("tag_name")) {
                into.tag_names.insert(id, name.to_owned());
            }
        }
        _ => {
            if let Some((tag, file)) = id("tag_file_tag_id").zip(id("tag_file_file_id")) {
                into.tags.entry(file).or_default().push(tag);
            }
        }
    }
    Ok(())
}

fn picture(row: &Record, terms: &Terms, catalogue: &Catalogue) -> Result<Picture, String> {
    let id = row.text("image_id").ok_or("the row has no id")?;
    let name = row.text("image_name").ok_or("the row names no file")?;
    let extension = row.text("image_extension").unwrap_or("jpg");
    let folder = folder(row);
    let place = row.text("image_storage_id").map(key);
    let of_place = place.as_ref().and_then(|place| catalogue.places.get(place)?.url_path.clone());
    let prefix = match (&terms.old_prefix, of_place) {
        (None, Some(path)) => path,
        // In this mode the path begins at the site's root.
        (None, None) if row.text("image_storage_mode") == Some("path") => String::new(),
        _ => terms.prefix("/images"),
    };
    let at = |folder: &str, file: &str| format!("{prefix}/{}", join(folder, file));
    let mut old = vec![whole(at(&folder, &format!("{name}.{extension}")))];
    old.extend(BESIDE.iter().map(|(word, spec)| OldPath {
        path: at(&folder, &format!("{name}.{word}.{extension}")),
        spec: (*spec).to_owned(),
    }));
    let file = join(&folder, &format!("{name}.{extension}"));
    // The files of a folder that is named from the site's root, and of the folder of all images itself.
    let files = match file.strip_prefix("images/") {
        Some(inner) => vec![file.clone(), inner.to_owned()],
        None => vec![file.clone()],
    };
    let picture_key = key(id);
    let tags = catalogue.tags.get(&picture_key).into_iter().flatten();
    let album = row.text("image_album_id").map(key);
    let of_album = album.as_ref().and_then(|album| catalogue.albums.get(album));
    Ok(Picture {
        label: file,
        mark: row.text("image_md5").unwrap_or_default().to_owned(),
        owner: row.text("image_user_id").map(key),
        reach: of_album.map_or(Reach::Everybody, |album| album.reach),
        albums: album.into_iter().collect(),
        files,
        place,
        name: row.first(&["image_original_filename", "image_name"]).unwrap_or(name).to_owned(),
        created_at: row.time("image_date_gmt", &terms.zone),
        expires_at: row.time("image_expiration_date_gmt", &terms.zone),
        views: row.int("image_views").and_then(|views| u64::try_from(views).ok()).unwrap_or(0),
        tags: tags.filter_map(|tag| catalogue.tag_names.get(tag).cloned()).collect(),
        old,
        key: picture_key,
        ..Picture::default()
    })
}

/// Below the folder of all images.
fn folder(row: &Record) -> String {
    match row.text("image_storage_mode") {
        Some("direct") => String::new(),
        Some("old") => "old".to_owned(),
        Some("path") => row.text("image_path").unwrap_or_default().trim_matches('/').to_owned(),
        // By the day in the site's own time.
        _ => {
            row.text("image_date").unwrap_or_default().chars().take(10).collect::<String>().replace('-', "/")
        }
    }
}
