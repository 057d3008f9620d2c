//! The job `transform`: makes a version of an image that somebody did not want to wait for.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Failure, Job, Work};
use crate::accounts::{Accounts, Scope};
use crate::db::now_ms;
use crate::delivery::Delivery;
use crate::delivery::door::Viewer;
use crate::delivery::keep::Wish;
use crate::library::{Library, Quota, Reach, VersionOrder};

/// Its result is `{"image_id", "version_id", "transformations"}`, the last as they were written.
pub struct VersionJob {
    pub library: Library,
    pub accounts: Accounts,
    pub delivery: Arc<Delivery>,
}

impl Job for VersionJob {
    fn kind(&self) -> &'static str {
        VersionOrder::KIND
    }

    fn run(&self, work: Work) -> BoxFuture<'static, Result<Value, Failure>> {
        let (library, accounts, delivery) =
            (self.library.clone(), self.accounts.clone(), Arc::clone(&self.delivery));
        async move {
            let order: VersionOrder =
                serde_json::from_value(work.payload).map_err(|error| Failure::never(error.to_string()))?;
            let now = now_ms();
            let user = accounts.user(order.user).await.map_err(|error| Failure::of(&error))?;
            // What the account may today, not when it asked.
            let (reach, viewer) = match user.role.scopes().has(Scope::Admin) {
                true => (Reach::Everybody, Viewer::Admin),
                false => (Reach::Owner(user.pk), Viewer::User(user.pk)),
            };
            let image = library.get(reach, &order.image, now).await.map_err(|error| Failure::of(&error))?;
            let owner = match image.owner {
                Some(owner) if owner != user.pk => {
                    Some(accounts.user(owner).await.map_err(|error| Failure::of(&error))?)
                }
                Some(_) => Some(user),
                None => None,
            };
            let quota = owner.map_or_else(Quota::default, |owner| Quota {
                bytes: owner.quota_bytes,
                files: owner.quota_files,
            });
            let wish = Wish { spec: &order.spec, viewer, client: order.client, quota, now };
            let kept = Box::pin(delivery.keep(&image, &wish)).await;
            let (version, _) = kept.map_err(|error| Failure::of(&error))?;
            let made = json!({
                "image_id": image.id.as_str(),
                "version_id": version.id,
                "transformations": order.wish,
            });
            Ok(made)
        }
        .boxed()
    }
}
