//! Secrets that do one thing once: the set-up link of a new server, invitations, recovery and deletion by mail.

use std::time::Duration;

use super::session::end_sessions;
use super::store::tokens;
use super::user::{check_password, email_key};
use super::{Accounts, AccountsError, NewUser, Registration, Role, Signed, Token, User, ms, store, token};

/// An invitation to register.
#[derive(Debug, Clone)]
pub struct Invite {
    pub token: Token,
    pub role: Role,
    pub expires_at: i64,
}

const SET_UP: &str = "set_up";
pub(super) const RECOVERY: &str = "recovery";
pub(super) const DELETION: &str = "deletion";

const SET_UP_LASTS: i64 = 24 * 60 * 60_000;
/// As long as a mail may take, and no longer than somebody leaves a mailbox open.
pub(super) const MAIL_LASTS: i64 = 60 * 60_000;

impl Accounts {
    /// The secret of the set-up link while there are no users; the one before it ends. For the start of a server.
    pub async fn set_up_token(&self, now: i64) -> Result<Option<Token>, AccountsError> {
        let mut tx = self.db.write().await?;
        if !store::is_empty(&mut tx).await? {
            return Ok(None);
        }
        let link = Token::random(token::LINK)?;
        tokens::insert_link(&mut tx, &link.hash(), SET_UP, None, now + SET_UP_LASTS, now).await?;
        tx.commit().await?;
        Ok(Some(link))
    }

    /// Whether a set-up link would still work, for the page behind it.
    pub async fn check_set_up(&self, link: &str, now: i64) -> Result<(), AccountsError> {
        tokens::link(&self.db, &token::hash(link), SET_UP, now)
            .await?
            .map(|_| ())
            .ok_or(AccountsError::BadLink)
    }

    /// Makes the first administrator, and signs in.
    pub async fn set_up(&self, link: &str, new: &NewUser<'_>, now: i64) -> Result<Signed, AccountsError> {
        let checked = new.checked()?;
        let password = new.password.ok_or(PASSWORD_MISSING)?;
        let link = token::hash(link);
        // Hashing is dear, so it is not done for a wrong link.
        tokens::link(&self.db, &link, SET_UP, now).await?.ok_or(AccountsError::BadLink)?;
        let hash = self.hasher.hash(password).await?;
        let mut tx = self.db.write().await?;
        if !tokens::use_link(&mut tx, &link, SET_UP, now).await? || !store::is_empty(&mut tx).await? {
            return Err(AccountsError::BadLink);
        }
        let user = store::insert(&mut tx, &checked, Role::Admin, Some(&hash), now).await?;
        let signed = self.open_session(&mut tx, user, now).await?;
        tx.commit().await?;
        Ok(signed)
    }

    /// Anybody who may register makes an account, and signs in. Where a password is missing, there is none.
    pub async fn register(
        &self,
        new: &NewUser<'_>,
        invite: Option<&str>,
        now: i64,
    ) -> Result<Signed, AccountsError> {
        let checked = new.checked()?;
        let invite = invite.map(token::hash);
        let settings = self.settings().await?;
        match (self.registration(&settings), &invite) {
            (Registration::Closed, _) => return Err(AccountsError::RegistrationClosed),
            (Registration::Invite, None) => return Err(AccountsError::BadInvite),
            (Registration::Invite, Some(hash)) if !tokens::has_invite(&self.db, hash, now).await? => {
                return Err(AccountsError::BadInvite);
            }
            _ => {}
        }
        let hash = match new.password {
            Some(password) => Some(self.hasher.hash(password).await?),
            None => None,
        };
        let quota = settings.quota;
        let mut tx = self.db.write().await?;
        let mut role = Role::User;
        if let Some(invite) = &invite {
            role = tokens::use_invite(&mut tx, invite, now).await?.ok_or(AccountsError::BadInvite)?;
        }
        let user = store::insert(&mut tx, &checked, role, hash.as_ref(), now).await?;
        store::set_quota(&mut tx, user.pk, quota, now).await?;
        let user = User { quota_bytes: quota.bytes, quota_files: quota.files, ..user };
        if let Some(invite) = &invite {
            tokens::invited(&mut tx, invite, user.pk).await?;
        }
        let signed = self.open_session(&mut tx, user, now).await?;
        tx.commit().await?;
        Ok(signed)
    }

    pub async fn invite(
        &self,
        by: Option<i64>,
        role: Role,
        lasts: Duration,
        now: i64,
    ) -> Result<Invite, AccountsError> {
        let token = Token::random(token::INVITE)?;
        let expires_at = now + ms(lasts);
        tokens::insert_invite(&self.db, &token.hash(), role, by, expires_at, now).await?;
        Ok(Invite { token, role, expires_at })
    }

    /// The secret for a mail to this address, if it is somebody's. The caller answers the same either way, and before
    /// the mail is sent.
    pub async fn ask_recovery(&self, email: &str, now: i64) -> Result<Option<(User, Token)>, AccountsError> {
        let email = email_key(email)?;
        let user = store::by_login(&self.db, &email).await?.map(|(user, _)| user);
        match user.filter(|user| user.disabled_at.is_none()) {
            Some(user) => {
                let link = self.link(RECOVERY, user.pk, now).await?;
                Ok(Some((user, link)))
            }
            None => Ok(None),
        }
    }

    /// Whose account a recovery link opens, for the page behind it; nothing is used up.
    pub async fn recovery(&self, link: &str, now: i64) -> Result<User, AccountsError> {
        self.owner(link, RECOVERY, now).await
    }

    /// Another password by a link, which ends all sessions and other links.
    pub async fn recover(&self, link: &str, password: &str, now: i64) -> Result<User, AccountsError> {
        check_password(password)?;
        let user = self.owner(link, RECOVERY, now).await?;
        let hash = self.hasher.hash(password).await?;
        let mut tx = self.db.write().await?;
        if !tokens::use_link(&mut tx, &token::hash(link), RECOVERY, now).await? {
            return Err(AccountsError::BadLink);
        }
        store::set_password(&mut tx, user.pk, &hash, false, now).await?;
        tokens::end_links(&mut tx, DELETION, Some(user.pk)).await?;
        end_sessions(&mut tx, user.pk, now).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// The secret for a mail by which an account can be deleted.
    pub async fn ask_deletion(&self, user: i64, now: i64) -> Result<Token, AccountsError> {
        self.link(DELETION, user, now).await
    }

    /// Whose account a deletion link ends, for the page behind it; nothing is used up.
    pub async fn deletion(&self, link: &str, now: i64) -> Result<User, AccountsError> {
        self.owner(link, DELETION, now).await
    }

    /// Deletes the account that the link is for. Its pictures are for the caller to put into the trash.
    pub async fn delete_by_link(&self, link: &str, now: i64) -> Result<User, AccountsError> {
        let user = self.owner(link, DELETION, now).await?;
        let mut tx = self.db.write().await?;
        if !tokens::use_link(&mut tx, &token::hash(link), DELETION, now).await? {
            return Err(AccountsError::BadLink);
        }
        super::manage::keep_an_admin(&mut tx, &user).await?;
        store::delete(&mut tx, user.pk).await?;
        tx.commit().await?;
        Ok(user)
    }

    async fn link(&self, purpose: &'static str, user: i64, now: i64) -> Result<Token, AccountsError> {
        let link = Token::random(token::LINK)?;
        let mut tx = self.db.write().await?;
        tokens::insert_link(&mut tx, &link.hash(), purpose, Some(user), now + MAIL_LASTS, now).await?;
        tx.commit().await?;
        Ok(link)
    }

    async fn owner(&self, link: &str, purpose: &'static str, now: i64) -> Result<User, AccountsError> {
        let user = tokens::link(&self.db, &token::hash(link), purpose, now).await?.flatten();
        let user = match user {
            Some(user) => store::by_pk(&self.db, user).await?,
            None => None,
        };
        user.filter(|user| user.disabled_at.is_none()).ok_or(AccountsError::BadLink)
    }
}

const PASSWORD_MISSING: AccountsError = AccountsError::Invalid { field: "password", why: "is missing" };
