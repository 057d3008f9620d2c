//! `pixedge-client`: the library on the command line. What it builds stands alone on standard output.

use std::process::ExitCode;

use pixedge_client::{Picture, Sizes, Urls};

const HELP: &str = "\
Builds URLs of a pixedge server.

usage: pixedge-client url    --base URL [--source NAME] PICTURE [SPEC]
       pixedge-client srcset --base URL [--source NAME] [--widths LIST | --densities LIST] PICTURE [SPEC]

PICTURE            an id of the library; with --source a path there, or an http(s) URL that the source may fetch
SPEC               what is wanted, like w_300,f_webp; in a srcset of several steps {} stands for the size
--base URL         the server's address, https://img.example.com
--source NAME      a source of the server's configuration
--widths LIST      pixels, like 320,640,1280        [320,640,960,1280,1920]
--densities LIST   pixels of the screen, like 1,2
-h, --help         this text
-V, --version      the version

example: pixedge-client srcset --base https://img.example.com k3Jd9s f_auto,q_auto
";

const WIDTHS: [u32; 5] = [320, 640, 960, 1280, 1920];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => {
            println!("{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("pixedge-client: {text}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Arguments<'a> {
    base: Option<&'a str>,
    source: Option<&'a str>,
    widths: Option<&'a str>,
    densities: Option<&'a str>,
    positional: Vec<&'a str>,
}

fn run(arguments: &[String]) -> Result<String, String> {
    if arguments.iter().any(|argument| argument == "-h" || argument == "--help") {
        return Ok(HELP.to_owned());
    }
    if arguments.iter().any(|argument| argument == "-V" || argument == "--version") {
        return Ok(format!("pixedge-client {}", env!("CARGO_PKG_VERSION")));
    }
    let (command, rest) = arguments.split_first().ok_or("nothing to do; see --help")?;
    let arguments = Arguments::read(rest)?;
    match command.as_str() {
        "url" => url(&arguments),
        "srcset" => srcset(&arguments),
        other => Err(format!("there is no command `{other}`, only `url` and `srcset`; see --help")),
    }
}

fn url(arguments: &Arguments<'_>) -> Result<String, String> {
    if arguments.widths.or(arguments.densities).is_some() {
        return Err("--widths and --densities belong to `srcset`".to_owned());
    }
    let (picture, spec) = arguments.picture()?;
    arguments.urls()?.url(picture, spec).map_err(|error| error.to_string())
}

fn srcset(arguments: &Arguments<'_>) -> Result<String, String> {
    let sizes = match (arguments.widths, arguments.densities) {
        (Some(_), Some(_)) => return Err("--widths and --densities exclude each other".to_owned()),
        (Some(widths), None) => Sizes::widths(numbers(widths)?),
        (None, Some(densities)) => Sizes::densities(numbers(densities)?),
        (None, None) => Sizes::widths(WIDTHS),
    };
    let sizes = sizes.map_err(|error| error.to_string())?;
    let (picture, spec) = arguments.picture()?;
    arguments.urls()?.srcset(picture, spec, &sizes).map_err(|error| error.to_string())
}

fn numbers<N: std::str::FromStr>(list: &str) -> Result<Vec<N>, String> {
    let number =
        |text: &str| text.trim().parse().map_err(|_| format!("`{text}` in `{list}` is not a number"));
    list.split(',').map(number).collect()
}

impl<'a> Arguments<'a> {
    fn read(arguments: &'a [String]) -> Result<Self, String> {
        let mut read = Self::default();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(argument) = rest.next() {
            if !argument.starts_with("--") {
                read.positional.push(argument);
                continue;
            }
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument, None),
            };
            let place = match name {
                "--base" => &mut read.base,
                "--source" => &mut read.source,
                "--widths" => &mut read.widths,
                "--densities" => &mut read.densities,
                _ => return Err(format!("there is no option `{name}`; see --help")),
            };
            let value = inline.or_else(|| rest.next()).ok_or_else(|| format!("{name} needs a value"))?;
            if place.replace(value).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(read)
    }

    fn urls(&self) -> Result<Urls, String> {
        let base = self.base.ok_or("--base is missing: the server's address")?;
        Urls::new(base).map_err(|error| error.to_string())
    }

    fn picture(&self) -> Result<(Picture<'a>, &'a str), String> {
        let (name, spec) = match self.positional[..] {
            [name] => (name, ""),
            [name, spec] => (name, spec),
            [] => return Err("a picture is missing: its id or path".to_owned()),
            [_, _, extra, ..] => return Err(format!("`{extra}` is one argument too many")),
        };
        let picture = match self.source {
            None => Picture::Id(name),
            Some(source) if name.starts_with("http://") || name.starts_with("https://") => {
                Picture::Url { source, url: name }
            }
            Some(source) => Picture::Path { source, path: name },
        };
        Ok((picture, spec))
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    fn ran(line: &str) -> Result<String, String> {
        run(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn builds_what_is_asked_for() {
        let base = "--base http://127.0.0.1:8080";
        assert_eq!(
            ran(&format!("url {base} k3Jd9s w_300,f_webp")).unwrap(),
            "http://127.0.0.1:8080/i/k3Jd9s/w_300,f_webp"
        );
        assert_eq!(
            ran("url --base=http://a --source=samples a/b.jpg").unwrap(),
            "http://a/r/samples/_/-/a/b.jpg"
        );
        assert!(
            ran(&format!("url {base} --source web https://x.example/a.jpg w_1"))
                .unwrap()
                .contains("/r/web/w_1/-/~aHR0")
        );
        assert_eq!(ran(&format!("srcset {base} a")).unwrap().split(", ").count(), 5);
        assert!(
            ran(&format!("srcset {base} --widths 10,20 a f_webp")).unwrap().ends_with("/i/a/w_20,f_webp 20w")
        );
        assert!(
            ran(&format!("srcset {base} --densities 1,2 a w_10")).unwrap().ends_with("/i/a/dpr_2,w_10 2x")
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, word) in [
            ("", "--help"),
            ("get", "`get`"),
            ("url a", "--base"),
            ("url --base", "needs a value"),
            ("url --base http://a", "picture is missing"),
            ("url --base http://a b c d", "`d`"),
            ("url --base http://a --base http://b c", "twice"),
            ("url --base a b", "`a`"),
            ("url --bsae a b", "`--bsae`"),
            ("url --base http://a --widths 1 b", "srcset"),
            ("srcset --base http://a --widths 1,x b", "`x`"),
            ("srcset --base http://a --widths 1 --densities 1 b", "exclude"),
            ("srcset --base http://a b w_1", "already has `w`"),
        ] {
            let error = ran(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
        assert!(ran("--help").unwrap().contains("usage:"));
        assert!(ran("url --help").unwrap().contains("usage:"));
        assert!(ran("--version").unwrap().starts_with("pixedge-client 0."));
    }
}
