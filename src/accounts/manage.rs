//! What administrators, the command line and the configuration do with accounts, and what people do with their own.

use super::session::end_sessions;
use super::user::check_password;
use super::{Accounts, AccountsError, NewUser, PasswordHash, Role, User, Who, store};
use crate::db::Tx;

/// An account that the configuration names.
#[derive(Debug, Clone)]
pub struct Configured<'a> {
    pub name: &'a str,
    pub email: Option<&'a str>,
    pub role: Role,
    pub password: Option<&'a str>,
    /// Instead of a password.
    pub hash: Option<&'a str>,
}

/// The name of the account that everybody acts as.
const ANYONE: &str = "anyone";

/// What somebody may store; `None` = as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    pub bytes: Option<u64>,
    pub files: Option<u64>,
}

impl Accounts {
    pub async fn create_user(&self, new: &NewUser<'_>, role: Role, now: i64) -> Result<User, AccountsError> {
        let hash = match new.password {
            Some(password) => {
                check_password(password)?;
                Some(self.hasher.hash(password).await?)
            }
            None => None,
        };
        self.insert(new, role, hash.as_ref(), now).await
    }

    /// The accounts of the configuration that are not there yet, by name; returns those that were made. What changed
    /// in an account since is not touched.
    pub async fn ensure(&self, configured: &[Configured<'_>], now: i64) -> Result<Vec<User>, AccountsError> {
        let mut made = Vec::new();
        for one in configured {
            let new = NewUser { name: one.name, email: one.email, password: one.password };
            new.checked()?;
            if store::by_login(&self.db, one.name).await?.is_some() {
                continue;
            }
            let user = match one.hash {
                Some(hash) => {
                    let hash: PasswordHash = hash.parse()?;
                    self.insert(&new, one.role, Some(&hash), now).await
                }
                None => self.create_user(&new, one.role, now).await,
            };
            match user {
                Ok(user) => made.push(user),
                // Another process was first.
                Err(AccountsError::NameTaken) if store::by_login(&self.db, one.name).await?.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// The account that everybody acts as where none is needed: it has no password and no administrator's rights.
    pub async fn anyone(&self, now: i64) -> Result<Who, AccountsError> {
        let one = Configured { name: ANYONE, email: None, role: Role::User, password: None, hash: None };
        self.ensure(&[one], now).await?;
        let mut user = self.user_by_login(ANYONE).await?;
        // Whatever somebody made of it since.
        user.role = Role::User;
        Ok(Who { scopes: user.role.scopes(), user, key: None })
    }

    /// Another password, by somebody who need not know the old one; ends all sessions.
    pub async fn set_password(&self, user: i64, password: &str, now: i64) -> Result<(), AccountsError> {
        check_password(password)?;
        let hash = self.hasher.hash(password).await?;
        let mut tx = self.db.write().await?;
        store::set_password(&mut tx, user, &hash, false, now).await?;
        end_sessions(&mut tx, user, now).await?;
        Ok(tx.commit().await?)
    }

    pub async fn set_role(&self, user: i64, role: Role, now: i64) -> Result<(), AccountsError> {
        let old = self.user(user).await?;
        let mut tx = self.db.write().await?;
        if role != Role::Admin {
            keep_an_admin(&mut tx, &old).await?;
        }
        store::set_role(&mut tx, user, role, now).await?;
        Ok(tx.commit().await?)
    }

    /// A disabled account is there and can do nothing.
    pub async fn set_disabled(&self, user: i64, disabled: bool, now: i64) -> Result<(), AccountsError> {
        let old = self.user(user).await?;
        let mut tx = self.db.write().await?;
        if disabled {
            keep_an_admin(&mut tx, &old).await?;
            end_sessions(&mut tx, user, now).await?;
        }
        store::set_disabled(&mut tx, user, disabled.then_some(now), now).await?;
        Ok(tx.commit().await?)
    }

    pub async fn set_quota(&self, user: i64, quota: Quota, now: i64) -> Result<(), AccountsError> {
        let mut tx = self.db.write().await?;
        store::set_quota(&mut tx, user, quota, now).await?;
        Ok(tx.commit().await?)
    }

    /// Its sessions, keys and links go with it; its pictures are for the caller to put into the trash.
    pub async fn delete_account(&self, user: i64) -> Result<(), AccountsError> {
        let old = self.user(user).await?;
        let mut tx = self.db.write().await?;
        keep_an_admin(&mut tx, &old).await?;
        store::delete(&mut tx, user).await?;
        Ok(tx.commit().await?)
    }

    pub async fn user(&self, pk: i64) -> Result<User, AccountsError> {
        store::by_pk(&self.db, pk).await?.ok_or(AccountsError::NotFound { what: "user" })
    }

    pub async fn user_by_id(&self, id: &str) -> Result<User, AccountsError> {
        store::by_id(&self.db, id).await?.ok_or(AccountsError::NotFound { what: "user" })
    }

    /// By name or e-mail address.
    pub async fn user_by_login(&self, login: &str) -> Result<User, AccountsError> {
        let found = store::by_login(&self.db, login).await?;
        found.map(|(user, _)| user).ok_or(AccountsError::NotFound { what: "user" })
    }

    /// In the order in which they came, after the key `after`.
    pub async fn users(&self, after: i64, limit: u32) -> Result<Vec<User>, AccountsError> {
        Ok(store::list(&self.db, after, limit.min(1000)).await?)
    }

    /// The same of those whose name begins with `prefix`, in any case.
    pub async fn users_named(
        &self,
        prefix: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<User>, AccountsError> {
        Ok(store::list_named(&self.db, prefix, after, limit.min(1000)).await?)
    }

    pub async fn count(&self) -> Result<u64, AccountsError> {
        Ok(store::count(&self.db).await?)
    }

    async fn insert(
        &self,
        new: &NewUser<'_>,
        role: Role,
        hash: Option<&PasswordHash>,
        now: i64,
    ) -> Result<User, AccountsError> {
        let checked = new.checked()?;
        let mut tx = self.db.write().await?;
        let user = store::insert(&mut tx, &checked, role, hash, now).await?;
        tx.commit().await?;
        Ok(user)
    }
}

/// Refuses what would leave nobody to administrate.
pub(super) async fn keep_an_admin(tx: &mut Tx, user: &User) -> Result<(), AccountsError> {
    let is_admin = user.role == Role::Admin && user.disabled_at.is_none();
    if is_admin && !store::has_other_admin(tx, user.pk).await? {
        return Err(AccountsError::LastAdmin);
    }
    Ok(())
}
