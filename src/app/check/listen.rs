//! Where the server listens, and whether that fits what it tells browsers.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpSocket;
use url::{Host, Url};

use super::Finding;
use crate::app::{health, health_url};
use crate::config::Config;

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for (part, address) in [("listen", Some(config.http.listen)), ("admin_listen", config.http.admin_listen)]
    {
        if let Some(address) = address.filter(|address| address.port() != 0) {
            found.push(port(part, address).await);
        }
    }
    found.push(public_url(config));
    found
}

/// Whether a URL leads to the machine itself and nowhere else.
pub(super) fn is_of_this_machine(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn port(part: &str, address: SocketAddr) -> Finding {
    // Without listening, so that nobody who comes at this moment finds a server that does not answer.
    let bound = (|| {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)
    })();
    let Err(error) = bound else { return Finding::fine(part, format!("{address} is free")) };
    let key = if part == "listen" { "http.listen" } else { "http.admin_listen" };
    let fix = match error.kind() {
        io::ErrorKind::AddrInUse => {
            if health(&health_url(address)).await.is_ok() {
                return Finding::fine(part, format!("a server answers at {address} already"));
            }
            format!("another program has it (ss -ltnp); choose another port by `{key}`")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "choose a port from 1024 on by `{key}` and let a proxy have this one, or give the right CAP_NET_BIND_SERVICE"
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("`{key}` must be an address of this machine, or 0.0.0.0 for all of them")
        }
        _ => format!("choose another address by `{key}`"),
    };
    Finding::broken(part, format!("{address}: {error}"), fix)
}

fn public_url(config: &Config) -> Finding {
    const PART: &str = "public_url";
    let url = config.http.public_url.as_deref().unwrap_or_default();
    let (listen, here) = (config.http.listen.ip(), is_of_this_machine(url));
    if here && !listen.is_loopback() {
        let text =
            format!("`http.listen` is {listen}, and links lead to {url}, where only this machine comes");
        return Finding::doubtful(PART, text, "set `http.public_url` to what browsers use");
    }
    if here {
        return Finding::fine(PART, format!("{url}, for this machine"));
    }
    let loopback: IpAddr = [127, 0, 0, 1].into();
    if listen.is_loopback() && !config.http.trusted_proxies.iter().any(|block| block.contains(loopback)) {
        let text = format!(
            "{url} is another program's, which `http.trusted_proxies` does not list: all clients would be one"
        );
        return Finding::doubtful(PART, text, "add 127.0.0.0/8 to `http.trusted_proxies`");
    }
    if url.starts_with("http://") {
        let text = format!("{url}: passwords and tokens travel unencrypted");
        return Finding::doubtful(
            PART,
            text,
            "put a proxy with TLS in front (nginx/README.md) and write https://",
        );
    }
    Finding::fine(PART, url)
}
