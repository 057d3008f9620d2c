//! toxiproxy between the server and what it needs: connections that are slow, cut off, reset or silent on request.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::daemons::{Daemon, free_port, installed};

/// One toxiproxy with as many proxies as are asked of it.
pub struct Toxiproxy {
    daemon: Daemon,
    _folder: TempDir,
}

/// The way to one server.
pub struct Way<'a> {
    of: &'a Toxiproxy,
    name: &'static str,
    pub port: u16,
}

/// What can happen on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// Each answer comes this much later.
    Latency(Duration),
    /// Connections are reset, those that are open too.
    Reset,
    /// After so many bytes in either direction the connection is closed.
    Cut { bytes: u32 },
    /// No more than so much comes through.
    Slow { kilobytes_a_second: u32 },
    /// Connections are taken and nothing comes through.
    Silence,
}

impl Toxiproxy {
    /// `None` after saying so where it is not installed.
    pub fn start(test: &str) -> Option<Self> {
        let program = installed(test, "go/bin/toxiproxy-server")?;
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let arguments = ["-host", "127.0.0.1", "-port", &port.to_string()];
        let daemon = Daemon::in_folder(program, &arguments, folder.path(), port);
        Some(Self { daemon, _folder: folder })
    }

    pub fn to(&self, name: &'static str, port: u16) -> Way<'_> {
        let listen = free_port();
        let proxy = json!({
            "name": name,
            "listen": format!("127.0.0.1:{listen}"),
            "upstream": format!("127.0.0.1:{port}"),
        });
        self.ask("POST", "/proxies", &proxy);
        Way { of: self, name, port: listen }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) {
        let url = format!("{}{path}", self.daemon.url());
        let request = ureq::http::Request::builder().method(method).uri(url).body(body.to_string()).unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.run(request).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {text}");
    }
}

impl Way<'_> {
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on, for connections that are open too.
    pub fn spoil(&self, toxic: Toxic) {
        let (kind, attributes) = match toxic {
            Toxic::Latency(by) => ("latency", json!({ "latency": by.as_millis() as u64 })),
            Toxic::Reset => ("reset_peer", json!({ "timeout": 0 })),
            Toxic::Cut { bytes } => ("limit_data", json!({ "bytes": bytes })),
            Toxic::Slow { kilobytes_a_second } => ("bandwidth", json!({ "rate": kilobytes_a_second })),
            Toxic::Silence => ("timeout", json!({ "timeout": 0 })),
        };
        for stream in streams(toxic) {
            let toxic = json!({ "name": stream, "type": kind, "stream": stream, "attributes": attributes });
            self.of.ask("POST", &format!("/proxies/{}/toxics", self.name), &toxic);
        }
    }

    pub fn heal(&self, toxic: Toxic) {
        for stream in streams(toxic) {
            self.of.ask("DELETE", &format!("/proxies/{}/toxics/{stream}", self.name), &Value::Null);
        }
    }
}

fn streams(toxic: Toxic) -> &'static [&'static str] {
    match toxic {
        Toxic::Latency(_) => &["downstream"],
        _ => &["upstream", "downstream"],
    }
}
