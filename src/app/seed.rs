//! A database full of rows, to see how the server behaves over very many.

use super::rooms::{library, part};
use super::{AppError, accounts};
use crate::accounts::{NewUser, Role};
use crate::config::Config;
use crate::db::now_ms;
use crate::library::Seed;

/// Fills an empty database, or any with `add`.
pub async fn seed(
    config: &Config,
    images: u64,
    people: u32,
    add: bool,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(), AppError> {
    let library = library(config).await?;
    let failed = |error| part("library", error);
    if !add && !library.is_unused().await.map_err(failed)? {
        let text = "holds accounts or pictures already; --add puts more beside them".to_owned();
        return Err(AppError::Part { part: "database", text });
    }
    let accounts = accounts(config).await?;
    let failed = |error| part("accounts", error);
    let mut owners = Vec::new();
    for number in 1..=people {
        let name = format!("seed-{number}");
        let new = NewUser { name: &name, ..NewUser::default() };
        let user = match accounts.user_by_login(&name).await {
            Ok(user) => user,
            Err(_) => accounts.create_user(&new, Role::User, now_ms()).await.map_err(failed)?,
        };
        owners.push(user.pk);
    }
    let seed = Seed { images, owners, now: now_ms() };
    library.seed(&seed, progress).await.map_err(|error| part("library", error))?;
    library.db().close().await;
    Ok(())
}
