//! A folder that stands for a system: what a base system has of users, and what the binary needs to run in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

pub const TREE: &str = env!("CARGO_MANIFEST_DIR");

/// Started by root, everything runs inside of it (chroot) as the user that was made there; else beside it.
pub struct Root {
    dir: TempDir,
}

/// The service as its unit starts it; killed on drop.
pub struct Service {
    child: Child,
    log: PathBuf,
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program without what debuggers want, which is most of it.
pub fn stripped() -> &'static str {
    static STRIPPED: OnceLock<String> = OnceLock::new();
    STRIPPED.get_or_init(|| {
        let path = Path::new(env!("CARGO_BIN_EXE_pixedge"));
        let small = path.with_file_name("pixedge-stripped");
        let part = path.with_file_name(format!("pixedge-stripped.{}", std::process::id()));
        let done = Command::new("strip").arg("-o").arg(&part).arg(path).status();
        // Without binutils it is only slower.
        if !done.is_ok_and(|status| status.success()) {
            std::fs::copy(path, &part).unwrap();
        }
        std::fs::rename(part, &small).unwrap();
        small.to_str().unwrap().to_owned()
    })
}

impl Root {
    pub fn new() -> Self {
        let root = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::set_permissions(root.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
        root.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        root.write("etc/group", "root:x:0:\n");
        root.write("etc/shadow", "");
        root.write("etc/gshadow", "");
        for folder in ["srv/pictures", "var/lib", "var/log", "var/cache"] {
            std::fs::create_dir_all(root.path(folder)).unwrap();
        }
        if is_root() {
            // What the loader says that the program needs.
            let output = Command::new("ldd").arg(stripped()).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            for library in said.split_whitespace().filter(|word| word.starts_with('/')) {
                let inside = root.path(library.trim_start_matches('/'));
                std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
                std::fs::copy(library, inside).unwrap();
            }
        }
        root
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// The path as whoever runs in it sees it.
    pub fn seen(&self, inside: &str) -> String {
        if is_root() { format!("/{inside}") } else { self.path(inside).to_str().unwrap().to_owned() }
    }

    pub fn text(&self, inside: &str) -> String {
        std::fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    pub fn write(&self, inside: &str, text: &str) {
        std::fs::create_dir_all(self.path(inside).parent().unwrap()).unwrap();
        std::fs::write(self.path(inside), text).unwrap();
    }

    pub fn append(&self, inside: &str, text: &str) {
        self.write(inside, &format!("{}{text}", self.text(inside)));
    }

    pub fn mode(&self, inside: &str) -> u32 {
        std::fs::metadata(self.path(inside)).unwrap().permissions().mode() & 0o7777
    }

    pub fn entries(&self, inside: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(inside)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every path with its mode and a hash of what is in it.
    pub fn files(&self) -> BTreeMap<String, String> {
        fn collect(top: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let (path, metadata) = (entry.path(), entry.metadata().unwrap());
                let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                let mode = metadata.permissions().mode() & 0o7777;
                if metadata.is_dir() {
                    files.insert(name, format!("{mode:o}"));
                    collect(top, &path, files);
                } else {
                    let hash = blake3::hash(&std::fs::read(&path).unwrap()).to_hex();
                    files.insert(name, format!("{mode:o} {hash}"));
                }
            }
        }
        let mut files = BTreeMap::new();
        collect(self.dir.path(), self.dir.path(), &mut files);
        files
    }

    pub fn add_picture(&self, inside: &str) {
        std::fs::create_dir_all(self.path(inside).parent().unwrap()).unwrap();
        std::fs::copy(Path::new(TREE).join("fixtures/demo/demo.jpg"), self.path(inside)).unwrap();
    }

    /// A script of `deploy/` on this system; nobody is there to answer it.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.arg(Path::new(TREE).join("deploy").join(name)).arg("--root").arg(self.dir.path());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// The same with `--yes`; panics if it fails.
    pub fn done(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.script(name, &[arguments, &["--yes"]].concat()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{name}: {}\n{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// A command of the installed program as the service's user.
    pub fn as_service(&self, arguments: &[&str]) -> Command {
        self.command("/usr/local/bin/pixedge", arguments, true)
    }

    pub fn as_root(&self, arguments: &[&str]) -> Command {
        self.command("/usr/local/bin/pixedge", arguments, false)
    }

    fn command(&self, program: &str, arguments: &[&str], as_service: bool) -> Command {
        let config = ["--config", "/etc/pixedge/config.yaml"];
        let named = arguments.contains(&"--config");
        let arguments = [arguments, if named { &[] } else { &config }].concat();
        let mut command = if is_root() {
            let mut command = Command::new("chroot");
            if as_service {
                let passwd = self.text("etc/passwd");
                let user = passwd.lines().find(|line| line.starts_with("pixedge:")).unwrap();
                let ids: Vec<&str> = user.split(':').skip(2).take(2).collect();
                command.arg(format!("--userspec={}", ids.join(":"))).arg("--groups=");
            }
            command.arg(self.dir.path()).arg(program).args(arguments);
            command
        } else {
            let mut command = Command::new(self.path(program.trim_start_matches('/')));
            let beside = arguments.iter().map(|argument| match argument.strip_prefix("/etc/") {
                Some(rest) => self.path("etc").join(rest).to_str().unwrap().to_owned(),
                None => (*argument).to_owned(),
            });
            command.args(beside);
            command.env("PIXEDGE__DATA_DIR", self.path("var/lib/pixedge"));
            command.env("PIXEDGE__CACHE__PATH", self.path("var/cache/pixedge"));
            command
        };
        for line in self.text("etc/pixedge/environment").lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, value)) = line.split_once('=') {
                command.env(name, value);
            }
        }
        command
    }

    /// What the installed unit's `ExecStart` says, with the variables of its `EnvironmentFile`.
    pub fn start(&self) -> Service {
        let unit = self.text("usr/local/lib/systemd/system/pixedge.service");
        let value = |key: &str| {
            let line = unit.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_else(|| panic!("the unit has no {key}")).to_owned()
        };
        assert_eq!(value("EnvironmentFile="), "-/etc/pixedge/environment");
        assert_eq!(value("User="), "pixedge");
        let line = value("ExecStart=");
        let words: Vec<&str> = line.split(' ').collect();
        let log = self.dir.path().with_extension("log");
        let mut command = self.command(words[0], &words[1..], true);
        let mut child =
            command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.find(|line| line.contains("is serving at"));
        assert!(first.is_some(), "it does not start: {}", std::fs::read_to_string(&log).unwrap());
        std::thread::spawn(move || lines.for_each(drop));
        Service { child, log }
    }
}

impl Service {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// As systemd stops it.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// Without what the system's own tools keep of users, and the pictures that were put there.
pub fn without_system_files(mut files: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = ["passwd", "group", "shadow", "gshadow", ".pwd.lock"];
    files.retain(|path, _| {
        let name = path.strip_prefix("etc/").unwrap_or_default().trim_end_matches('-');
        !own.contains(&name) && !path.starts_with("srv")
    });
    files
}
