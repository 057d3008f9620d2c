//! Lsky Pro 2.x: `users`, `albums`, `strategies` and `images`, as its migrations of 2021 and 2022 make them.

use super::super::model::{Catalogue, Collection, Person, Picture, Place, Reach, url_path, whole};
use super::super::record::{Record, key};
use super::{System, Terms, join};
use crate::library::OldPath;
use crate::migrate::MigrateError;

pub(super) const LSKY: System = System {
    name: "lsky",
    tables: &["users", "albums", "strategies"],
    pictures: "images",
    prefix: "",
    note,
    picture,
};

/// Thumbnails are PNGs of at most 400 px, by the MD5 of the picture, in a folder that is called so unless
/// `THUMBNAIL_PATH` says otherwise.
const THUMBNAILS: &str = "/thumbnails";
const THUMBNAIL: &str = "w_400,h_400";

fn note(table: &str, row: &Record, terms: &Terms, into: &mut Catalogue) -> Result<(), MigrateError> {
    let Some(id) = row.text("id").map(key) else { return Ok(()) };
    into.count()?;
    match table {
        "users" => {
            // `capacity` is in KiB, with decimals; `status` 0 is frozen.
            let capacity = row.int("capacity").and_then(|kib| u64::try_from(kib).ok());
            let person = Person {
                name: row.text("name").unwrap_or_default().to_owned(),
                email: row.text("email").map(str::to_owned),
                password_hash: row.text("password").map(str::to_owned),
                role: if row.flag("is_adminer") == Some(true) { "admin" } else { "user" }.to_owned(),
                disabled: row.int("status") == Some(0),
                quota_bytes: capacity.filter(|kib| *kib > 0).map(|kib| kib.saturating_mul(1024)),
                quota_files: None,
                created_at: row.time("created_at", &terms.zone),
            };
            into.people.insert(id, person);
        }
        "albums" => {
            let album = Collection {
                owner: row.text("user_id").map(key),
                name: row.text("name").unwrap_or_default().to_owned(),
                created_at: row.time("created_at", &terms.zone),
                ..Collection::default()
            };
            into.albums.insert(id, album);
        }
        _ => {
            // What is in `configs` depends on the kind of storage; all have `url`.
            let configs: serde_json::Value =
                row.text("configs").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            // Called `domain` before 2.0.
            let url = ["url", "domain"].iter().find_map(|key| configs.get(key)?.as_str());
            into.places.insert(id, Place { url_path: url.and_then(url_path) });
        }
    }
    Ok(())
}

fn picture(row: &Record, terms: &Terms, catalogue: &Catalogue) -> Result<Picture, String> {
    let id = row.text("id").ok_or("the row has no id")?;
    let stored = row.text("name").ok_or("the row names no file")?;
    let pathname = join(row.text("path").unwrap_or_default(), stored);
    let place = row.text("strategy_id").map(key);
    let of_place = place.as_ref().and_then(|place| catalogue.places.get(place)?.url_path.clone());
    let prefix = match (&terms.old_prefix, of_place) {
        (None, Some(path)) => path,
        _ => terms.prefix("/i"),
    };
    let mut old = vec![whole(format!("{prefix}/{pathname}"))];
    // Where a group protects its originals, they are shown by key.
    if let Some((key, extension)) = row.text("key").zip(row.text("extension")) {
        old.push(whole(format!("/{key}.{extension}")));
    }
    let md5 = row.text("md5").unwrap_or_default();
    if !md5.is_empty() {
        old.push(OldPath { path: format!("{THUMBNAILS}/{md5}.png"), spec: THUMBNAIL.to_owned() });
    }
    Ok(Picture {
        label: pathname.clone(),
        key: key(id),
        mark: format!("{md5} {}", row.text("key").unwrap_or_default()),
        owner: row.text("user_id").map(key),
        albums: row.text("album_id").map(key).into_iter().collect(),
        files: vec![pathname],
        place,
        name: row.first(&["alias_name", "origin_name", "name"]).unwrap_or(stored).to_owned(),
        created_at: row.time("created_at", &terms.zone),
        // 1 is public; 0 keeps it out of the gallery, and its URL still shows it to everybody.
        reach: if row.int("permission") == Some(1) { Reach::Everybody } else { Reach::Unlisted },
        old,
        ..Picture::default()
    })
}
