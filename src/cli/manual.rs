//! `pixedge completions SHELL` and `pixedge man`: what shells and `man` want to know, made from the commands themselves.

use std::io::{self, Write as _};
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, Failure};

/// What no option's help has a place for; the first page alone has it.
const MORE: &str = r#".SH FILES
.TP
\fI./config.yaml\fR
The configuration where \fB\-\-config\fR names none. Paths in it begin at its folder.
.TP
\fI/etc/pixedge/config.yaml\fR, \fI/etc/pixedge/environment\fR
Those of the service that install.sh sets up. Every key and its default is in
\fI/usr/local/share/doc/pixedge/config.yaml\fR.
.TP
\fI/var/lib/pixedge\fR, \fI/var/cache/pixedge\fR
Its database, objects and backups, and its results.
.SH ENVIRONMENT
.TP
\fBPIXEDGE__\fISECTION\fB__\fIKEY\fR
Overrides a key of the configuration; lists and sections are written as YAML.
.TP
\fBTZ\fR
The zone of the times of day in the configuration.
.SH EXIT STATUS
.TP
0
It is done.
.TP
1
Something went wrong meanwhile, or a part does not work.
.TP
2
What was asked for is wrong.
"#;

pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), "pixedge", &mut script);
    print(&script)
}

/// The first page to standard output, or those of all commands into a folder, a file each.
pub(super) fn man(into: Option<&Path>) -> Result<(), Failure> {
    let mut command = shown();
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    let Some(folder) = into else {
        return print(&pages.remove(0).1);
    };
    for (name, page) in pages {
        let file = folder.join(name);
        std::fs::write(&file, page)
            .map_err(|error| Failure::usage(format!("--into: {}: {error}", file.display())))?;
    }
    println!("{}", folder.display());
    Ok(())
}

/// Without what no help shows.
fn shown() -> Command {
    let command = Cli::command();
    let visible: Vec<Command> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    let bare = Command::new("pixedge").version(env!("CARGO_PKG_VERSION")).arg_required_else_help(true);
    let bare = bare.args(command.get_arguments()).subcommands(visible);
    match (command.get_about(), command.get_long_about()) {
        (Some(about), Some(long)) => bare.about(about.clone()).long_about(long.clone()),
        (Some(about), None) => bare.about(about.clone()),
        _ => bare,
    }
}

fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let man =
        Man::new(command.clone()).manual("pixedge").source(concat!("pixedge ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render(&mut page)?;
    let mut page = tidy(&String::from_utf8_lossy(&page));
    if pages.is_empty() {
        page.push_str(MORE);
    }
    pages.push((man.get_filename(), page.into_bytes()));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        collect(inner, pages)?;
    }
    Ok(())
}

/// Without what formatters complain of: a title whose date is no word at all, and several breaks where one is meant.
fn tidy(page: &str) -> String {
    let mut tidied = String::with_capacity(page.len());
    let mut gap = "";
    for line in page.lines() {
        match line {
            "" => gap = ".sp\n",
            ".br" if gap.is_empty() => gap = ".br\n",
            ".br" => {}
            _ => {
                tidied.push_str(std::mem::take(&mut gap));
                if line.starts_with(".TH ") {
                    tidied.push_str(&line.replacen(" 1  ", " 1 \"\" ", 1));
                } else {
                    tidied.push_str(line);
                }
                tidied.push('\n');
            }
        }
    }
    tidied
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().lock().write_all(bytes) {
        // Whoever pages through it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}
