//! Redis, alone and as a cluster, on loopback ports picked at run time. It keeps nothing on disk.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::daemons::{Daemon, free_port};

/// A server; killed on drop.
pub struct Redis {
    pub daemon: Daemon,
    _folder: TempDir,
}

impl Redis {
    /// `None` after saying so if it is not installed.
    pub fn start(test: &str) -> Option<Self> {
        Self::with(test, &[])
    }

    /// One that speaks TLS as `localhost`, and a certificate that vouches for it.
    pub fn with_tls(test: &str) -> Option<(Self, PathBuf)> {
        let folder = tempfile::tempdir().unwrap();
        let [key, certificate] = super::certificate::make(folder.path());
        let (port, program) = (free_port(), program(test)?);
        let port_text = port.to_string();
        let arguments = [
            "--port 0 --bind 127.0.0.1 --save".split(' ').collect::<Vec<_>>(),
            vec!["", "--tls-auth-clients", "no", "--tls-port"],
            vec![&port_text, "--tls-cert-file", certificate.to_str().unwrap()],
            vec!["--tls-key-file", key.to_str().unwrap()],
        ]
        .concat();
        let daemon = Daemon::in_folder(program, &arguments, folder.path(), port);
        Some((Self { daemon, _folder: folder }, certificate))
    }

    fn with(test: &str, more: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let port_text = port.to_string();
        let mut arguments =
            vec!["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        arguments.extend(more);
        let daemon = Daemon::in_folder(program(test)?, &arguments, folder.path(), port);
        Some(Self { daemon, _folder: folder })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.daemon.port())
    }

    pub fn ask(&self, words: &[&str]) -> String {
        let mut client = Command::new("redis-cli");
        client.args(["-p", &self.daemon.port().to_string()]).args(words).stdin(Stdio::null());
        String::from_utf8_lossy(&client.output().unwrap().stdout).into_owned()
    }
}

/// Three nodes that share all slots.
pub fn cluster(test: &str) -> Option<[Redis; 3]> {
    let node = || Redis::with(test, &["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
    let nodes = [node()?, node()?, node()?];
    for (node, slots) in nodes.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
        assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]).trim(), "OK");
    }
    for (epoch, node) in nodes.iter().enumerate() {
        node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()]);
        node.ask(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].daemon.port().to_string()]);
    }
    let since = Instant::now();
    let is_whole = |node: &Redis| {
        let info = node.ask(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
    };
    while !nodes.iter().all(is_whole) {
        let said = nodes[0].ask(&["CLUSTER", "NODES"]);
        assert!(since.elapsed() < Duration::from_secs(30), "the nodes do not find each other: {said}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(nodes)
}

fn program(test: &str) -> Option<PathBuf> {
    let path = PathBuf::from("/usr/bin/redis-server");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(), "{test}: Redis is missing; run scripts/test");
    eprintln!("{test}: NOT RUN, Redis is missing; scripts/test installs it");
    None
}
