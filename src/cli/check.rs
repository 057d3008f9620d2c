//! `pixedge check`: whether a server with this configuration would work, part by part, and whether one that runs is alive.

use crate::app::{self, Finding, Verdict};
use crate::cli::{Failure, runtime};
use crate::config::Config;

/// A line for each part, and one with the fix below what needs one.
pub(super) fn run(config: Result<Config, Failure>) -> Result<(), Failure> {
    let config = config.inspect_err(|failure| println!("FAIL  configuration: {}", failure.text))?;
    let found = runtime()?.block_on(app::check(&config));
    let mut failed = 0;
    for Finding { part, verdict, text, fix } in &found {
        let word = match verdict {
            Verdict::Fine => "ok  ",
            Verdict::Doubtful => "warn",
            Verdict::Broken => "FAIL",
        };
        failed += usize::from(*verdict == Verdict::Broken);
        println!("{word}  {part}: {text}");
        if let Some(fix) = fix {
            println!("      -> {fix}");
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure { code: 1, text: format!("{failed} of {} parts do not work", found.len()) }),
    }
}

/// Asks a server; without a URL the one that this configuration describes.
pub(super) fn health(config: impl FnOnce() -> Result<Config, Failure>, url: &str) -> Result<(), Failure> {
    let url = if url.is_empty() { app::health_url(config()?.http.listen) } else { url.to_owned() };
    runtime()?.block_on(app::health(&url)).map_err(|error| {
        let Failure { code, text } = Failure::from(error);
        Failure { code, text: format!("{url}: {text}") }
    })?;
    println!("{url} is alive");
    Ok(())
}
