//! Accounts that are an e-mail address and one API key, as clients have them that know no passwords: how they are made,
//! how a lost key is replaced by mail, and how they end.

use super::links::{DELETION, MAIL_LASTS, RECOVERY};
use super::mail::{MailOrder, enqueue, may_mail};
use super::session::end_sessions;
use super::store::{self, tokens};
use super::user::email_key;
use super::{Accounts, AccountsError, NewUser, Registration, Role, Scope, Scopes, Token, User, Who, token};
use crate::db::Tx;

/// What such keys are called.
const NAME: &str = "mail";

impl Accounts {
    /// Whoever may register makes an account of this address. Its key is in the answer and can never be read again.
    pub async fn register_keyed(&self, email: &str, now: i64) -> Result<(User, Token), AccountsError> {
        let settings = self.settings().await?;
        match self.registration(&settings) {
            Registration::Open => {}
            Registration::Invite | Registration::Closed => return Err(AccountsError::RegistrationClosed),
        }
        let name = name_of(email)?;
        let checked = NewUser { name: &name, email: Some(email), password: None }.checked()?;
        let mut tx = self.db.write().await?;
        let user = store::insert(&mut tx, &checked, Role::User, None, now).await?;
        store::set_quota(&mut tx, user.pk, settings.quota, now).await?;
        let key = insert_key(&mut tx, user.pk, now).await?;
        tx.commit().await?;
        Ok((user, key))
    }

    /// Mails a link that shows a new key and one that ends the account, if the address is somebody's. Nobody learns
    /// whether it is.
    pub async fn mail_key(&self, email: &str, language: &str, now: i64) -> Result<(), AccountsError> {
        let email = email_key(email)?;
        let user = store::by_login(&self.db, &email).await?.map(|(user, _)| user);
        let Some(user) = user.filter(|user| user.disabled_at.is_none()) else { return Ok(()) };
        let (link, goodbye) = (Token::random(token::LINK)?, Token::random(token::LINK)?);
        let expires_at = now + MAIL_LASTS;
        let order = MailOrder {
            subject: "key".to_owned(),
            to: email,
            name: user.name.clone(),
            token: link.expose().to_owned(),
            goodbye: Some(goodbye.expose().to_owned()),
            language: language.to_owned(),
            expires_at,
        };
        let mut tx = self.db.write().await?;
        if !may_mail(&mut tx, RECOVERY, user.pk, now).await? {
            tracing::info!(user = user.id, "no further recovery mail within the hour");
            return Ok(());
        }
        tokens::insert_link(&mut tx, &link.hash(), RECOVERY, Some(user.pk), expires_at, now).await?;
        tokens::insert_link(&mut tx, &goodbye.hash(), DELETION, Some(user.pk), expires_at, now).await?;
        enqueue(&mut tx, &order, now).await?;
        Ok(tx.commit().await?)
    }

    /// Another key by a mailed link, in place of all that this account had by mail.
    pub async fn renew_key(&self, link: &str, now: i64) -> Result<(User, Token), AccountsError> {
        let user = self.recovery(link, now).await?;
        let mut tx = self.db.write().await?;
        if !tokens::use_link(&mut tx, &token::hash(link), RECOVERY, now).await? {
            return Err(AccountsError::BadLink);
        }
        tokens::revoke_keys_named(&mut tx, user.pk, NAME, now).await?;
        let key = insert_key(&mut tx, user.pk, now).await?;
        end_sessions(&mut tx, user.pk, now).await?;
        tx.commit().await?;
        Ok((user, key))
    }

    /// Ends the key of whoever sends it, if the account has this address.
    pub async fn revoke_own_key(&self, email: &str, key: &str, now: i64) -> Result<(), AccountsError> {
        let Who { user, key, .. } = self.authenticate(key, now).await?;
        match key {
            Some(key) if user.email.is_some() && user.email == email_key(email).ok() => {
                self.revoke_key(user.pk, &key, now).await
            }
            _ => Err(AccountsError::BadToken),
        }
    }
}

async fn insert_key(tx: &mut Tx, user: i64, now: i64) -> Result<Token, AccountsError> {
    let id = token::public_id()?;
    let secret = Token::key(&id)?;
    let hash = secret.hash();
    let scopes = Scopes::of(&[Scope::Read, Scope::Upload, Scope::Manage]);
    let row = tokens::NewKey { id: &id, user, hash: &hash, name: NAME, scopes, expires_at: None };
    tokens::insert_key(tx, &row, now).await?;
    Ok(secret)
}

/// A name of one's own for somebody who gave an address only.
fn name_of(email: &str) -> Result<String, AccountsError> {
    let local = email.trim().split('@').next().unwrap_or_default();
    let plain: String =
        local.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(32).collect();
    Ok(format!("{plain}-{}", token::public_id()?))
}
