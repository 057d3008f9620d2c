//! The queue under moved clocks and many workers.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::db::testing::open;

const LEASE: Duration = Duration::from_secs(60);
const KINDS: [&str; 2] = ["derive", "mail"];

fn job(kind: &'static str, run_at: i64) -> NewJob {
    NewJob { kind, payload: json!({"n": 1}), owner: None, unique: None, run_at, max_attempts: 3 }
}

async fn put(db: &Db, job: &NewJob) -> JobId {
    let mut tx = db.write().await.unwrap();
    let id = enqueue(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn get(db: &Db, id: &JobId) -> Job {
    find(db, id.as_str()).await.unwrap().unwrap()
}

async fn next(db: &Db, now: i64) -> Option<Claim> {
    claim(db, &KINDS, &["mail"], "w", LEASE, now).await.unwrap()
}

#[tokio::test]
async fn a_job_is_claimed_when_due_prolonged_and_finished_without_its_payload() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let id = put(&db, &job("derive", 1000)).await;
    assert!(next(&db, 999).await.is_none());
    assert!(claim(&db, &["other"], &[], "w", LEASE, 1000).await.unwrap().is_none());
    assert!(claim(&db, &[], &[], "w", LEASE, 1000).await.unwrap().is_none());
    let taken = next(&db, 1000).await.unwrap();
    assert_eq!((&taken.job.id, taken.job.attempts), (&id, 1));
    assert_eq!(taken.job.payload, Some(json!({"n": 1})));
    assert!(next(&db, 1000).await.is_none());
    assert_eq!(beat(&db, &taken, 40, "half", LEASE, 2000).await.unwrap(), Beat::Alive);
    let seen = get(&db, &id).await;
    assert_eq!((seen.state, seen.progress, seen.note.as_str()), (State::Processing, 40, "half"));
    assert_eq!(seen.due_at, 62_000);
    assert!(finish(&db, &taken, &json!({"made": 2}), 3000).await.unwrap());
    let seen = get(&db, &id).await;
    assert_eq!((seen.state, seen.progress, seen.finished_at), (State::Completed, 100, Some(3000)));
    assert_eq!((seen.payload, seen.result), (None, Some(json!({"made": 2}))));
    assert!(!finish(&db, &taken, &json!(null), 3001).await.unwrap());
}

#[tokio::test]
async fn nothing_is_enqueued_unless_the_transaction_commits() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let mut tx = db.write().await.unwrap();
    enqueue(&mut tx, &job("derive", 0)).await.unwrap();
    drop(tx);
    assert!(next(&db, 1).await.is_none());
    let rung = tokio::time::timeout(Duration::from_millis(1), db.has_work()).await;
    assert!(rung.is_err());
    put(&db, &job("derive", 0)).await;
    db.has_work().await;
}

#[tokio::test]
async fn an_expired_lease_is_taken_over_and_the_first_worker_can_write_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let id = put(&db, &job("derive", 0)).await;
    let first = next(&db, 0).await.unwrap();
    assert!(next(&db, 59_999).await.is_none());
    let second = next(&db, 60_000).await.unwrap();
    assert_eq!((&second.job.id, second.job.attempts), (&id, 2));
    assert_eq!(beat(&db, &first, 1, "", LEASE, 60_001).await.unwrap(), Beat::Lost);
    assert!(!finish(&db, &first, &json!(1), 60_001).await.unwrap());
    assert!(!give_back(&db, &first, 60_001).await.unwrap());
    fail(&db, &first, "late", None, false, 60_001).await.unwrap();
    assert_eq!(get(&db, &id).await.state, State::Processing);
    assert_eq!(beat(&db, &second, 1, "", LEASE, 60_002).await.unwrap(), Beat::Alive);
    // A worker that dies each time uses its attempts up.
    assert!(next(&db, 200_000).await.is_some());
    assert!(next(&db, 400_000).await.is_none());
    let seen = get(&db, &id).await;
    assert_eq!((seen.state, seen.attempts), (State::Failed, 3));
    assert_eq!(seen.error.as_deref(), Some("the worker ended before the job did"));
}

#[tokio::test]
async fn a_secret_does_not_outlive_the_worker_that_died_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let once = |kind| NewJob { max_attempts: 1, ..job(kind, 1000) };
    let (mail, derive, cancelled) = (
        put(&db, &once("mail")).await,
        put(&db, &once("derive")).await,
        put(&db, &job("derive", 1000)).await,
    );
    for _ in 0..3 {
        next(&db, 1000).await.unwrap();
    }
    cancel(&db, cancelled.as_str(), 1001).await.unwrap();
    let later = 1000 + 2 * i64::try_from(LEASE.as_millis()).unwrap();
    assert!(next(&db, later).await.is_none());
    let (mail, derive, cancelled) =
        (get(&db, &mail).await, get(&db, &derive).await, get(&db, &cancelled).await);
    assert_eq!((mail.state, mail.payload), (State::Failed, None));
    assert_eq!((derive.state, derive.payload.is_some()), (State::Failed, true));
    assert_eq!((cancelled.state, cancelled.payload), (State::Cancelled, None));
    assert!(!retry(&db, mail.id.as_str(), later).await.unwrap());
    assert!(retry(&db, derive.id.as_str(), later).await.unwrap());
}

#[tokio::test]
async fn a_failed_attempt_waits_and_the_last_one_stays_to_be_seen_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let id = put(&db, &job("derive", 0)).await;
    let wait = Some(Duration::from_secs(10));
    for attempt in 1..=3 {
        let now = i64::from(attempt) * 100_000;
        let taken = next(&db, now).await.unwrap();
        let state = fail(&db, &taken, "no", wait, false, now).await.unwrap();
        assert_eq!(state, if attempt < 3 { State::Pending } else { State::Failed });
        assert!(next(&db, now + 9_999).await.is_none());
    }
    let seen = get(&db, &id).await;
    assert_eq!((seen.state, seen.error.as_deref()), (State::Failed, Some("no")));
    assert!(next(&db, i64::MAX / 8).await.is_none());
    assert!(retry(&db, id.as_str(), 900_000).await.unwrap());
    assert!(!retry(&db, id.as_str(), 900_000).await.unwrap());
    let taken = next(&db, 900_000).await.unwrap();
    assert_eq!((&taken.job.id, taken.job.attempts), (&id, 1));
    assert_eq!(fail(&db, &taken, &"ü".repeat(5000), None, true, 1).await.unwrap(), State::Failed);
    let seen = get(&db, &id).await;
    assert_eq!((seen.payload, seen.error.map(|text| text.len())), (None, Some(2000)));
    assert!(!retry(&db, id.as_str(), 900_000).await.unwrap());
}

#[tokio::test]
async fn cancelling_ends_what_waits_at_once_and_what_works_at_its_next_beat() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    assert!(cancel(&db, "none", 0).await.unwrap().is_none());
    let waiting = put(&db, &job("derive", 0)).await;
    assert_eq!(cancel(&db, waiting.as_str(), 5).await.unwrap().unwrap().state, State::Cancelled);
    assert!(next(&db, 10).await.is_none());

    let working = put(&db, &job("derive", 0)).await;
    let taken = next(&db, 10).await.unwrap();
    let seen = cancel(&db, working.as_str(), 11).await.unwrap().unwrap();
    assert_eq!((seen.state, seen.cancel_asked), (State::Processing, true));
    assert_eq!(beat(&db, &taken, 0, "", LEASE, 12).await.unwrap(), Beat::CancelAsked);
    assert!(cancelled(&db, &taken, 13).await.unwrap());
    // What has ended stays as it is.
    assert_eq!(cancel(&db, working.as_str(), 14).await.unwrap().unwrap().finished_at, Some(13));

    // A worker that dies, or fails, while it was asked to end.
    for died in [true, false] {
        let id = put(&db, &job("derive", 20)).await;
        let taken = next(&db, 20).await.unwrap();
        cancel(&db, id.as_str(), 21).await.unwrap();
        if died {
            assert!(next(&db, 100_000).await.is_none());
        } else {
            let wait = Some(Duration::from_secs(1));
            assert_eq!(fail(&db, &taken, "no", wait, false, 22).await.unwrap(), State::Cancelled);
        }
        assert_eq!(get(&db, &id).await.state, State::Cancelled);
    }
}

#[tokio::test]
async fn a_job_that_is_given_back_has_lost_no_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    put(&db, &NewJob { max_attempts: 1, ..job("derive", 0) }).await;
    for _ in 0..3 {
        let taken = next(&db, 10).await.unwrap();
        assert_eq!(taken.job.attempts, 1);
        assert!(give_back(&db, &taken, 10).await.unwrap());
    }
}

#[tokio::test]
async fn a_unique_job_waits_once_and_begins_at_the_earlier_time() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let unique = |run_at| NewJob { unique: Some("derive k3".to_owned()), ..job("derive", run_at) };
    let first = put(&db, &unique(5000)).await;
    assert_eq!(put(&db, &unique(9000)).await, first);
    assert_eq!(get(&db, &first).await.due_at, 5000);
    assert_eq!(put(&db, &unique(1000)).await, first);
    assert_eq!(get(&db, &first).await.due_at, 1000);
    let taken = next(&db, 1000).await.unwrap();
    // What changed after it began needs another one.
    let second = put(&db, &unique(1000)).await;
    assert_ne!(second, first);
    // An attempt that failed may wait beside it.
    let wait = Some(Duration::from_secs(1));
    assert_eq!(fail(&db, &taken, "no", wait, false, 1001).await.unwrap(), State::Pending);
    cancel(&db, second.as_str(), 1002).await.unwrap();
    assert_ne!(put(&db, &unique(1000)).await, second);
}

#[tokio::test]
async fn parallel_claims_never_give_one_job_twice() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    for _ in 0..60 {
        put(&db, &job("derive", 0)).await;
    }
    // Two handles: what holds in one process must hold between two.
    let other = open(dir.path()).await;
    let workers = (0..8).map(|worker| {
        let db = if worker % 2 == 0 { db.clone() } else { other.clone() };
        tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(taken) = next(&db, 1).await {
                mine.push(taken.job.pk);
            }
            mine
        })
    });
    let mut all = Vec::new();
    for worker in futures_util::future::join_all(workers).await {
        all.extend(worker.unwrap());
    }
    assert_eq!(all.len(), 60);
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 60);
}

#[tokio::test]
async fn the_list_is_paged_by_key_and_filtered_and_old_ones_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    for kind in ["derive", "mail", "derive", "mail", "derive"] {
        put(&db, &job(kind, 0)).await;
    }
    let taken = claim(&db, &["mail"], &[], "w", LEASE, 0).await.unwrap().unwrap();
    fail(&db, &taken, "no", None, false, 100).await.unwrap();
    let taken = claim(&db, &["derive"], &[], "w", LEASE, 0).await.unwrap().unwrap();
    finish(&db, &taken, &json!(null), 100).await.unwrap();

    let page = list(&db, &Filter::default(), 3).await.unwrap();
    assert_eq!(page.iter().map(|job| job.pk).collect::<Vec<_>>(), [5, 4, 3]);
    let filter = Filter { before: Some(3), ..Filter::default() };
    assert_eq!(list(&db, &filter, 3).await.unwrap().len(), 2);
    let of = async |state, kind| {
        let filter = Filter { state, kind, before: None };
        list(&db, &filter, 10).await.unwrap().iter().map(|job| job.pk).collect::<Vec<_>>()
    };
    assert_eq!(of(None, Some("mail")).await, [4, 2]);
    assert_eq!(of(Some(State::Failed), None).await, [2]);
    assert_eq!(of(Some(State::Pending), Some("derive")).await, [5, 3]);
    let mut counts = counts(&db).await.unwrap();
    counts.sort();
    let count = |state, kind: &str, jobs| (state, kind.to_owned(), jobs);
    assert_eq!(
        counts,
        [
            count(State::Pending, "derive", 2),
            count(State::Pending, "mail", 1),
            count(State::Failed, "mail", 1)
        ]
    );
    assert_eq!(sweep(&db, 100, 100).await.unwrap(), 0);
    assert_eq!(sweep(&db, 101, 50).await.unwrap(), 1);
    assert_eq!(sweepable(&db, 101, 101).await.unwrap(), 1);
    assert_eq!(sweep(&db, 101, 101).await.unwrap(), 1);
    assert_eq!(list(&db, &Filter::default(), 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_scheduled_is_moved_on_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    assert_eq!(scheduled(&db, "cleanup", 1000).await.unwrap(), 1000);
    assert_eq!(scheduled(&db, "cleanup", 2000).await.unwrap(), 1000);
    let mut moved = 0;
    for _ in 0..2 {
        let mut tx = db.write().await.unwrap();
        if move_on(&mut tx, "cleanup", 1000, 5000).await.unwrap() {
            tx.commit().await.unwrap();
            moved += 1;
        }
    }
    assert_eq!((moved, scheduled(&db, "cleanup", 0).await.unwrap()), (1, 5000));
}

#[tokio::test]
async fn no_question_about_the_queue_reads_the_whole_table() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    for (sql, index) in [
        (
            "SELECT pk FROM jobs WHERE state = 'pending' AND due_at <= 1 ORDER BY due_at, pk LIMIT 8",
            "jobs_due",
        ),
        ("SELECT pk FROM jobs WHERE state = 'failed' AND pk < 9 ORDER BY pk DESC LIMIT 5", "jobs_state"),
        ("SELECT pk FROM jobs WHERE kind = 'mail' AND pk < 9 ORDER BY pk DESC LIMIT 5", "jobs_kind"),
        (
            "SELECT pk FROM jobs WHERE state = 'failed' AND kind = 'mail' AND pk < 9 ORDER BY pk DESC LIMIT 5",
            "jobs_state_kind",
        ),
        (
            "SELECT state, kind, COUNT(*) AS jobs FROM jobs WHERE state IN ('pending', 'failed') \
             GROUP BY state, kind",
            "jobs_state_kind",
        ),
    ] {
        let plan: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into_boxed_str());
        let rows = db.rows(plan, &[]).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.text("detail").unwrap()).collect();
        assert!(steps.iter().any(|step| step.contains(&format!("INDEX {index} "))), "{sql}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {steps:?}");
    }
}
