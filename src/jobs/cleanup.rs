//! The daily clean-up: what is over is removed, room by room. A step that fails keeps none of the others from their
//! work.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Failure, Job, Work};
use crate::accounts::Accounts;
use crate::db::{Db, now_ms, queue};
use crate::error::with_causes;
use crate::library::{Coverage, Library, LibraryError, SweepPlan};
use crate::upload::Uploads;

/// One thing that is cleaned up.
#[derive(Clone)]
pub struct Step {
    /// Names it in the result and in the output of `pixedge cleanup`.
    pub name: &'static str,
    run: Arc<dyn Fn(i64, bool) -> BoxFuture<'static, Result<Figures, String>> + Send + Sync>,
}

/// How much of what was removed, or would be; under no name where a step removes one kind of thing.
pub type Figures = Vec<(&'static str, u64)>;

/// All of it; cheap to clone.
#[derive(Clone)]
pub struct Cleanup {
    steps: Vec<Step>,
}

/// What each step came to, or why it failed.
pub type Report = Vec<(&'static str, Result<Figures, String>)>;

/// The clean-up as a job.
pub struct CleanupJob(pub Cleanup);

impl Step {
    /// `run` gets the time, and whether it shall only count.
    pub fn new<F, E>(name: &'static str, run: impl Fn(i64, bool) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<u64, E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        Self::of_several(name, move |now, dry_run| {
            let run = run(now, dry_run);
            async move { run.await.map(|removed| vec![("", removed)]) }
        })
    }

    /// The same for a step that removes several kinds of things.
    pub fn of_several<F, E>(name: &'static str, run: impl Fn(i64, bool) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Figures, E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        let run = move |now, dry_run| {
            let run = run(now, dry_run);
            async move { run.await.map_err(|error| with_causes(&error)) }.boxed()
        };
        Self { name, run: Arc::new(run) }
    }
}

impl Cleanup {
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    pub async fn run(&self, now: i64, dry_run: bool, mut before: impl FnMut(usize, &str)) -> Report {
        let mut report = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            before(index * 100 / self.steps.len(), step.name);
            report.push((step.name, (step.run)(now, dry_run).await));
        }
        report
    }
}

impl CleanupJob {
    pub const KIND: &'static str = "cleanup";
}

impl Job for CleanupJob {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let cleanup = self.0.clone();
        async move {
            let say = |percent: usize, step: &str| {
                work.progress.say(u8::try_from(percent).unwrap_or(100), step);
            };
            let report = cleanup.run(now_ms(), false, say).await;
            let failed: Vec<String> = report
                .iter()
                .filter_map(|(name, result)| Some(format!("{name}: {}", result.as_ref().err()?)))
                .collect();
            if !failed.is_empty() {
                return Err(Failure::again(failed.join("; ")));
            }
            let removed = report
                .into_iter()
                .filter_map(|(name, result)| Some((name.to_owned(), told(&result.ok()?))))
                .collect::<Map<_, _>>();
            Ok(Value::Object(removed))
        }
        .boxed()
    }
}

fn told(figures: &Figures) -> Value {
    match figures[..] {
        [("", removed)] => removed.into(),
        _ => figures.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect(),
    }
}

/// Sessions, links and invitations that ended.
pub fn accounts_step(accounts: Accounts) -> Step {
    Step::new("accounts", move |now, dry_run| {
        let accounts = accounts.clone();
        async move { if dry_run { accounts.sweepable(now).await } else { accounts.sweep(now).await } }
    })
}

/// Pictures whose time has come go to the trash.
pub fn expiry_step(library: Library) -> Step {
    Step::new("expired", move |now, dry_run| {
        let library = library.clone();
        async move {
            if dry_run {
                return library.expired(now).await;
            }
            let mut done = 0;
            while done < MOST {
                match library.expire(now, AT_ONCE).await? {
                    0 => break,
                    some => done += some,
                }
            }
            Ok::<_, LibraryError>(done)
        }
    })
}

/// Pictures that were in the trash for long enough end for good.
pub fn trash_step(library: Library) -> Step {
    Step::new("trash", move |now, dry_run| {
        let library = library.clone();
        async move {
            if dry_run {
                return library.emptied(now).await;
            }
            let mut done = 0;
            while done < MOST {
                match library.empty_trash(now, AT_ONCE).await? {
                    0 => break,
                    some => done += some,
                }
            }
            Ok::<_, LibraryError>(done)
        }
    })
}

/// A step lets others in between.
const AT_ONCE: u32 = 200;
/// What is more waits for the next day, so that no run goes on without end.
const MOST: u64 = 100_000;

/// Share links whose holders were told for long enough that they have ended.
pub fn shares_step(library: Library) -> Step {
    Step::new("shares", move |now, dry_run| {
        let library = library.clone();
        async move {
            let before = now - KEEP_FAILED;
            if dry_run { library.sweepable_shares(before).await } else { library.sweep_shares(before).await }
        }
    })
}

/// Uploads that did not come to their end, and answers and permissions for uploads that are over.
pub fn uploads_step(uploads: Uploads) -> Step {
    Step::new("uploads", move |now, dry_run| {
        let uploads = uploads.clone();
        async move { if dry_run { uploads.sweepable(now).await } else { uploads.sweep(now).await } }
    })
}

/// Objects that nobody needs any more and those that no row knows of. Storages are listed in parts, so that all of them
/// are seen within a week.
pub fn storages_step(library: Library) -> Step {
    Step::of_several("storages", move |now, dry_run| {
        let library = library.clone();
        let plan = SweepPlan {
            grace: Duration::from_secs(86_400),
            coverage: Coverage::Day(now / DAY),
            dry_run,
            most: MOST,
        };
        async move {
            let swept = library.sweep(&plan, now).await?;
            for object in swept.missing.iter().take(MOST_NAMED) {
                tracing::error!(object, "a picture has lost its original; restore it from a backup");
            }
            let count = |list: &[String]| list.len() as u64;
            Ok::<_, LibraryError>(vec![
                ("unneeded", swept.unneeded),
                ("orphans", swept.orphans),
                ("temporary", swept.temporary),
                ("reservations", swept.reservations),
                ("missing", count(&swept.missing)),
                ("unreachable", count(&swept.unreachable)),
            ])
        }
    })
}

/// `pixedge sweep` names them all.
const MOST_NAMED: usize = 100;

/// Jobs that ended.
pub fn queue_step(db: Db) -> Step {
    Step::new("jobs", move |now, dry_run| {
        let db = db.clone();
        async move {
            let (before, failed_before) = (now - KEEP_ENDED, now - KEEP_FAILED);
            if dry_run {
                queue::sweepable(&db, before, failed_before).await
            } else {
                queue::sweep(&db, before, failed_before).await
            }
        }
    })
}

const DAY: i64 = 86_400_000;
/// Long enough to ask what became of a task, short enough for a table that is looked at every two seconds.
const KEEP_ENDED: i64 = 7 * DAY;
/// Somebody should have looked by then.
const KEEP_FAILED: i64 = 30 * DAY;
