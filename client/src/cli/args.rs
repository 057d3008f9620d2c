//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  pixedge-client login https://img.example.com --username ana
  pixedge-client upload cat.png holiday/            # a file, and all pictures in a folder
  pixedge-client upload --format markdown *.jpg     # ready to be pasted
  pixedge-client upload --clipboard                 # the files that were copied in a file manager
  find . -name '*.png' | pixedge-client upload -    # paths from standard input
  pixedge-client list --search 'holi*' --json
  pixedge-client transform k3Jd9s w_300,f_webp
  pixedge-client share k3Jd9s --expires-in 7d --max-views 20
  pixedge-client delete https://img.example.com/i/k3Jd9s
  pixedge-client backup images_server.db
  pixedge-client srcset --base https://img.example.com k3Jd9s f_auto,q_auto

In Typora: Preferences, Image, Custom Command: pixedge-client upload --format typora

Exit codes:
  0    all was done
  1    the server refused something, or several things went wrong
  2    the command line is wrong, or no server is configured
  3    the credentials: wrong, not enough, or in a file that others can read
  4    the server cannot be reached, or is too busy
  5    a file or a picture that is not there
  130  interrupted; what was begun was taken back

Environment: PIXEDGE_SERVER, PIXEDGE_KEY, PIXEDGE_CLIENT_CONFIG, PIXEDGE_CLIENT_CACHE (a path, or `off`)";

/// Uploads pictures to a pixedge server and never sends one twice; builds its URLs
#[derive(Debug, Parser)]
#[command(name = "pixedge-client", version, after_help = EXAMPLES)]
pub(super) struct Cli {
    /// Another file with the server and the credentials [default: client.json in the user's configuration]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Another server; credentials in the file are not sent to it
    #[arg(long, global = true, value_name = "URL")]
    pub(super) server: Option<String>,
    /// JSON on standard output
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// No progress and no remarks
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// The language of messages [default: the locale's]
    #[arg(long, global = true, value_enum, value_name = "LANG")]
    pub(super) lang: Option<LangWord>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Upload files and folders; prints their URLs, in order
    Upload(Upload),
    /// List one's pictures
    List(List),
    /// Put pictures into the trash
    Delete {
        /// Ids, URLs, or files that were uploaded
        #[arg(required = true, value_name = "PICTURE")]
        pictures: Vec<String>,
    },
    /// Make a link that shows a picture to whoever has it
    Share(Share),
    /// Make a result of a picture, keep it on the server, and print its URL
    Transform {
        /// An id, a URL, or a file that was uploaded
        picture: String,
        /// As in a URL, w_300,f_webp; or the JSON of `transformations`
        spec: String,
    },
    /// Download the server's database (for administrators)
    Backup {
        /// Where it is put; what is there is replaced once all of it has arrived
        #[arg(default_value = "images_server.db")]
        file: PathBuf,
        /// With hashes of passwords and keys, which a restored server needs
        #[arg(long)]
        full: bool,
    },
    /// Keep a server and credentials: an API key, or one made with a password
    Login(Login),
    /// Forget the credentials and end the key that was made for them
    Logout,
    /// Say where the cache is and how many pictures it knows
    Cache {
        /// Forget them
        #[arg(long)]
        clear: bool,
    },
    /// Build the URL of a picture
    Url {
        #[command(flatten)]
        picture: Built,
    },
    /// Build the value of `<img srcset>`
    Srcset {
        #[command(flatten)]
        picture: Built,
        /// Pixels, separated by commas
        #[arg(long, value_delimiter = ',', value_name = "LIST", conflicts_with = "densities")]
        widths: Option<Vec<u32>>,
        /// Pixels of the screen to one of the page, separated by commas
        #[arg(long, value_delimiter = ',', value_name = "LIST")]
        densities: Option<Vec<f32>>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Upload {
    /// Files, folders with all pictures below them, or `-` for paths on standard input, one a line
    #[arg(value_name = "PATH", required_unless_present = "clipboard")]
    pub(super) paths: Vec<String>,
    /// Files whose paths are in the clipboard
    #[arg(short, long)]
    pub(super) clipboard: bool,
    /// How many at the same time
    #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) parallel: u8,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = Format::Plain, conflicts_with = "json")]
    pub(super) format: Format,
    /// Ask the server about every file, also where the cache knows it
    #[arg(long)]
    pub(super) revalidate: bool,
    /// Neither read nor write the cache
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Who may see new pictures [default: the server's]
    #[arg(long, value_enum)]
    pub(super) visibility: Option<VisibilityWord>,
    /// The id of an album for new pictures
    #[arg(long, value_name = "ID")]
    pub(super) album: Option<String>,
    /// A tag for new pictures; may be given several times
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// When new pictures end: 30d, 12h, 90m or 45s from now
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(super) expires_in: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Words of names and tags; `holi*` for what begins so
    #[arg(long, value_name = "WORDS")]
    pub(super) search: Option<String>,
    /// The id of an album
    #[arg(long, value_name = "ID")]
    pub(super) album: Option<String>,
    #[arg(long)]
    pub(super) tag: Option<String>,
    /// The order
    #[arg(long, value_parser = ["newest", "oldest", "name", "size", "views", "album"])]
    pub(super) sort: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, conflicts_with = "all")]
    pub(super) limit: u32,
    /// Every one
    #[arg(long)]
    pub(super) all: bool,
    /// What was deleted and can be restored
    #[arg(long)]
    pub(super) trash: bool,
}

#[derive(Debug, Args)]
pub(super) struct Share {
    /// An id, a URL, or a file that was uploaded
    pub(super) picture: String,
    /// When the link ends: 30d, 12h, 90m or 45s from now [default: never]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(super) expires_in: Option<Duration>,
    /// How often the picture may be shown by it
    #[arg(long, value_name = "N")]
    pub(super) max_views: Option<u64>,
    /// Ask for a password that whoever has the link must know
    #[arg(long)]
    pub(super) password: bool,
}

#[derive(Debug, Args)]
pub(super) struct Login {
    /// The server's address, https://img.example.com
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// Sign in with the password of this account, and keep an API key that is made for it
    #[arg(long, value_name = "NAME", conflicts_with = "anyone")]
    pub(super) username: Option<String>,
    /// The key may administrate, for `backup`
    #[arg(long, requires = "username")]
    pub(super) admin: bool,
    /// No credentials: the server asks for no account
    #[arg(long)]
    pub(super) anyone: bool,
}

/// A picture whose URL is built; nobody is asked whether it is there.
#[derive(Debug, Args)]
pub(super) struct Built {
    /// The server's address, https://img.example.com
    #[arg(long, value_name = "URL")]
    pub(super) base: String,
    /// A source of the server's configuration
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// An id of the library; with --source a path there, or an http(s) URL that the source may fetch
    pub(super) picture: String,
    /// What is wanted, like w_300,f_webp; in a srcset of several steps {} stands for the size
    #[arg(default_value = "")]
    pub(super) spec: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A URL a line
    Plain,
    Markdown,
    Html,
    Bbcode,
    /// Everything, of failures too
    Json,
    /// `{"success", "result", "fullResult"}`, as PicGo's server answers
    Picgo,
    /// As Typora expects it of a custom command
    Typora,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum VisibilityWord {
    Public,
    Private,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LangWord {
    En,
    Zh,
}

/// `30d`, `12h`, `90m`, `45s`, or seconds.
fn span(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((at, _)) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write 30d, 12h, 90m or 45s".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "write 30d, 12h, 90m or 45s".to_owned())?;
    let total = count.checked_mul(seconds).filter(|total| (1..=100 * 365 * 86_400).contains(total));
    total.map(Duration::from_secs).ok_or_else(|| "must be between a second and a century".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn spans() {
        for (text, seconds) in [("45", 45), ("45s", 45), ("90m", 5400), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "d", "0", "1w", "-1s", "1.5h", "99999999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
