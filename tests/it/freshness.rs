//! How long pictures of remote sources are believed: shown while they are checked and while their source fails, also
//! after a restart, and no longer than anybody said.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pixedge::codec::Format;

use crate::support::web::{self, Web};
use crate::support::{Home, Reply, Server, pictures};

/// A web server with one picture everywhere, whose version, headers and health can be changed.
struct Origin {
    web: Web,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    version: AtomicUsize,
    down: AtomicBool,
    /// Knows no `HEAD`.
    no_head: AtomicBool,
    cache_control: Mutex<String>,
    /// Answers with the picture in them.
    bodies: AtomicUsize,
    unchanged: AtomicUsize,
}

impl Origin {
    fn start() -> Self {
        let state = Arc::<State>::default();
        let serving = Arc::clone(&state);
        let pictures = [1, 2].map(|seed| pictures::encoded(Format::Jpeg, 400, 300, seed));
        let web = Web::start(move |request| {
            if serving.down.load(Ordering::SeqCst) {
                return web::answer(request, "503 Service Unavailable", &[], b"");
            }
            if request.method == "HEAD" && serving.no_head.load(Ordering::SeqCst) {
                return web::answer(request, "405 Method Not Allowed", &[], b"");
            }
            let version = serving.version.load(Ordering::SeqCst);
            let etag = format!("\"v{version}\"");
            let cache_control = serving.cache_control.lock().unwrap().clone();
            let headers = [("ETag", etag.as_str()), ("Cache-Control", cache_control.as_str())];
            if request.headers.get("if-none-match") == Some(&etag) {
                serving.unchanged.fetch_add(1, Ordering::SeqCst);
                return web::answer(request, "304 Not Modified", &headers, b"");
            }
            if request.method == "GET" && !request.headers.contains_key("range") {
                serving.bodies.fetch_add(1, Ordering::SeqCst);
            }
            web::file(request, &headers, &pictures[version])
        });
        Self { web, state }
    }

    fn home(&self, more: &str) -> Home {
        let url = self.web.url();
        // Decoded pictures that are kept would hide whether the original was read.
        Home::new(&format!(
            "images: {{ bitmap_cache: 0 }}\n\
             sources: {{ web: {{ scheme: http, endpoint: '{url}', allow_addresses: [127.0.0.0/8], unsigned: open, \
             {more} }} }}\n"
        ))
    }

    fn bodies(&self) -> usize {
        self.state.bodies.load(Ordering::SeqCst)
    }

    fn say(&self, cache_control: &str) {
        cache_control.clone_into(&mut self.state.cache_control.lock().unwrap());
    }

    fn fails(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }
}

fn get(server: &Server, spec: &str) -> Reply {
    server.get(&format!("/r/web/{spec}/a.jpg"))
}

fn status(reply: &Reply) -> &str {
    reply.header("cache-status")
}

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

#[test]
fn an_original_is_fetched_once_and_stands_in_for_its_source_also_after_a_restart() {
    let origin = Origin::start();
    let server = origin.home("revalidate: 200ms").start();
    let first = get(&server, "w_100,f_png");
    assert_eq!((first.status, status(&first)), (200, "pixedge; fwd=miss; stored"));
    for width in [110, 120, 130] {
        assert_eq!(get(&server, &format!("w_{width},f_png")).status, 200);
    }
    assert_eq!(origin.bodies(), 1);
    // The header came with all of it, so that the first one found it as well.
    assert_eq!(server.metrics()["pixedge_originals_total{hit=\"true\"}"], 4.0);
    let home = server.stop();

    origin.fails(true);
    pause(250);
    let server = home.start();
    let kept = get(&server, "w_100,f_png");
    assert_eq!((kept.status, status(&kept)), (200, "pixedge; hit; detail=stale"));
    assert!(kept.body == first.body);
    let new = get(&server, "w_140,f_png");
    assert_eq!(new.status, 200, "{}", new.text());
    assert_eq!(server.get("/r/web/w_100,f_png/unknown.jpg").code(), "source_failed");
    assert!(server.metrics()["pixedge_cache_total{tier=\"stale\"}"] >= 1.0);

    // And it heals: the new version is seen.
    origin.fails(false);
    origin.state.version.store(1, Ordering::SeqCst);
    let since = Instant::now();
    while get(&server, "w_100,f_png").body == first.body {
        assert!(since.elapsed() < Duration::from_secs(10), "the source is back and not asked");
        pause(50);
    }
    assert_eq!(origin.bodies(), 2);
}

#[test]
fn a_picture_is_shown_once_more_while_it_is_checked_unless_nobody_wants_that() {
    for (more, shown) in [("stale_while_revalidate: 1d", true), ("stale_while_revalidate: 0s", false)] {
        let origin = Origin::start();
        let server = origin.home(&format!("revalidate: 300ms, cache_control: {{ {more} }}")).start();
        let old = get(&server, "w_100,f_png").body;
        origin.state.version.store(1, Ordering::SeqCst);
        pause(400);
        let reply = get(&server, "w_100,f_png");
        assert_eq!((reply.body == old, status(&reply).ends_with("stale")), (shown, shown), "{more}");
        let since = Instant::now();
        while get(&server, "w_100,f_png").body == old {
            assert!(since.elapsed() < Duration::from_secs(10), "{more}: never checked");
            pause(20);
        }
    }
}

#[test]
fn a_failing_source_is_stood_in_for_no_longer_than_allowed() {
    let origin = Origin::start();
    let server = origin.home("revalidate: 100ms, cache_control: { stale_if_error: 2s }").start();
    assert_eq!(get(&server, "w_100").status, 200);
    origin.fails(true);
    pause(200);
    let (since, mut shown) = (Instant::now(), 0);
    loop {
        let reply = get(&server, "w_100");
        if reply.status != 200 {
            assert_eq!((reply.status, reply.code().as_str()), (502, "source_failed"));
            break;
        }
        shown += 1;
        assert!(since.elapsed() < Duration::from_secs(15), "shown for ever");
        pause(100);
    }
    assert!(shown > 3 && since.elapsed() > Duration::from_millis(1500), "{shown} {:?}", since.elapsed());
}

#[test]
fn a_source_that_is_followed_says_how_long_and_by_whom() {
    /// How a second request half a second later is answered, and whether the source was asked for it.
    struct Row {
        said: &'static str,
        told: &'static str,
        second: &'static str,
        asked: bool,
    }
    let hit = "pixedge; hit; detail=memory";
    let rows = [
        Row { said: "max-age=1000", told: "public, max-age=999", second: hit, asked: false },
        Row { said: "max-age=5, s-maxage=1000", told: "public, max-age=999", second: hit, asked: false },
        // No longer than the operator allows.
        Row { said: "max-age=99999999", told: "public, max-age=86400", second: hit, asked: false },
        Row { said: "no-cache", told: "public, max-age=0", second: hit, asked: true },
        Row { said: "private, max-age=1000", told: "private, no-cache", second: hit, asked: false },
        Row { said: "no-store", told: "no-store", second: "pixedge; fwd=miss", asked: true },
    ];
    let origin = Origin::start();
    let common = "revalidate: 100ms, cache_control: { max_age: 1d, stale_while_revalidate: 0s";
    for Row { said, told, second, asked } in rows {
        origin.say(said);
        let server = origin.home(&format!("{common}, follow_source: true }}")).start();
        let first = get(&server, "w_100");
        assert_eq!(first.status, 200, "{said}: {}", first.text());
        let cache_control = first.header("cache-control");
        // A second may have gone by, or none.
        assert!(
            cache_control == told || cache_control == told.replace("999", "1000"),
            "{said}: {cache_control}"
        );
        pause(500);
        let before = origin.web.requests().len();
        let reply = get(&server, "w_100");
        assert_eq!(status(&reply), second, "{said}");
        assert_eq!(origin.web.requests().len() > before, asked, "{said}");
        server.stop();
    }

    // Whoever is not followed is not listened to.
    origin.say("no-store");
    let server = origin.home(&format!("{common} }}")).start();
    assert_eq!(get(&server, "w_100").header("cache-control"), "public, max-age=86400");
    assert_eq!(status(&get(&server, "w_100")), hit);
    server.stop();

    // Nor is what must be asked shown when nobody answers.
    origin.say("max-age=0, must-revalidate");
    let server = origin.home(&format!("{common}, follow_source: true }}")).start();
    assert_eq!(get(&server, "w_100").status, 200);
    origin.fails(true);
    pause(150);
    assert_eq!(get(&server, "w_100").code(), "source_failed");
}

#[test]
fn a_server_without_head_is_not_made_to_send_what_has_not_changed() {
    let origin = Origin::start();
    origin.state.no_head.store(true, Ordering::SeqCst);
    let server = origin.home("revalidate: 50ms, cache_control: { stale_while_revalidate: 0s }").start();
    let first = get(&server, "w_100,f_png").body;
    let bodies = origin.bodies();
    for _ in 0..5 {
        pause(60);
        assert!(get(&server, "w_100,f_png").body == first);
    }
    assert_eq!((origin.bodies(), origin.state.unchanged.load(Ordering::SeqCst)), (bodies, 5));
    origin.state.version.store(1, Ordering::SeqCst);
    pause(60);
    assert!(get(&server, "w_100,f_png").body != first);
}

#[test]
fn a_purged_picture_is_fetched_again() {
    let origin = Origin::start();
    let server = origin.home("revalidate: 60s").start();
    assert_eq!((get(&server, "w_100").status, get(&server, "w_120").status), (200, 200));
    assert_eq!(origin.bodies(), 1);
    server.home().run(&["cache", "purge", "--tag", "web"]);
    let since = Instant::now();
    while status(&get(&server, "w_100")).contains("hit") {
        assert!(since.elapsed() < Duration::from_secs(10), "never purged");
        pause(50);
    }
    assert_eq!(origin.bodies(), 2);
}
