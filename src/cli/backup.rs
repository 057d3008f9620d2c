//! `pixedge backup FILE` and `pixedge restore FILE`.

use std::io::{IsTerminal, Write};
use std::path::Path;

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::db::backup::Progress;

pub(super) fn write(config: &Config, file: &Path, without_secrets: bool) -> Result<(), Failure> {
    let mut bar = Bar::default();
    runtime()?.block_on(app::backup(config, file, without_secrets, &mut |at| bar.show(at)))?;
    bar.end();
    if without_secrets {
        eprintln!(
            "Left out: passwords, sessions, the hashes of API keys, links and shares, users' storage credentials, and mail that waits. Nobody can sign in with a copy of this."
        );
    }
    eprintln!(
        "The database is in this file; the pictures are not: copy data_dir/objects or the bucket as well."
    );
    println!("{}", file.display());
    Ok(())
}

pub(super) fn restore(config: &Config, file: &Path, replace: bool) -> Result<(), Failure> {
    let mut bar = Bar::default();
    runtime()?.block_on(app::restore(config, file, replace, &mut |at| bar.show(at)))?;
    bar.end();
    eprintln!(
        "Restored. The pictures are not part of a backup: they must be in data_dir/objects or the bucket."
    );
    Ok(())
}

/// A line that is written over at a terminal, and a line for each table elsewhere.
#[derive(Default)]
struct Bar {
    last: Option<Progress>,
}

impl Bar {
    fn show(&mut self, now: Progress) {
        let terminal = std::io::stderr().is_terminal();
        if let Some(last) = self.last.filter(|last| last.table != now.table && !terminal) {
            eprintln!("{}: {} rows", last.table, last.rows);
        }
        if terminal {
            eprint!("\r\x1b[K{}: {} rows", now.table, now.rows);
            let _ = std::io::stderr().flush();
        }
        self.last = Some(now);
    }

    fn end(&mut self) {
        if let Some(last) = self.last.take() {
            if std::io::stderr().is_terminal() {
                eprintln!();
            } else {
                eprintln!("{}: {} rows", last.table, last.rows);
            }
        }
    }
}
