//! Signing in and staying so: passwords become sessions, sessions give short access tokens and refresh tokens that work
//! once. A refresh token that comes a second time was stolen from somebody, so its session ends for both.

use std::net::IpAddr;
use std::time::Duration;

use super::lockout::{Subject, cleared};
use super::store::tokens;
use super::user::check_password;
use super::{Accounts, AccountsError, Scope, Scopes, Token, User, ms, store, token};
use crate::auth::AccessClaims;
use crate::db::Tx;

/// What a sign-in or a refresh gives.
#[derive(Debug, Clone)]
pub struct Signed {
    pub user: User,
    pub access: String,
    /// How long `access` is valid.
    pub expires_in: Duration,
    pub refresh: Token,
}

/// Who a request comes from, and what it may do.
#[derive(Debug, Clone)]
pub struct Who {
    pub user: User,
    pub scopes: Scopes,
    /// The public id of the API key that was used; `None` = a session.
    pub key: Option<String>,
}

impl Who {
    pub fn needs(&self, scope: Scope) -> Result<(), AccountsError> {
        if self.scopes.has(scope) { Ok(()) } else { Err(AccountsError::MissingScope { scope }) }
    }
}

impl Accounts {
    /// `login` is a name or an e-mail address. An unknown one costs the same work and gives the same answer as a wrong
    /// password.
    pub async fn login(
        &self,
        login: &str,
        password: &str,
        address: IpAddr,
        now: i64,
    ) -> Result<Signed, AccountsError> {
        let (mut tx, user) = self.prove(login, password, address, now).await?;
        let signed = self.open_session(&mut tx, user, now).await?;
        tx.commit().await?;
        Ok(signed)
    }

    /// Who this is, for clients that send their password with every request. It costs what signing in costs.
    pub async fn by_password(
        &self,
        login: &str,
        password: &str,
        address: IpAddr,
        now: i64,
    ) -> Result<Who, AccountsError> {
        let (tx, user) = self.prove(login, password, address, now).await?;
        tx.commit().await?;
        Ok(Who { scopes: user.role.scopes(), user, key: None })
    }

    /// Another password by somebody who knows the old one; ends all other sessions.
    pub async fn change_password(
        &self,
        user: &User,
        old: &str,
        new: &str,
        address: IpAddr,
        now: i64,
    ) -> Result<Signed, AccountsError> {
        check_password(new)?;
        let (tx, user) = self.prove(&user.name, old, address, now).await?;
        // The lock is not held while hashing.
        tx.commit().await?;
        self.set_password(user.pk, new, now).await?;
        let user = self.user(user.pk).await?;
        let mut tx = self.db.write().await?;
        let signed = self.open_session(&mut tx, user, now).await?;
        tx.commit().await?;
        Ok(signed)
    }

    /// The account whose password this is, and a transaction in which it still is.
    async fn prove(
        &self,
        login: &str,
        password: &str,
        address: IpAddr,
        now: i64,
    ) -> Result<(Tx, User), AccountsError> {
        let (user, hash) = store::by_login(&self.db, login).await?.unzip();
        let hash = hash.flatten();
        let subject = Subject::new(user.as_ref().map(|user| user.pk), login, address);
        self.attempt(&subject, now).await?;
        let verdict = match self.hasher.verify(hash.clone(), password).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.unattempt(&subject).await;
                return Err(error);
            }
        };
        let user = user.filter(|user| verdict.right && user.disabled_at.is_none());
        let user = user.ok_or(AccountsError::WrongPassword)?;
        let mut tx = self.db.write().await?;
        // Between the look-up and now it may have been disabled, deleted or given another password.
        let user = store::same_password(&mut tx, user.pk, hash.as_ref()).await?;
        let user = user.ok_or(AccountsError::WrongPassword)?;
        if let Some(renewed) = &verdict.renewed {
            store::set_password(&mut tx, user.pk, renewed, false, now).await?;
        }
        cleared(&mut tx, &subject).await?;
        Ok((tx, user))
    }

    /// A session for somebody who has proved who they are.
    pub(super) async fn open_session(
        &self,
        tx: &mut Tx,
        user: User,
        now: i64,
    ) -> Result<Signed, AccountsError> {
        let sid = token::public_id()?;
        let expires_at = now + ms(self.config.refresh_token);
        let session = tokens::insert_session(tx, &sid, user.pk, expires_at, now).await?;
        self.grant(tx, session, &sid, user, now).await
    }

    /// New tokens for the old one, which is used up.
    pub async fn refresh(&self, refresh: &str, now: i64) -> Result<Signed, AccountsError> {
        if !refresh.starts_with(token::REFRESH) {
            return Err(AccountsError::BadToken);
        }
        let hash = token::hash(refresh);
        let mut tx = self.db.write().await?;
        let stored = tokens::refresh(&mut tx, &hash).await?.ok_or(AccountsError::BadToken)?;
        if stored.revoked || stored.user.disabled_at.is_some() {
            return Err(AccountsError::BadToken);
        }
        if stored.used || !tokens::use_refresh(&mut tx, &hash, now).await? {
            tokens::revoke_session(&mut tx, &stored.sid, now).await?;
            tx.commit().await?;
            tracing::warn!(user = stored.user.id, "a refresh token was used twice; its session has ended");
            return Err(AccountsError::BadToken);
        }
        if stored.expires_at <= now {
            return Err(AccountsError::TokenExpired);
        }
        let signed = self.grant(&mut tx, stored.session, &stored.sid, stored.user, now).await?;
        tx.commit().await?;
        Ok(signed)
    }

    /// Another access token for one that may have expired, within its session: for clients without refresh tokens. The
    /// old one ends soon, and the session when it would have without this.
    pub async fn renew(&self, access: &str, now: i64) -> Result<(User, String), AccountsError> {
        let claims = self.access.verify_late(access, now.div_euclid(1000))?;
        let made_at = claims.iat * 1000;
        let user = tokens::session_user(&self.db, &claims.sid, made_at, now).await?;
        let user = user.filter(|user| is_of(user, &claims)).ok_or(AccountsError::TokenExpired)?;
        tokens::renewed(&self.db, &claims.sid, made_at, now).await?;
        let access = self.access_token(&user, &claims.sid, now);
        Ok((user, access))
    }

    /// Who sends this access token or API key.
    pub async fn authenticate(&self, bearer: &str, now: i64) -> Result<Who, AccountsError> {
        if bearer.starts_with(token::KEY) {
            return self.by_key(bearer, now).await;
        }
        let claims = self.access.verify(bearer, now.div_euclid(1000))?;
        let user = tokens::session_user(&self.db, &claims.sid, claims.iat * 1000, now).await?;
        // The role is the account's of today, whatever the token says.
        let user = user.filter(|user| is_of(user, &claims)).ok_or(AccountsError::BadToken)?;
        Ok(Who { scopes: user.role.scopes(), user, key: None })
    }

    /// Ends the session of an access or a refresh token. Of a token that is not ours nothing is said.
    pub async fn logout(&self, bearer: &str, now: i64) -> Result<(), AccountsError> {
        let mut tx = self.db.write().await?;
        let sid = match self.access.verify_late(bearer, now.div_euclid(1000)) {
            Ok(claims) => Some(claims.sid),
            Err(_) => tokens::refresh(&mut tx, &token::hash(bearer)).await?.map(|stored| stored.sid),
        };
        if let Some(sid) = sid {
            tokens::revoke_session(&mut tx, &sid, now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Ends all sessions of an account; its API keys stay.
    pub async fn revoke_all(&self, user: i64, now: i64) -> Result<(), AccountsError> {
        let mut tx = self.db.write().await?;
        end_sessions(&mut tx, user, now).await?;
        Ok(tx.commit().await?)
    }

    async fn grant(
        &self,
        tx: &mut Tx,
        session: i64,
        sid: &str,
        user: User,
        now: i64,
    ) -> Result<Signed, AccountsError> {
        let refresh = Token::random(token::REFRESH)?;
        let expires_at = now + ms(self.config.refresh_token);
        tokens::insert_refresh(tx, &refresh.hash(), session, expires_at, now).await?;
        let access = self.access_token(&user, sid, now);
        Ok(Signed { user, access, expires_in: self.config.access_token, refresh })
    }

    fn access_token(&self, user: &User, sid: &str, now: i64) -> String {
        let iat = now.div_euclid(1000);
        self.access.sign(AccessClaims {
            iss: String::new(),
            sub: user.id.clone(),
            user_id: user.pk,
            role: user.role.as_str().to_owned(),
            generation: user.generation,
            sid: sid.to_owned(),
            iat,
            exp: iat + ms(self.config.access_token) / 1000,
        })
    }
}

pub(super) async fn end_sessions(tx: &mut Tx, user: i64, now: i64) -> Result<(), AccountsError> {
    store::end_tokens(tx, user, now).await?;
    tokens::revoke_sessions(tx, user, now).await?;
    Ok(())
}

fn is_of(user: &User, claims: &AccessClaims) -> bool {
    user.id == claims.sub
        && user.pk == claims.user_id
        && user.generation == claims.generation
        && user.disabled_at.is_none()
}
