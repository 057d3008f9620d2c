//! Moving pictures between storages, as work that goes on by itself.

use super::audit::Actor;
use super::{Admin, AdminError};
use crate::accounts::Scope;
use crate::db::queue::{self, JobId, NewJob};
use crate::library::Relocation;

impl Admin {
    /// Begins to move pictures, once it is known that both storages are there; or returns the job that does already.
    /// `owner` is the public id of the user whose pictures alone are moved.
    pub async fn move_pictures(
        &self,
        actor: Actor<'_>,
        from: &str,
        to: &str,
        owner: Option<&str>,
        now: i64,
    ) -> Result<JobId, AdminError> {
        actor.who.needs(Scope::Admin)?;
        let user = match owner {
            Some(id) => Some(self.accounts.user_by_id(id).await?.pk),
            None => None,
        };
        let plan = Relocation { from: from.to_owned(), to: to.to_owned(), owner: user };
        self.library.check_relocation(&plan).await?;
        let job = NewJob {
            kind: Relocation::KIND,
            payload: serde_json::to_value(&plan).unwrap_or_default(),
            owner: None,
            unique: Some(format!("{}:{from}:{to}:{}", Relocation::KIND, owner.unwrap_or_default())),
            run_at: now,
            max_attempts: 10,
        };
        let mut tx = self.db.write().await?;
        let id = queue::enqueue(&mut tx, &job).await?;
        tx.commit().await?;
        let whose = owner.map_or(String::new(), |id| format!(", of {id} only"));
        self.note(actor, "storage.migrate", from, &format!("to {to}{whose}"), now).await?;
        Ok(id)
    }
}
