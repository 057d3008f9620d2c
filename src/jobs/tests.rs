//! The runner over a real queue: tries, waits, leases and what is left of a job that failed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::db::queue::{self, Filter, JobId, NewJob, State};
use crate::db::testing::open;
use crate::db::{Db, now_ms};
use crate::telemetry::metrics::Metrics;

/// A job that does what a test says.
struct Told<F>(&'static str, bool, F);

impl<F> Job for Told<F>
where
    F: Fn(Work) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync + 'static,
{
    fn kind(&self) -> &'static str {
        self.0
    }

    fn is_urgent(&self) -> bool {
        self.1
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        (self.2)(work)
    }
}

fn config() -> Config {
    Config { poll: Duration::from_millis(5), backoff: Duration::from_millis(1), ..Config::default() }
}

async fn put(db: &Db, kind: &'static str, max_attempts: u32) -> JobId {
    let job = NewJob { kind, payload: json!({}), owner: None, unique: None, run_at: 0, max_attempts };
    let mut tx = db.write().await.unwrap();
    let id = queue::enqueue(&mut tx, &job).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn until(db: &Db, id: &JobId, state: State) -> queue::Job {
    loop {
        let job = queue::find(db, id.as_str()).await.unwrap().unwrap();
        if job.state == state {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs these jobs until `with` is done, then stops the runner and waits for its end.
async fn running<T>(
    db: &Db,
    config: &Config,
    jobs: Vec<Arc<dyn Job>>,
    metrics: &Arc<Metrics>,
    with: impl Future<Output = T>,
) -> T {
    let (stop, stopped) = oneshot::channel::<()>();
    let runner = Runner::new(db.clone(), config, jobs, Vec::new(), Arc::clone(metrics), "test".to_owned());
    let runner = tokio::spawn(runner.run(async { drop(stopped.await) }));
    let value = with.await;
    drop(stop);
    runner.await.unwrap();
    value
}

#[tokio::test]
async fn a_job_is_tried_again_until_it_works_and_a_panic_is_a_failed_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let job = Told("flaky", false, |work: Work| {
        async move {
            match work.attempt {
                1 => Err(Failure::again("not yet")),
                2 => panic!("out of {}", "luck"),
                _ => Ok(json!(work.attempt)),
            }
        }
        .boxed()
    });
    let metrics = Arc::new(Metrics::new());
    let id = put(&db, "flaky", 5).await;
    let hopeless = put(&db, "flaky", 2).await;
    let (done, failed) = running(&db, &config(), vec![Arc::new(job)], &metrics, async {
        (until(&db, &id, State::Completed).await, until(&db, &hopeless, State::Failed).await)
    })
    .await;
    assert_eq!((done.attempts, done.result), (3, Some(json!(3))));
    assert_eq!(done.error, None);
    assert_eq!(failed.error.as_deref(), Some("the job panicked: out of luck"));
    let text = metrics.encode();
    for sample in [
        "pixedge_jobs_total{kind=\"flaky\",state=\"completed\"} 1",
        "pixedge_jobs_total{kind=\"flaky\",state=\"retried\"} 3",
        "pixedge_jobs_total{kind=\"flaky\",state=\"failed\"} 1",
        "pixedge_jobs_queued{kind=\"flaky\",state=\"processing\"}",
    ] {
        assert!(text.contains(sample), "{sample}\n{text}");
    }
}

#[tokio::test]
async fn never_is_never_and_may_forget_the_payload() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let job = Told("bad", false, |_| {
        async { Err(Failure::Never { error: "wrong".to_owned(), forget: true }) }.boxed()
    });
    let id = put(&db, "bad", 5).await;
    let metrics = Arc::default();
    let failed = running(&db, &config(), vec![Arc::new(job)], &metrics, until(&db, &id, State::Failed)).await;
    assert_eq!((failed.attempts, failed.payload, failed.error.as_deref()), (1, None, Some("wrong")));
}

#[tokio::test]
async fn a_cancelled_job_ends_at_its_heartbeat_which_also_writes_its_progress_down() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let job = Told("endless", false, |work: Work| {
        async move {
            work.progress.say(30, "counting");
            std::future::pending().await
        }
        .boxed()
    });
    let config = Config { lease: Duration::from_millis(200), ..config() };
    let id = put(&db, "endless", 1).await;
    let metrics = Arc::default();
    running(&db, &config, vec![Arc::new(job)], &metrics, async {
        loop {
            let seen = until(&db, &id, State::Processing).await;
            if seen.progress == 30 {
                assert_eq!(seen.note, "counting");
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(
            queue::cancel(&db, id.as_str(), now_ms()).await.unwrap().unwrap().state,
            State::Processing
        );
        until(&db, &id, State::Cancelled).await;
    })
    .await;
}

#[tokio::test]
async fn stopping_waits_for_what_ends_soon_and_gives_the_rest_back() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let quick = {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        Told("quick", false, move |_| {
            let go = Arc::clone(&go);
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                go.notified().await;
                Ok(json!(1))
            }
            .boxed()
        })
    };
    let slow = {
        let begun = Arc::clone(&begun);
        Told("slow", false, move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            std::future::pending().boxed()
        })
    };
    let (first, second) = (put(&db, "quick", 1).await, put(&db, "slow", 1).await);
    let config = Config { grace: Duration::from_millis(100), ..config() };
    let jobs: Vec<Arc<dyn Job>> = vec![Arc::new(quick), Arc::new(slow)];
    let metrics = Arc::default();
    running(&db, &config, jobs, &metrics, async {
        while begun.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        go.notify_one();
    })
    .await;
    assert_eq!(queue::find(&db, first.as_str()).await.unwrap().unwrap().state, State::Completed);
    let back = queue::find(&db, second.as_str()).await.unwrap().unwrap();
    assert_eq!((back.state, back.attempts), (State::Pending, 0));
}

#[tokio::test]
async fn what_somebody_waits_for_comes_first_and_a_new_job_is_begun_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let noting = |kind: &'static str, urgent| -> Arc<dyn Job> {
        let order = Arc::clone(&order);
        Arc::new(Told(kind, urgent, move |_| {
            order.lock().unwrap().push(kind);
            async { Ok(json!(null)) }.boxed()
        }))
    };
    let first = put(&db, "bulk", 1).await;
    put(&db, "mail", 1).await;
    // Nobody would look for an hour.
    let config = Config { concurrency: 1, poll: Duration::from_secs(3600), ..config() };
    let metrics = Arc::default();
    running(&db, &config, vec![noting("bulk", false), noting("mail", true)], &metrics, async {
        until(&db, &first, State::Completed).await;
        let late = put(&db, "mail", 1).await;
        until(&db, &late, State::Completed).await;
    })
    .await;
    assert_eq!(*order.lock().unwrap(), ["mail", "bulk", "mail"]);
}

#[test]
fn waits_double_up_to_an_hour_and_differ() {
    let waits: Vec<Duration> =
        (1..=40).map(|attempt| attempt::backoff(Duration::from_secs(10), attempt)).collect();
    for (index, wait) in waits.iter().enumerate() {
        let middle = (10.0 * 2_f64.powi(index as i32)).min(3600.0);
        assert!((0.74..=1.26).contains(&(wait.as_secs_f64() / middle)), "{index}: {wait:?}");
    }
    assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]));
}

/// 2026-03-29 in Berlin: the clocks go from 02:00 to 03:00; on 2026-10-25 from 03:00 back to 02:00.
#[test]
fn the_time_of_the_day_is_a_local_one() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let daily = |time: &str| When::Daily(time.parse().unwrap(), zone.clone());
    for (time, now, next) in [
        ("03:00", "2026-01-10T00:00:00Z", "2026-01-10T02:00:00Z"),
        ("03:00", "2026-01-10T02:00:00Z", "2026-01-11T02:00:00Z"),
        ("03:00", "2026-07-10T00:59:59Z", "2026-07-10T01:00:00Z"),
        // This time does not exist on that day, and exists twice on the other.
        ("02:30", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
        ("02:30", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
        ("02:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("02:30", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ("00:00", "2026-12-31T23:30:00Z", "2027-01-01T23:00:00Z"),
    ] {
        assert_eq!(daily(time).next(at(now)), at(next), "{time} after {now}");
    }
}

#[tokio::test]
async fn what_is_regular_is_done_once_and_caught_up_once() {
    const HOUR: i64 = 3_600_000;
    let dir = tempfile::tempdir().unwrap();
    let (db, other) = (open(dir.path()).await, open(dir.path()).await);
    let daily = |time: &str| Plan {
        kind: "cleanup",
        when: When::Daily(time.parse().unwrap(), TimeZone::UTC),
        max_attempts: 3,
    };
    let jobs = async |db: &Db| queue::list(db, &Filter::default(), 100).await.unwrap().len();
    let claim_all = async |db: &Db, now| {
        while let Some(taken) =
            queue::claim(db, &["cleanup"], &[], "w", Duration::from_secs(60), now).await.unwrap()
        {
            queue::finish(db, &taken, &json!(null), now).await.unwrap();
        }
    };
    let plan = daily("03:00");
    // The first start plans it; nothing was missed.
    assert_eq!(plan.tick(&db, HOUR).await.unwrap(), 3 * HOUR);
    assert_eq!(jobs(&db).await, 0);
    // Two processes see that it is due.
    let (one, two) = tokio::join!(plan.tick(&db, 3 * HOUR), plan.tick(&other, 3 * HOUR));
    assert_eq!((one.unwrap(), two.unwrap()), (27 * HOUR, 27 * HOUR));
    assert_eq!(jobs(&db).await, 1);
    plan.tick(&db, 4 * HOUR).await.unwrap();
    assert_eq!(jobs(&db).await, 1);
    claim_all(&db, 4 * HOUR).await;
    // Nothing ran for three days: once is enough.
    assert_eq!(plan.tick(&db, 100 * HOUR).await.unwrap(), 123 * HOUR);
    assert_eq!(jobs(&db).await, 2);
    claim_all(&db, 100 * HOUR).await;
    // Another time of the day: neither twice on that day nor at the old time.
    let later = daily("05:00");
    assert_eq!(later.tick(&db, 101 * HOUR).await.unwrap(), 125 * HOUR);
    assert_eq!(jobs(&db).await, 2);

    let every = Plan { kind: "backup", when: When::Every(Duration::from_secs(7200)), max_attempts: 1 };
    assert_eq!(every.tick(&db, 0).await.unwrap(), 2 * HOUR);
    assert_eq!(every.tick(&db, HOUR).await.unwrap(), 2 * HOUR);
    assert_eq!(every.tick(&db, 5 * HOUR).await.unwrap(), 7 * HOUR);
    // Half an hour is sooner than what was planned.
    let often = Plan { when: When::Every(Duration::from_secs(1800)), ..every };
    assert_eq!(often.tick(&db, 5 * HOUR).await.unwrap(), 5 * HOUR + HOUR / 2);
}

#[tokio::test]
async fn a_step_of_the_clean_up_that_fails_keeps_no_other_from_its_work() {
    #[derive(Debug, thiserror::Error)]
    #[error("broken")]
    struct Broken;
    let done = Arc::new(AtomicUsize::new(0));
    let steps = vec![
        Step::new("first", |_, _| async { Err::<u64, _>(Broken) }),
        Step::new("second", {
            let done = Arc::clone(&done);
            move |_, dry_run| {
                let done = Arc::clone(&done);
                async move {
                    if !dry_run {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok::<_, Broken>(7)
                }
            }
        }),
    ];
    let cleanup = Cleanup::new(steps);
    let mut said = Vec::new();
    let report = cleanup.run(0, true, |percent, step| said.push(format!("{percent} {step}"))).await;
    assert_eq!(report, [("first", Err("broken".to_owned())), ("second", Ok(vec![("", 7)]))]);
    assert_eq!((said, done.load(Ordering::SeqCst)), (vec!["0 first".to_owned(), "50 second".to_owned()], 0));

    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let id = put(&db, CleanupJob::KIND, 1).await;
    let jobs: Vec<Arc<dyn Job>> = vec![Arc::new(CleanupJob(cleanup))];
    let metrics = Arc::default();
    let failed = running(&db, &config(), jobs, &metrics, until(&db, &id, State::Failed)).await;
    assert_eq!((failed.error.as_deref(), done.load(Ordering::SeqCst)), (Some("first: broken"), 1));
}
