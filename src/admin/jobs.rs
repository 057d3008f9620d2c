//! Jobs as people see them: their own tasks, and all of them for administrators.

use super::{Actor, Admin, AdminError};
use crate::accounts::{Scope, Who};
use crate::db::queue::{self, Filter, Job, State};

impl Admin {
    /// A task of one's own; any for administrators. Somebody else's is not there.
    pub async fn task(&self, who: &Who, id: &str) -> Result<Job, AdminError> {
        let found = queue::find(&self.db, id).await?;
        let is_theirs = |job: &Job| who.scopes.has(Scope::Admin) || job.owner == Some(who.user.pk);
        found.filter(is_theirs).ok_or(AdminError::NoJob)
    }

    /// Ends a task, at once if it waits and soon if it is worked on; one that has ended stays as it is.
    pub async fn cancel_task(&self, who: &Who, id: &str, now: i64) -> Result<Job, AdminError> {
        self.task(who, id).await?;
        queue::cancel(&self.db, id, now).await?.ok_or(AdminError::NoJob)
    }

    /// Jobs, newest first.
    pub async fn jobs(&self, filter: &Filter<'_>, limit: u32) -> Result<Vec<Job>, AdminError> {
        Ok(queue::list(&self.db, filter, limit).await?)
    }

    pub async fn cancel_job(&self, actor: Actor<'_>, id: &str, now: i64) -> Result<Job, AdminError> {
        let job = queue::cancel(&self.db, id, now).await?.ok_or(AdminError::NoJob)?;
        self.note(actor, "job.cancel", id, &job.kind, now).await?;
        Ok(job)
    }

    /// Tries a job again that failed for good.
    pub async fn retry_job(&self, actor: Actor<'_>, id: &str, now: i64) -> Result<Job, AdminError> {
        let again = queue::retry(&self.db, id, now).await?;
        let job = queue::find(&self.db, id).await?.ok_or(AdminError::NoJob)?;
        if !again {
            let why = match job.state {
                State::Failed => "what it was to do is not kept any more; ask for it anew",
                _ => "it has not failed",
            };
            return Err(AdminError::NotRetriable { state: job.state.as_str(), why });
        }
        self.note(actor, "job.retry", id, &job.kind, now).await?;
        Ok(job)
    }
}
