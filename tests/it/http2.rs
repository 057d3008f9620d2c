//! HTTP/2 without TLS: its conformance by h2spec, against the real binary.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Home, Server};

/// What h2spec expects otherwise, and why it is so: docs/decisions/0008-http2.md.
const EXPLAINED: [&str; 1] = ["Sends invalid connection preface"];

/// One connection, one request after the other: their statuses.
pub fn get(server: &Server, path: &str, times: usize) -> Vec<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for _ in 0..times {
            let request = ureq::http::Request::get(format!("{}{path}", server.url)).body(()).unwrap();
            let mut client = client.clone().ready().await.unwrap();
            let response = client.send_request(request, true).unwrap().0.await.unwrap();
            statuses.push(response.status().as_u16());
        }
        statuses
    })
}

/// `scripts/test` installs it.
fn h2spec() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-tools/go/bin/h2spec"));
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(), "h2spec is missing; run scripts/test");
    eprintln!("h2spec: NOT RUN, it is not installed; scripts/test does that");
    None
}

#[test]
fn h2spec_finds_nothing_that_is_not_explained() {
    let Some(h2spec) = h2spec() else { return };
    let server = Home::demo().start();
    let (host, port) = server.address().split_once(':').unwrap();
    for path in ["/i/demo/w_300,f_jpg", "/healthz"] {
        let output = Command::new(&h2spec)
            .args(["--host", host, "--port", port, "--path", path, "--timeout", "2"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let failures = text.split("Failures:").nth(1).unwrap_or_default();
        let unexplained: Vec<&str> = failures
            .lines()
            .filter(|line| line.trim_start().starts_with('×'))
            .filter(|line| !EXPLAINED.iter().any(|known| line.contains(known)))
            .collect();
        assert!(unexplained.is_empty(), "{text}");
        assert!(text.contains("145 tests, 144 passed, 0 skipped, 1 failed"), "{text}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}
