//! What attackers try, a file for each kind, against the real server, the real nginx in front and a real browser.
//! docs/security.md says which row of it shows what.

mod bans;
mod forging;
mod headers;
mod hostile;
mod poisoning;
mod secrets;
mod smuggling;

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources");

/// A source `s` with the pictures of the fixtures, of which everything may be asked.
fn open_source() -> String {
    format!("sources: {{ s: {{ scheme: fs, root: {SOURCES}, unsigned: open }} }}\n")
}

/// Everything that is answered to these bytes until the other side closes.
fn exchange(address: impl ToSocketAddrs, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The other side may have seen enough before it has all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
        {
            panic!("waits for more of {}", String::from_utf8_lossy(bytes))
        }
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

/// The final statuses in what came back.
fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, found)| answers[at + found.len()..].get(..3).and_then(|code| code.parse().ok()));
    lines.filter(|code| *code >= 200).collect()
}
