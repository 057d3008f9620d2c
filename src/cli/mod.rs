//! The commands of the binary, one file each. What a command makes stands alone on its last line; what goes wrong goes to
//! standard error with exit code 1, a spec that is wrong with exit code 2.

mod backup;
mod cache;
mod check;
mod convert;
mod dev;
mod explain;
mod export;
mod import;
mod manual;
mod render;
mod serve;
mod sign;
mod storage;
mod sweep;
mod user;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::codec::svg;
use crate::config::{CommandLine, Config, listen_address};
use crate::error::with_causes;
use crate::units::Span;

/// Image CDN edge and image host.
///
/// Serves pictures by URL, resized, cropped and encoded for the client: `pixedge serve --demo`, then open the page it names.
#[derive(Debug, Parser)]
#[command(name = "pixedge", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// Configuration file; without it ./config.yaml is read if it is there, else the built-in defaults hold.
    /// Every key can also be set by the environment: PIXEDGE__HTTP__LISTEN=0.0.0.0:8080
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for the database, objects and cache; overrides `data_dir` of the configuration
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve pictures over HTTP until SIGTERM or Ctrl-C
    Serve {
        /// Address and port to listen on; port 0 takes a free one
        #[arg(long, value_name = "ADDR:PORT", value_parser = listen_address)]
        listen: Option<SocketAddr>,
        /// Put the embedded demo pictures into the library (ids demo, demo-…) and allow every option
        #[arg(long)]
        demo: bool,
    },
    /// Test configuration, folders, database, storages, sources, mail, ports, disks and clock, and say how to mend what is wrong
    ///
    /// A line for each part: `ok`, `warn`, or `FAIL` and exit code 1. Nothing is changed, so it may run beside a server and
    /// before an upgrade.
    Check {
        /// Only ask a running server whether it is alive, as health checks do; without a URL the one of this configuration
        #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
        health: Option<String>,
    },
    /// Put pictures into the library and print their ids: every one below a folder or in a bucket, or all that another
    /// system or pixedge had, with its accounts, albums and old addresses
    ///
    /// What is there already is not repeated, so what was broken off goes on by the same command. Exit code 3: some
    /// pictures did not come in; 130: stopped.
    ///
    /// Example: pixedge import lsky.sql --from lsky --files /var/www/lsky/storage/app/uploads
    Import(Box<import::Arguments>),
    /// Write all pictures, albums and accounts into a folder, for `import --from pixedge` elsewhere
    ///
    /// Example: pixedge export /backups/library
    Export(export::Arguments),
    /// Remove what crashes left in the storages, and name what is needed and gone (exit code 1)
    ///
    /// A running server does the same by and by; nothing that an upload may still need is touched.
    Sweep {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
        /// Leave alone what is younger, for example 1h
        #[arg(long, value_name = "TIME", default_value = "1h")]
        grace: Span,
    },
    /// Render one file to another without a server
    ///
    /// Example: pixedge render photo.jpg w_300,h_200,c_fill,f_webp small.webp
    Render {
        #[arg(value_name = "IN")]
        input: PathBuf,
        #[arg(value_name = "SPEC")]
        spec: String,
        #[arg(value_name = "OUT")]
        output: PathBuf,
    },
    /// Say what a spec means (its canonical form), or why it is wrong (exit code 2)
    ///
    /// Example: pixedge explain 'width_300,format_webp'
    Explain {
        #[arg(value_name = "SPEC")]
        spec: String,
    },
    /// Sign a picture's URL with a key of the configuration; the signed URL stands alone on the last line
    ///
    /// Example: pixedge sign /i/demo/w_333 --expires 1h
    Sign {
        /// The whole URL, or its path with the query
        #[arg(value_name = "URL")]
        url: String,
        /// u this URL | c its canonical form | a this image in all sizes | `p<N>` the first N segments of i/ID or
        /// r/SOURCE/PATH
        #[arg(long, default_value = "u")]
        scope: String,
        /// How long the URL is valid, for example 1h or 30d; without it as long as the key
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// The key's name; without it the first key that may
        #[arg(long)]
        kid: Option<String>,
        /// Where the signature stands: in the query, or in the path for CDNs that drop queries
        #[arg(long, value_enum, default_value_t)]
        form: sign::Form,
    },
    /// Write the database into a new file while the server runs; the pictures themselves are not in it
    ///
    /// Example: pixedge backup /backups/pixedge.db
    Backup {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Leave out passwords, sessions, hashes of API keys, links and shares, users' storage credentials and waiting mail
        #[arg(long)]
        without_secrets: bool,
    },
    /// Fill an empty database of any engine with a backup; stop the server before
    ///
    /// Example: pixedge restore /backups/pixedge.db
    Restore {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Lose what the database holds now
        #[arg(long)]
        replace: bool,
    },
    /// Work on jobs (mail, clean-up, derived pictures) without serving, until SIGTERM or Ctrl-C
    Worker,
    /// Remove what is over, as happens daily at `cleanup.time`
    Cleanup {
        /// Only count what would be removed
        #[arg(long)]
        dry_run: bool,
        /// For a timer of the system: only if today's is due, and no server or worker has begun it
        #[arg(long, conflicts_with = "dry_run")]
        if_due: bool,
    },
    /// Print what completes these commands in a shell
    ///
    /// Example: pixedge completions bash > /usr/share/bash-completion/completions/pixedge
    Completions {
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands into a folder
    ///
    /// Example: pixedge man | man -l -
    Man {
        /// An existing folder
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
    /// What helps to try the server out
    #[command(subcommand, hide = true)]
    Dev(dev::Command),
    /// Handles one SVG for the server that starts it
    #[command(name = svg::COMMAND, hide = true)]
    SvgProcess,
    /// Make accounts, set passwords and list them
    #[command(subcommand)]
    User(user::Command),
    /// List storages, test them, and move pictures from one to another
    #[command(subcommand)]
    Storage(storage::Command),
    /// Look after the cache
    #[command(subcommand)]
    Cache(cache::Command),
    /// Make a configuration of another system's
    #[command(subcommand)]
    Config(convert::Command),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Serve { listen, demo } => {
            config(&cli.place, *listen).and_then(|config| serve::run(config, *demo))
        }
        Command::Check { health: Some(url) } => check::health(|| config(&cli.place, None), url),
        Command::Check { health: None } => check::run(config(&cli.place, None)),
        Command::Completions { shell } => manual::completions(*shell),
        Command::Man { into } => manual::man(into.as_deref()),
        Command::Import(arguments) => {
            config(&cli.place, None).and_then(|config| import::run(&config, arguments))
        }
        Command::Export(arguments) => {
            config(&cli.place, None).and_then(|config| export::run(&config, arguments))
        }
        Command::Sweep { dry_run, grace } => {
            config(&cli.place, None).and_then(|config| sweep::run(&config, *dry_run, *grace))
        }
        Command::Render { input, spec, output } => {
            config(&cli.place, None).and_then(|config| render::run(&config, input, spec, output))
        }
        Command::Sign { url, scope, expires, kid, form } => config(&cli.place, None).and_then(|config| {
            let wish = sign::Wish { scope, expires: expires.as_deref(), kid: kid.as_deref(), form: *form };
            sign::run(&config, url, &wish)
        }),
        Command::Cache(command) => config(&cli.place, None).and_then(|config| cache::run(&config, command)),
        Command::Storage(command) => {
            config(&cli.place, None).and_then(|config| storage::run(&config, command))
        }
        Command::User(command) => config(&cli.place, None).and_then(|config| user::run(&config, command)),
        Command::Backup { file, without_secrets } => {
            config(&cli.place, None).and_then(|config| backup::write(&config, file, *without_secrets))
        }
        Command::Restore { file, replace } => {
            config(&cli.place, None).and_then(|config| backup::restore(&config, file, *replace))
        }
        Command::Worker => config(&cli.place, None).and_then(worker::run),
        Command::Cleanup { if_due: true, .. } => {
            config(&cli.place, None).and_then(|config| worker::clean_up_if_due(&config))
        }
        Command::Cleanup { dry_run, .. } => {
            config(&cli.place, None).and_then(|config| worker::clean_up(&config, *dry_run))
        }
        Command::Config(command) => convert::run(command),
        Command::Dev(command) => config(&cli.place, None).and_then(|config| dev::run(&config, command)),
        Command::SvgProcess => svg::serve().map_err(Failure::from),
        Command::Explain { spec } => config(&cli.place, None).and_then(|config| explain::run(&config, spec)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pixedge: {}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

/// Why a command ends with another code than 0.
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// What was asked for is wrong, rather than something that happened while doing it.
    fn usage(text: impl Into<String>) -> Self {
        Self { code: 2, text: text.into() }
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: 1, text: with_causes(&error) }
    }
}

fn config(place: &Place, listen: Option<SocketAddr>) -> Result<Config, Failure> {
    let command_line = CommandLine { config: place.config.clone(), data_dir: place.data_dir.clone(), listen };
    Ok(Config::load(&command_line)?)
}

/// The runtime of every command: a thread for each core; heavy work has threads of its own.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
