//! Whether everything that answers depend on is there, for `/readyz`. Asking costs a query and a write to the storage, so
//! an answer holds for a second, all who ask meanwhile share it, and one that does not come is a no.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

/// What is checked; the text says what is missing.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Verdict> + Send + Sync>;

pub type Verdict = Result<(), String>;

/// See the module text.
pub struct Readiness {
    check: Check,
    /// How long a verdict holds.
    holds: Duration,
    /// How long a check may take.
    longest: Duration,
    last: Mutex<Option<(Instant, Shared<BoxFuture<'static, Verdict>>)>>,
}

impl Readiness {
    pub fn new(check: Check) -> Self {
        Self { check, holds: Duration::from_secs(1), longest: Duration::from_secs(3), last: Mutex::new(None) }
    }

    pub async fn ask(&self) -> Verdict {
        let verdict = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            match &*last {
                // One that is still under way holds as well: there is never more than one.
                Some((begun, verdict)) if verdict.peek().is_none() || begun.elapsed() < self.holds => {
                    verdict.clone()
                }
                _ => {
                    let verdict = bounded((self.check)(), self.longest).boxed().shared();
                    *last = Some((Instant::now(), verdict.clone()));
                    verdict
                }
            }
        };
        verdict.await
    }
}

async fn bounded(check: BoxFuture<'static, Verdict>, longest: Duration) -> Verdict {
    // A task of its own: whoever asked first may leave, and the rest must not wait for the next one to ask.
    let mut task = tokio::spawn(check);
    match tokio::time::timeout(longest, &mut task).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => Err("the check failed".to_owned()),
        Err(_) => {
            task.abort();
            Err(format!("no answer within {longest:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    fn counted(
        verdict: impl Fn(usize) -> BoxFuture<'static, Verdict> + Send + Sync + 'static,
    ) -> (Readiness, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let check: Check = Arc::new(move || verdict(counter.fetch_add(1, Relaxed)));
        (Readiness::new(check), count)
    }

    #[tokio::test]
    async fn many_questions_are_one_check() {
        let (mut readiness, checks) =
            counted(|n| async move { if n == 0 { Ok(()) } else { Err("database".to_owned()) } }.boxed());
        readiness.holds = Duration::from_secs(3600);
        let answers = futures_util::future::join_all((0..1000).map(|_| readiness.ask())).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(checks.load(Relaxed), 1);
        readiness.holds = Duration::ZERO;
        assert_eq!(readiness.ask().await, Err("database".to_owned()));
        assert_eq!(checks.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn no_answer_is_a_no() {
        let (mut readiness, checks) = counted(|_| std::future::pending().boxed());
        readiness.longest = Duration::from_millis(5);
        assert!(readiness.ask().await.unwrap_err().contains("5ms"));
        assert_eq!(checks.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn whoever_leaves_does_not_take_the_check_along() {
        let open = Arc::new(tokio::sync::Notify::new());
        let (mut readiness, checks) = counted({
            let open = open.clone();
            move |_| {
                let open = open.clone();
                async move {
                    open.notified().await;
                    Ok(())
                }
                .boxed()
            }
        });
        readiness.holds = Duration::ZERO;
        assert!(readiness.ask().now_or_never().is_none());
        open.notify_one();
        assert_eq!(readiness.ask().await, Ok(()));
        assert_eq!(checks.load(Relaxed), 1);
    }
}
