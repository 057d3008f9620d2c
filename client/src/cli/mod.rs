//! The commands. What a command makes stands alone on standard output; remarks and failures are on standard error.

mod args;
mod bar;
mod clipboard;
mod output;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use pixedge_client::{
    Client, Config, Credential, Failure, Lang, ListWish, Picture, ShareWish, Sizes, Spec, Stop, Urls,
    Visibility, Wish,
};
use serde_json::{Value, json};

use args::{Built, Cli, Command, Format, LangWord, VisibilityWord};
use bar::Bar;
use output::{complain, exit_code, pretty};

const WIDTHS: [u32; 5] = [320, 640, 960, 1280, 1920];

/// One run: what was said and what is needed to do it.
struct Run {
    cli: Cli,
    lang: Lang,
    stop: Stop,
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let lang = match cli.lang {
        Some(LangWord::En) => Lang::En,
        Some(LangWord::Zh) => Lang::Zh,
        None => locale(),
    };
    let stop = Stop::default();
    if let Err(error) = end_on_signal(stop.clone()) {
        eprintln!("pixedge-client: Ctrl-C will end this at once: {error}");
    }
    let run = Run { cli, lang, stop };
    match run.command() {
        Ok((text, code)) => {
            let mut out = io::stdout().lock();
            // Whoever closed the pipe wants no more.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            ExitCode::from(code)
        }
        Err(failure) => {
            eprintln!("pixedge-client: {}", failure.text(lang));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The first signal asks for an end, the second ends.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "asked twice, and nothing is waited for any more"
)]
fn end_on_signal(stop: Stop) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        if stop.is_stopped() {
            std::process::exit(130);
        }
        stop.stop();
    })
}

#[expect(clippy::disallowed_methods, reason = "the language is the environment's to say")]
fn locale() -> Lang {
    let named = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    named.map_or(Lang::En, |name| Lang::of_locale(&name))
}

type Done = Result<(String, u8), Failure>;

impl Run {
    fn command(&self) -> Done {
        match &self.cli.command {
            Command::Upload(upload) => self.upload(upload),
            Command::List(list) => self.list(list),
            Command::Delete { pictures } => self.delete(pictures),
            Command::Share(share) => self.share(share),
            Command::Transform { picture, spec } => self.transform(picture, spec),
            Command::Backup { file, full } => self.backup(file, *full),
            Command::Login(login) => self.login(login),
            Command::Logout => self.logout(),
            Command::Cache { clear } => self.cache(*clear),
            Command::Url { picture } => url(picture),
            Command::Srcset { picture, widths, densities } => {
                srcset(picture, widths.as_deref(), densities.as_deref())
            }
        }
    }

    fn client(&self, with_cache: bool) -> Result<Client, Failure> {
        let mut config = Config::load_for(self.cli.config.as_deref(), self.cli.server.as_deref())?;
        if !with_cache {
            config.cache = None;
        }
        if let Some(warning) = &config.warning {
            self.remark(warning);
        }
        let client = Client::new(&config, &self.stop)?;
        if let Some(trouble) = client.trouble() {
            self.remark(trouble);
        }
        Ok(client)
    }

    fn remark(&self, text: &str) {
        if !self.cli.quiet {
            eprintln!("pixedge-client: {text}");
        }
    }

    fn upload(&self, upload: &args::Upload) -> Done {
        let client = self.client(!upload.no_cache)?;
        let (files, missing) = files(upload)?;
        let wish = Wish {
            visibility: upload.visibility.map(|word| match word {
                VisibilityWord::Public => Visibility::Public,
                VisibilityWord::Private => Visibility::Private,
            }),
            album: upload.album.clone(),
            tags: upload.tag.clone(),
            expires_in: upload.expires_in,
            revalidate: upload.revalidate,
        };
        let bytes = files.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum();
        let bar = Bar::new(files.len() as u64, bytes, self.cli.quiet);
        let results = client.upload_all(&files, &wish, usize::from(upload.parallel), &bar);
        bar.end();
        let names = files.iter().map(|path| path.display().to_string());
        let missing = missing.into_iter().map(|(name, failure)| (name, Err(failure)));
        let done: Vec<(String, output::Result)> = names.zip(results).chain(missing).collect();
        for (file, result) in &done {
            match result {
                Ok(known) if known.stale => {
                    self.remark(&format!("{file}: the server cannot be asked; this is what the cache knows"));
                }
                Ok(_) => {}
                Err(failure) => eprintln!("{}", complain(file, failure, self.lang)),
            }
        }
        let format = if self.cli.json { Format::Json } else { upload.format };
        let text = output::uploads(format, &done, self.lang);
        let failures = done.iter().filter_map(|(_, result)| result.as_ref().err());
        Ok((text, exit_code(failures)))
    }

    fn list(&self, list: &args::List) -> Done {
        let client = self.client(false)?;
        let (mut images, mut cursor) = (Vec::new(), None);
        let most = if list.all { usize::MAX } else { list.limit as usize };
        loop {
            let wanted = u32::try_from((most - images.len()).min(500)).unwrap_or(500);
            let page = client.list(&ListWish {
                search: list.search.clone(),
                album: list.album.clone(),
                tag: list.tag.clone(),
                sort: list.sort.clone(),
                limit: Some(wanted.max(1)),
                cursor: cursor.take(),
                trash: list.trash,
            })?;
            images.extend(page.images);
            cursor = page.meta.next;
            if cursor.is_none() || images.len() >= most {
                break;
            }
        }
        images.truncate(most);
        let text = if self.cli.json { pretty(&json!(images)) } else { output::list(&images) };
        Ok((text, 0))
    }

    fn delete(&self, pictures: &[String]) -> Done {
        let client = self.client(true)?;
        let mut failures = Vec::new();
        let (mut text, mut entries) = (String::new(), Vec::new());
        for picture in pictures {
            let done = client.id_of(picture).and_then(|id| client.delete(&id).map(|()| id));
            match done {
                Ok(id) => {
                    text.push_str(&format!("{id}\n"));
                    entries.push(json!({"picture": picture, "id": id}));
                }
                Err(failure) => {
                    eprintln!("{}", complain(picture, &failure, self.lang));
                    let error = json!({"code": failure.code(), "message": failure.text(self.lang)});
                    entries.push(json!({"picture": picture, "error": error}));
                    failures.push(failure);
                }
            }
        }
        let text = if self.cli.json { pretty(&Value::Array(entries)) } else { text };
        Ok((text, exit_code(failures.iter())))
    }

    fn share(&self, share: &args::Share) -> Done {
        let client = self.client(false)?;
        let password = match share.password {
            true => Some(secret("Password of the link: ")?),
            false => None,
        };
        let wish = ShareWish { expires_in: share.expires_in, max_views: share.max_views, password };
        let made = client.share(&client.id_of(&share.picture)?, &wish)?;
        Ok((self.one(&json!(made), &made.url), 0))
    }

    fn transform(&self, picture: &str, spec: &str) -> Done {
        let client = self.client(false)?;
        let spec = match spec.trim_start().starts_with(['{', '[']) {
            true => Spec::Json(
                serde_json::from_str(spec)
                    .map_err(|error| Failure::Usage(format!("the transformations are no JSON: {error}")))?,
            ),
            false => Spec::Text(spec.to_owned()),
        };
        let made = client.transform(&client.id_of(picture)?, &spec)?;
        Ok((self.one(&json!(made), &made.url), 0))
    }

    fn backup(&self, file: &Path, full: bool) -> Done {
        let bytes = self.client(false)?.backup(file, full)?;
        Ok((self.one(&json!({"file": file, "bytes": bytes}), &file.display().to_string()), 0))
    }

    fn login(&self, login: &args::Login) -> Done {
        let credential = match (&login.username, login.anyone) {
            (_, true) => Credential::None,
            (Some(username), _) => {
                let password = secret(&format!("Password of {username}: "))?;
                Credential::Password { username: username.clone(), password }
            }
            (None, _) => Credential::Key(secret("API key: ")?),
        };
        let config = self.cli.config.as_deref();
        let name = Client::log_in(config, &login.url, credential, login.admin, &self.stop)?;
        Ok((self.one(&json!({"server": login.url, "username": name}), &name), 0))
    }

    fn logout(&self) -> Done {
        if !Client::log_out(self.cli.config.as_deref(), &self.stop)? {
            self.remark("there were no credentials");
        }
        Ok((String::new(), 0))
    }

    fn cache(&self, clear: bool) -> Done {
        let client = self.client(true)?;
        let Some(cache) = client.cache() else {
            return Err(Failure::Usage("there is no cache".to_owned()));
        };
        let path = cache.path().display().to_string();
        let failed = |error: &dyn std::fmt::Display| Failure::File {
            path: cache.path().to_owned(),
            reason: error.to_string(),
        };
        if clear {
            cache.clear().map_err(|error| failed(&error))?;
        }
        let pictures = cache.len().map_err(|error| failed(&error))?;
        Ok((self.one(&json!({"path": path, "pictures": pictures}), &format!("{pictures}\t{path}")), 0))
    }

    fn one(&self, value: &Value, plain: &str) -> String {
        if self.cli.json { pretty(value) } else { format!("{plain}\n") }
    }
}

type Missing = Vec<(String, Failure)>;

/// What is to be uploaded, and what cannot be.
fn files(upload: &args::Upload) -> Result<(Vec<PathBuf>, Missing), Failure> {
    let mut named: Vec<PathBuf> = Vec::new();
    for path in &upload.paths {
        if path == "-" {
            let lines = io::stdin().lock().lines().collect::<Result<Vec<_>, _>>();
            let lines = lines.map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
            named.extend(lines.into_iter().filter(|line| !line.is_empty()).map(PathBuf::from));
        } else {
            named.push(path.into());
        }
    }
    if upload.clipboard {
        named.extend(clipboard::paths()?);
    }
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for path in named {
        match pixedge_client::pictures(&path) {
            Ok(found) if found.is_empty() => {
                let reason = "there is no picture in this folder".to_owned();
                missing.push((path.display().to_string(), Failure::File { path, reason }));
            }
            Ok(found) => files.extend(found),
            Err(failure) => missing.push((path.display().to_string(), failure)),
        }
    }
    Ok((files, missing))
}

/// From the terminal without showing it, else a line of standard input.
fn secret(prompt: &str) -> Result<String, Failure> {
    let read = if io::stdin().is_terminal() {
        eprint!("{prompt}");
        console::Term::stderr().read_secure_line()
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    };
    let line = read.map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(Failure::Usage("nothing was given on standard input".to_owned()));
    }
    Ok(line.to_owned())
}

fn url(built: &Built) -> Done {
    let url = urls(built)?.url(built.picture(), &built.spec).map_err(usage)?;
    Ok((format!("{url}\n"), 0))
}

fn srcset(built: &Built, widths: Option<&[u32]>, densities: Option<&[f32]>) -> Done {
    let sizes = match (widths, densities) {
        (_, Some(densities)) => Sizes::densities(densities.iter().copied()),
        (widths, None) => Sizes::widths(widths.unwrap_or(&WIDTHS).iter().copied()),
    };
    let sizes = sizes.map_err(usage)?;
    let srcset = urls(built)?.srcset(built.picture(), &built.spec, &sizes).map_err(usage)?;
    Ok((format!("{srcset}\n"), 0))
}

fn urls(built: &Built) -> Result<Urls, Failure> {
    Urls::new(&built.base).map_err(usage)
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn usage(error: pixedge_client::Error) -> Failure {
    Failure::Usage(error.to_string())
}

impl Built {
    fn picture(&self) -> Picture<'_> {
        let name = self.picture.as_str();
        match self.source.as_deref() {
            None => Picture::Id(name),
            Some(source) if name.starts_with("http://") || name.starts_with("https://") => {
                Picture::Url { source, url: name }
            }
            Some(source) => Picture::Path { source, path: name },
        }
    }
}
