//! The promises of the worker pool, each on the real thing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;
use crate::units::{Auto, ByteSize, Span};

const MIB: u64 = 1 << 20;

fn start(threads: usize, budget: u64, queue_s: u64) -> Workers {
    let config = Config {
        workers: Auto::Value(threads as u32),
        memory_budget: Auto::Value(ByteSize(budget * MIB)),
        queue: Span(Duration::from_secs(queue_s)),
        timeout: Span(Duration::from_secs(100)),
    };
    Workers::start(&config, Arc::new(Metrics::new())).unwrap()
}

fn estimate(seconds: f64, memory: u64) -> Estimate {
    Estimate { seconds, memory: memory * MIB }
}

async fn admit(workers: &Workers, seconds: f64, memory: u64) -> Result<Permit, WorkersError> {
    workers.admit(Class::Interactive, estimate(seconds, memory)).await
}

async fn waiting(workers: &Workers, count: usize) {
    while workers.shared.admission.waiting(Class::Interactive) != count {
        tokio::task::yield_now().await;
    }
}

async fn reserved(workers: &Workers, bytes: u64) {
    while workers.shared.admission.reserved() != bytes {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn works_on_named_nice_threads_and_returns_the_result() {
    let workers = start(2, 64, 4);
    let before = Instant::now();
    let permit = admit(&workers, 0.1, 1).await.unwrap();
    let (name, nice, deadline) = permit
        .run(|deadline| {
            let nice = rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
            (std::thread::current().name().unwrap().to_owned(), nice, deadline)
        })
        .await
        .unwrap();
    assert!(name.starts_with("pixedge-worker-"), "{name}");
    assert!(nice >= 10, "{nice}");
    let left = deadline - before;
    assert!(left >= Duration::from_secs(60) && left < Duration::from_secs(120));
    let permit = workers.admit(Class::Background, estimate(0.1, 1)).await.unwrap();
    let nice = permit.run(|_| rustix::process::getpriority_process(Some(rustix::thread::gettid()))).await;
    assert_eq!(nice.unwrap().unwrap(), 19);
}

#[tokio::test]
async fn who_would_wait_too_long_is_refused_on_arrival_and_who_was_admitted_is_not() {
    let workers = start(1, 64, 4);
    let first = admit(&workers, 3.0, 1).await.unwrap();
    let second = admit(&workers, 3.0, 1).await.unwrap();
    let refused = admit(&workers, 0.01, 1).now_or_never().expect("at once").map(|_| ());
    let Err(WorkersError::Overloaded { retry_after_s }) = refused else { panic!("{refused:?}") };
    assert_eq!(retry_after_s, 2, "6 s of work before, 4 s allowed");
    assert_eq!(WorkersError::Overloaded { retry_after_s }.detail().retry_after, Some(2));
    drop(second);
    let mut third = Box::pin(admit(&workers, 100.0, 1));
    assert!(third.as_mut().now_or_never().is_some_and(|permit| permit.is_ok()), "its own length is no wait");
    drop(third);
    drop(first);
}

#[tokio::test]
async fn who_fills_the_queue_fills_his_own_part_of_it() {
    let workers = start(1, 64, 4);
    let flooder = Payer::of(1);
    let _running = workers.admit_for(Class::Interactive, flooder, estimate(1.0, 1)).await.unwrap();
    let _reading = workers.admit_for(Class::Interactive, flooder, estimate(1.0, 1)).await.unwrap();
    let mut queued = Vec::new();
    loop {
        let mut more = Box::pin(workers.admit_for(Class::Interactive, flooder, estimate(1.0, 1)));
        match more.as_mut().now_or_never() {
            None => queued.push(more),
            Some(Err(WorkersError::Overloaded { .. })) => break,
            Some(other) => panic!("{:?}", other.map(|_| ())),
        }
    }
    assert!((2..=3).contains(&queued.len()), "{}", queued.len());
    // Others find a queue that is empty but for what is in work, up to twice the patience of all together.
    let mut others = Vec::new();
    for payer in 2..20 {
        let mut more = Box::pin(workers.admit_for(Class::Interactive, Payer::of(payer), estimate(1.0, 1)));
        match more.as_mut().now_or_never() {
            None => others.push(more),
            Some(Err(WorkersError::Overloaded { .. })) => break,
            Some(other) => panic!("{:?}", other.map(|_| ())),
        }
    }
    assert!((2..=5).contains(&others.len()), "{}", others.len());
}

#[tokio::test]
async fn one_long_job_does_not_close_the_other_threads() {
    let workers = start(2, 64, 4);
    let _long = admit(&workers, 140.0, 1).await.unwrap();
    for _ in 0..100 {
        let permit = admit(&workers, 0.05, 1).await.unwrap();
        permit.run(|_| ()).await.unwrap();
    }
}

#[tokio::test]
async fn first_come_first_served_and_a_small_one_does_not_overtake_a_large_one() {
    let workers = start(1, 16, 1000);
    let first = admit(&workers, 1.0, 10).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut callers = Vec::new();
    for (number, memory) in [12, 1, 1, 12, 1].into_iter().enumerate() {
        let (workers_, order) = (workers.clone(), Arc::clone(&order));
        callers.push(tokio::spawn(async move {
            let permit = admit(&workers_, 1.0, memory).await.unwrap();
            order.lock().unwrap().push(number);
            tokio::task::yield_now().await;
            drop(permit);
        }));
        waiting(&workers, number + 1).await;
    }
    drop(first);
    join_all(callers).await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(workers.shared.admission.reserved(), 0);
}

#[tokio::test]
async fn memory_is_reserved_before_the_slot_is_given() {
    let workers = start(4, 16, 1000);
    let error = admit(&workers, 1.0, 17).await.map(|_| ()).unwrap_err();
    assert_eq!(error, WorkersError::TooLarge { needed: 17 * MIB, budget: 16 * MIB });
    assert_eq!((error.kind(), error.code()), (Kind::Unprocessable, "too_many_pixels"));
    let first = admit(&workers, 1.0, 10).await.unwrap();
    let mut second = Box::pin(admit(&workers, 1.0, 10));
    assert!(second.as_mut().now_or_never().is_none(), "slots are free, memory is not");
    drop(first);
    assert!(second.await.is_ok());
    assert_eq!(workers.shared.admission.reserved(), 0);
}

#[tokio::test]
async fn leaving_the_queue_takes_effect_at_once() {
    let workers = start(1, 16, 10);
    let _held = [admit(&workers, 1.0, 1).await.unwrap(), admit(&workers, 1.0, 12).await.unwrap()];
    let mut queued = Box::pin(admit(&workers, 20.0, 1));
    assert!(queued.as_mut().now_or_never().is_none());
    assert!(admit(&workers, 1.0, 1).await.is_err(), "20 s are waiting");
    drop(queued);
    let mut next = Box::pin(admit(&workers, 1.0, 1));
    assert!(next.as_mut().now_or_never().is_none(), "waits instead of being refused");
}

#[tokio::test]
async fn a_waiter_that_leaves_lets_those_behind_it_pass() {
    let workers = start(2, 16, 1000);
    let _held = admit(&workers, 1.0, 10).await.unwrap();
    let mut large = Box::pin(admit(&workers, 1.0, 12));
    assert!(large.as_mut().now_or_never().is_none());
    let mut small = Box::pin(admit(&workers, 1.0, 1));
    assert!(small.as_mut().now_or_never().is_none());
    drop(large);
    assert!(small.await.is_ok());
}

#[tokio::test]
async fn a_slot_granted_to_someone_who_just_left_is_not_lost() {
    let workers = start(1, 16, 1000);
    let held = admit(&workers, 1.0, 16).await.unwrap();
    let mut leaving = Box::pin(admit(&workers, 1.0, 16));
    assert!(leaving.as_mut().now_or_never().is_none());
    drop(held);
    // Granted, but not yet polled again.
    assert_eq!(workers.shared.admission.reserved(), 16 * MIB);
    drop(leaving);
    assert_eq!(workers.shared.admission.reserved(), 0);
    assert!(admit(&workers, 1.0, 16).await.is_ok());
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_thread_survives_it() {
    let workers = start(1, 16, 4);
    let thread = || std::thread::current().id();
    let before = admit(&workers, 0.1, 1).await.unwrap().run(move |_| thread()).await.unwrap();
    let result = admit(&workers, 0.1, 1).await.unwrap().run(|_| panic!("on {}", "purpose")).await;
    let result: Result<(), _> = result;
    let error = result.unwrap_err();
    assert_eq!(error, WorkersError::Panicked("on purpose".to_owned()));
    assert!(!error.message().contains("purpose"), "the caller does not read our mistakes");
    let after = admit(&workers, 0.1, 1).await.unwrap().run(move |_| thread()).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(workers.shared.admission.reserved(), 0);
}

#[tokio::test]
async fn memory_is_free_when_the_work_has_ended_and_not_when_its_caller_has_left() {
    let workers = start(1, 16, 1000);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let permit = admit(&workers, 1.0, 10).await.unwrap();
    let caller = tokio::spawn(permit.run(move |_| {
        begun.send(()).unwrap();
        may_go.recv().unwrap();
    }));
    has_begun.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(workers.shared.admission.reserved(), 10 * MIB);
    let mut next = Box::pin(admit(&workers, 1.0, 10));
    assert!(next.as_mut().now_or_never().is_none());
    go.send(()).unwrap();
    assert!(next.await.is_ok());
}

#[tokio::test]
async fn work_that_no_worker_has_begun_is_cancelled_with_its_caller() {
    let workers = start(1, 16, 1000);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let first = admit(&workers, 1.0, 1).await.unwrap();
    let first = tokio::spawn(first.run(move |_| {
        begun.send(()).unwrap();
        may_go.recv().unwrap();
    }));
    has_begun.await.unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let second = admit(&workers, 1.0, 1).await.unwrap();
    let mut second = Box::pin(second.run({
        let ran = Arc::clone(&ran);
        move |_| ran.store(true, Ordering::SeqCst)
    }));
    assert!(second.as_mut().now_or_never().is_none());
    drop(second);
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    reserved(&workers, 0).await;
    assert!(!ran.load(Ordering::SeqCst));
}

#[tokio::test]
async fn no_more_permits_than_slots_however_many_ask() {
    let workers = start(2, 1024, 1000);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let callers = (0..64).map(|_| {
        let (workers, now, most) = (workers.clone(), Arc::clone(&now), Arc::clone(&most));
        tokio::spawn(async move {
            let permit = admit(&workers, 0.01, 1).await.unwrap();
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let held = Arc::clone(&now);
            permit.run(move |_| held.fetch_sub(1, Ordering::SeqCst)).await.unwrap();
        })
    });
    join_all(callers).await;
    assert_eq!(most.load(Ordering::SeqCst), 3, "two threads and one that reads its source");
}

#[tokio::test]
async fn background_work_does_not_stand_in_the_way() {
    let workers = start(1, 16, 4);
    let (go, may_go) = mpsc::channel::<()>();
    let background = workers.admit(Class::Background, estimate(50.0, 2)).await.unwrap();
    let background = tokio::spawn(background.run(move |_| may_go.recv().unwrap()));
    let mut second = Box::pin(workers.admit(Class::Background, estimate(1.0, 14)));
    assert!(second.as_mut().now_or_never().is_none(), "one background thread here");
    assert!(admit(&workers, 1.0, 14).await.unwrap().run(|_| ()).await.is_ok());
    let _holding = admit(&workers, 1.0, 10).await.unwrap();
    let mut large = Box::pin(admit(&workers, 1.0, 6));
    assert!(large.as_mut().now_or_never().is_none());
    go.send(()).unwrap();
    background.await.unwrap().unwrap();
    assert!(large.await.is_ok(), "the memory goes to whoever somebody waits for");
    assert!(workers.admit(Class::Background, estimate(1.0, 1)).now_or_never().is_none(), "behind the other");
}

#[tokio::test]
async fn estimates_are_corrected_by_what_the_work_really_took() {
    let workers = start(1, 16, 4);
    for _ in 0..30 {
        admit(&workers, 100.0, 1).await.unwrap().run(|_| ()).await.unwrap();
    }
    let correction = workers.shared.admission.correction(Class::Interactive);
    assert!(correction < 0.2, "{correction}: 100 s were foretold, nothing was used");
    let dropped = admit(&workers, 1e-3, 1).await.unwrap();
    drop(dropped);
    assert_eq!(workers.shared.admission.correction(Class::Interactive), correction, "no work, no lesson");
}

#[tokio::test]
async fn drain_lets_the_work_end_and_admits_nobody() {
    let workers = start(1, 16, 1000);
    let (go, may_go) = mpsc::channel::<()>();
    let permit = admit(&workers, 1.0, 1).await.unwrap();
    let work = tokio::spawn(permit.run(move |_| may_go.recv().unwrap()));
    let mut drain = Box::pin(workers.drain(Duration::from_secs(3600)));
    assert!(drain.as_mut().now_or_never().is_none());
    let refused = admit(&workers, 1.0, 1).await.map(|_| ()).unwrap_err();
    assert_eq!((refused.kind(), refused.detail().retry_after), (Kind::Overloaded, Some(1)));
    go.send(()).unwrap();
    assert!(drain.await);
    work.await.unwrap().unwrap();
}

#[tokio::test]
async fn drain_gives_up_after_its_grace() {
    let workers = start(1, 16, 1000);
    let held = admit(&workers, 1.0, 10).await.unwrap();
    let mut queued = Box::pin(admit(&workers, 1.0, 10));
    assert!(queued.as_mut().now_or_never().is_none());
    assert!(!workers.drain(Duration::ZERO).await);
    assert_eq!(queued.await.map(|_| ()).unwrap_err(), WorkersError::Stopping);
    assert_eq!(held.run(|_| ()).await.unwrap_err(), WorkersError::Stopping);
    assert_eq!(workers.shared.admission.reserved(), 0);
}

#[tokio::test]
async fn what_cannot_end_in_time_does_not_begin() {
    let workers = start(1, 64, 4);
    assert!(admit(&workers, 140.0, 1).await.is_ok());
    let refused = admit(&workers, 160.0, 1).await.map(|_| ()).unwrap_err();
    assert_eq!(refused, WorkersError::TooLong { seconds: 160, limit: 100 });
    assert_eq!((refused.kind(), refused.code()), (Kind::Unprocessable, "result_too_large"));
}
