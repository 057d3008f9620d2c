//! Work that nobody waits for.

use std::time::Duration;

use serde::Deserialize;

use crate::units::Span;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jobs {
    /// How many jobs this process works on at once; 0 = none, `pixedge worker` does them.
    pub concurrency: usize,
    /// How often the queue is looked at for what other processes left there.
    pub poll: Span,
    /// So long after a process died, others take over its jobs.
    pub lease: Span,
    /// The wait after the first failure; it doubles with each further one.
    pub backoff: Span,
}

impl Default for Jobs {
    fn default() -> Self {
        let span = |seconds| Span(Duration::from_secs(seconds));
        Self { concurrency: 2, poll: span(2), lease: span(60), backoff: span(10) }
    }
}

impl Jobs {
    pub fn validate(&self) -> Result<(), String> {
        if self.concurrency > 64 {
            return Err(format!("`jobs.concurrency`: {} is more than 64", self.concurrency));
        }
        for (name, span, least, most) in [
            ("poll", self.poll, 100, 3_600_000),
            ("lease", self.lease, 1000, 86_400_000),
            ("backoff", self.backoff, 10, 3_600_000),
        ] {
            let ms = span.0.as_millis();
            if !(least..=most).contains(&ms) {
                let (least, most) = (Duration::from_millis(least as u64), Duration::from_millis(most as u64));
                return Err(format!("`jobs.{name}` is not between {least:?} and {most:?}"));
            }
        }
        Ok(())
    }
}
