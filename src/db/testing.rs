//! Databases for the tests of the rooms; how to use them stands in `tests/it/support/engines.rs`.

use std::path::Path;

use super::{Config, Db};

#[allow(
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    reason = "the tests with the binary use it as well"
)]
#[path = "../../tests/it/support/engines.rs"]
pub(crate) mod engines;

/// Which server the tests of this process are run on: its kind and port. Unset: SQLite.
pub(super) const ON: &str = "PIXEDGE_TEST_DATABASE";

/// The database of a test, which is one for all calls with the same folder.
pub(crate) async fn open(dir: &Path) -> Db {
    Db::open(&config(dir), dir).await.unwrap()
}

/// Its configuration.
pub(crate) fn config(dir: &Path) -> Config {
    let Some(base) = on() else { return Config::default() };
    let kept = dir.join("database.url");
    let url = std::fs::read_to_string(&kept).unwrap_or_else(|_| {
        let url = engines::Server::at(&base).database();
        std::fs::write(&kept, &url).unwrap();
        url
    });
    Config { url: Some(url) }
}

#[expect(clippy::disallowed_methods, reason = "no setting of the program's")]
pub(super) fn on() -> Option<String> {
    std::env::var(ON).ok()
}
