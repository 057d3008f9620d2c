//! `pixedge check`: whether a server with this configuration would work, part by part.

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;

pub(super) fn run(config: &Config) -> Result<(), Failure> {
    let results = runtime()?.block_on(app::check(config));
    let mut failed = 0;
    for (part, result) in &results {
        match result {
            Ok(note) => println!("ok    {part}: {note}"),
            Err(reason) => {
                failed += 1;
                println!("FAIL  {part}: {reason}");
            }
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure { code: 1, text: format!("{failed} of {} parts failed", results.len()) })
}
