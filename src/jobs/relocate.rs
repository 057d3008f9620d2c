//! The job `storage_migrate`: moves pictures from one storage to another. Each attempt goes on where the last one ended.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Failure, Job, Work};
use crate::db::now_ms;
use crate::library::{Library, Relocated, Relocation};

pub struct RelocateJob {
    pub library: Library,
}

impl Job for RelocateJob {
    fn kind(&self) -> &'static str {
        Relocation::KIND
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let library = self.library.clone();
        async move {
            let plan: Relocation =
                serde_json::from_value(work.payload).map_err(|error| Failure::never(error.to_string()))?;
            let progress = work.progress;
            let told = |done: &Relocated| {
                let all = (done.images + done.left).max(1);
                let percent = u8::try_from(done.images * 100 / all).unwrap_or(100);
                progress.say(percent, format!("{} of {all} images", done.images));
                true
            };
            let done = library.relocate(&plan, now_ms, told).await.map_err(|error| Failure::of(&error))?;
            Ok(json!({"images": done.images, "versions": done.versions, "bytes": done.bytes, "failed": done.failed}))
        }
        .boxed()
    }
}
