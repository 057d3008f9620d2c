//! `pixedge serve`.

use crate::app::{self, App};
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::telemetry::logging;

pub(super) fn run(config: Config, demo: bool) -> Result<(), Failure> {
    logging::init(&app::logging(&config))?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let app = App::build(config, demo).await?;
        let listening = app.listen().await?;
        println!("pixedge is serving at {}", listening.url());
        for hint in listening.hints() {
            println!("  {hint}");
        }
        Ok(listening.run().await?)
    })
}
