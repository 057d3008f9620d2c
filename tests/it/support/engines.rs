//! PostgreSQL and MariaDB for tests: real servers on loopback ports picked at run time, in temporary folders, as a user
//! without rights. They end with the process that started them, however that ends.
//!
//! - **Unit tests of a room** need one line: open the database with `crate::db::testing::open(dir).await` in place of
//!   `Db::open(…)`. Under `cargo test` that is SQLite in `dir`; `db::tests::every_room_on_*` runs the same tests again
//!   on each server. A room that is new there is added to the list in `src/db/tests/rooms.rs`.
//! - **Tests with the binary**: `for (engine, config) in engines::each("my test") { Home::new(&config) … }`, where
//!   `config` is the line of `config.yaml` that names a new database.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server of either kind; ends on drop.
pub struct Server {
    kind: Kind,
    port: u16,
    /// `None` if another process started it.
    folder: Option<tempfile::TempDir>,
    /// A shell that ends the server when its standard input does.
    keeper: Option<Child>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    MariaDb,
}

const PASSWORD: &str = "a password: with/signs";
const PASSWORD_IN_URL: &str = "a%20password%3A%20with%2Fsigns";
/// `nobody`: both servers refuse to run as root.
const NOBODY: u32 = 65534;

/// SQLite, and each server that is installed, with the line of a configuration that names a new database there.
pub fn each(test: &str) -> Vec<(&'static str, String)> {
    let on = |kind| {
        let url = Server::shared(test, kind)?.database();
        Some((kind.name(), format!("database: {{ url: '{url}' }}\n")))
    };
    [Some(("SQLite", String::new())), on(Kind::Postgres), on(Kind::MariaDb)].into_iter().flatten().collect()
}

impl Server {
    /// `None` after saying so if it is not installed.
    pub fn start(test: &str, kind: Kind) -> Option<Self> {
        let Some(program) = kind.program() else {
            assert!(
                std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(),
                "{test}: {kind:?} is missing; run scripts/test"
            );
            eprintln!("{test}: NOT RUN, {kind:?} is missing; scripts/test installs it");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { kind, port, folder: Some(folder), keeper: None };
        server.install(&program);
        server.start_again();
        Some(server)
    }

    /// One that another process started, by what [`Self::address`] said there.
    pub fn at(address: &str) -> Self {
        let (name, port) = address.split_once(' ').unwrap();
        let kind = [Kind::Postgres, Kind::MariaDb].into_iter().find(|kind| kind.name() == name).unwrap();
        Self { kind, port: port.parse().unwrap(), folder: None, keeper: None }
    }

    pub fn address(&self) -> String {
        format!("{} {}", self.kind.name(), self.port)
    }

    /// The one of this process; started by whoever asks first.
    pub fn shared(test: &str, kind: Kind) -> Option<&'static Self> {
        static POSTGRES: OnceLock<Option<Server>> = OnceLock::new();
        static MARIADB: OnceLock<Option<Server>> = OnceLock::new();
        let server = if kind == Kind::Postgres { &POSTGRES } else { &MARIADB };
        let started = server.get_or_init(|| {
            let mut server = Self::start(test, kind)?;
            // Nothing that is static is ever dropped.
            let folder = server.folder.take().unwrap().keep();
            std::fs::write(folder.join("remove"), folder.to_str().unwrap()).unwrap();
            Some(server)
        });
        started.as_ref()
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        self.create(&name)
    }

    /// The URL of a new, empty database of this name.
    pub fn create(&self, name: &str) -> String {
        let made = self.client(&format!("CREATE DATABASE {name}"));
        assert!(made.is_ok(), "{}", made.unwrap_err());
        self.url(name)
    }

    pub fn url(&self, database: &str) -> String {
        let scheme = match self.kind {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mysql",
        };
        format!("{scheme}://pixedge:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    pub fn start_again(&mut self) {
        let program = self.kind.program().unwrap();
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        // At the end of this process, however it comes, the pipe closes.
        let script = "trap '' INT TERM; \"$@\" </dev/null & server=$!; cat >/dev/null; \
                      kill -s \"$SIGNAL\" $server; wait $server; [ ! -e remove ] || rm -rf \"$(cat remove)\"";
        let mut keeper = as_nobody(Command::new("sh"));
        keeper
            .args(["-c", script, "sh"])
            .arg(program)
            .args(self.arguments())
            .env("SIGNAL", if self.kind == Kind::Postgres { "QUIT" } else { "KILL" })
            .current_dir(self.folder())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.keeper = Some(keeper.spawn().unwrap());
        let since = Instant::now();
        loop {
            let answer = TcpStream::connect(("127.0.0.1", self.port))
                .map_err(|error| error.to_string())
                .and_then(|_| self.client("SELECT 1"));
            let Err(error) = answer else { break };
            let log = || std::fs::read_to_string(self.log_path()).unwrap_or_default();
            assert!(since.elapsed() < Duration::from_secs(60), "{:?}: {error}\n{}", self.kind, log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs statements with the server's own client.
    pub fn client(&self, sql: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let mut client = match self.kind {
            Kind::Postgres => {
                let mut client = Command::new(tool("psql").unwrap_or_else(|| "psql".into()));
                client.args([
                    "-h",
                    "127.0.0.1",
                    "-U",
                    "pixedge",
                    "-d",
                    "postgres",
                    "-Atq",
                    "-p",
                    &port,
                    "-c",
                ]);
                client.env("PGPASSWORD", PASSWORD);
                client
            }
            Kind::MariaDb => {
                let mut client = Command::new("mariadb");
                client.args(["--no-defaults", "-h", "127.0.0.1", "-u", "pixedge", "-N", "-P", &port]);
                client.arg(format!("--password={PASSWORD}")).arg("-e");
                client
            }
        };
        let output = client.arg(sql).output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// What MariaDB's own program writes of a database.
    pub fn dump(&self, program: &str, database: &str) -> Vec<u8> {
        let mut command = Command::new(program);
        command.args(["--no-defaults", "-h", "127.0.0.1", "-u", "pixedge", "-P", &self.port.to_string()]);
        let output = command.arg(format!("--password={PASSWORD}")).arg(database).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn install(&self, program: &Path) {
        let data = self.folder().join("data");
        let mut command = match self.kind {
            Kind::Postgres => {
                let password = self.folder().join("password");
                std::fs::write(&password, PASSWORD).unwrap();
                let mut command = as_nobody(Command::new(program.with_file_name("initdb")));
                // Not the order of bytes, so that a column that must have it has to say so.
                command.args(["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "-E", "UTF8"]);
                command.args(["--no-sync", "-U", "pixedge", "-A", "scram-sha-256"]);
                command.arg("--pwfile").arg(password).arg("-D").arg(&data);
                command
            }
            Kind::MariaDb => {
                let user = format!(
                    "CREATE USER IF NOT EXISTS pixedge@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO pixedge@'%';\n"
                );
                std::fs::write(self.folder().join("init.sql"), user).unwrap();
                let mut command = as_nobody(Command::new("mariadb-install-db"));
                command.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
                command.arg(format!("--datadir={}", data.display()));
                command
            }
        };
        let output = command.current_dir(self.folder()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    }

    fn arguments(&self) -> Vec<String> {
        let (port, folder) = (self.port, self.folder().display());
        let line = match self.kind {
            Kind::Postgres => format!(
                "-D {folder}/data -p {port} -h 127.0.0.1 -k {folder} -c fsync=off \
                 -c full_page_writes=off -c shared_buffers=32MB -c max_connections=200 -c autovacuum=off"
            ),
            // latin1, so that a column that must be something else has to say so.
            Kind::MariaDb => format!(
                "--no-defaults --datadir={folder}/data --port={port} --bind-address=127.0.0.1 \
                 --socket={folder}/socket --skip-name-resolve --max-connections=200 \
                 --character-set-server=latin1 --innodb-flush-log-at-trx-commit=2 \
                 --innodb-buffer-pool-size=64M --skip-log-bin --init-file={folder}/init.sql"
            ),
        };
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Postgres => tool("postgres"),
            Self::MariaDb => in_path("mariadbd").filter(|_| in_path("mariadb").is_some()),
        }
    }
}

/// Debian keeps each version of PostgreSQL in a folder of its own.
fn tool(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().or_else(|| in_path(name))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.exists())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_nobody(mut command: Command) -> Command {
    if is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
        std::os::unix::process::CommandExt::gid(&mut command, NOBODY);
    }
    command
}
