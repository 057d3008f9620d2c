//! `pixedge export DIR`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::app;
use crate::cli::import::failure;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::db::now_ms;
use crate::migrate::{Export, Exported};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder; made where it is not there. What an earlier export left in it is not copied again
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Passwords keep working where it is taken in; whoever has the folder can guess at them
    #[arg(long)]
    with_password_hashes: bool,
    /// Only this user's things, by name or e-mail address
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let bar = std::io::stderr().is_terminal();
    let mut last = Instant::now();
    let done = runtime()?.block_on(async {
        let (uploads, accounts) = app::migration(config).await?;
        let owner = match &arguments.owner {
            Some(name) => Some(accounts.user_by_login(name).await?.pk),
            None => None,
        };
        let with_password_hashes = arguments.with_password_hashes;
        let export = Export { library: uploads.library().clone(), accounts, with_password_hashes, owner };
        let mut progress = |done: &Exported| {
            if bar {
                eprint!("\r\x1b[K{} pictures, {} bytes", done.images, done.bytes);
                let _ = std::io::stderr().flush();
            } else if last.elapsed().as_secs() >= 10 {
                eprintln!("{} pictures, {} bytes", done.images, done.bytes);
                last = Instant::now();
            }
        };
        let done = tokio::select! {
            done = export.run(&arguments.dir, now_ms(), &mut progress) => Some(done.map_err(failure)?),
            _ = tokio::signal::ctrl_c() => None,
        };
        Ok::<_, Failure>(done)
    })?;
    if bar {
        eprintln!();
    }
    let Some(done) = done else {
        let text = "stopped; the same command goes on from there".to_owned();
        return Err(Failure { code: 130, text });
    };
    for missing in &done.missing {
        eprintln!("left out {missing}");
    }
    eprintln!(
        "{} accounts, {} albums, {} pictures; {} files written, {} bytes",
        done.users, done.albums, done.images, done.files, done.bytes
    );
    println!("{}", arguments.dir.display());
    match done.missing.len() {
        0 => Ok(()),
        missing => Err(Failure { code: 3, text: format!("{missing} pictures are not in the export") }),
    }
}
