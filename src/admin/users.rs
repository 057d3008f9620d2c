//! Accounts as administrators see them. Each change is in the audit log.

use std::time::Duration;

use super::audit::Actor;
use super::{Admin, AdminError};
use crate::accounts::{Invite, NewUser, Quota, Registration, Role, Settings, User};

/// What shall change of an account; `None` = nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserChange<'a> {
    pub role: Option<Role>,
    pub quota: Option<Quota>,
    pub disabled: Option<bool>,
    pub password: Option<&'a str>,
}

impl Admin {
    /// In the order in which they came, after the key `after`; those whose name begins with `prefix`, if it is given.
    pub async fn users(&self, prefix: Option<&str>, after: i64, limit: u32) -> Result<Vec<User>, AdminError> {
        Ok(match prefix {
            Some(prefix) => self.accounts.users_named(prefix, after, limit).await?,
            None => self.accounts.users(after, limit).await?,
        })
    }

    pub async fn user(&self, id: &str) -> Result<User, AdminError> {
        Ok(self.accounts.user_by_id(id).await?)
    }

    pub async fn create_user(
        &self,
        actor: Actor<'_>,
        new: &NewUser<'_>,
        role: Role,
        quota: Quota,
        now: i64,
    ) -> Result<User, AdminError> {
        let user = self.accounts.create_user(new, role, now).await?;
        self.accounts.set_quota(user.pk, quota, now).await?;
        self.note(actor, "user.create", &user.id, &format!("{} as {role}", user.name), now).await?;
        self.user(&user.id).await
    }

    /// Each part that is given; the first that is refused ends it.
    pub async fn change_user(
        &self,
        actor: Actor<'_>,
        id: &str,
        change: &UserChange<'_>,
        now: i64,
    ) -> Result<User, AdminError> {
        let user = self.user(id).await?;
        if let Some(role) = change.role {
            self.accounts.set_role(user.pk, role, now).await?;
            self.note(actor, "user.role", id, role.as_str(), now).await?;
        }
        if let Some(disabled) = change.disabled {
            self.accounts.set_disabled(user.pk, disabled, now).await?;
            self.note(actor, if disabled { "user.disable" } else { "user.enable" }, id, "", now).await?;
        }
        if let Some(quota) = change.quota {
            self.accounts.set_quota(user.pk, quota, now).await?;
            self.note(actor, "user.quota", id, &quota_words(quota), now).await?;
        }
        if let Some(password) = change.password {
            self.accounts.set_password(user.pk, password, now).await?;
            self.note(actor, "user.password", id, "", now).await?;
        }
        self.user(id).await
    }

    /// The account; its pictures go into the trash.
    pub async fn delete_user(&self, actor: Actor<'_>, id: &str, now: i64) -> Result<(), AdminError> {
        let user = self.user(id).await?;
        self.accounts.delete_account(user.pk).await?;
        self.library.trash_all_of(user.pk, now).await?;
        self.note(actor, "user.delete", id, &user.name, now).await
    }

    pub async fn invite(
        &self,
        actor: Actor<'_>,
        role: Role,
        lasts: Duration,
        now: i64,
    ) -> Result<Invite, AdminError> {
        let invite = self.accounts.invite(Some(actor.who.user.pk), role, lasts, now).await?;
        self.note(actor, "invite.create", role.as_str(), "", now).await?;
        Ok(invite)
    }

    /// What is decided at run time, and who may register as things are.
    pub async fn settings(&self) -> Result<(Settings, Registration), AdminError> {
        let settings = self.accounts.settings().await?;
        Ok((settings, self.accounts.registration(&settings)))
    }

    pub async fn change_settings(&self, actor: Actor<'_>, to: &Settings, now: i64) -> Result<(), AdminError> {
        self.accounts.change_settings(to, now).await?;
        let registration = to.registration.map_or("as configured", Registration::as_str);
        let detail = format!("registration {registration}, {}", quota_words(to.quota));
        self.note(actor, "settings.change", "settings", &detail, now).await
    }
}

fn quota_words(quota: Quota) -> String {
    let number = |value: Option<u64>| value.map_or("any number of".to_owned(), |value| value.to_string());
    format!("{} bytes, {} files", number(quota.bytes), number(quota.files))
}
