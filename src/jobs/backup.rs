//! The job `backup`: a copy of the database in one file, of which the oldest go.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Failure, Job, Work};
use crate::db::{Db, backup, now_ms};

pub struct BackupJob {
    pub db: Db,
    pub folder: PathBuf,
    /// How many copies stay.
    pub keep: u32,
}

impl BackupJob {
    pub const KIND: &'static str = "backup";
}

impl Job for BackupJob {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run(&self, _: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let (db, folder, keep) = (self.db.clone(), self.folder.clone(), self.keep);
        async move {
            let written = backup::scheduled(&db, &folder, keep, now_ms()).await;
            let file = written.map_err(|error| Failure::of(&error))?;
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
            // Objects are not in it, and whoever reads the list should not have to guess.
            Ok(json!({ "file": name, "objects": false }))
        }
        .boxed()
    }
}
