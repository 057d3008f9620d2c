//! Real servers that keep files, on loopback ports picked at run time: an S3-compatible one, WebDAV and plain HTTP. Each
//! shows one folder, and can be killed and started again where it was.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const S3_KEY: &str = "pixedge-test";
pub const S3_SECRET: &str = "a-secret-of-the-test";

/// A server of somebody else's; killed on drop.
pub struct Daemon {
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// The three servers over one folder; `None` after saying so where one is not installed.
pub struct Daemons {
    pub s3: Daemon,
    pub webdav: Daemon,
    pub http: Daemon,
}

impl Daemons {
    /// `folder` holds the buckets, each a folder.
    pub fn start(test: &str, folder: &Path, logs: &Path) -> Option<Self> {
        let versitygw = installed(test, "go/bin/versitygw")?;
        let wsgidav = installed(test, "venv/bin/wsgidav")?;
        let python = installed(test, "venv/bin/python")?;
        let folder = folder.to_str().unwrap();
        let log = |name: &str| logs.join(format!("{name}.log"));
        let (s3, webdav, http) = (free_port(), free_port(), free_port());
        let arguments = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        Some(Self {
            s3: Daemon::start(
                versitygw,
                arguments(format!(
                    "--access {S3_KEY} --secret {S3_SECRET} --port 127.0.0.1:{s3} posix {folder}"
                )),
                log("s3"),
                s3,
            ),
            webdav: Daemon::start(
                wsgidav,
                arguments(format!("--host 127.0.0.1 --port {webdav} --root {folder} --auth anonymous")),
                log("webdav"),
                webdav,
            ),
            http: Daemon::start(
                python,
                arguments(format!("-m http.server --bind 127.0.0.1 --directory {folder} {http}")),
                log("http"),
                http,
            ),
        })
    }
}

/// WebDAV over a folder that asks for a name and a password; `None` after saying so where it is not installed.
pub fn webdav_with_login(test: &str, folder: &Path, login: (&str, &str), logs: &Path) -> Option<Daemon> {
    let program = installed(test, "venv/bin/wsgidav")?;
    let port = free_port();
    let (config, (name, password)) = (logs.join("wsgidav.yaml"), login);
    let text = format!(
        "host: 127.0.0.1\nport: {port}\nprovider_mapping: {{ '/': '{}' }}\n\
         http_authenticator: {{ accept_basic: true, accept_digest: false, default_to_digest: false }}\n\
         simple_dc: {{ user_mapping: {{ '*': {{ '{name}': {{ password: '{password}' }} }} }} }}\n",
        folder.display()
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    Some(Daemon::in_folder(program, &arguments, logs, port))
}

impl Daemon {
    /// A server of one's own, which works in `folder` and writes its log there.
    pub fn in_folder(program: PathBuf, arguments: &[&str], folder: &Path, port: u16) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::start(program, arguments, folder.join("server.log"), port)
    }

    fn start(program: PathBuf, arguments: Vec<String>, log: PathBuf, port: u16) -> Self {
        let mut daemon = Self { program, arguments, log, port, child: None };
        daemon.start_again();
        daemon
    }

    pub fn start_again(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .current_dir(self.log.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(&self.log).unwrap();
            assert!(since.elapsed() < Duration::from_secs(30), "{} does not start: {}", self.url(), log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// It takes connections and answers nobody.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What `scripts/test` installs into `target/test-tools`.
pub fn installed(test: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools").join(name);
    if path.exists() {
        return Some(path);
    }
    let missing = path.display();
    assert!(
        std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(),
        "{test}: {missing} is missing; run scripts/test"
    );
    eprintln!("{test}: NOT RUN, {missing} is missing; scripts/test installs it");
    None
}
