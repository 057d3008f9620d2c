//! The order that a new picture leaves for whoever makes its derivatives.

use serde::{Deserialize, Serialize};

use crate::db::queue::{self, NewJob};
use crate::db::{DbError, Tx};

/// Derivatives that are to be made by the job [`DeriveOrder::KIND`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeriveOrder {
    /// The id of the image.
    pub image: String,
}

impl DeriveOrder {
    pub const KIND: &'static str = "derive";

    /// Leaves it in the transaction that records the picture; one order for each picture waits at most.
    pub(super) async fn enqueue(&self, tx: &mut Tx, now: i64) -> Result<(), DbError> {
        let job = NewJob {
            kind: Self::KIND,
            payload: serde_json::to_value(self).unwrap_or_default(),
            owner: None,
            unique: Some(format!("{}:{}", Self::KIND, self.image)),
            run_at: now,
            max_attempts: 3,
        };
        queue::enqueue(tx, &job).await.map(|_| ())
    }
}
