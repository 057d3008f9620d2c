//! The job `derive`: makes the derivatives of a new picture, so that they are cached when somebody asks for them.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Failure, Job, Work};
use crate::cache::Handover;
use crate::delivery::Delivery;
use crate::library::{DeriveOrder, Library};

/// Its result is `{"made", "bytes"}`.
pub struct DeriveJob {
    pub library: Library,
    pub delivery: Arc<Delivery>,
    /// Where results are left for the server, if this process is none.
    pub handover: Option<Handover>,
}

impl Job for DeriveJob {
    fn kind(&self) -> &'static str {
        DeriveOrder::KIND
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let (library, delivery, handover) =
            (self.library.clone(), Arc::clone(&self.delivery), self.handover.clone());
        async move {
            let order: DeriveOrder =
                serde_json::from_value(work.payload).map_err(|error| Failure::never(error.to_string()))?;
            let found = library.find(&order.image).await.map_err(|error| Failure::of(&error))?;
            let Some(image) = found else {
                // It was deleted before its turn came.
                return Ok(json!({ "made": 0, "bytes": 0 }));
            };
            let made = Box::pin(delivery.derive(&image)).await.map_err(|error| Failure::of(&error))?;
            if let Some(handover) = &handover {
                for (key, entry) in &made {
                    let given = handover.give(*key, entry).await;
                    given.map_err(|error| Failure::again(format!("handing over: {error}")))?;
                }
            }
            let bytes: u64 = made.iter().map(|(_, entry)| entry.len()).sum();
            Ok(json!({ "made": made.len(), "bytes": bytes }))
        }
        .boxed()
    }
}
