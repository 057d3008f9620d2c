//! What becomes of each documented key of each system.

use yaml_serde::{Mapping, Value};

use super::read::Setting;
use super::{Out, Rule, System};

use Rule::{Not, To};

pub(super) fn rules(system: System) -> &'static [(&'static str, Rule)] {
    match system {
        System::Mgek => MGEK,
        System::Imageproxy => IMAGEPROXY,
        System::Wpic => WPIC,
        System::Vueflask => VUEFLASK,
    }
}

/// What is so in the other system without a key for it.
pub(super) fn always(system: System) -> &'static [(&'static str, Option<bool>, &'static str)] {
    match system {
        System::Mgek => &[OPEN],
        System::Vueflask => {
            &[OPEN, (LISTEN, None, "left as it is, 127.0.0.1:8080; the other one listens on port 5000")]
        }
        System::Imageproxy => &[(
            "dialects.imageproxy",
            Some(true),
            "its clients send their password in every address; switch this off once they do not",
        )],
        System::Wpic => &[],
    }
}

const LISTEN: &str = "http.listen";
const URL: &str = "http.public_url";
const OPEN: (&str, Option<bool>, &str) =
    ("auth.registration", None, "anybody could register there; say `open` here if that is still wanted");

const TOKENS: &str =
    "tokens are signed with a secret that is made at the first start; everybody signs in once more";
const OLD_FOLDER: &str =
    "pictures are kept under other names here; `pixedge import` brings those of this folder";
const ONLY_SQL: &str =
    "there is no MongoDB here; SQLite needs no configuration, database.url names PostgreSQL or MySQL";
const ALWAYS_ASYNC: &str = "requests are always worked on at once";

const MGEK: &[(&str, Rule)] = &[
    ("port", To(port)),
    ("debug", To(debug)),
    ("server_name", To(server_name)),
    ("multiroutine", Not(ALWAYS_ASYNC)),
    ("server.image_path", Not(OLD_FOLDER)),
    ("server.image_size", To(max_bytes)),
    ("server.image_url", To(image_url)),
    ("server.image_rule", To(naming)),
    (
        "server.image_zip",
        Not("thumbnails are made of every picture by uploads.derivatives, and of any size by their URL"),
    ),
    ("server.image_zip_path", Not("thumbnails are kept in the cache, cache.path")),
    ("database.engine", To(engine)),
    (
        "database.sqlite",
        Not("the new database is pixedge.db in data_dir; `pixedge import` reads the old one"),
    ),
    ("database.mongo", Not(ONLY_SQL)),
    ("SECRET_KEY", Not("forms here need no secret: nothing is done by a cookie")),
    ("JWT", To(required)),
    ("SERVER_NAME", To(server_name)),
    ("MONGO_DBNAME", Not(ONLY_SQL)),
    ("MONGO_URI", Not(ONLY_SQL)),
    ("MONGO_HOST", Not(ONLY_SQL)),
    ("MONGO_PORT", Not(ONLY_SQL)),
    ("MONGO_USERNAME", Not(ONLY_SQL)),
    ("MONGO_PASSWORD", Not(ONLY_SQL)),
    ("MAIL_HOST", To(smtp)),
    ("MAIL_PORT", To(smtp)),
    ("MAIL_USER", To(smtp)),
    ("MAIL_PASS", To(smtp)),
];

const IMAGEPROXY: &[(&str, Rule)] = &[
    ("server.domain", To(domain)),
    ("server.port", To(open_port)),
    ("cleanup.enable", To(|setting, out| out.put("cleanup.enable", is_true(&setting.value)))),
    ("cleanup.expire_days", To(expire_days)),
    ("cleanup.cleanup_time", To(time_of_day)),
    ("users[].username", To(user)),
    ("users[].password", To(user)),
];

const VUEFLASK: &[(&str, Rule)] = &[
    ("SECRET_KEY", Not("nothing is done by a cookie, so there is nothing to sign")),
    ("DB_HOST", To(mysql)),
    ("DB_PORT", To(mysql)),
    ("DB_USER", To(mysql)),
    ("DB_PASSWORD", To(mysql)),
    ("DB_NAME", To(mysql)),
    ("SQLALCHEMY_DATABASE_URI", To(mysql)),
    ("SQLALCHEMY_TRACK_MODIFICATIONS", Not("nothing here watches objects in memory")),
    ("JWT_SECRET_KEY", Not(TOKENS)),
    ("JWT_EXPIRATION_DELTA", To(|setting, out| out.put("auth.access_token", format!("{}s", setting.value)))),
    ("UPLOAD_FOLDER", Not(OLD_FOLDER)),
    ("ALLOWED_EXTENSIONS", To(types)),
    ("MAX_CONTENT_LENGTH", To(max_bytes)),
];

const WPIC: &[(&str, Rule)] = &[
    ("APP_NAME", Not("the server has one name")),
    ("HOST", To(host)),
    ("PORT", To(open_port)),
    ("DEBUG", To(debug)),
    ("SECRET_KEY", Not(TOKENS)),
    ("JWT_SECRET_KEY", Not(TOKENS)),
    ("ALGORITHM", Not("tokens are always HS256")),
    ("JWT_ALGORITHM", Not("tokens are always HS256")),
    (
        "ACCESS_TOKEN_EXPIRE_MINUTES",
        To(|setting, out| out.put("auth.access_token", format!("{}m", setting.value))),
    ),
    ("REQUIRE_AUTH", To(required)),
    ("ENABLE_AUTH", To(required)),
    ("DATABASE_URL", To(database_url)),
    ("REDIS_URL", To(|setting, out| out.put("redis.url", setting.value.clone()))),
    ("CACHE_TTL", Not("results stay in the cache as long as there is room")),
    ("MAX_FILE_SIZE", To(max_bytes)),
    ("ALLOWED_EXTENSIONS", To(types)),
    ("UPLOAD_DIR", Not(OLD_FOLDER)),
    ("STORAGE_TYPE", To(storage)),
    ("DEFAULT_STORAGE_TYPE", To(storage)),
    ("LOCAL_STORAGE_PATH", Not(OLD_FOLDER)),
    ("WEBDAV_URL", To(|setting, out| remote(setting, out, "webdav", "endpoint"))),
    ("WEBDAV_USERNAME", To(|setting, out| remote(setting, out, "webdav", "username"))),
    ("WEBDAV_PASSWORD", To(|setting, out| remote(setting, out, "webdav", "password"))),
    ("S3_ENDPOINT", To(|setting, out| remote(setting, out, "s3", "endpoint"))),
    ("S3_ENDPOINT_URL", To(|setting, out| remote(setting, out, "s3", "endpoint"))),
    ("S3_BUCKET", To(|setting, out| remote(setting, out, "s3", "bucket"))),
    ("S3_BUCKET_NAME", To(|setting, out| remote(setting, out, "s3", "bucket"))),
    ("S3_REGION", To(|setting, out| remote(setting, out, "s3", "region"))),
    ("S3_ACCESS_KEY", To(|setting, out| remote(setting, out, "s3", "access_key_id"))),
    ("S3_SECRET_KEY", To(|setting, out| remote(setting, out, "s3", "secret_access_key"))),
    ("THUMBNAIL_SIZE", To(|setting, out| derivative(setting, out, "thumbnail"))),
    ("PREVIEW_SIZE", To(|setting, out| derivative(setting, out, "preview"))),
    ("THUMBNAIL_QUALITY", Not("quality is chosen by how a picture looks (q_auto)")),
    ("DEFAULT_QUOTA", Not("quotas are set while the server runs: PATCH /v1/admin/settings")),
    ("USER_STORAGE_QUOTA", Not("quotas are set while the server runs: PATCH /v1/admin/settings")),
    ("LOG_LEVEL", To(log_level)),
];

fn port(setting: &Setting, out: &mut Out<'_>) -> String {
    match setting.value.parse::<u16>() {
        Ok(port) => out.put(LISTEN, format!("127.0.0.1:{port}")),
        Err(_) => "no port; nothing was made of it".to_owned(),
    }
}

/// The same for who is reached without a proxy.
fn open_port(setting: &Setting, out: &mut Out<'_>) -> String {
    let Ok(port) = setting.value.parse::<u16>() else { return "no port; nothing was made of it".to_owned() };
    let host = out.other("HOST").unwrap_or("0.0.0.0").to_owned();
    match out.other("server.domain").map(str::to_owned) {
        Some(domain) => {
            out.set(LISTEN, format!("{host}:{port}"));
            out.set(URL, format!("http://{domain}:{port}"));
            format!("→ {LISTEN}, {URL}")
        }
        None => out.put(LISTEN, format!("{host}:{port}")),
    }
}

fn host(setting: &Setting, out: &mut Out<'_>) -> String {
    let port = out.other("PORT").unwrap_or("8080").to_owned();
    out.put(LISTEN, format!("{}:{port}", setting.value))
}

fn domain(setting: &Setting, out: &mut Out<'_>) -> String {
    if out.other("server.port").is_none() {
        return out.put(URL, format!("http://{}", setting.value));
    }
    format!("→ {URL}, with server.port")
}

fn server_name(setting: &Setting, out: &mut Out<'_>) -> String {
    match setting.value.as_str() {
        "" => format!("unset; {URL} is made of {LISTEN} then"),
        name => out.put(URL, format!("http://{name}")),
    }
}

/// Pictures are found at `/images/<name>` there and here, so what counts is the server.
fn image_url(setting: &Setting, out: &mut Out<'_>) -> String {
    if out.other("server_name").is_some() {
        return format!("nothing more: server_name says {URL}, and pictures are below /images/ as before");
    }
    let after = setting
        .value
        .split_once("://")
        .map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or(rest)));
    match after {
        Some((scheme, host)) if !host.is_empty() => {
            format!("{}; pictures are below /images/ as before", out.put(URL, format!("{scheme}://{host}")))
        }
        _ => "no address; nothing was made of it".to_owned(),
    }
}

fn debug(setting: &Setting, out: &mut Out<'_>) -> String {
    if is_true(&setting.value) {
        out.put("log.level", "debug")
    } else {
        "→ log.level, which is info anyway".to_owned()
    }
}

fn log_level(setting: &Setting, out: &mut Out<'_>) -> String {
    let level = match setting.value.to_ascii_lowercase().as_str() {
        "critical" | "error" => "error",
        "warning" | "warn" => "warn",
        "debug" => "debug",
        _ => "info",
    };
    out.put("log.level", level)
}

fn max_bytes(setting: &Setting, out: &mut Out<'_>) -> String {
    match setting.value.parse::<u64>() {
        Ok(bytes) if bytes > 0 => {
            let text =
                if bytes % (1 << 20) == 0 { format!("{}MiB", bytes >> 20) } else { format!("{bytes}B") };
            out.put("uploads.max_bytes", text)
        }
        _ => "no number of bytes; nothing was made of it".to_owned(),
    }
}

fn types(setting: &Setting, out: &mut Out<'_>) -> String {
    let words = setting.value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut types: Vec<String> = words
        .map(|word| match word.to_ascii_lowercase().as_str() {
            "jpeg" => "jpg".to_owned(),
            word => word.to_owned(),
        })
        .collect();
    types.sort();
    types.dedup();
    let unknown: Vec<String> =
        types.iter().filter(|word| word.parse::<crate::upload::Types>().is_err()).cloned().collect();
    types.retain(|word| !unknown.contains(word));
    if types.is_empty() {
        return "no type that is known; nothing was made of it".to_owned();
    }
    let said = out.put("uploads.types", Value::Sequence(types.into_iter().map(Value::from).collect()));
    if unknown.is_empty() { said } else { format!("{said}, without {}", unknown.join(", ")) }
}

fn naming(setting: &Setting, out: &mut Out<'_>) -> String {
    match setting.value.as_str() {
        rule @ ("base64" | "md5") => out.put("uploads.naming", rule),
        _ => "no rule that is known; uploads.naming stays as it is".to_owned(),
    }
}

fn engine(setting: &Setting, _: &mut Out<'_>) -> String {
    match setting.value.to_ascii_lowercase().as_str() {
        "sqlite" => "→ database.url, which is SQLite anyway".to_owned(),
        _ => format!("no counterpart: {ONLY_SQL}"),
    }
}

fn required(setting: &Setting, out: &mut Out<'_>) -> String {
    out.put("auth.required", is_true(&setting.value))
}

fn smtp(_: &Setting, out: &mut Out<'_>) -> String {
    let (Some(host), Some(user)) = (out.other("MAIL_HOST"), out.other("MAIL_USER")) else {
        return "nothing: MAIL_HOST and MAIL_USER belong together".to_owned();
    };
    let port = out.other("MAIL_PORT").unwrap_or("465");
    let scheme = if port == "465" { "smtps" } else { "smtp" };
    let password = encoded(out.other("MAIL_PASS").unwrap_or_default());
    let url = format!("{scheme}://{}:{password}@{host}:{port}", encoded(user));
    let from = user.to_owned();
    out.set("mail.smtp", url);
    out.set("mail.from", from);
    "→ mail.smtp, mail.from".to_owned()
}

fn mysql(_: &Setting, out: &mut Out<'_>) -> String {
    let of = |key, usual: &str| out.other(key).unwrap_or(usual).to_owned();
    let (host, port, user) = (of("DB_HOST", "localhost"), of("DB_PORT", "3306"), of("DB_USER", "root"));
    let (password, name) = (of("DB_PASSWORD", ""), of("DB_NAME", "vue_flask_db"));
    let url = format!("mysql://{}:{}@{host}:{port}/pixedge", encoded(&user), encoded(&password));
    out.set("database.url", url);
    format!(
        "→ database.url, in a database of its own, since the tables of {name} have the same names: CREATE DATABASE pixedge"
    )
}

fn database_url(setting: &Setting, out: &mut Out<'_>) -> String {
    let (scheme, rest) = setting.value.split_once("://").unwrap_or(("", ""));
    let engine = scheme.split('+').next().unwrap_or_default();
    match (engine, rest.rsplit_once('/')) {
        ("postgresql" | "postgres" | "mysql" | "mariadb", Some((server, name))) => {
            let engine = if engine == "postgresql" { "postgres" } else { engine };
            out.set("database.url", format!("{engine}://{server}/pixedge"));
            format!("→ database.url, in a database of its own beside {name}, named pixedge: create it first")
        }
        _ => "→ database.url, which is SQLite in data_dir anyway".to_owned(),
    }
}

fn expire_days(setting: &Setting, out: &mut Out<'_>) -> String {
    match setting.value.parse::<u32>() {
        Ok(days) => out.put("cleanup.expire_days", u64::from(days)),
        Err(_) => "no number of days; nothing was made of it".to_owned(),
    }
}

fn time_of_day(setting: &Setting, out: &mut Out<'_>) -> String {
    let parts: Vec<&str> = setting.value.split(':').collect();
    match parts.as_slice() {
        [hour, minute, ..] => out.put("cleanup.time", format!("{hour:0>2}:{minute:0>2}")),
        _ => "no time of the day; nothing was made of it".to_owned(),
    }
}

/// An account is made of its two keys, at the first of them.
fn user(setting: &Setting, out: &mut Out<'_>) -> String {
    let front = setting.key.rsplit_once('.').map_or("", |(front, _)| front);
    let of = |name: &str| out.other(&format!("{front}.{name}")).map(str::to_owned);
    let (Some(name), Some(password)) = (of("username"), of("password")) else {
        return "nothing: a user needs `username` and `password`".to_owned();
    };
    if !(8..=128).contains(&password.chars().count()) {
        return format!(
            "nothing: a password has 8 to 128 characters here; make the account {name} with `pixedge user create {name}`"
        );
    }
    if setting.key.ends_with("username") {
        let mut user = Mapping::new();
        user.insert("name".into(), name.into());
        user.insert("password".into(), password.into());
        out.push("auth.users", Value::Mapping(user));
    }
    "→ auth.users".to_owned()
}

fn storage(setting: &Setting, out: &mut Out<'_>) -> String {
    match setting.value.to_ascii_lowercase().as_str() {
        "local" => "→ storage_default, which is local anyway".to_owned(),
        name @ ("s3" | "webdav") => out.put("storage_default", name),
        _ => "no storage that is known; nothing was made of it".to_owned(),
    }
}

/// A key of a storage that is called as its kind.
fn remote(setting: &Setting, out: &mut Out<'_>, kind: &str, key: &str) -> String {
    let needed = if kind == "s3" { ["S3_BUCKET", "S3_BUCKET_NAME"] } else { ["WEBDAV_URL", "WEBDAV_URL"] };
    if setting.value.is_empty() || needed.iter().all(|key| out.other(key).is_none()) {
        return format!("empty, or without {}: nothing was made of it", needed[0]);
    }
    out.set(&format!("storages.{kind}.scheme"), kind);
    out.put(&format!("storages.{kind}.{key}"), setting.value.clone())
}

/// `200,200` or `200x200`
fn derivative(setting: &Setting, out: &mut Out<'_>, name: &str) -> String {
    let sides: Vec<u32> =
        setting.value.split(|c: char| !c.is_ascii_digit()).filter_map(|side| side.parse().ok()).collect();
    let spec = match (name, sides.as_slice()) {
        ("thumbnail", [width, height]) => format!("w_{width},h_{height},c_fill"),
        ("thumbnail", [side]) => format!("w_{side},h_{side},c_fill"),
        (_, [width, height]) => format!("w_{width},h_{height}"),
        (_, [side]) => format!("w_{side},h_{side}"),
        _ => return "no size; nothing was made of it".to_owned(),
    };
    out.put(&format!("uploads.derivatives.{name}"), spec)
}

fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on")
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
