//! What `database.url` names, and the engines that differ in words of their own.

use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
    MariaDb,
    MySql,
}

#[derive(Debug, PartialEq)]
pub(super) enum Target {
    Sqlite(PathBuf),
    /// With the URL as the driver takes it.
    Postgres(String),
    Mysql(String),
}

impl Target {
    pub(super) fn of(url: &str) -> Result<Self, String> {
        let wrong = || {
            "database.url must begin with `sqlite:`, `postgres://` or `mysql://`; leave it out for SQLite in \
             data_dir"
                .to_owned()
        };
        let (scheme, rest) = url.split_once(':').ok_or_else(wrong)?;
        // `sqlite:/a`, `sqlite:a` and `sqlite:///a`: SQLite has no host.
        let bare = rest.strip_prefix("//").unwrap_or(rest);
        match scheme {
            "sqlite" if !bare.is_empty() => Ok(Self::Sqlite(PathBuf::from(bare))),
            "postgres" | "postgresql" => {
                let rest = Self::with_database(bare)?;
                Ok(Self::Postgres(format!("postgres://{rest}")))
            }
            "mysql" | "mariadb" => {
                let rest = Self::with_database(bare)?;
                Ok(Self::Mysql(format!("mysql://{rest}")))
            }
            _ => Err(wrong()),
        }
    }

    /// Both servers connect without a database as well, and fail later in words that do not name the setting.
    fn with_database(rest: &str) -> Result<&str, String> {
        let path = rest.split('?').next().unwrap_or_default();
        match path.rsplit('@').next().unwrap_or_default().split_once('/') {
            Some((_, database)) if !database.is_empty() => Ok(rest),
            _ => Err("database.url names no database; write `…://user:password@host/database`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_an_engine_and_a_database() {
        let postgres = Target::Postgres("postgres://u:p@h:1/d?sslmode=require".to_owned());
        assert_eq!(Target::of("postgresql://u:p@h:1/d?sslmode=require").unwrap(), postgres);
        assert_eq!(Target::of("mariadb://h/d").unwrap(), Target::Mysql("mysql://h/d".to_owned()));
        assert_eq!(Target::of("sqlite:///a").unwrap(), Target::Sqlite("/a".into()));
        for wrong in ["oracle://h", "sqlite:", "postgres://u:p@h", "mysql://h/", "postgres://u:a/b@h?x=/"] {
            let error = Target::of(wrong).unwrap_err();
            assert!(error.contains("database.url") && !error.contains("a/b"), "{wrong}: {error}");
        }
    }
}
