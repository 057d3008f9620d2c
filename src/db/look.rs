//! A look at a database that changes nothing in it, for who asks before a server starts on it.

use std::path::Path;

use super::target::{Engine, Target};
use super::{Config, Db, DbError, migrate};

/// What was found.
pub struct Look {
    pub state: State,
    /// What time it is there, in milliseconds since 1970, where that is another machine's clock.
    pub clock: Option<i64>,
}

/// How far it is.
pub enum State {
    /// SQLite's file is made at the first start.
    Absent,
    /// The tables are made at the first start.
    Empty,
    /// So many migrations have yet to run.
    Behind(usize),
    /// As this binary wants it.
    Current(Db),
}

impl Db {
    /// Fails where [`Db::open`] would: nobody answers, or what is there is not for this binary.
    pub async fn look(config: &Config, data_dir: &Path) -> Result<Look, DbError> {
        let target = config.url.as_deref().map(|url| Target::of(url).map_err(DbError::Url)).transpose()?;
        let file = match target {
            None => Some(data_dir.join("pixedge.db")),
            Some(Target::Sqlite(path)) => Some(path),
            Some(Target::Postgres(_) | Target::Mysql(_)) => None,
        };
        match file.map(|path| (path.try_exists(), path)) {
            Some((Ok(false), _)) => return Ok(Look { state: State::Absent, clock: None }),
            Some((Err(source), path)) => return Err(DbError::File { path, source }),
            Some((Ok(true), _)) | None => {}
        }
        let db = Self::connect(config, data_dir).await?;
        let clock = db.clock().await?;
        let state = match migrate::waiting(&db).await? {
            None => State::Empty,
            Some(0) => State::Current(db),
            Some(waiting) => State::Behind(waiting),
        };
        Ok(Look { state, clock })
    }

    async fn clock(&self) -> Result<Option<i64>, DbError> {
        let sql = match self.pools.engine() {
            Engine::Sqlite => return Ok(None),
            Engine::Postgres => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS told",
            Engine::MariaDb | Engine::MySql => {
                "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) AS told"
            }
        };
        self.row(sql, &[]).await?.map(|row| row.int("told")).transpose()
    }
}
