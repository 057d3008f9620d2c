//! What happens by the calendar, with a clock that is moved: pictures expire, the trash is emptied, and the daily
//! clean-up happens once however many processes think of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use pixedge::codec::Format;
use pixedge::storage::{ContentHash, ObjectKey};
use serde_json::{Value, json};

use crate::support::pictures::encoded;
use crate::support::{Home, Server};
use crate::uploads::{account, post};

const ZONE: &str = "Asia/Shanghai";
const CONFIG: &str = "
auth:
  registration: open
  users: [{ name: root, role: admin, password: password123 }]
cleanup: { enable: true, expire_days: 30, time: '03:30' }
library: { trash: 7d }
jobs: { poll: 100ms }
uploads: { derivatives: {} }
";

/// A clock that all processes of a test share, so many seconds ahead of the real one.
pub struct Clock {
    library: PathBuf,
    file: tempfile::NamedTempFile,
    ahead: i64,
    /// When it was moved last, by itself.
    moved: Timestamp,
}

impl Clock {
    /// `None` after saying so where Debian's `faketime` is not installed.
    pub fn new(test: &str) -> Option<Self> {
        let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
        let library =
            folders.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let Some(library) = library else {
            assert!(
                std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(),
                "{test}: faketime is missing; run scripts/test"
            );
            eprintln!("{test}: NOT RUN, faketime is missing; scripts/test installs it");
            return None;
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let clock = Self { library, file, ahead: 0, moved: Timestamp::UNIX_EPOCH };
        clock.write();
        Some(clock)
    }

    /// Only the calendar: waits take as long as ever, and files are as old as they are.
    pub fn given_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file.path())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
            .env("TZ", ZONE);
    }

    /// So many seconds ahead of the real one.
    pub fn put_ahead(&mut self, seconds: i64) {
        self.ahead = seconds;
        self.write();
    }

    fn now(&self) -> Timestamp {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Timestamp::from_second(i64::try_from(real).unwrap() + self.ahead).unwrap()
    }

    /// On to so many days later, at a time of the day in the zone of the processes.
    fn go_to(&mut self, days: i64, (hour, minute, second): (i8, i8, i8)) {
        let here = self.now().to_zoned(TimeZone::get(ZONE).unwrap());
        let date = here.date().checked_add(days.days()).unwrap();
        let then = date.at(hour, minute, second, 0).in_tz(ZONE).unwrap().timestamp();
        self.moved = then;
        self.ahead += then.as_second() - self.now().as_second();
        self.write();
    }

    /// In one step, lest somebody reads half of it.
    fn write(&self) {
        let new = self.file.path().with_extension("new");
        std::fs::write(&new, format!("+{}\n", self.ahead)).unwrap();
        std::fs::rename(new, self.file.path()).unwrap();
    }
}

/// A process beside the server; ended with the test.
struct Beside(Child);

impl Beside {
    fn start(clock: &Clock, home: &Home, args: &[&str]) -> Self {
        let mut command = home.command(args);
        clock.given_to(&mut command);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn said(mut self) -> String {
        let mut said = String::new();
        std::io::Read::read_to_string(self.0.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert!(self.0.wait().unwrap().success(), "{said}");
        said
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn login(server: &Server, name: &str) -> String {
    let reply = server.json("POST", "/v1/login", "", json!({"username": name, "password": "password123"}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// The clean-ups that were begun since the clock was moved last.
fn clean_ups(server: &Server, clock: &Clock) -> Vec<Value> {
    let list = server.json("GET", "/v1/admin/jobs?kind=cleanup", &login(server, "root"), Value::Null).json();
    let begun =
        |job: &&Value| job["created_at"].as_str().unwrap().parse::<Timestamp>().unwrap() >= clock.moved;
    list["jobs"].as_array().unwrap().iter().filter(begun).cloned().collect()
}

/// Waits until the one clean-up since then has ended well; its result.
fn cleaned(server: &Server, clock: &Clock) -> Value {
    let since = Instant::now();
    loop {
        let jobs = clean_ups(server, clock);
        assert!(jobs.len() <= 1, "{jobs:?}");
        if jobs.iter().any(|job| job["status"] == "completed") {
            return jobs[0]["result"].clone();
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{jobs:?}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn put_strays(objects: &Path) {
    // One for each day of a week.
    for folder in 0..7 {
        let key = ObjectKey::for_content(&ContentHash([folder; 32]), "png");
        let path = objects.join(key.as_str());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "nobody knows it").unwrap();
    }
}

fn strays(objects: &Path) -> usize {
    let key = |folder| ObjectKey::for_content(&ContentHash([folder; 32]), "png");
    (0..7).filter(|&folder| objects.join(key(folder).as_str()).exists()).count()
}

#[test]
fn pictures_expire_and_leave_the_trash_and_it_is_done_once_a_day_by_whoever_is_first() {
    let Some(mut clock) = Clock::new("clock") else { return };
    clock.go_to(1, (12, 0, 0));
    let server = Home::new(CONFIG).start_with(|command| clock.given_to(command));
    let second = Beside::start(&clock, server.home(), &["serve", "--listen", "127.0.0.1:0"]);
    let ana = account(&server, "ana");
    let upload = |seed: u32, field: &str, value: &[u8]| {
        let png = encoded(Format::Png, 40, 30, seed);
        let made = post(&server, &ana, &[], &[("file", Some("a.png"), &png), (field, None, value)]);
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["images"][0].clone()
    };
    let [usual, soon, never] =
        [upload(1, "tags", b"x"), upload(2, "expires_in", b"172800"), upload(3, "never_expires", b"true")];
    // Thirty days by the clock that the processes were given.
    let expires: Timestamp = usual["expires_at"].as_str().unwrap().parse().unwrap();
    let days = (expires.as_second() - clock.now().as_second()) as f64 / 86_400.0;
    assert!((29.99..30.01).contains(&days), "{days}");
    let shows = |image: &Value| server.get(&format!("/i/{}/w_20", image["id"].as_str().unwrap())).status;
    let trash = || {
        let ana = login(&server, "ana");
        server.json("GET", "/v1/trash", &ana, Value::Null).json()["images"].as_array().unwrap().len()
    };
    let objects = server.home().path().join("data/objects");
    put_strays(&objects);
    assert_eq!([shows(&usual), shows(&soon), shows(&never)], [200; 3]);
    assert!(clean_ups(&server, &clock).is_empty());

    // What has expired is gone at once; the clean-up, which was missed meanwhile, puts it into the trash.
    clock.go_to(3, (12, 0, 0));
    assert_eq!([shows(&usual), shows(&soon), shows(&never)], [200, 404, 200]);
    let done = cleaned(&server, &clock);
    assert_eq!((&done["expired"], &done["trash"], trash()), (&json!(1), &json!(0), 1), "{done}");
    assert_eq!((&done["storages"]["orphans"], strays(&objects)), (&json!(1), 6), "{done}");

    // Its week in the trash is over.
    clock.go_to(9, (12, 0, 0));
    let done = cleaned(&server, &clock);
    assert_eq!((&done["expired"], &done["trash"], trash()), (&json!(0), &json!(1), 0), "{done}");
    clock.go_to(20, (12, 0, 0));
    let done = cleaned(&server, &clock);
    // The object goes a day after its last picture.
    assert_eq!((&done["expired"], &done["storages"]["unneeded"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!([shows(&usual), shows(&soon), shows(&never)], [404, 404, 200]);
    assert_eq!(strays(&objects), 4);

    // At the time itself two servers and two timers think of it at once, and one of them does it.
    clock.go_to(1, (3, 29, 56));
    std::thread::sleep(Duration::from_millis(500));
    assert!(clean_ups(&server, &clock).is_empty(), "it is not due yet");
    let early = Beside::start(&clock, server.home(), &["cleanup", "--if-due"]).said();
    assert!(early.contains("not due"), "{early}");
    clock.go_to(0, (3, 30, 0));
    let timers = [0; 2].map(|_| Beside::start(&clock, server.home(), &["cleanup", "--if-due"]));
    let said = timers.map(Beside::said);
    assert!(said.iter().filter(|said| said.contains("expired: 0 removed")).count() <= 1, "{said:?}");
    cleaned(&server, &clock);
    std::thread::sleep(Duration::from_millis(500));
    cleaned(&server, &clock);
    drop(second);

    // Where no server runs the timer does it, and the server finds it done.
    let home = server.stop();
    clock.go_to(1, (3, 30, 1));
    let said = Beside::start(&clock, &home, &["cleanup", "--if-due"]).said();
    assert!(said.contains("expired: 0 removed") && said.contains("trash: 0 removed"), "{said}");
    let said = Beside::start(&clock, &home, &["cleanup", "--if-due"]).said();
    assert!(said.contains("not due"), "{said}");
    let server = home.start_with(|command| clock.given_to(command));
    std::thread::sleep(Duration::from_millis(500));
    cleaned(&server, &clock);
}
