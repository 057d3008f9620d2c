//! Imports that are broken off, and a bucket.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::*;
use crate::support::daemons::{Daemons, S3_KEY, S3_SECRET};

/// A dump of so many rows, and their files.
fn many(home: &Home, count: u32) -> Vec<String> {
    let mut sql = "CREATE TABLE `users` (`id` int, `name` text, `email` text, `password` text);\n\
        INSERT INTO `users` VALUES (1,'ana','ana@example.com','x');\n\
        CREATE TABLE `albums` (`id` int, `user_id` int, `name` text);\nINSERT INTO `albums` VALUES (1,1,'All');\n\
        CREATE TABLE `images` (`id` int, `user_id` int, `album_id` int, `path` text, `name` text, `origin_name` text, `key` text, `extension` text);\n\
        INSERT INTO `images` VALUES "
        .to_owned();
    for at in 0..count {
        put(home.path(), &format!("files/2024/{at}.png"), &picture(100 + at));
        let comma = if at == 0 { "" } else { "," };
        // Names may be the same; what they are called by is not.
        sql += &format!("{comma}({at},1,1,'2024','{at}.png','{}.png','key{at}','png')", at % 3);
    }
    put(home.path(), "many.sql", format!("{sql};\n").as_bytes());
    ["import", "many.sql", "--from", "lsky", "--files", "files"].map(str::to_owned).into()
}

fn in_order(home: &Home) -> (i64, i64, i64, i64) {
    (
        number_of_rows(home, "images"),
        number_of_rows(home, "imported"),
        number_of_rows(home, "redirects"),
        number_of_rows(home, "album_images"),
    )
}

#[test]
fn what_was_killed_goes_on_without_doubles() {
    let home = Home::new(CONFIG);
    let arguments = many(&home, 70);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Wherever it dies: with a picture half written, with one that is not noted yet, with notes that are.
    for place in ["upload.piece:5", "library.before_commit:4", "library.committed:30", "upload.promoted:20"] {
        let mut command = home.command(&arguments);
        let output: Said = command.env("PIXEDGE_CRASH_AT", place).output().unwrap().into();
        assert_eq!(output.code, None, "{place}: {}", output.err);
    }
    let mut command = home.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.take(57).count(), 57);
    child.kill().unwrap();
    child.wait().unwrap();
    let said = run(&home, &arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(in_order(&home), (70, 71, 140, 70), "{}", said.err);
    let said = run(&home, &arguments);
    assert_eq!(counts(&said), "0 imported, 70 already there, 0 skipped");
    let server = home.start();
    leads_to(&server, "/key69.png", Some(&picture(169)));
    leads_to(&server, "/i/2024/0.png", Some(&picture(100)));
}

#[test]
fn an_import_that_is_asked_to_stop_says_so_and_goes_on_later() {
    let home = Home::new(CONFIG);
    let arguments = many(&home, 40);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = home.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let rest = lines.count();
    let said: Said = child.wait_with_output().unwrap().into();
    assert!(rest < 39, "it came to its end before it was stopped");
    assert_eq!(said.code, Some(130), "{}", said.err);
    assert!(said.err.contains("goes on from there"), "{}", said.err);
    counts(&said);
    let said = run(&home, &arguments);
    assert_eq!((said.code, in_order(&home)), (Some(0), (40, 41, 80, 40)), "{}", said.err);
}

#[test]
fn a_bucket_is_taken_in() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(daemons) = Daemons::start("migrate", folder.path(), logs.path()) else { return };
    for (at, name) in ["2024/05/a.png", "2024/06/b 1.png", "2025/c.png", "2024/note.txt"].iter().enumerate() {
        let bytes = if name.ends_with("txt") { b"no picture".to_vec() } else { picture(300 + at as u32) };
        put(folder.path(), &format!("old/{name}"), &bytes);
    }
    let config = format!(
        "{CONFIG}sources:\n  old: {{ scheme: s3, endpoint: '{}', bucket: old, region: us-east-1, access_key_id: {S3_KEY}, \
         secret_access_key: {S3_SECRET} }}\n",
        daemons.s3.url()
    );
    let home = Home::new(&config);
    home.start_and_stop();
    let arguments =
        ["import", "source:old/2024/", "--owner", "root", "--albums", "--old-urls", "https-pictures/"];
    let dry = run(&home, &[&arguments[..], &["--dry-run"]].concat());
    assert_eq!(counts(&dry), "3 would be imported, 0 already there, 0 skipped", "{}", dry.err);
    let first = run(&home, &arguments);
    assert_eq!(
        (first.code, counts(&first)),
        (Some(0), "2 imported, 0 already there, 1 skipped"),
        "{}",
        first.err
    );
    let second = run(&home, &arguments);
    assert_eq!(counts(&second), "0 imported, 2 already there, 1 skipped", "{}", second.err);

    // Files of a database may lie in it as well.
    put(
        home.path(),
        "one.sql",
        b"CREATE TABLE images (id int, path text, name text);\nINSERT INTO images VALUES (1,'2025','c.png');\n",
    );
    let third = run(&home, &["import", "one.sql", "--from", "lsky", "--files", "source:old"]);
    assert_eq!(
        (third.code, counts(&third)),
        (Some(0), "1 imported, 0 already there, 0 skipped"),
        "{}",
        third.err
    );

    let server = home.start();
    let root = token(&server, "root");
    let mine = images(&server, &root);
    assert_eq!(mine.keys().collect::<Vec<_>>(), ["a.png", "b 1.png"]);
    let names = albums(&server, &root);
    assert_eq!(names[mine["a.png"]["albums"][0].as_str().unwrap()], "05");
    leads_to(&server, "/https-pictures/05/a.png", Some(&picture(300)));
    leads_to(&server, "/https-pictures/06/b%201.png", Some(&picture(301)));
    leads_to(&server, "/i/2025/c.png", Some(&picture(302)));
    // Its date is that of the object.
    let written = std::fs::metadata(folder.path().join("old/2024/05/a.png")).unwrap().modified().unwrap();
    let written = jiff::Timestamp::try_from(written).unwrap().as_second();
    let told: jiff::Timestamp = mine["a.png"]["created_at"].as_str().unwrap().parse().unwrap();
    assert!((told.as_second() - written).abs() <= 2, "{told}");
}
