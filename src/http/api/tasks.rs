//! Work that goes on after its answer: `/v1/tasks` for those who asked for it, `/v1/admin/jobs` for administrators.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::ok;
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::images::reach;
use super::time::Time;
use super::versions;
use crate::accounts::Scope;
use crate::admin::{Job, JobFilter, JobState};
use crate::delivery::body::Body;
use crate::library::VersionOrder;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/v1/tasks/{id}", "getTask", "How far a task is, and what came of it", |call| {
        Box::pin(task(call))
    })
    .scope(Scope::Read)
    .gives::<TaskAnswer>(200, "The task"),
    Endpoint::delete(
        "/v1/tasks/{id}",
        "cancelTask",
        "Ends a task: at once if it waits, soon if it is worked on; one that has ended stays as it is",
        |call| Box::pin(cancel_task(call)),
    )
    .scope(Scope::Upload)
    .gives::<TaskAnswer>(200, "The task as it is now"),
    Endpoint::get("/v1/admin/jobs", "adminListJobs", "Jobs, newest first", |call| Box::pin(list(call)))
        .scope(Scope::Admin)
        .query::<ListJobs>()
        .gives::<JobList>(200, "A page of jobs"),
    Endpoint::post(
        "/v1/admin/jobs/{id}/retry",
        "adminRetryJob",
        "Tries a job again that failed for good",
        |call| Box::pin(retry(call)),
    )
    .scope(Scope::Admin)
    .gives::<JobAnswer>(200, "The job as it is now"),
    Endpoint::post("/v1/admin/jobs/{id}/cancel", "adminCancelJob", "Ends a job", |call| {
        Box::pin(cancel(call))
    })
    .scope(Scope::Admin)
    .gives::<JobAnswer>(200, "The job as it is now"),
];

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum StateWord {
    Pending,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

#[derive(Serialize, JsonSchema)]
struct TaskAnswer {
    task_id: String,
    kind: String,
    status: StateWord,
    /// Percent.
    #[schemars(range(min = 0, max = 100))]
    progress: u8,
    /// What it is at, in words; perhaps empty.
    note: String,
    /// What came of it; depends on the kind.
    result: Option<Value>,
    /// Why it failed, or why the last attempt did.
    error: Option<String>,
    created_at: Time,
    finished_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
struct JobAnswer {
    #[serde(flatten)]
    task: TaskAnswer,
    /// How often it was begun.
    attempts: u32,
    max_attempts: u32,
    /// Somebody wants it to end; it does at its next heartbeat.
    cancel_asked: bool,
    /// Which process has it, or had it last.
    worker: Option<String>,
    /// When it may begin, or when its lease ends; for one that has ended, when it did.
    due_at: Time,
    started_at: Option<Time>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListJobs {
    state: Option<StateWord>,
    /// Such as `mail`.
    #[schemars(length(max = 64))]
    kind: Option<String>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    cursor: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
struct JobList {
    jobs: Vec<JobAnswer>,
    meta: JobMeta,
}

#[derive(Serialize, JsonSchema)]
struct JobMeta {
    /// The cursor of the next page, if there is one.
    next: Option<i64>,
}

async fn task(call: Call) -> Result<Response<Body>, Refused> {
    let job = call.admin().task(call.who()?, call.value("id")).await?;
    let mut answer = TaskAnswer::of(job);
    if answer.kind == VersionOrder::KIND
        && let Some(result) = answer.result.take()
    {
        let reach = reach(&call)?;
        answer.result = versions::made(&call.parts, reach, &result, call.now).await?;
    }
    Ok(ok(&answer))
}

async fn cancel_task(call: Call) -> Result<Response<Body>, Refused> {
    let job = call.admin().cancel_task(call.who()?, call.value("id"), call.now).await?;
    Ok(ok(&TaskAnswer::of(job)))
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let ListJobs { state, kind, limit, cursor } = call.query()?;
    let limit = limit.unwrap_or(100);
    let filter = JobFilter { state: state.map(StateWord::state), kind: kind.as_deref(), before: cursor };
    let jobs = call.admin().jobs(&filter, limit).await?;
    let next = (jobs.len() == limit as usize).then(|| jobs.last().map(|job| job.pk)).flatten();
    Ok(ok(&JobList { jobs: jobs.into_iter().map(JobAnswer::of).collect(), meta: JobMeta { next } }))
}

async fn retry(call: Call) -> Result<Response<Body>, Refused> {
    let job = call.admin().retry_job(call.actor()?, call.value("id"), call.now).await?;
    Ok(ok(&JobAnswer::of(job)))
}

async fn cancel(call: Call) -> Result<Response<Body>, Refused> {
    let job = call.admin().cancel_job(call.actor()?, call.value("id"), call.now).await?;
    Ok(ok(&JobAnswer::of(job)))
}

impl TaskAnswer {
    fn of(job: Job) -> Self {
        Self {
            task_id: job.id.to_string(),
            kind: job.kind,
            status: StateWord::of(job.state),
            progress: job.progress,
            note: job.note,
            result: job.result,
            error: job.error,
            created_at: Time(job.created_at),
            finished_at: job.finished_at.map(Time),
        }
    }
}

impl JobAnswer {
    fn of(job: Job) -> Self {
        Self {
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            cancel_asked: job.cancel_asked,
            worker: job.worker.clone(),
            due_at: Time(job.due_at),
            started_at: job.started_at.map(Time),
            task: TaskAnswer::of(job),
        }
    }
}

impl StateWord {
    fn of(state: JobState) -> Self {
        match state {
            JobState::Pending => Self::Pending,
            JobState::Processing => Self::Processing,
            JobState::Completed => Self::Completed,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
        }
    }

    fn state(self) -> JobState {
        match self {
            Self::Pending => JobState::Pending,
            Self::Processing => JobState::Processing,
            Self::Completed => JobState::Completed,
            Self::Failed => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
        }
    }
}
