//! What is known of one's pictures without asking: by server, account and MD5, in an SQLite file that the Python package
//! shares. It is only ever a cache: what is wrong with it costs requests and fails nothing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::answers::Image;

/// The file, opened for one account. Any number of processes may have it open.
pub struct Cache {
    path: PathBuf,
    account: String,
    connection: Mutex<Connection>,
}

/// A picture as the server told of it.
pub(crate) struct Known {
    pub(crate) image: Image,
    /// When the server said so; milliseconds since 1970.
    pub(crate) checked_at: i64,
}

/// The version of the tables. A file of another one is begun anew; `client/python` has the same number.
const VERSION: i64 = 1;
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS pictures (
        account TEXT NOT NULL,
        md5 TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        id TEXT NOT NULL,
        url TEXT NOT NULL,
        expires_at INTEGER,
        checked_at INTEGER NOT NULL,
        image TEXT NOT NULL,
        PRIMARY KEY (account, md5)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS unfinished (
        account TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        wish TEXT NOT NULL,
        location TEXT NOT NULL,
        PRIMARY KEY (account, sha256, wish)
    ) WITHOUT ROWID;
";

impl Cache {
    /// Opens or makes it. A file that is no such cache, or a broken one, is begun anew.
    pub(crate) fn open(path: &Path, account: String) -> Result<Self> {
        let connection = match connect(path) {
            Err(error) if is_broken(&error) => {
                let _ = std::fs::remove_file(path);
                connect(path)?
            }
            other => other?,
        };
        Ok(Self { path: path.to_owned(), account, connection: Mutex::new(connection) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn find(&self, md5: &str) -> Result<Option<Known>> {
        let row = self
            .connection()
            .prepare_cached("SELECT image, checked_at FROM pictures WHERE account = ? AND md5 = ?")?
            .query_row(params![self.account, md5], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
            .optional()?;
        // Written by another version: as good as not there.
        Ok(row.and_then(|(image, checked_at)| {
            Some(Known { image: serde_json::from_str(&image).ok()?, checked_at })
        }))
    }

    pub(crate) fn put(&self, image: &Image, checked_at: i64) -> Result<()> {
        let text = serde_json::to_string(image).unwrap_or_default();
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO pictures
                 (account, md5, sha256, id, url, expires_at, checked_at, image) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                self.account,
                image.md5,
                image.sha256,
                image.id,
                image.url,
                image.expires_at,
                checked_at,
                text
            ])?;
        Ok(())
    }

    pub(crate) fn forget(&self, md5: &str) -> Result<()> {
        let statement = "DELETE FROM pictures WHERE account = ? AND md5 = ?";
        self.connection().execute(statement, params![self.account, md5]).map(drop)
    }

    pub(crate) fn forget_id(&self, id: &str) -> Result<()> {
        let statement = "DELETE FROM pictures WHERE account = ? AND id = ?";
        self.connection().execute(statement, params![self.account, id]).map(drop)
    }

    /// Where the rest of an upload goes that was cut off.
    pub(crate) fn unfinished(&self, sha256: &str, wish: &str) -> Result<Option<String>> {
        let statement = "SELECT location FROM unfinished WHERE account = ? AND sha256 = ? AND wish = ?";
        let find = |row: &rusqlite::Row<'_>| row.get(0);
        self.connection().query_row(statement, params![self.account, sha256, wish], find).optional()
    }

    pub(crate) fn begun(&self, sha256: &str, wish: &str, location: &str) -> Result<()> {
        let statement =
            "INSERT OR REPLACE INTO unfinished (account, sha256, wish, location) VALUES (?, ?, ?, ?)";
        self.connection().execute(statement, params![self.account, sha256, wish, location]).map(drop)
    }

    pub(crate) fn ended(&self, sha256: &str, wish: &str) -> Result<()> {
        let statement = "DELETE FROM unfinished WHERE account = ? AND sha256 = ? AND wish = ?";
        self.connection().execute(statement, params![self.account, sha256, wish]).map(drop)
    }

    /// How many pictures of this account are known.
    pub fn len(&self) -> Result<u64> {
        let statement = "SELECT COUNT(*) FROM pictures WHERE account = ?";
        let count: i64 = self.connection().query_row(statement, [&self.account], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Forgets all pictures of this account.
    pub fn clear(&self) -> Result<()> {
        self.connection().execute("DELETE FROM pictures WHERE account = ?", [&self.account]).map(drop)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path) -> Result<Connection> {
    if let Some(folder) = path.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    // Addresses of private pictures are in it. It fails where the file is there already.
    let _ = crate::config::private_file(path);
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // What a power cut breaks is begun anew.
    connection.pragma_update(None, "synchronous", "OFF")?;
    let made = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = made.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        made.execute_batch("DROP TABLE IF EXISTS pictures; DROP TABLE IF EXISTS unfinished;")?;
        made.pragma_update(None, "user_version", VERSION)?;
    }
    made.execute_batch(TABLES)?;
    made.commit()?;
    Ok(connection)
}

fn is_broken(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Links;

    fn image(id: &str, md5: &str) -> Image {
        Image {
            id: id.to_owned(),
            url: format!("http://a/i/{id}"),
            name: "a.png".to_owned(),
            bytes: 10,
            width: 1,
            height: 2,
            format: "png".to_owned(),
            mime_type: "image/png".to_owned(),
            md5: md5.to_owned(),
            sha256: "s".to_owned(),
            visibility: "public".to_owned(),
            views: 0,
            tags: vec![],
            albums: vec![],
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            expires_at: Some(1_800_000_000_000),
            links: Links {
                markdown: String::new(),
                html: String::new(),
                bbcode: String::new(),
                thumbnail: String::new(),
            },
            duplicate: false,
        }
    }

    #[test]
    fn what_one_account_knows_another_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/client.db");
        let open = |account: &str| Cache::open(&path, account.to_owned()).unwrap();
        let (ana, bea) = (open("http://a user:ana"), open("http://a user:bea"));
        ana.put(&image("x1", "m1"), 5).unwrap();
        ana.put(&image("x2", "m1"), 6).unwrap();
        let known = open("http://a user:ana").find("m1").unwrap().unwrap();
        assert_eq!((known.image, known.checked_at), (image("x2", "m1"), 6));
        assert!(bea.find("m1").unwrap().is_none() && bea.is_empty().unwrap());
        bea.forget_id("x2").unwrap();
        bea.clear().unwrap();
        assert_eq!(ana.len().unwrap(), 1);
        ana.forget_id("x2").unwrap();
        assert!(ana.find("m1").unwrap().is_none());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_broken_file_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.db");
        std::fs::write(&path, "this is no database, however long it may be ".repeat(50)).unwrap();
        let cache = Cache::open(&path, "a".to_owned()).unwrap();
        cache.put(&image("x1", "m1"), 5).unwrap();
        drop(cache);
        // Of a version that is not known.
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 77).unwrap();
        assert!(Cache::open(&path, "a".to_owned()).unwrap().find("m1").unwrap().is_none());
    }
}
