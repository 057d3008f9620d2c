//! The configuration as people meet it: a file, an environment, and what they are told when it is wrong.

use std::time::Duration;

use super::*;
use crate::units::{Auto, ByteSize, Secret, Span};

/// A folder with a configuration file, and an environment.
struct Place {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    command_line: CommandLine,
}

fn file(text: &str) -> Place {
    let place = nothing();
    std::fs::write(place.folder.path().join("config.yaml"), text).unwrap();
    place
}

fn nothing() -> Place {
    Place {
        folder: tempfile::tempdir().unwrap(),
        variables: Vec::new(),
        command_line: CommandLine::default(),
    }
}

impl Place {
    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn load(&self) -> Result<Config, Error> {
        let environment = Environment::new(self.folder.path(), self.variables.clone());
        Config::load_in(&self.command_line, &environment)
    }

    fn ok(&self) -> Config {
        self.load().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The one thing that is wrong.
    fn problem(&self) -> Problem {
        let mut problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems.remove(0)
    }

    fn problems(&self) -> Vec<Problem> {
        match self.load() {
            Err(Error::Invalid(problems)) => problems,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn needs_no_file_and_derives_what_is_unset() {
    let place = nothing();
    let folder = place.folder.path();
    let config = place.ok();
    assert_eq!(config.file, None);
    assert_eq!(config.data_dir, folder.join("data"));
    assert_eq!(config.cache.path, Some(folder.join("data/cache")));
    assert_eq!(config.storages["local"], Storage::folder(folder.join("data/objects")));
    assert_eq!(config.http.public_url.as_deref(), Some("http://127.0.0.1:8080"));
    let database = format!("sqlite:{}", folder.join("data/pixedge.db").display());
    assert_eq!(config.database.url, Some(Secret::new(database)));
    assert_eq!(config.cache.memory, ByteSize(256 << 20));
    assert_eq!(config.images.queue, Span(Duration::from_secs(4)));
}

#[test]
fn an_empty_file_and_emptied_sections_are_the_defaults() {
    let defaults = nothing().ok();
    for text in ["", "# nothing\n", "---\n", "http:\ncache:\nsources:\npresets:\nkeys:\n"] {
        let config = file(text).ok();
        assert!(config.file.is_some(), "{text:?}");
        assert_eq!(
            (config.http, config.keys, config.sources),
            (defaults.http.clone(), vec![], BTreeMap::new())
        );
    }
}

#[test]
fn paths_begin_at_the_folder_of_the_file_and_arguments_where_one_stands() {
    let mut place = nothing();
    let folder = place.folder.path().to_owned();
    std::fs::create_dir(folder.join("etc")).unwrap();
    let text = "data_dir: d\nlog: { file: l.txt }\ndatabase: { url: 'sqlite://x.db' }\nsources: { a: { scheme: fs, root: pics } }\n";
    std::fs::write(folder.join("etc/p.yaml"), text).unwrap();
    place.command_line.config = Some("etc/p.yaml".into());
    let config = place.ok();
    assert_eq!(config.data_dir, folder.join("etc/d"));
    assert_eq!(config.log.file, Some(folder.join("etc/l.txt")));
    assert_eq!(config.sources["a"].root, Some(folder.join("etc/pics")));
    let database = format!("sqlite:{}", folder.join("etc/x.db").display());
    assert_eq!(config.database.url, Some(Secret::new(database)));

    place.command_line.data_dir = Some("elsewhere".into());
    place.command_line.listen = Some(([0, 0, 0, 0], 9000).into());
    let config = place.ok();
    assert_eq!(config.cache.path, Some(folder.join("elsewhere/cache")));
    assert_eq!(config.http.public_url.as_deref(), Some("http://127.0.0.1:9000"));
}

#[test]
fn a_named_file_must_be_there() {
    let mut place = nothing();
    place.command_line.config = Some("absent.yaml".into());
    assert!(matches!(place.load(), Err(Error::Read { path, .. }) if path.ends_with("absent.yaml")));
}

#[test]
fn the_environment_overrides_the_file() {
    let config = file("http: { listen: '127.0.0.1:1', cors: [] }\nsources: { Pics: { scheme: memory } }\n")
        .set("PIXEDGE__HTTP__LISTEN", "127.0.0.1:2")
        .set("pixedge__http__cors", "[\"https://a.example\", 'https://b.example:444']")
        .set("PIXEDGE__CACHE", "{memory: 5MiB, disk: 0}")
        .set("PIXEDGE__CACHE__MEMORY", "6MiB")
        .set("PIXEDGE__SOURCES__PICS__UNSIGNED", "open")
        .set("PIXEDGE__SOURCES__NEW", "{scheme: fs, root: x}")
        .set("PIXEDGE__IMAGES__WORKERS", "3")
        .set("PIXEDGE__AUTH__REQUIRED", "false")
        .set("PIXEDGE__CLEANUP__TIME", "04:30")
        .set("PIXEDGE__REDIS__URL", "")
        .set("PIXEDGE_SOMETHING_ELSE", "1")
        .ok();
    assert_eq!(config.http.listen.port(), 2);
    assert_eq!(config.http.cors, ["https://a.example", "https://b.example:444"]);
    assert_eq!((config.cache.memory, config.cache.disk), (ByteSize(6 << 20), ByteSize(0)));
    assert_eq!(config.sources["Pics"].unsigned, Policy::Open);
    assert_eq!(config.sources["new"].scheme, Scheme::Fs);
    assert_eq!(config.images.workers, Auto::Value(3));
    assert!(!config.auth.required);
    assert_eq!(config.cleanup.time.to_string(), "04:30");
    assert_eq!(config.redis.url, None);
}

#[test]
fn a_variable_is_text_where_text_is_wanted() {
    for text in ["0123", "1e3", "true", "*x # {y}: z", "&a b", "!tag", "@", "`", "a: b", "- a", "12 #3"] {
        let config = nothing().set("PIXEDGE__MAIL__FROM", text).ok();
        assert_eq!(config.mail.from, text);
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let place = file("# top\ncache:\n  memry: 1MiB\n");
    let problem = place.problem();
    assert_eq!(problem.text, "unknown key `cache.memry`; did you mean `cache.memory`?");
    assert_eq!(problem.key, "cache.memry");
    let path = place.folder.path().join("config.yaml");
    assert_eq!(problem.origin, Origin::File { path: path.clone(), line: Some(3) });
    assert_eq!(problem.to_string(), format!("{}:3: {}", path.display(), problem.text));

    for (text, key, near) in [
        ("htpp: {}", "htpp", "http"),
        ("sources: { a: { scheme: memory, unsinged: open } }", "sources.a.unsinged", "sources.a.unsigned"),
        (
            "sources: { a: { scheme: memory, cache_control: { maxage: 1s } } }",
            "sources.a.cache_control.maxage",
            "sources.a.cache_control.max_age",
        ),
        ("limits: { per_key: { brust: 1 } }", "limits.per_key.brust", "limits.per_key.burst"),
        ("keys: [ { kid: a, secret_evn: X } ]", "keys[0].secret_evn", "keys[0].secret_env"),
        ("images: { max_pixel: 1MP }", "images.max_pixel", "images.max_pixels"),
    ] {
        let problems = file(text).problems();
        assert_eq!(problems[0].text, format!("unknown key `{key}`; did you mean `{near}`?"), "{text}");
    }
    let far = file("cache: { zzz: 1 }").problem();
    assert_eq!(far.text, "unknown key `cache.zzz`; known here: memory, disk, originals, path");
}

#[test]
fn all_unknown_keys_are_reported_together() {
    let problems = file("a1: 1\ncache: { b2: 2 }\nlog:\n  c3: 3\n").problems();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["a1", "cache.b2", "log.c3"]);
}

#[test]
fn an_unknown_variable_is_an_error_that_names_it() {
    let problem = nothing().set("PIXEDGE__CACHE__MEMRY", "1").problem();
    assert_eq!(problem.origin, Origin::Variable("PIXEDGE__CACHE__MEMRY".to_owned()));
    assert!(problem.text.contains("did you mean `cache.memory`"), "{problem}");
    assert!(problem.to_string().contains("PIXEDGE__CACHE__MEMRY"), "{problem}");
    for (name, value) in [
        ("PIXEDGE__", "1"),
        ("PIXEDGE__HTTP__", "1"),
        ("PIXEDGE__STORAGE_DEFAULT__X", "1"),
        ("PIXEDGE__HTTP__CORS", "[a"),
    ] {
        let place = file("storage_default: local").set(name, value);
        assert_eq!(place.problem().origin, Origin::Variable(name.to_owned()));
    }
    let twice = nothing().set("PIXEDGE__DATA_DIR", "a").set("pixedge__data_dir", "b").problem();
    assert!(twice.text.contains("is set by PIXEDGE__DATA_DIR too"), "{twice}");
}

/// Each line: a file, the key to blame, and words that the message must hold.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("http: { listen: localhost }", "http.listen", &["`localhost`", "127.0.0.1:8080"]),
    ("http: { listen: 8080 }", "http.listen", &["`8080`", "expected a text"]),
    ("http: { listen: }", "http.listen", &["no value"]),
    ("http: { admin_listen: x }", "http.admin_listen", &["`x`", "127.0.0.1:8080"]),
    ("http: { admin_listen: '127.0.0.1:8080' }", "http.admin_listen", &["another port"]),
    ("http: { public_url: example.com }", "http.public_url", &["`example.com`", "https://"]),
    ("http: { public_url: 'https://a.example/?x=1' }", "http.public_url", &["query"]),
    ("http: { trusted_proxies: [10.0.0.0/8, nginx] }", "http.trusted_proxies[1]", &["`nginx`", "10.0.0.0/8"]),
    ("http: { trusted_proxies: 10.0.0.0/8 }", "http.trusted_proxies", &["expected a list", "`10.0.0.0/8`"]),
    (
        "http: { listen: '0.0.0.0:80' }\nauth: { required: false }",
        "auth.required",
        &["0.0.0.0:80", "open_to_network"],
    ),
    ("http: { api_cors: [example.com] }", "http.api_cors[0]", &["`example.com`", "https://example.com"]),
    ("http: { cors: [example.com] }", "http.cors[0]", &["`example.com`", "https://example.com"]),
    ("http: { cors: ['https://a.example/'] }", "http.cors[0]", &["no `/` at the end"]),
    ("http: { ignore_query: ['*'] }", "http.ignore_query[0]", &["`*`", "utm_*"]),
    ("http: 8080", "http", &["`8080`", "section"]),
    ("database: { url: oracle://x }", "database.url", &["postgres://"]),
    ("redis: { url: localhost }", "redis.url", &["redis://"]),
    ("redis: { url: 'redis://a,b' }", "redis.url", &["commas"]),
    ("redis: { prefix: 'a b' }", "redis.prefix", &["letters"]),
    ("redis: { timeout: 1ms }", "redis.timeout", &["10ms"]),
    ("purge_hooks: { cdn: {} }", "purge_hooks.cdn.url", &["url", "missing"]),
    ("purge_hooks: { cdn: { url: cdn.example } }", "purge_hooks.cdn.url", &["https"]),
    (
        "purge_hooks: { cdn: { url: 'https://cdn.example', method: GET } }",
        "purge_hooks.cdn.method",
        &["PURGE"],
    ),
    ("storages: { a: {} }", "storages.a", &["`scheme` is missing"]),
    ("storages: { a: { scheme: ftp } }", "storages.a.scheme", &["`ftp`", "`webdav`"]),
    ("storages: { a: { scheme: fs } }", "storages.a.root", &["missing", "`fs`"]),
    ("storages: { a: { scheme: http, endpoint: 'http://x' } }", "storages.a.scheme", &["sources"]),
    ("storages: { a: { scheme: s3, endpoint: 'http://x' } }", "storages.a.bucket", &["missing"]),
    ("storages: { a: { scheme: s3, bucket: x } }", "storages.a.endpoint", &["missing"]),
    ("storages: { a: { scheme: fs, root: x, bucket: y } }", "storages.a.bucket", &["`fs`", "remove"]),
    ("storages: { a: { scheme: webdav, endpoint: x } }", "storages.a.endpoint", &["`x`", "https://"]),
    ("storages: { 'a.b': { scheme: memory } }", "storages", &["`a.b`"]),
    ("storage_default: loacl", "storage_default", &["`loacl`", "did you mean `local`"]),
    ("sources: { a: { scheme: memory, unsigned: closed } }", "sources.a.unsigned", &["`closed`", "`ladder`"]),
    ("sources: { a: { scheme: memory, root: x } }", "sources.a.root", &["`memory`"]),
    ("sources: { library: { scheme: memory } }", "sources.library", &["library"]),
    ("sources: { a: { scheme: memory, revalidate: soon } }", "sources.a.revalidate", &["`soon`", "`4s`"]),
    (
        "sources: { a: { scheme: memory } }\nipx: { source: b }",
        "ipx.source",
        &["`b`", "there are: a, library"],
    ),
    ("cache: { memory: lots }", "cache.memory", &["`lots`", "`256MiB`"]),
    ("cache: { memory: 1KiB }", "cache.memory", &["`4MiB`"]),
    ("cache: { disk: 1MiB }", "cache.disk", &["`16MiB`"]),
    ("cache: { memory: -1 }", "cache.memory", &["`-1`", "a size"]),
    ("images: { max_pixels: 0 }", "images.max_pixels", &["100MP"]),
    ("images: { max_pixels_summed: 1MP }", "images.max_pixels_summed", &["1MP", "100MP"]),
    ("images: { max_result_side: 20000 }", "images.max_result_side", &["20000", "16384"]),
    ("images: { max_result_side: wide }", "images.max_result_side", &["`wide`", "whole number"]),
    ("images: { workers: 0 }", "images.workers", &["1 to 1024", "auto"]),
    ("images: { workers: many }", "images.workers", &["`many`", "or `auto`"]),
    ("images: { memory_budget: 1MiB }", "images.memory_budget", &["`16MiB`"]),
    ("images: { queue: 0 }", "images.queue", &["`4s`"]),
    ("images: { ladder: [100, 0] }", "images.ladder[1]", &["16384"]),
    ("presets: { avatar: '' }", "presets.avatar", &["empty"]),
    ("presets: { 'a b': w_1 }", "presets", &["`a b`"]),
    ("presets: { avatar: [w_1] }", "presets.avatar", &["a text", "a list"]),
    ("http: { max_connections: 0 }", "http.max_connections", &["1 to"]),
    ("http: { max_connections_per_address: 0 }", "http.max_connections_per_address", &["null"]),
    ("http: { listen: 'example.com:80' }", "http.listen", &["`example.com:80`", "`localhost:8080`"]),
    ("limits: { per_address: { rate: 50 } }", "limits.per_address.rate", &["`50`", "`50/s`"]),
    ("limits: { per_key: { burst: 0 } }", "limits.per_key.burst", &["at least 1"]),
    (
        "limits: { per_key: { burst: 5000000000 } }",
        "limits.per_key.burst",
        &["4294967295", "`per_key: null`"],
    ),
    ("library: { unsigned: public }", "library.unsigned", &["`public`", "`open`"]),
    ("library: { visibility: hidden }", "library.visibility", &["`hidden`", "`private`"]),
    ("library: { trash: 30 days }", "library.trash", &["`30 days`", "`30d`"]),
    ("uploads: { max_bytes: 0 }", "uploads.max_bytes", &["32MB"]),
    ("uploads: { naming: sha1 }", "uploads.naming", &["`sha1`", "`random`"]),
    ("uploads: { derivatives: { x: ' ' } }", "uploads.derivatives.x", &["empty"]),
    ("cleanup: { time: '3 am' }", "cleanup.time", &["`3 am`", "`03:00`"]),
    ("cleanup: { expire_days: 0 }", "cleanup.expire_days", &["at least 1"]),
    ("cleanup: { enable: yes }", "cleanup.enable", &["`yes`", "`true` or `false`"]),
    ("auth: { registration: all }", "auth.registration", &["`all`", "`invite`"]),
    ("auth: { access_token: 0s }", "auth.access_token", &["`1h`"]),
    ("auth: { users: [ { name: a } ] }", "auth.users[0].password_env", &["missing"]),
    ("auth: { users: [ { name: a, password: short } ] }", "auth.users[0].password", &["8 to 128"]),
    (
        "auth: { users: [ { name: a, password: longenough, role: boss } ] }",
        "auth.users[0].role",
        &["`boss`", "`admin`"],
    ),
    ("auth: { users: [ { name: a, password_hash: xyz } ] }", "auth.users[0].password_hash", &["argon2"]),
    ("auth: { users: [ { name: a@b, password: longenough } ] }", "auth.users[0].name", &["`email`"]),
    ("auth: { users: [ { name: a, email: b, password: longenough } ] }", "auth.users[0].email", &["`b`"]),
    ("auth: { secret: 0123456789abcdef0123 }", "auth.secret", &["secret_env"]),
    ("keys: [ { kid: k, secret: 0123456789abcdef0123 } ]", "keys[0].secret", &["secret_env"]),
    ("keys: [ { kid: k } ]", "keys[0]", &["`secret` is missing"]),
    ("keys: [ { kid: k, secret_env: ABSENT } ]", "keys[0].secret_env", &["ABSENT", "not set"]),
    ("keys: [ { kid: k, secret_env: EMPTY } ]", "keys[0].secret_env", &["EMPTY", "empty"]),
    ("keys: [ { kid: k, secret_env: SHORT } ]", "keys[0].secret", &["16 bytes"]),
    ("keys: [ { kid: k, secret_file: absent } ]", "keys[0].secret_file", &["absent", "cannot be read"]),
    ("keys: [ { kid: k, secret_file: f, secret_env: LONG } ]", "keys[0].secret_file", &["both set"]),
    ("keys: [ { kid: k.1, secret_env: LONG } ]", "keys[0].kid", &["`k.1`"]),
    ("keys: [ { kid: k, secret_env: LONG }, { kid: k, secret_env: LONG } ]", "keys[1].kid", &["already"]),
    ("keys: [ { kid: k, secret_env: LONG, sources: [x] } ]", "keys[0].sources[0]", &["`x`"]),
    ("keys: [ { kid: k, secret_env: LONG, scopes: [u, p0] } ]", "keys[0].scopes[1]", &["`p0`"]),
    ("keys: [ { kid: k, secret_env: LONG, scopes: [] } ]", "keys[0].scopes", &["empty"]),
    ("keys: [ { kid: k, secret_env: LONG, min_signature: 8 } ]", "keys[0].min_signature", &["16 to 32"]),
    ("keys: [ { kid: k, secret_env: LONG, not_before: 2, not_after: 1 } ]", "keys[0].not_after", &["later"]),
    ("mail: { smtp: localhost }", "mail.smtp", &["smtp://"]),
    ("mail: { smtp: 'smtp://localhost' }", "mail.from", &["sender"]),
    ("dialects: { mgek: { max_bytes: 0 } }", "dialects.mgek.max_bytes", &["10MB"]),
    ("dialects: { mgek: { enabeld: true } }", "dialects.mgek.enabeld", &["enabled"]),
    ("dialects: { lsky: 1 }", "dialects.lsky", &["`1`", "`true` or `false`"]),
    ("backup: { every: 1s }", "backup.every", &["minute"]),
    ("backup: { keep: 0 }", "backup.keep", &["at least 1"]),
    ("log: { level: inof }", "log.level", &["`inof`", "did you mean `info`"]),
    ("log: { format: xml }", "log.format", &["`xml`", "`json`"]),
    ("log: { access: true }", "log.access", &["`true`", "`sampled`"]),
    ("log: !x { level: info }", "log", &["tag"]),
    ("data_dir: ''", "data_dir", &["empty"]),
    ("data_dir: [a]", "data_dir", &["a path", "a list"]),
];

#[test]
fn a_wrong_value_is_named_with_its_key_and_what_would_be_right() {
    for (text, key, words) in WRONG {
        let place = file(text).set("EMPTY", "").set("SHORT", "tooshort").set("LONG", "0123456789abcdef");
        let problem = place.problem();
        assert_eq!(problem.key, *key, "{text}: {problem}");
        for word in *words {
            assert!(problem.text.contains(word), "{text}: {problem} lacks {word}");
        }
        assert!(matches!(problem.origin, Origin::File { line: Some(_), .. }), "{text}: {problem:?}");
        assert!(problem.text.contains(&key[..key.find('[').unwrap_or(key.len())]), "{text}: {problem}");
    }
}

#[test]
fn broken_yaml_is_reported_with_its_line() {
    for text in ["http: {\n", "a: 1\na: 2\n", "- a\n", "text", "a: 1\n---\nb: 2\n", "a: *b\n"] {
        let problem = file(text).problem();
        assert!(matches!(problem.origin, Origin::File { .. }), "{text}: {problem}");
    }
    let problem = file("http:\n  cors: []\n  cors: []\n").problem();
    assert!(problem.text.contains("duplicate"), "{problem}");
    let problem = file("http:\n  cors: [\n\n\nlog: {}\n").problem();
    assert!(matches!(problem.origin, Origin::File { line: Some(_), .. }), "{problem:?}");
}

#[test]
fn secrets_come_from_variables_and_files_and_are_not_shown() {
    let place = file(
        "keys: [ { kid: k1, secret_env: MY_KEY }, { kid: k2, secret_file: key.txt } ]\n\
         auth: { secret_env: MY_KEY, users: [ { name: ana, password_env: ANA } ] }\n\
         storages: { s: { scheme: s3, endpoint: 'http://x', bucket: b, access_key_id: a, secret_access_key_env: MY_KEY } }\n\
         database: { url_env: DB }\n",
    )
    .set("MY_KEY", "0123456789abcdef-1")
    .set("ANA", "12345678")
    .set("DB", "postgres://u:hunter2@db/p");
    std::fs::write(place.folder.path().join("key.txt"), "0123456789abcdef-2\n").unwrap();
    let config = place.ok();
    assert_eq!(config.keys[0].secret.expose(), "0123456789abcdef-1");
    assert_eq!(config.keys[1].secret.expose(), "0123456789abcdef-2");
    assert_eq!(config.auth.users[0].password, Some(Secret::new("12345678")));
    assert_eq!(config.database.url, Some(Secret::new("postgres://u:hunter2@db/p")));
    let shown = format!("{config:?}");
    for secret in ["0123456789abcdef", "12345678", "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }

    let number = file("auth: { users: [ { name: a, password: 12345678 } ] }").problem();
    assert!(!number.to_string().contains("12345678"), "{number}");
    assert!(number.text.contains("quotes"), "{number}");
    let inline = nothing().set("PIXEDGE__KEYS", "[{kid: k, secret: 0123456789abcdefg}]").ok();
    assert_eq!(inline.keys[0].secret.expose(), "0123456789abcdefg");
}

#[test]
fn presets_may_be_called_anything() {
    let config = file("presets: { url_env: w_1, secret_file: w_2 }").ok();
    assert_eq!(config.presets.len(), 2);
}

#[test]
fn anchors_and_merges_work() {
    let config =
        file("sources:\n  a: &a { scheme: memory, unsigned: open }\n  b: { <<: *a, unsigned: signed }\n")
            .ok();
    assert_eq!(config.sources["a"].unsigned, Policy::Open);
    assert_eq!((config.sources["b"].scheme, config.sources["b"].unsigned), (Scheme::Memory, Policy::Signed));
}

#[test]
fn a_source_is_asked_again_as_often_as_its_kind_allows() {
    let config =
        file("sources: { a: { scheme: fs, root: x }, b: { scheme: http, endpoint: 'https://x' }, c: { scheme: fs, root: x, revalidate: 5s } }").ok();
    let seconds = |name: &str| config.sources[name].revalidate.unwrap().0.as_secs();
    assert_eq!((seconds("a"), seconds("b"), seconds("c")), (1, 60, 5));
}

#[test]
fn half_a_limit_keeps_the_other_half_of_its_own_default() {
    let config = file("limits: { per_key: { burst: 5 }, per_address: { burst: 6 } }").ok();
    let text = |limit: Option<Limit>| limit.map(|limit| (limit.rate.to_string(), limit.burst));
    assert_eq!(text(config.limits.per_key), Some(("500/s".to_owned(), 5)));
    assert_eq!(text(config.limits.per_address), Some(("50/s".to_owned(), 6)));
}

#[test]
fn a_dialect_is_switched_by_a_word_or_a_section() {
    let config = file(
        "dialects: { lsky: false, imageproxy: true, mgek: { max_bytes: 10MiB }, smms: { enabled: false } }",
    )
    .ok();
    let told = config.dialects.settings();
    let of = |name: &str| told.iter().find(|(known, ..)| *known == name).map(|(_, on, max)| (*on, *max));
    assert_eq!(of("lsky"), Some((false, None)));
    assert_eq!(of("imageproxy"), Some((true, None)));
    assert_eq!(of("mgek"), Some((true, Some(10 << 20))));
    assert_eq!(of("smms"), Some((false, None)));
    assert_eq!(of("vueflask"), Some((true, None)));
    assert_eq!(
        file("dialects: { imageproxy: { max_bytes: 1MB } }").ok().dialects.settings()[3],
        ("imageproxy", false, Some(1_000_000))
    );
}

#[test]
fn localhost_is_an_address_to_listen_on() {
    assert_eq!(file("http: { listen: 'localhost:81' }").ok().http.listen, "127.0.0.1:81".parse().unwrap());
}

#[test]
fn no_limit_is_written_as_null() {
    let config = file("limits: { per_address: null }").ok();
    assert_eq!((config.limits.per_address, config.limits.per_key), (None, Limits::default().per_key));
    let config = file("limits: { per_key: null }").ok();
    assert_eq!((config.limits.per_address, config.limits.per_key), (Limits::default().per_address, None));
}

/// The file at the top level is the documentation: it must say what is so without it.
#[test]
fn the_shipped_file_is_the_defaults_but_for_what_it_sets_on_purpose() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = Config::load_in(&CommandLine::default(), &Environment::new(root, [])).unwrap();
    assert_eq!(shipped.file, Some(root.join("config.yaml")));
    let samples = shipped.sources["samples"].clone();
    assert_eq!((samples.scheme, samples.root), (Scheme::Fs, Some(root.join("fixtures/sources"))));

    let mut expected = Config { data_dir: root.join("data"), ..Config::default() };
    expected.derive(root);
    expected.file = shipped.file.clone();
    expected.sources = shipped.sources.clone();
    expected.ipx.source = Some("samples".to_owned());
    expected.presets = [("avatar".to_owned(), "w_128,h_128,c_thumb,g_auto".to_owned())].into();
    assert_eq!(shipped, expected);
}

/// Every key is written there, so that nobody needs another list.
#[test]
fn the_shipped_file_has_every_section_and_key() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.yaml")).unwrap();
    // The deserializer's own list of keys, read from what it says about a key that resembles none.
    let known = |section: &str| -> Vec<String> {
        let text = if section.is_empty() { "'?': 1".to_owned() } else { format!("{section}: {{ '?': 1 }}") };
        let problem = file(&text).problem();
        let list = problem.text.split("known here: ").nth(1).unwrap().to_owned();
        list.split(", ").map(str::to_owned).collect()
    };
    let root: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
    for key in known("") {
        assert!(root.get(&key).is_some(), "config.yaml lacks `{key}`");
    }
    for section in [
        "http", "database", "redis", "ipx", "cache", "images", "limits", "library", "hotlink", "uploads",
        "cleanup", "auth", "mail", "dialects", "backup", "log",
    ] {
        for key in known(section).iter().filter(|key| !key.ends_with("_env") && !key.ends_with("_file")) {
            assert!(root[section].get(key).is_some(), "config.yaml lacks `{section}.{key}`");
        }
    }
}
