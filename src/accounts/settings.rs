//! What administrators decide about accounts while the server runs. It stands in the database, so that every node asks
//! the same, and outranks the configuration.

use super::{Accounts, AccountsError, Quota, Registration, store};

/// `None` = as the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    pub registration: Option<Registration>,
    /// What a new account may store, unless its invitation or maker says otherwise; `None` = as much as there is.
    pub quota: Quota,
}

const REGISTRATION: &str = "registration";
const QUOTA_BYTES: &str = "quota_bytes";
const QUOTA_FILES: &str = "quota_files";

impl Accounts {
    pub async fn settings(&self) -> Result<Settings, AccountsError> {
        let mut settings = Settings::default();
        for (name, value) in store::settings(&self.db).await? {
            match &*name {
                REGISTRATION => {
                    settings.registration = Registration::ALL.into_iter().find(|r| r.as_str() == value)
                }
                QUOTA_BYTES => settings.quota.bytes = value.parse().ok(),
                QUOTA_FILES => settings.quota.files = value.parse().ok(),
                // Of another version.
                _ => {}
            }
        }
        Ok(settings)
    }

    pub async fn change_settings(&self, to: &Settings, now: i64) -> Result<(), AccountsError> {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let values = [
            (REGISTRATION, to.registration.map(|registration| registration.as_str().to_owned())),
            (QUOTA_BYTES, number(to.quota.bytes)),
            (QUOTA_FILES, number(to.quota.files)),
        ];
        let mut tx = self.db.write().await?;
        for (name, value) in values {
            store::set_setting(&mut tx, name, value.as_deref(), now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Who may register under these settings.
    pub fn registration(&self, settings: &Settings) -> Registration {
        settings.registration.unwrap_or(self.config.registration)
    }
}

impl Registration {
    pub const ALL: [Self; 3] = [Self::Open, Self::Invite, Self::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }
}
