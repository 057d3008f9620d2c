//! One piece of work per key, however many ask for it. The work belongs to nobody's request: it runs as a task of its
//! own, so a caller that leaves, even the first, disturbs no other. Only when the last one leaves before the work has
//! committed (it waits in a queue, or is far from its end) is it cancelled, and told so where it runs on a thread.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::Instrument as _;

use super::Lost;

/// The work that is under way, by key.
pub struct Flights<K, V, E> {
    board: Board<K, V, E>,
}

/// Whether a caller's own closure did the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
}

/// Handed to the work, which takes it along to where it is done.
#[derive(Clone)]
pub struct Commit(Arc<AtomicU8>);

/// Nobody has decided yet, the work has, or the last caller has.
const OPEN: u8 = 0;
const COMMITTED: u8 = 1;
const LEFT: u8 = 2;

type Board<K, V, E> = Arc<Mutex<HashMap<K, Arc<Flight<V, E>>>>>;

struct Flight<V, E> {
    result: watch::Sender<Option<Result<V, Arc<E>>>>,
    /// Changes only under the lock of the board, so that nobody boards a flight that is being cancelled.
    aboard: AtomicUsize,
    fate: Arc<AtomicU8>,
    task: OnceLock<AbortHandle>,
}

impl Commit {
    /// From here on the result is worth having even if nobody waits. Whether that came in time: if not, everybody has
    /// left and nothing will be done with a result.
    #[must_use]
    pub fn commit(&self) -> bool {
        decided(&self.0, COMMITTED)
    }

    /// Whether somebody may still want the result.
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::SeqCst) != LEFT
    }
}

/// Whoever is first decides; whether `fate` is `what` now.
fn decided(fate: &AtomicU8, what: u8) -> bool {
    let was = fate.compare_exchange(OPEN, what, Ordering::SeqCst, Ordering::SeqCst);
    was.is_ok() || was == Err(what)
}

impl<K, V, E> Flights<K, V, E>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: From<Lost> + Send + Sync + 'static,
{
    pub fn new() -> Self {
        Self { board: Arc::default() }
    }

    /// Waits for the result of the work for `key`; starts `work` if there is none under way. An error is shared by
    /// all who waited for it, and a panic is an error.
    pub async fn join<F, Fut>(&self, key: K, work: F) -> (Result<V, Arc<E>>, Role)
    where
        F: FnOnce(Commit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let (seat, role) = self.board(key, work);
        let mut result = seat.flight.result.subscribe();
        let landed = match result.wait_for(Option::is_some).await {
            Ok(value) => value.clone(),
            Err(_) => None,
        };
        (landed.unwrap_or_else(|| Err(Arc::new(E::from(Lost)))), role)
    }

    /// How many keys are being worked on.
    pub fn len(&self) -> usize {
        lock(&self.board).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn board<F, Fut>(&self, key: K, work: F) -> (Seat<K, V, E>, Role)
    where
        F: FnOnce(Commit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let mut board = lock(&self.board);
        if let Some(flight) = board.get(&key) {
            flight.aboard.fetch_add(1, Ordering::SeqCst);
            let seat = Seat { board: Arc::clone(&self.board), key, flight: Arc::clone(flight) };
            return (seat, Role::Follower);
        }
        let flight = Arc::new(Flight {
            result: watch::Sender::new(None),
            aboard: AtomicUsize::new(1),
            fate: Arc::default(),
            task: OnceLock::new(),
        });
        board.insert(key.clone(), Arc::clone(&flight));
        // Made before the task first runs, because a task that is cancelled early drops only what it owns.
        let landing =
            Landing { board: Arc::clone(&self.board), key: key.clone(), flight: Arc::clone(&flight) };
        let commit = Commit(Arc::clone(&flight.fate));
        let task = tokio::spawn(
            async move {
                let result = work(commit).await.map_err(Arc::new);
                landing.land(result);
            }
            .instrument(tracing::Span::current()),
        );
        let _ = flight.task.set(task.abort_handle());
        (Seat { board: Arc::clone(&self.board), key, flight }, Role::Leader)
    }
}

impl<K, V, E> Default for Flights<K, V, E>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: From<Lost> + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

/// A caller that waits; leaving is dropping it.
struct Seat<K: Hash + Eq, V, E> {
    board: Board<K, V, E>,
    key: K,
    flight: Arc<Flight<V, E>>,
}

impl<K: Hash + Eq, V, E> Drop for Seat<K, V, E> {
    fn drop(&mut self) {
        let cancelled = {
            let mut board = lock(&self.board);
            let last = self.flight.aboard.fetch_sub(1, Ordering::SeqCst) == 1;
            let cancel = last && self.flight.result.borrow().is_none() && decided(&self.flight.fate, LEFT);
            if cancel {
                take_off_the_board(&mut board, &self.key, &self.flight);
            }
            cancel
        };
        if cancelled && let Some(task) = self.flight.task.get() {
            task.abort();
        }
    }
}

/// Owned by the work: whichever way it ends, the flight leaves the board and everybody aboard gets an answer.
struct Landing<K: Hash + Eq, V, E: From<Lost>> {
    board: Board<K, V, E>,
    key: K,
    flight: Arc<Flight<V, E>>,
}

impl<K: Hash + Eq, V, E: From<Lost>> Landing<K, V, E> {
    /// Off the board first: who has seen the result and asks again must not be given the same one.
    fn land(&self, result: Result<V, Arc<E>>) {
        take_off_the_board(&mut lock(&self.board), &self.key, &self.flight);
        self.flight.result.send_replace(Some(result));
    }
}

impl<K: Hash + Eq, V, E: From<Lost>> Drop for Landing<K, V, E> {
    fn drop(&mut self) {
        take_off_the_board(&mut lock(&self.board), &self.key, &self.flight);
        self.flight.result.send_if_modified(|result| {
            let lost = result.is_none();
            if lost {
                *result = Some(Err(Arc::new(E::from(Lost))));
            }
            lost
        });
    }
}

/// Only this flight: after a cancellation its key may already carry the next one.
fn take_off_the_board<K: Hash + Eq, V, E>(
    board: &mut HashMap<K, Arc<Flight<V, E>>>,
    key: &K,
    flight: &Arc<Flight<V, E>>,
) {
    if board.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
        board.remove(key);
    }
}

fn lock<K, V, E>(board: &Board<K, V, E>) -> MutexGuard<'_, HashMap<K, Arc<Flight<V, E>>>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::future::pending;
    use tokio::sync::{Notify, oneshot};

    #[derive(Debug, PartialEq)]
    enum Failure {
        Lost,
        Said(&'static str),
    }

    impl From<Lost> for Failure {
        fn from(_: Lost) -> Self {
            Self::Lost
        }
    }

    type Tested = Arc<Flights<u32, u32, Failure>>;

    fn flights() -> Tested {
        Arc::default()
    }

    /// Callers that are aboard the flight of key 1.
    async fn aboard(flights: &Tested, count: usize) {
        loop {
            let now = lock(&flights.board).get(&1).map_or(0, |flight| flight.aboard.load(Ordering::SeqCst));
            if now == count {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_hundred_callers_cost_one_run() {
        let (flights, runs, open) = (flights(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let callers: Vec<_> = (0..200)
            .map(|_| {
                let (flights, runs, open) = (flights.clone(), runs.clone(), open.clone());
                tokio::spawn(async move {
                    let work = move |_| async move {
                        runs.fetch_add(1, Ordering::SeqCst);
                        open.notified().await;
                        Ok(7)
                    };
                    flights.join(1, work).await
                })
            })
            .collect();
        aboard(&flights, 200).await;
        open.notify_one();
        let results: Vec<_> = join_all(callers).await.into_iter().map(Result::unwrap).collect();
        assert!(results.iter().all(|(result, _)| *result == Ok(7)));
        assert_eq!(results.iter().filter(|(_, role)| *role == Role::Leader).count(), 1);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn a_leader_that_leaves_takes_nothing_with_it() {
        let (flights, open) = (flights(), Arc::new(Notify::new()));
        let leader = tokio::spawn({
            let (flights, open) = (flights.clone(), open.clone());
            async move {
                let work = move |_| async move {
                    open.notified().await;
                    Ok(1)
                };
                flights.join(1, work).await
            }
        });
        aboard(&flights, 1).await;
        let follower = tokio::spawn({
            let flights = flights.clone();
            async move { flights.join(1, |_| async { panic!("a second run") }).await }
        });
        aboard(&flights, 2).await;
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
        open.notify_one();
        assert_eq!(follower.await.unwrap(), (Ok(1), Role::Follower));
    }

    #[tokio::test]
    async fn queued_work_is_cancelled_when_the_last_caller_leaves() {
        let flights = flights();
        let (alive, dropped) = oneshot::channel::<()>();
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let flights = flights.clone();
                tokio::spawn(async move { flights.join(1, |_| pending()).await })
            })
            .collect();
        aboard(&flights, 2).await;
        // Joins as a third caller of a flight with a witness, under another key.
        let witnessed = tokio::spawn({
            let flights = flights.clone();
            async move {
                let work = move |_| async move {
                    let _alive = alive;
                    pending().await
                };
                flights.join(2, work).await
            }
        });
        while flights.len() < 2 {
            tokio::task::yield_now().await;
        }
        witnessed.abort();
        assert!(dropped.await.is_err(), "the work itself is dropped, not only forgotten");
        callers[0].abort();
        aboard(&flights, 1).await;
        callers[1].abort();
        while !flights.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(flights.join(1, |_| async { Ok(5) }).await, (Ok(5), Role::Leader));
    }

    #[tokio::test]
    async fn committed_work_runs_to_its_end_without_an_audience() {
        let (flights, open) = (flights(), Arc::new(Notify::new()));
        let (committed, is_committed) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let caller = tokio::spawn({
            let (flights, open) = (flights.clone(), open.clone());
            async move {
                let work = move |commit: Commit| async move {
                    assert!(commit.commit());
                    committed.send(()).unwrap();
                    open.notified().await;
                    done.send(()).unwrap();
                    Ok(1)
                };
                flights.join(1, work).await
            }
        });
        is_committed.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        let late = tokio::spawn({
            let flights = flights.clone();
            async move { flights.join(1, |_| async { Ok(99) }).await }
        });
        aboard(&flights, 1).await;
        open.notify_one();
        is_done.await.unwrap();
        assert_eq!(late.await.unwrap(), (Ok(1), Role::Follower), "a late caller joins the work under way");
    }

    #[tokio::test]
    async fn work_on_a_thread_learns_that_everybody_has_left() {
        let flights = flights();
        let (handed, taken) = oneshot::channel();
        let caller = tokio::spawn({
            let flights = flights.clone();
            async move {
                let work = move |commit: Commit| async move {
                    handed.send(commit.clone()).ok();
                    pending().await
                };
                flights.join(1, work).await
            }
        });
        let commit = taken.await.unwrap();
        assert!(commit.is_wanted());
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert!(!commit.is_wanted() && !commit.commit(), "too late: its result would go nowhere");
        // The next one who asks begins anew, whatever the thread is still at.
        assert_eq!(flights.join(1, |_| async { Ok(5) }).await, (Ok(5), Role::Leader));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_asks_again_after_an_error_is_not_given_the_same_one() {
        let flights = flights();
        for _ in 0..2000 {
            let (result, _) = flights.join(1, |_| async { Err(Failure::Said("no")) }).await;
            assert!(result.is_err());
            assert_eq!(flights.join(1, |_| async { Ok(1) }).await, (Ok(1), Role::Leader));
        }
    }

    #[tokio::test]
    async fn errors_stay_typed_and_a_panic_is_one() {
        let flights = flights();
        let (result, _) = flights.join(1, |_| async { Err(Failure::Said("no")) }).await;
        assert_eq!(*result.unwrap_err(), Failure::Said("no"));
        let (result, _) = flights.join(1, |_| async { panic!("on purpose") }).await;
        assert_eq!(*result.unwrap_err(), Failure::Lost);
        let early =
            |_: Commit| -> std::future::Ready<Result<u32, Failure>> { panic!("before the first await") };
        let (result, _) = flights.join(1, early).await;
        assert_eq!(*result.unwrap_err(), Failure::Lost);
        assert!(flights.is_empty());
    }
}
