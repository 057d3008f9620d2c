//! Whether the user wants an end: asked between steps and waited on instead of sleeping.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Failure;

/// A flag that is raised once, by Ctrl-C for example. Copies are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Whoever waits wakes, and what runs ends as soon as it can without leaving anything half done.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    pub fn is_stopped(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_stopped() { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Waits until then, unless it is stopped.
    pub(crate) fn wait_until(&self, then: Instant) -> Result<(), Failure> {
        let mut stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = then.saturating_duration_since(Instant::now());
            if *stopped {
                return Err(Failure::Interrupted);
            }
            if left == Duration::ZERO {
                return Ok(());
            }
            let woken = self.0.1.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner);
            stopped = woken.0;
        }
    }
}
