//! Asking a server whether it is alive, for whoever has no other program to ask with: `pixedge check --health`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use url::Url;

use crate::net;

const PATIENCE: Duration = Duration::from_secs(4);
/// More than a status line has.
const HEAD: usize = 64;

/// Why a server counts as not alive.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    #[error("`{0}` is not a URL like http://127.0.0.1:8080/healthz")]
    Url(String),
    #[error(transparent)]
    Net(#[from] net::NetError),
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    #[error("nothing came within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("it answered `{0}`")]
    Answer(String),
}

/// Succeeds if the URL is answered with 2xx within seconds. Without a path it is `/healthz`.
pub async fn health(url: &str) -> Result<(), HealthError> {
    net::install_crypto();
    tokio::time::timeout(PATIENCE, ask(url)).await.unwrap_or(Err(HealthError::Silent))
}

/// Where a server that listens there is asked from this machine.
pub fn health_url(listen: SocketAddr) -> String {
    let mut address = listen;
    if address.ip().is_unspecified() {
        let v4 = address.is_ipv4();
        address.set_ip(if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}/healthz")
}

async fn ask(text: &str) -> Result<(), HealthError> {
    let wrong = || HealthError::Url(text.to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    let path = if url.path() == "/" { "/healthz" } else { url.path() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = net::connect(bare, port, PATIENCE).await?;
    let status = match url.scheme() {
        "http" => status(stream, &request).await?,
        "https" => status(net::secure(stream, bare).await?, &request).await?,
        _ => return Err(wrong()),
    };
    let is_fine = status.strip_prefix("HTTP/1.1 ").is_some_and(|code| code.starts_with('2'));
    if is_fine { Ok(()) } else { Err(HealthError::Answer(status)) }
}

/// The first line of the answer.
async fn status(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> Result<String, HealthError> {
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    (&mut stream).take(HEAD as u64).read_to_end(&mut head).await?;
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    Ok(line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
}
