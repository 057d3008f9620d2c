//! Administration: `/v1/admin/users`, `/v1/admin/invites`, `/v1/admin/settings` and `/v1/admin/audit`.

use std::time::Duration;

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accounts::UserAnswer;
use super::answer::{created, nothing, ok};
use super::call::{Call, NoCredentials, Refused};
use super::endpoint::Endpoint;
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::{NewUser, Quota, Registration, Role, Scope, Settings, User};
use crate::admin::{Actor, Entry, UserChange, Wanted};
use crate::delivery::body::Body;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/v1/admin/users", "adminListUsers", "Accounts, in the order in which they came", |call| {
        Box::pin(list_users(call))
    })
    .scope(Scope::Admin)
    .query::<ListUsers>()
    .gives::<UserList>(200, "A page of accounts"),
    Endpoint::post("/v1/admin/users", "adminCreateUser", "Makes an account", |call| {
        Box::pin(create_user(call))
    })
    .scope(Scope::Admin)
    .json::<CreateUser>()
    .gives::<AdminUser>(201, "The account"),
    Endpoint::get("/v1/admin/users/{id}", "adminGetUser", "One account", |call| Box::pin(get_user(call)))
        .scope(Scope::Admin)
        .gives::<AdminUser>(200, "The account"),
    Endpoint::patch(
        "/v1/admin/users/{id}",
        "adminChangeUser",
        "Role, quota, password, or whether it may act",
        |call| Box::pin(change_user(call)),
    )
    .scope(Scope::Admin)
    .json::<ChangeUser>()
    .gives::<AdminUser>(200, "The account as it is now"),
    Endpoint::delete("/v1/admin/users/{id}", "adminDeleteUser", "Ends an account", |call| {
        Box::pin(delete_user(call))
    })
    .scope(Scope::Admin)
    .gives_nothing(204, "It has ended"),
    Endpoint::post(
        "/v1/admin/invites",
        "adminInvite",
        "An invitation to register; its secret is shown once",
        |call| Box::pin(invite(call)),
    )
    .scope(Scope::Admin)
    .json::<NewInvite>()
    .gives::<InviteAnswer>(201, "The invitation"),
    Endpoint::get("/v1/admin/settings", "adminGetSettings", "What is decided at run time", |call| {
        Box::pin(get_settings(call))
    })
    .scope(Scope::Admin)
    .gives::<SettingsAnswer>(200, "The settings"),
    Endpoint::put(
        "/v1/admin/settings",
        "adminPutSettings",
        "Decides; what is left out is as the configuration says",
        |call| Box::pin(put_settings(call)),
    )
    .scope(Scope::Admin)
    .json::<SettingsWish>()
    .gives::<SettingsAnswer>(200, "The settings as they are now"),
    Endpoint::get("/v1/admin/audit", "adminAudit", "What administrators did, newest first", |call| {
        Box::pin(audit(call))
    })
    .scope(Scope::Admin)
    .query::<ListAudit>()
    .gives::<AuditList>(200, "A page of entries"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListUsers {
    /// How the name begins.
    #[schemars(length(max = 64))]
    q: Option<String>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next` of the page before.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    cursor: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateUser {
    #[schemars(length(min = 1, max = 64))]
    username: String,
    /// Accounts without one sign in by keys and links.
    #[schemars(length(min = 8, max = 128))]
    password: Option<String>,
    #[schemars(length(max = 254))]
    email: Option<String>,
    #[serde(default)]
    role: RoleWord,
    /// As much as there is, if left out.
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RoleWord {
    Admin,
    #[default]
    User,
    Guest,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeUser {
    role: Option<RoleWord>,
    /// A disabled account is there and can do nothing.
    disabled: Option<bool>,
    /// Both quotas together; `null` in it = as much as there is.
    quota: Option<QuotaWish>,
    #[schemars(length(min = 8, max = 128))]
    password: Option<String>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuotaWish {
    bytes: Option<u64>,
    files: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct AdminUser {
    #[serde(flatten)]
    user: UserAnswer,
    disabled: bool,
}

#[derive(Serialize, JsonSchema)]
struct UserList {
    users: Vec<AdminUser>,
    meta: Meta,
}

#[derive(Serialize, JsonSchema)]
struct Meta {
    /// All there are, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// The cursor of the next page; `null` on the last.
    next: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewInvite {
    #[serde(default)]
    role: RoleWord,
    /// Seconds until it ends; a week if left out.
    #[schemars(range(min = 60, max = 31_536_000))]
    expires_in: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct InviteAnswer {
    /// The secret. It cannot be read again.
    invite: String,
    role: RoleWord,
    expires_at: Time,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RegistrationWord {
    Open,
    Invite,
    Closed,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SettingsWish {
    registration: Option<RegistrationWord>,
    /// Of accounts that register from now on.
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct SettingsAnswer {
    /// `null` = as the configuration says.
    registration: Option<RegistrationWord>,
    quota_bytes: Option<u64>,
    quota_files: Option<u64>,
    /// Who may register as things are.
    effective_registration: RegistrationWord,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAudit {
    /// The id of an account.
    #[schemars(length(max = 64))]
    actor: Option<String>,
    /// Such as `user.create`.
    #[schemars(length(max = 64))]
    action: Option<String>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    cursor: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
struct AuditEntry {
    at: Time,
    actor: String,
    actor_name: String,
    address: String,
    action: String,
    subject: String,
    detail: String,
}

#[derive(Serialize, JsonSchema)]
struct AuditList {
    entries: Vec<AuditEntry>,
    meta: Meta,
}

async fn list_users(call: Call) -> Result<Response<Body>, Refused> {
    let ListUsers { q, limit, cursor } = call.query()?;
    let limit = limit.unwrap_or(100);
    let users = call.admin().users(q.as_deref(), cursor.unwrap_or(0), limit).await?;
    let next = (users.len() == limit as usize).then(|| users.last().map(|user| user.pk)).flatten();
    let total = match q {
        Some(_) => None,
        None => Some(call.api().accounts.count().await?),
    };
    Ok(ok(&UserList { users: users.iter().map(AdminUser::of).collect(), meta: Meta { total, next } }))
}

async fn create_user(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: CreateUser = call.json().await?;
    let new =
        NewUser { name: &wish.username, email: wish.email.as_deref(), password: wish.password.as_deref() };
    let quota = Quota { bytes: wish.quota_bytes, files: wish.quota_files };
    let user = call.admin().create_user(call.actor()?, &new, wish.role.role(), quota, call.now).await?;
    Ok(created(&AdminUser::of(&user)))
}

async fn get_user(call: Call) -> Result<Response<Body>, Refused> {
    Ok(ok(&AdminUser::of(&call.admin().user(call.value("id")).await?)))
}

async fn change_user(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: ChangeUser = call.json().await?;
    if wish.role.is_none() && wish.disabled.is_none() && wish.quota.is_none() && wish.password.is_none() {
        return Err(
            Invalid::one("role", "is missing, as are `disabled`, `quota` and `password`; give one").into()
        );
    }
    let change = UserChange {
        role: wish.role.map(RoleWord::role),
        quota: wish.quota.map(|quota| Quota { bytes: quota.bytes, files: quota.files }),
        disabled: wish.disabled,
        password: wish.password.as_deref(),
    };
    let user = call.admin().change_user(call.actor()?, call.value("id"), &change, call.now).await?;
    Ok(ok(&AdminUser::of(&user)))
}

async fn delete_user(call: Call) -> Result<Response<Body>, Refused> {
    call.admin().delete_user(call.actor()?, call.value("id"), call.now).await?;
    Ok(nothing())
}

async fn invite(mut call: Call) -> Result<Response<Body>, Refused> {
    let NewInvite { role, expires_in } = call.json().await?;
    let lasts = Duration::from_secs(u64::from(expires_in.unwrap_or(7 * 86_400)));
    let invite = call.admin().invite(call.actor()?, role.role(), lasts, call.now).await?;
    let secret = invite.token.expose().to_owned();
    Ok(created(&InviteAnswer { invite: secret, role, expires_at: Time(invite.expires_at) }))
}

async fn get_settings(call: Call) -> Result<Response<Body>, Refused> {
    let (settings, effective) = call.admin().settings().await?;
    Ok(ok(&SettingsAnswer::of(settings, effective)))
}

async fn put_settings(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: SettingsWish = call.json().await?;
    let settings = Settings {
        registration: wish.registration.map(RegistrationWord::registration),
        quota: Quota { bytes: wish.quota_bytes, files: wish.quota_files },
    };
    call.admin().change_settings(call.actor()?, &settings, call.now).await?;
    let (settings, effective) = call.admin().settings().await?;
    Ok(ok(&SettingsAnswer::of(settings, effective)))
}

async fn audit(call: Call) -> Result<Response<Body>, Refused> {
    let ListAudit { actor, action, limit, cursor } = call.query()?;
    let limit = limit.unwrap_or(100);
    let wanted = Wanted { actor: actor.as_deref(), action: action.as_deref(), before: cursor, limit };
    let entries = call.admin().audit(&wanted).await?;
    let next = (entries.len() == limit as usize).then(|| entries.last().map(|entry| entry.number)).flatten();
    let entries = entries.into_iter().map(AuditEntry::of).collect();
    Ok(ok(&AuditList { entries, meta: Meta { total: None, next } }))
}

impl Call {
    pub(in crate::http) fn admin(&self) -> &crate::admin::Admin {
        &self.parts.operator.admin
    }

    /// Who administrates, for the audit log.
    pub(in crate::http) fn actor(&self) -> Result<Actor<'_>, NoCredentials> {
        Ok(Actor { who: self.who()?, address: self.client })
    }
}

impl AdminUser {
    fn of(user: &User) -> Self {
        Self { user: UserAnswer::of(user), disabled: user.disabled_at.is_some() }
    }
}

impl AuditEntry {
    fn of(entry: Entry) -> Self {
        let Entry { number: _, at, actor, actor_name, address, action, subject, detail } = entry;
        Self { at: Time(at), actor, actor_name, address, action, subject, detail }
    }
}

impl SettingsAnswer {
    fn of(settings: Settings, effective: Registration) -> Self {
        Self {
            registration: settings.registration.map(RegistrationWord::of),
            quota_bytes: settings.quota.bytes,
            quota_files: settings.quota.files,
            effective_registration: RegistrationWord::of(effective),
        }
    }
}

impl RoleWord {
    fn role(self) -> Role {
        match self {
            Self::Admin => Role::Admin,
            Self::User => Role::User,
            Self::Guest => Role::Guest,
        }
    }
}

impl RegistrationWord {
    fn registration(self) -> Registration {
        match self {
            Self::Open => Registration::Open,
            Self::Invite => Registration::Invite,
            Self::Closed => Registration::Closed,
        }
    }

    fn of(registration: Registration) -> Self {
        match registration {
            Registration::Open => Self::Open,
            Registration::Invite => Self::Invite,
            Registration::Closed => Self::Closed,
        }
    }
}
