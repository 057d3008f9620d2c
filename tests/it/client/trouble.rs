//! Servers that are away, busy or no pixedge; lines that are cut; users who change their minds.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{OPEN, Seat, asked, ended, key};
use crate::support::toxiproxy::{Toxic, Toxiproxy};
use crate::support::web::{Web, answer};
use crate::support::{Home, Server};
use crate::uploads::account;

/// A picture of more bytes than go in one request.
fn large(seat: &Seat, name: &str, shade: u8) {
    let (width, height) = (2100_u32, 1500_u32);
    let size = width * height * 3;
    let mut bmp = b"BM".to_vec();
    bmp.extend((54 + size).to_le_bytes());
    bmp.extend([0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]);
    bmp.extend(width.to_le_bytes());
    bmp.extend(height.to_le_bytes());
    bmp.extend([1, 0, 24, 0, 0, 0, 0, 0]);
    bmp.extend(size.to_le_bytes());
    bmp.extend([0; 16]);
    bmp.resize((54 + size) as usize, shade);
    seat.file(name, &bmp);
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_there() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_large_file_on_a_bad_line() {
    let Some(toxiproxy) = Toxiproxy::start("client") else { return };
    let server = Home::new(OPEN).start();
    let token = account(&server, "ana");
    let all = key(&server, &token, &["read", "upload", "manage"]);
    let way = toxiproxy.to("client", server.address().rsplit(':').next().unwrap().parse().unwrap());
    let seat = Seat::of(&way.url(), &all);

    // Cut off after every three megabytes: it goes on where it was.
    large(&seat, "cut.bmp", 1);
    let cut = Toxic::Cut { bytes: 3_000_000 };
    way.spoil(cut);
    let done = seat.json(&["upload", "cut.bmp"]);
    way.heal(cut);
    assert_eq!((&done[0]["bytes"], &done[0]["status"]), (&Value::from(9_450_054), &Value::from("uploaded")));
    assert_eq!(asked(&server, "/v1/uploads", Some(201)), 1);

    // Ctrl-C on the way: nothing is left, here or there.
    large(&seat, "slow.bmp", 2);
    let slow = Toxic::Slow { kilobytes_a_second: 2000 };
    way.spoil(slow);
    let begin = || {
        let child = seat.command(&["upload", "slow.bmp"]).stdin(Stdio::null()).spawn().unwrap();
        wait_for("an upload that has begun", || begun(&seat).is_some());
        std::thread::sleep(Duration::from_millis(300));
        child
    };
    let child = begin();
    let location = begun(&seat).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = ended(child);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(begun(&seat), None);
    assert!(received(&server, &all, &location).is_none(), "the server still has a part of it");

    // Killed: the next run sends only what is missing.
    let mut child = begin();
    let location = begun(&seat).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("some bytes", || received(&server, &all, &location).is_some_and(|bytes| bytes > 0));
    way.heal(slow);
    let done = seat.json(&["upload", "slow.bmp"]);
    assert_eq!((&done[0]["bytes"], begun(&seat)), (&Value::from(9_450_054), None));
    assert_eq!(asked(&server, "/v1/uploads", Some(201)), 3);
    assert_eq!(seat.json(&["list"]).as_array().unwrap().len(), 2);
}

/// Where an upload goes that has not ended.
fn begun(seat: &Seat) -> Option<String> {
    let is_there = seat.path(".cache/pixedge/client.db").exists();
    is_there.then(|| seat.cached("SELECT location FROM unfinished").pop()).flatten()
}

fn received(server: &Server, key: &str, location: &str) -> Option<u64> {
    let bearer = format!("Bearer {key}");
    let headers = [("tus-resumable", "1.0.0"), ("authorization", &*bearer)];
    let reply = server.request("HEAD", location, &headers);
    (reply.status == 200).then(|| reply.header("upload-offset").parse().unwrap())
}

#[test]
fn a_server_that_is_busy_is_waited_for() {
    let server =
        Home::new("auth: { registration: open }\nlimits: { per_address: { rate: 8/s, burst: 8 } }\n").start();
    let seat = Seat::new(&server, "ana");
    for seed in 0..10 {
        seat.picture(&format!("p/{seed}.png"), seed);
    }
    assert_eq!(seat.out(&["upload", "p", "--parallel", "8"]).lines().count(), 10);

    // Not for an hour.
    let web = Web::start(|request| {
        let body = br#"{"code": "banned", "detail": "too much was misuse"}"#;
        answer(request, "429 Too Many Requests", &[("Retry-After", "3600")], body)
    });
    let busy = Seat::of(&web.url(), "k").run(&["list"]);
    assert_eq!(busy.code, 4);
    assert!(busy.err.contains("too much was misuse; it asks to wait 3600 s"), "{}", busy.err);
}

#[test]
fn what_is_wrong_is_said() {
    let server = Home::new("auth: { registration: open }\nuploads: { max_bytes: 100KB }\n").start();
    let seat = Seat::new(&server, "ana");
    seat.picture("a.png", 1);
    seat.file("text.png", b"this is no picture at all");
    seat.file("empty.png", b"");
    seat.file("large.png", &vec![b'x'; 200_000]);
    for (args, code, words) in [
        (&["upload", "text.png"][..], 1, "not_an_image"),
        (&["upload", "empty.png"], 5, "is empty"),
        (&["upload", "large.png"], 1, "too_many_bytes"),
        (&["upload", "none.png"], 5, "no such file"),
        (&["upload", "a.png", "--album", "nope"], 5, "nope"),
    ] {
        let ran = seat.run(args);
        assert_eq!((ran.code, &*ran.out), (code, ""), "{args:?}: {ran:?}");
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    }
    // A key that is no key, and one that may not.
    let token = account(&server, "bea");
    for (wrong, word) in
        [("nonsense".to_owned(), "bad_token"), (key(&server, &token, &["read"]), "missing_scope")]
    {
        let seat = Seat::of(&server.url, &wrong);
        seat.picture("a.png", 1);
        let ran = seat.run(&["upload", "a.png"]);
        assert_eq!((ran.code, ran.err.contains(word)), (3, true), "{ran:?}");
        let zh = seat.run(&["upload", "a.png", "--lang", "zh"]);
        assert!(zh.err.contains("该用户权限不足，请联系管理员"), "{}", zh.err);
    }
    // Who may only upload needs no right to look.
    let only = Seat::of(&server.url, &key(&server, &token, &["upload"]));
    only.picture("b.png", 9);
    assert_eq!(only.json(&["upload", "b.png"])[0]["status"], "uploaded");
    assert_eq!(only.json(&["upload", "b.png", "--no-cache"])[0]["status"], "existing");
    // Something else answers there.
    let web = Web::start(|request| answer(request, "404 Not Found", &[], b"<h1>not here</h1>"));
    let strange = Seat::of(&web.url(), "k");
    strange.picture("a.png", 1);
    let ran = strange.run(&["upload", "a.png"]);
    assert_eq!((ran.code, ran.err.contains("like a pixedge server")), (1, true), "{ran:?}");
}

#[test]
fn what_is_known_is_known_while_the_server_is_away() {
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    seat.picture("a.png", 1);
    let url = seat.out(&["upload", "a.png"]);
    drop(server);
    assert_eq!(seat.out(&["upload", "a.png"]), url);
    let stale = seat.run(&["upload", "a.png", "--revalidate"]);
    assert_eq!((stale.code, &stale.out), (0, &url), "{stale:?}");
    assert!(stale.err.contains("what the cache knows"), "{}", stale.err);
    seat.picture("b.png", 2);
    let away = seat.run(&["upload", "b.png", "--lang", "zh"]);
    assert_eq!((away.code, away.err.contains("查询图片信息失败: ")), (4, true), "{away:?}");
    // A cache that is broken is begun anew.
    seat.file(".cache/pixedge/client.db", b"no database");
    assert_eq!(seat.run(&["upload", "a.png"]).code, 4);
}
