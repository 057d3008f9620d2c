//! `pixedge dev …`: what helps to try the server out; no part of its use, so no help shows it.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use clap::Subcommand;

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Fill the database with rows of pictures that have no bytes, of accounts `seed-1`, `seed-2`, … without passwords
    Seed {
        #[arg(long, value_name = "N", default_value_t = 1_000_000)]
        images: u64,
        /// The first one has half of all pictures
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        accounts: u32,
        /// Although there are accounts or pictures already
        #[arg(long)]
        add: bool,
    },
}

pub(super) fn run(config: &Config, command: &Command) -> Result<(), Failure> {
    let Command::Seed { images, accounts, add } = *command;
    let begun = Instant::now();
    let mut line = Line { images, begun, told: 0 };
    runtime()?.block_on(app::seed(config, images, accounts, add, &mut |done| line.show(done)))?;
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    println!("{images} pictures in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Written over at a terminal; elsewhere one for each tenth.
struct Line {
    images: u64,
    begun: Instant,
    told: u64,
}

impl Line {
    fn show(&mut self, done: u64) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let text = format!("{done} of {} pictures, {:.0} a second", self.images, done as f64 / seconds);
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{text}");
            let _ = std::io::stderr().flush();
        } else if done * 10 / self.images.max(1) > self.told {
            self.told = done * 10 / self.images.max(1);
            eprintln!("{text}");
        }
    }
}
