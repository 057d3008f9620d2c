//! Starts the real binary on a loopback port of its own and talks to it. Every test that needs a server uses this.

pub mod accepts;
pub mod certificate;
pub mod chromium;
pub mod daemons;
pub mod disk;
#[expect(dead_code, reason = "the unit tests take it too, and need more of it")]
pub mod engines;
pub mod nginx;
pub mod pictures;
pub mod redis;
pub mod shared;
pub mod toxiproxy;
pub mod web;
pub mod wire;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

/// A running `pixedge serve` with its data folder; killed on drop.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    agent: ureq::Agent,
    /// What it wrote to standard output.
    said: Arc<Mutex<String>>,
    home: Home,
}

/// The folder a server keeps its data and configuration in; outlives the server, so that a restart can be tested.
pub struct Home {
    dir: TempDir,
    demo: bool,
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Home {
    /// A fresh folder whose `config.yaml` is `config`; `data_dir` is added, and that nobody's rate is limited, unless
    /// `config` says something about that.
    pub fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits =
            if config.contains("limits:") { "" } else { "limits: { per_address: null, per_key: null }\n" };
        std::fs::write(dir.path().join("config.yaml"), format!("data_dir: data\n{limits}{config}")).unwrap();
        Self { dir, demo: false }
    }

    /// Embedded defaults and the demo pictures.
    pub fn demo() -> Self {
        Self::demo_with("")
    }

    /// The demo pictures beside a configuration.
    pub fn demo_with(config: &str) -> Self {
        Self { demo: true, ..Self::new(config) }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs another command on the same configuration and returns what it wrote; panics if it fails.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "pixedge {args:?}: {}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixedge"));
        command.args(args).arg("--config").arg(self.path().join("config.yaml")).current_dir(self.path());
        command
    }

    pub fn start(self) -> Server {
        self.start_with(|_| {})
    }

    /// Lets a server make what it makes at its start, the configuration's accounts for example.
    pub fn start_and_stop(&self) {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        assert!(listening_at(&mut child).is_some(), "the server did not start");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// [`Self::start`] after `change` had its way with the command, its environment for example.
    pub fn start_with(self, change: impl FnOnce(&mut Command)) -> Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        change(&mut command);
        if self.demo {
            command.arg("--demo");
        }
        let log = std::fs::File::create(self.path().join("log.txt")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (url, said) = listening_at(&mut child).unwrap_or_else(|| {
            let _ = child.kill();
            panic!(
                "the server did not start:\n{}",
                std::fs::read_to_string(self.path().join("log.txt")).unwrap()
            )
        });
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .max_idle_connections_per_host(64)
            .build();
        Server { child, url, said, agent: config.into(), home: self }
    }
}

/// The first address that standard output names, and all it says; it is read to its end so that the server never blocks
/// on it.
fn listening_at(child: &mut Child) -> Option<(String, Arc<Mutex<String>>)> {
    let mut lines = BufReader::new(child.stdout.take()?).lines().map_while(Result::ok);
    let said = Arc::new(Mutex::new(String::new()));
    let url = lines.find_map(|line| {
        let mut said = said.lock().unwrap();
        said.push_str(&line);
        said.push('\n');
        let start = line.find("http://")?;
        Some(line[start..].split_whitespace().next()?.trim_end_matches('/').to_owned())
    });
    let also = Arc::clone(&said);
    std::thread::spawn(move || lines.for_each(|line| also.lock().unwrap().extend([&*line, "\n"])));
    Some((url?, said))
}

impl Server {
    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("GET", path, headers)
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .agent
            .run(request.body(()).unwrap())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()));
        let (parts, body) = response.into_parts();
        let body = body.into_with_config().limit(1 << 30).read_to_vec().unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A `POST` with a body.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.send("POST", path, headers, body.as_bytes())
    }

    /// A request with a JSON body, unless it is null, by whoever has the bearer token, unless it is empty.
    #[expect(clippy::needless_pass_by_value, reason = "callers write `json!` in place")]
    pub fn json(&self, method: &str, path: &str, bearer: &str, body: serde_json::Value) -> Reply {
        let authorization = format!("Bearer {bearer}");
        let mut headers = vec![];
        if !bearer.is_empty() {
            headers.push(("authorization", &*authorization));
        }
        if body.is_null() {
            return self.send(method, path, &headers, b"");
        }
        headers.push(("content-type", "application/json"));
        self.send(method, path, &headers, body.to_string().as_bytes())
    }

    /// A request with any body.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .agent
            .run(request.body(body).unwrap())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()));
        let (parts, body) = response.into_parts();
        let body = body.into_with_config().limit(1 << 30).read_to_vec().unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// What the server said on standard output when it started.
    pub fn greeting(&self) -> String {
        // It is written before the first answer, and read by a thread.
        self.get("/healthz");
        let mut said = String::new();
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let now = self.said.lock().unwrap().clone();
            if now == said {
                return now;
            }
            said = now;
        }
    }

    /// The folder, for other commands on the same configuration.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Sends bytes as they are and returns everything the server answers until it closes or `timeout` passes.
    pub fn raw(&self, request: &str, timeout: Duration) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(timeout)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Every sample of `/metrics` by its full name with labels.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let reply = self.get("/metrics");
        assert_eq!(reply.status, 200);
        reply
            .text()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect()
    }

    /// The sum of a counter over all its labels.
    pub fn count(&self, name: &str) -> f64 {
        self.metrics()
            .iter()
            .filter(|(key, _)| key.split('{').next() == Some(name))
            .map(|(_, value)| value)
            .sum()
    }

    /// Resident memory now, in bytes.
    pub fn rss(&self) -> u64 {
        self.status_field("VmRSS:")
    }

    /// The most resident memory since the start or the last [`Self::reset_peak_rss`], in bytes.
    pub fn peak_rss(&self) -> u64 {
        self.status_field("VmHWM:")
    }

    /// Linux: makes [`Self::peak_rss`] start again from what is resident now.
    pub fn reset_peak_rss(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn status_field(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Linux: the time that its threads have had on a CPU so far.
    pub fn cpu_time(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // A thread may end between the listing and the reading.
        let of = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(of).sum())
    }

    /// Linux: how many processes it has started that are still there, ended ones included.
    pub fn children(&self) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |task: std::io::Result<std::fs::DirEntry>| {
            let children = std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
            children.split_whitespace().count()
        };
        tasks.map(of).sum()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log.txt")).unwrap_or_default()
    }

    /// Whether any result has reached the disk tier.
    pub fn cache_has_bytes(&self) -> bool {
        fn holds_data(path: &Path) -> bool {
            let Ok(entries) = std::fs::read_dir(path) else { return false };
            entries.flatten().any(|entry| match entry.metadata() {
                Ok(meta) if meta.is_dir() => holds_data(&entry.path()),
                Ok(meta) => std::os::unix::fs::MetadataExt::blocks(&meta) > 8,
                Err(_) => false,
            })
        }
        holds_data(&self.home.path().join("data/cache"))
    }

    /// Whether the process still runs.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGTERM, waits for the end and gives the folder back for a restart.
    pub fn stop(mut self) -> Home {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
        std::mem::replace(&mut self.home, Home { dir: tempfile::tempdir().unwrap(), demo: false })
    }

    /// SIGKILL, as a crash would; gives the folder back.
    pub fn kill(mut self) -> Home {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.home, Home { dir: tempfile::tempdir().unwrap(), demo: false })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The stable code of an error answer.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}
