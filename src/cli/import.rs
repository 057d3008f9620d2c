//! `pixedge import PATH`.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::app;
use crate::cli::{Failure, runtime};
use crate::config::Config;
use crate::db::now_ms;
use crate::migrate::{Event, Files, Importer, Intake, Kind, MigrateError, Options, Outcome, Summary};
use crate::upload::Owner;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A folder of pictures; with --from a database (SQL dump, also gzipped, or SQLite file) or the folder of an export;
    /// or source:NAME[/PREFIX], a bucket that is a source of the configuration
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// folder | pixedge | lsky | chevereto | imageproxy | mgek | vueflask | wpic
    #[arg(long, value_name = "KIND", value_parser = str::parse::<Kind>)]
    from: Option<Kind>,
    /// Where a database's pictures lie: a folder, or source:NAME[/PREFIX]; of one of its storages with that one's id
    /// before it: 2=DIR. May be given several times
    #[arg(long, value_name = "[ID=]DIR")]
    files: Vec<String>,
    /// To whom everything goes, by name or e-mail address; without it a database's people get accounts, and files are the
    /// operator's
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Folders become albums
    #[arg(long)]
    albums: bool,
    /// What old addresses began with, where the database does not say it, or for the files of a folder
    #[arg(long, value_name = "PATH")]
    old_urls: Option<String>,
    /// What was called private there is private here, although its address showed it to everybody
    #[arg(long)]
    hide_unlisted: bool,
    /// Administrators there are administrators here
    #[arg(long)]
    keep_roles: bool,
    /// People may have as much as they might there; what is more than an account may have is left out
    #[arg(long)]
    quotas: bool,
    /// What the names of a database's tables begin with, where that is not the usual
    #[arg(long, value_name = "TEXT")]
    table_prefix: Option<String>,
    /// The time zone of times that have none, for example Asia/Shanghai
    #[arg(long, value_name = "NAME", default_value = "UTC", value_parser = zone)]
    time_zone: TimeZone,
    /// Only say what would come in
    #[arg(long)]
    dry_run: bool,
    /// Write what became of each picture into a file, a line of JSON each
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let mut told = Told::new(arguments)?;
    let mut summary = Summary::default();
    let done = runtime()?.block_on(async {
        let (uploads, accounts) = app::migration(config).await?;
        let intake = intake(config, arguments).await?;
        let owner = match &arguments.owner {
            Some(name) => {
                let user = accounts.user_by_login(name).await?;
                let quota = crate::accounts::Quota { bytes: user.quota_bytes, files: user.quota_files };
                Some(Owner::new(user.pk, if arguments.quotas { quota } else { Default::default() }))
            }
            None => None,
        };
        let options = Options {
            owner,
            keep_roles: arguments.keep_roles,
            quotas: arguments.quotas,
            hide_unlisted: arguments.hide_unlisted,
            albums: arguments.albums,
            dry_run: arguments.dry_run,
            old_prefix: arguments.old_urls.clone(),
            table_prefix: arguments.table_prefix.clone(),
            zone: arguments.time_zone.clone(),
        };
        let mut tell = |event: Event<'_>| told.event(&event);
        let importer = Importer::new(uploads, accounts, options, &mut summary, &mut tell, now_ms);
        // What is under way when it ends undoes itself.
        let done = tokio::select! {
            done = importer.run(intake) => Some(done),
            _ = tokio::signal::ctrl_c() => None,
        };
        app::tell_servers(config).await;
        Ok::<_, Failure>(done)
    })?;
    told.end(&summary)?;
    match done {
        Some(Ok(())) if summary.failed == 0 => Ok(()),
        Some(Ok(())) => {
            Err(Failure { code: 3, text: format!("{} pictures did not come in", summary.failed) })
        }
        Some(Err(error)) => Err(failure(error)),
        None => {
            let text = "stopped; what came in stays, and the same command goes on from there".to_owned();
            Err(Failure { code: 130, text })
        }
    }
}

pub(super) fn failure(error: MigrateError) -> Failure {
    if error.is_usage() { Failure::usage(error.to_string()) } else { Failure::from(error) }
}

async fn intake(config: &Config, arguments: &Arguments) -> Result<Intake, Failure> {
    let path = &arguments.path;
    if let Some(name) = path.to_str().and_then(|path| path.strip_prefix("source:")) {
        if arguments.from.is_some_and(|kind| kind != Kind::Bucket) {
            return Err(Failure::usage("a source is a bucket; leave --from out"));
        }
        let (source, prefix) = app::source(config, name)?;
        return Ok(Intake::Bucket { source, prefix });
    }
    let kind = match arguments.from {
        Some(Kind::Bucket) => return Err(Failure::usage("a bucket is named by source:NAME[/PREFIX]")),
        Some(kind) => kind,
        None if path.is_file() => {
            return Err(Failure::usage(
                "--from is needed: whose database is this? See `pixedge import --help`",
            ));
        }
        None => Kind::Folder,
    };
    let mut files = Vec::new();
    for text in &arguments.files {
        files.push(place(config, text).await?);
    }
    Ok(Intake::Path { kind, path: path.clone(), files })
}

/// `DIR`, `2=DIR`, `source:NAME/PREFIX`.
async fn place(config: &Config, text: &str) -> Result<(Option<String>, Files), Failure> {
    let numbered = text
        .split_once('=')
        .filter(|(id, _)| !id.is_empty() && id.len() <= 20 && id.bytes().all(|c| c.is_ascii_digit()));
    let (id, at) = numbered.map_or((None, text), |(id, at)| (Some(format!("{id:0>20}")), at));
    let files = match at.strip_prefix("source:") {
        Some(name) => {
            let (source, prefix) = app::source(config, name)?;
            let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
            Files::Source { source, prefix: format!("{prefix}{slash}") }
        }
        None => Files::folder(Path::new(at)).await.map_err(failure)?,
    };
    Ok((id, files))
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|error| error.to_string())
}

/// What is told while it goes on: a line a picture on standard output for scripts; what was left out, how far it is and
/// how it ended on standard error; and everything in the report.
struct Told {
    report: Option<(PathBuf, BufWriter<File>)>,
    bar: bool,
    dry_run: bool,
    seen: u64,
    last: Instant,
}

impl Told {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let open = |path: &PathBuf| Ok::<_, Failure>((path.clone(), BufWriter::new(File::create(path)?)));
        Ok(Self {
            report: arguments.report.as_ref().map(open).transpose()?,
            // Lines on the same terminal would tear it apart.
            bar: std::io::stderr().is_terminal() && !std::io::stdout().is_terminal(),
            dry_run: arguments.dry_run,
            seen: 0,
            last: Instant::now(),
        })
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Note { about, text } => {
                self.say(&format!("{}: {text}", plain(about)));
                self.note(&json!({ "about": about, "note": text }));
            }
            Event::Picture { label, outcome } => {
                let path = plain(label);
                let (word, id, why) = match outcome {
                    Outcome::Added(image) => ("added", Some(image.id.as_str()), None),
                    Outcome::Known(image) => ("known", Some(image.id.as_str()), None),
                    Outcome::Would => ("would", None, None),
                    Outcome::Skipped(why) => ("skipped", None, Some(why)),
                    Outcome::Failed(why) => ("failed", None, Some(why)),
                };
                match (id, why) {
                    (Some(id), _) => println!("{id} {path}"),
                    (None, Some(why)) => self.say(&format!("{word} {path}: {why}")),
                    (None, None) => println!("{path}"),
                }
                self.note(&json!({ "picture": label, "outcome": word, "id": id, "why": why }));
                self.progress();
            }
        }
    }

    /// Now and then, and all the time where it can be written over.
    fn progress(&mut self) {
        self.seen += 1;
        if self.bar && self.last.elapsed().as_millis() >= 200 {
            eprint!("\r\x1b[K{} pictures", self.seen);
            let _ = std::io::stderr().flush();
            self.last = Instant::now();
        } else if !self.bar && self.last.elapsed().as_secs() >= 10 {
            eprintln!("{} pictures", self.seen);
            self.last = Instant::now();
        }
    }

    fn say(&self, line: &str) {
        if self.bar {
            eprint!("\r\x1b[K");
        }
        eprintln!("{line}");
    }

    fn note(&mut self, value: &Value) {
        if let Some((_, report)) = &mut self.report {
            // A full disk shows when the report is closed.
            let _ = writeln!(report, "{value}");
        }
    }

    fn end(mut self, summary: &Summary) -> Result<(), Failure> {
        let Summary { added, known, skipped, failed, reasons, .. } = summary;
        let would = if self.dry_run { "would be " } else { "" };
        for (why, count) in reasons {
            self.say(&format!("{count} × {why}"));
        }
        let accounts = summary.accounts_added + summary.accounts_known;
        if accounts + summary.albums_added + summary.albums_known + summary.old_paths_added > 0 {
            self.say(&format!(
                "accounts: {} new, {} already there; albums: {} new, {} already there; old addresses: {} new",
                summary.accounts_added,
                summary.accounts_known,
                summary.albums_added,
                summary.albums_known,
                summary.old_paths_added
            ));
        }
        let all_skipped = skipped + failed;
        self.say(&format!("{added} {would}imported, {known} already there, {all_skipped} skipped"));
        let reasons: Vec<Value> =
            reasons.iter().map(|(why, count)| json!({ "why": why, "count": count })).collect();
        self.note(&json!({ "summary": {
            "added": added, "known": known, "skipped": skipped, "failed": failed, "reasons": reasons,
            "accounts_added": summary.accounts_added, "accounts_known": summary.accounts_known,
            "albums_added": summary.albums_added, "albums_known": summary.albums_known,
            "old_paths_added": summary.old_paths_added,
        }}));
        if let Some((path, mut report)) = self.report {
            report.flush()?;
            eprintln!("report: {}", path.display());
        }
        Ok(())
    }
}

/// A name may hold line ends and escape sequences; a line stays a line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
