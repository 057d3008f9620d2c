//! `pixedge check`: each part that is wrong is named, with what mends it, and nothing is changed by looking.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::clock::Clock;
use crate::support::daemons::{Daemon, free_port, installed};
use crate::support::{Home, engines};

/// Whether it succeeded, and what it said.
fn check(home: &Home) -> (bool, String) {
    let output = home.command(&["check"]).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The line of a part with the verdict, and the fix below it.
fn part(said: &str, verdict: &str, part: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let wanted = format!("{verdict:<4}  {part}: ");
    let Some(at) = lines.iter().position(|line| line.starts_with(&wanted)) else {
        panic!("no `{wanted}` in\n{said}");
    };
    let fix = lines.get(at + 1).filter(|line| line.starts_with("      -> ")).unwrap_or(&"");
    format!("{}\n{fix}", lines[at])
}

fn listening(more: &str) -> String {
    format!("http: {{ listen: '127.0.0.1:{}' {more} }}\n", free_port())
}

#[test]
fn a_look_changes_nothing() {
    let home = Home::new(&listening(""));
    let (fine, said) = check(&home);
    assert!(fine, "{said}");
    assert!(part(&said, "ok", "database").contains("first start"));
    assert!(part(&said, "ok", "data_dir").contains("is made when"));
    assert!(part(&said, "ok", "clock").contains("03:00"));
    assert!(part(&said, "ok", "mail").contains("user passwd"));
    let left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["config.yaml"]);

    // With a database that is older than this version: it is said, and stays so.
    home.run(&["user", "list"]);
    assert!(part(&check(&home).1, "ok", "database").contains("0 images"));
    let newest = "DELETE FROM schema_migrations WHERE version > 1";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let data = home.path().join("data");
    let change = |sql: &'static str| {
        runtime.block_on(async {
            let db = pixedge::db::Db::open(&pixedge::db::Config::default(), &data).await.unwrap();
            db.execute(sql, &[]).await.unwrap();
            db.close().await;
        });
    };
    change(newest);
    for _ in 0..2 {
        let (fine, said) = check(&home);
        let line = part(&said, "warn", "database");
        assert!(fine && line.contains("have yet to run") && line.contains("pixedge backup"), "{said}");
    }
}

#[test]
fn a_newer_database_is_refused() {
    let home = Home::new(&listening(""));
    home.run(&["user", "list"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let data = home.path().join("data");
        let db = pixedge::db::Db::open(&pixedge::db::Config::default(), &data).await.unwrap();
        let newer =
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9999, 'x', 'x', 0)";
        db.execute(newer, &[]).await.unwrap();
        db.close().await;
    });
    let (fine, said) = check(&home);
    assert!(!fine && part(&said, "FAIL", "database").contains("9999"), "{said}");
}

#[test]
fn what_is_wrong_is_named_with_its_fix() {
    // A configuration that cannot be read.
    let home = Home::new("http: { listen: 1 }\n");
    let (fine, said) = check(&home);
    assert!(!fine && said.contains("FAIL  configuration") && said.contains("listen"), "{said}");

    // Addresses: a port that another program has, and links that lead nowhere.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::thread::spawn(move || taken.incoming().flatten().for_each(drop));
    let (fine, said) = check(&Home::new(&format!("http: {{ listen: '{address}' }}\n")));
    assert!(!fine && part(&said, "FAIL", "listen").contains("ss -ltnp"), "{said}");
    let home = Home::new(&format!("http: {{ listen: '0.0.0.0:{}' }}\n", free_port()));
    let (fine, said) = check(&home);
    assert!(fine && part(&said, "warn", "public_url").contains("set `http.public_url`"), "{said}");
    let home = Home::new(&listening(", public_url: 'http://img.example.com'"));
    assert!(part(&check(&home).1, "warn", "public_url").contains("https://"));
    let home = Home::new(&listening(", public_url: 'https://img.example.com', trusted_proxies: []"));
    assert!(part(&check(&home).1, "warn", "public_url").contains("trusted_proxies"));
    let home = Home::new(&listening(", public_url: 'https://img.example.com'"));
    assert!(part(&check(&home).1, "ok", "public_url").contains("https://img.example.com"));

    // Folders, and a storage whose folder cannot be.
    let home = Home::new(&format!(
        "{}cache: {{ path: config.yaml/cache }}\nstorages: {{ other: {{ scheme: fs, root: config.yaml }} }}\n",
        listening("")
    ));
    let (fine, said) = check(&home);
    assert!(!fine && part(&said, "FAIL", "cache").contains("mkdir -p"), "{said}");
    assert!(part(&said, "FAIL", "storage other").contains("pixedge storage test other"), "{said}");

    // Secrets that everybody may read: in the configuration, in a file that it names, and our own.
    let home = Home::new(&format!(
        "{}keys: [{{ kid: k1, secret_file: key }}]\nredis: {{ url: 'redis://u:p@127.0.0.1:{}/0', timeout: 100ms }}\n",
        listening(""),
        free_port()
    ));
    std::fs::write(home.path().join("key"), "0123456789abcdef").unwrap();
    let allow = |name: &str, mode| {
        std::fs::set_permissions(home.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow("key", 0o644);
    allow("config.yaml", 0o640);
    let (fine, said) = check(&home);
    let line = part(&said, "warn", "secrets");
    assert!(!fine && line.contains("/key") && line.contains("chmod o="), "{said}");
    assert!(part(&said, "FAIL", "redis").contains("redis.url"), "{said}");
    assert!(!said.contains(":p@"), "{said}");
    allow("key", 0o600);
    allow("config.yaml", 0o644);
    assert!(part(&check(&home).1, "warn", "secrets").contains("config.yaml"));
    allow("config.yaml", 0o600);
    assert!(part(&check(&home).1, "ok", "secrets").contains("no file"));
}

#[test]
fn mail_is_tried_up_to_the_letter() {
    const TEST: &str = "mail_is_tried_up_to_the_letter";
    let (Some(_), Some(python)) = (installed(TEST, "venv/bin/aiosmtpd"), installed(TEST, "venv/bin/python"))
    else {
        return;
    };
    let sink = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/smtp_sink.py");
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _sink = Daemon::in_folder(python, &[sink.to_str().unwrap(), &port.to_string()], folder.path(), port);
    let mail = |port| {
        format!("mail: {{ smtp: 'smtp://127.0.0.1:{port}', from: 'pixedge <a@example.com>', timeout: 5s }}\n")
    };
    let url = listening(", public_url: 'https://img.example.com'");
    let (fine, said) = check(&Home::new(&format!("{url}{}", mail(port))));
    assert!(fine && part(&said, "ok", "mail").contains("answers"), "{said}");
    // Links that lead to this machine are of no use in a mailbox.
    let (fine, said) = check(&Home::new(&format!("{}{}", listening(""), mail(port))));
    assert!(fine && part(&said, "warn", "mail").contains("set `http.public_url`"), "{said}");
    let (fine, said) = check(&Home::new(&format!("{url}{}", mail(free_port()))));
    assert!(!fine && part(&said, "FAIL", "mail").contains("`mail.smtp`"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a mail was sent");
}

#[test]
fn databases_on_servers_are_looked_at_too_with_their_clocks() {
    const TEST: &str = "databases_on_servers_are_looked_at_too_with_their_clocks";
    for (engine, config) in engines::each(TEST).into_iter().skip(1) {
        let home = Home::new(&format!("{}{config}", listening("")));
        let (fine, said) = check(&home);
        assert!(fine && part(&said, "ok", "database").contains("empty"), "{engine}: {said}");
        home.run(&["user", "list"]);
        let (fine, said) = check(&home);
        assert!(fine && part(&said, "ok", "database").contains("0 images"), "{engine}: {said}");
        part(&said, "ok", "clock");

        // This machine is ahead of the server's: a little is said, more is wrong.
        let Some(mut clock) = Clock::new(TEST) else { return };
        for (ahead, verdict) in [(10, "warn"), (300, "FAIL")] {
            clock.put_ahead(ahead);
            let mut command = home.command(&["check"]);
            clock.given_to(&mut command);
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(part(&said, verdict, "clock").contains("NTP"), "{engine} {ahead}: {said}");
            assert_eq!(output.status.success(), verdict == "warn", "{engine} {ahead}: {said}");
        }
    }
}
