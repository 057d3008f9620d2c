//! `pixedge cache purge`.

use clap::{Args, Subcommand};

use crate::admin::{AdminError, Purge};
use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Never serve results again that were made before now; a running server sees it within a second
    Purge(What),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// One image of the library
    #[arg(long, value_name = "ID")]
    image: Option<String>,
    /// What carries this word in Cache-Tag; also image:ID and source:NAME
    #[arg(long, value_name = "T")]
    tag: Option<String>,
    /// Everything of a source of the configuration
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// One object of a source, or everything below a folder of it, as in photos/2026/
    #[arg(long, value_name = "SOURCE/PATH/")]
    prefix: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

pub(super) fn run(config: &Config, Command::Purge(what): &Command) -> Result<(), Failure> {
    let what = what.wish();
    let purged = runtime()?.block_on(async {
        let admin = app::admin(config).await?;
        let purged = admin.purge(&what).await.map_err(|error| match error {
            AdminError::Library(error) => Failure::from(error),
            wrong => Failure::usage(wrong.to_string()),
        })?;
        app::tell_servers(config).await;
        Ok::<_, Failure>(purged)
    })?;
    println!("purged {}{}{}", purged.purged, if purged.name.is_empty() { "" } else { " " }, purged.name);
    Ok(())
}

impl What {
    fn wish(&self) -> Purge {
        let Self { image, tag, source, prefix, .. } = self;
        None.or(image.clone().map(Purge::Image))
            .or(tag.clone().map(Purge::Tag))
            .or(source.clone().map(Purge::Source))
            .or(prefix.clone().map(Purge::Prefix))
            .unwrap_or(Purge::All)
    }
}
