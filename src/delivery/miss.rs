//! The way of a miss: wait for a worker, and only then read the original, render it and make the cache entry.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;

use crate::cache::{Commit, Entry, now_ms};
use crate::delivery::error::DeliveryError;
use crate::delivery::origin::{Origin, Origins};
use crate::delivery::respond::Timing;
use crate::telemetry::metrics::{Metrics, Stage};
use crate::transform::cost;
use crate::transform::plan::Plan;
use crate::transform::render::{Rendered, render};
use crate::workers::{Class, Estimate, Workers};

/// What a miss works with.
#[derive(Clone)]
pub(crate) struct Kitchen {
    pub(crate) origins: Arc<Origins>,
    pub(crate) workers: Workers,
    pub(crate) metrics: Arc<Metrics>,
}

impl Kitchen {
    /// Makes the variant. Cancelled if everybody leaves while it waits for a worker; finished and stored once it has one.
    pub(crate) async fn cook(
        self,
        origin: Origin,
        plan: Plan,
        commit: Commit,
        timing: Arc<OnceLock<Timing>>,
    ) -> Result<Entry, DeliveryError> {
        let arrived = Instant::now();
        let estimate = Estimate {
            seconds: cost::seconds(&origin.header, &plan),
            // The original's bytes, what rendering holds beside them, and the result.
            memory: origin.len
                + if plan.output.original { origin.len } else { cost::memory(&origin.header, &plan) },
        };
        let permit = self.workers.admit(Class::Interactive, estimate).await?;
        commit.commit();
        let admitted = Instant::now();
        let modified_ms = origin.modified_ms.unwrap_or_else(now_ms);
        let bytes = self.origins.read(&origin).await?;
        let fetched = Instant::now();
        let header = origin.header.clone();
        let original = plan.output.original;
        if !original {
            self.metrics.decode(header.format.name());
        }
        let rendered = permit.run(move |deadline| render(&bytes, &header, &plan, deadline)).await??;
        if !original {
            self.metrics.encoded(rendered.format.name());
        }
        let spent = Timing {
            queue: Some(admitted - arrived),
            fetch: Some(fetched - admitted),
            decode: Some(rendered.timings.decode),
            transform: Some(rendered.timings.transform),
            encode: Some(rendered.timings.encode),
        };
        self.observe(&spent);
        let _ = timing.set(spent);
        Ok(entry(rendered, modified_ms))
    }

    fn observe(&self, timing: &Timing) {
        for (stage, spent) in [
            (Stage::Queue, timing.queue),
            (Stage::Fetch, timing.fetch),
            (Stage::Decode, timing.decode),
            (Stage::Transform, timing.transform),
            (Stage::Encode, timing.encode),
        ] {
            if let Some(spent) = spent {
                self.metrics.stage(stage, spent);
            }
        }
    }
}

fn entry(rendered: Rendered, modified_ms: u64) -> Entry {
    Entry {
        body: Bytes::from(rendered.bytes),
        mime: Cow::Borrowed(rendered.format.mime()),
        width: rendered.width,
        height: rendered.height,
        created_ms: now_ms(),
        modified_ms,
        expires_ms: None,
        extra: Bytes::new(),
    }
}
