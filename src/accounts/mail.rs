//! Links that go by mail. The secret and the order to send it are one transaction; the job that sends it forgets it.

use serde::{Deserialize, Serialize};

use super::links::{DELETION, MAIL_LASTS, RECOVERY};
use super::store::{self, tokens};
use super::user::email_key;
use super::{Accounts, AccountsError, Token, User, token};
use crate::db::Tx;
use crate::db::queue::{self, NewJob};

/// What the job of kind [`MailOrder::KIND`] is to send.
#[derive(Serialize, Deserialize)]
pub struct MailOrder {
    /// `recovery`, `deletion` or `key`.
    pub subject: String,
    pub to: String,
    pub name: String,
    /// The link's secret.
    pub token: String,
    /// That of a second link, which ends the account.
    #[serde(default)]
    pub goodbye: Option<String>,
    /// A language tag.
    pub language: String,
    /// After this nobody needs the mail, in milliseconds since 1970.
    pub expires_at: i64,
}

impl MailOrder {
    pub const KIND: &'static str = "mail";
}

/// Mails of one kind to one account.
const MOST_PER_HOUR: u64 = 3;
const HOUR: i64 = 3_600_000;

impl Accounts {
    /// Mails a recovery link to this address, if it is somebody's. Nobody learns whether it is.
    pub async fn mail_recovery(&self, email: &str, language: &str, now: i64) -> Result<(), AccountsError> {
        let email = email_key(email)?;
        let user = store::by_login(&self.db, &email).await?.map(|(user, _)| user);
        match user.filter(|user| user.disabled_at.is_none()) {
            // Who asks hears nothing of it: that too much was asked would tell that there is an account.
            Some(user) => match self.mail(RECOVERY, &user, language, now).await {
                Err(AccountsError::TooManyAttempts { .. }) => {
                    tracing::info!(user = user.id, "no further recovery mail within the hour");
                    Ok(())
                }
                done => done,
            },
            None => Ok(()),
        }
    }

    /// Mails a link by which its owner can delete the account.
    pub async fn mail_deletion(&self, user: i64, language: &str, now: i64) -> Result<(), AccountsError> {
        let user = self.user(user).await?;
        self.mail(DELETION, &user, language, now).await
    }

    async fn mail(
        &self,
        subject: &'static str,
        user: &User,
        language: &str,
        now: i64,
    ) -> Result<(), AccountsError> {
        const NO_ADDRESS: AccountsError =
            AccountsError::Invalid { field: "email", why: "is missing: the account has no address" };
        let to = user.email.clone().ok_or(NO_ADDRESS)?;
        let link = Token::random(token::LINK)?;
        let expires_at = now + MAIL_LASTS;
        let order = MailOrder {
            subject: subject.to_owned(),
            to,
            name: user.name.clone(),
            token: link.expose().to_owned(),
            goodbye: None,
            language: language.to_owned(),
            expires_at,
        };
        let mut tx = self.db.write().await?;
        if !may_mail(&mut tx, subject, user.pk, now).await? {
            return Err(AccountsError::TooManyAttempts { retry_after_s: 3600 });
        }
        tokens::insert_link(&mut tx, &link.hash(), subject, Some(user.pk), expires_at, now).await?;
        enqueue(&mut tx, &order, now).await?;
        Ok(tx.commit().await?)
    }
}

/// From however many addresses it is asked, nobody's mailbox is filled.
pub(super) async fn may_mail(
    tx: &mut Tx,
    subject: &'static str,
    user: i64,
    now: i64,
) -> Result<bool, AccountsError> {
    Ok(tokens::links_since(tx, subject, user, now - HOUR).await? < MOST_PER_HOUR)
}

/// Its owner could read neither more nor sooner in the list of tasks, so it is nobody's.
pub(super) async fn enqueue(tx: &mut Tx, order: &MailOrder, now: i64) -> Result<(), AccountsError> {
    let payload = serde_json::to_value(order).unwrap_or_default();
    let job =
        NewJob { kind: MailOrder::KIND, payload, owner: None, unique: None, run_at: now, max_attempts: 6 };
    queue::enqueue(tx, &job).await?;
    Ok(())
}
