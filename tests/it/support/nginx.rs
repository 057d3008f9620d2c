//! The real nginx with the files of `nginx/` as they are, but for those in `nginx/site/`, which are there to be changed.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::wire::Wire;

/// A running nginx; stopped on drop.
pub struct Nginx {
    child: Child,
    dir: TempDir,
    pub http: SocketAddr,
    pub https: SocketAddr,
}

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/nginx");

/// Whether nginx and what its tests need is there; says so if not, and with `PIXEDGE_REQUIRE_ALL` that is an error.
pub fn is_installed(test: &str) -> bool {
    let runs = |program: &str, version: &str| {
        let mut command = Command::new(program);
        command
            .arg(version)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if runs("nginx", "-v") && runs("curl", "--version") && runs("openssl", "version") {
        return true;
    }
    assert!(std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(), "{test}: nginx, curl or openssl is missing");
    eprintln!("{test}: NOT RUN, nginx, curl or openssl is missing");
    false
}

impl Nginx {
    /// Before these nodes (`127.0.0.1:PORT`), believing `X-Forwarded-For` from 127.0.0.1 and nobody else.
    pub fn before(nodes: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [http, https] = free_addresses();
        super::certificate::make(dir.path());
        let nodes: String =
            nodes.iter().map(|node| format!("server {node} max_fails=2 fail_timeout=5s;\n")).collect();
        let server = format!(
            "listen {http};\nlisten {https} ssl http2;\nserver_name _;\n\
             ssl_certificate cert.pem;\nssl_certificate_key key.pem;\ninclude pixedge/tls.conf;\n\
             set_real_ip_from 127.0.0.1;\nreal_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n"
        );
        lay_out(dir.path(), |name, shipped| match name {
            "nodes.conf" => nodes.clone(),
            "server.conf" => server.clone(),
            _ => shipped.replace("/var/cache/nginx/pixedge", "cache"),
        });
        let child = command(dir.path()).args(["-g", "daemon off;"]).spawn().unwrap();
        let mut nginx = Self { child, dir, http, https };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(http).is_err() {
            assert!(
                nginx.child.try_wait().unwrap().is_none() && Instant::now() < deadline,
                "{}",
                nginx.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        nginx
    }

    pub fn wire(&self) -> Wire {
        Wire::to(self.http)
    }

    /// The keys of everything in the cache that has `part` in its key.
    pub fn keys(&self, part: &str) -> Vec<String> {
        let mut keys = Vec::new();
        collect(&self.dir.path().join("cache"), &mut keys);
        keys.retain(|key| key.contains(part));
        keys
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers; killed, it would leave them behind.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Asks nginx whether it takes the files as they are shipped, on ports and in a folder that anybody may use.
pub fn check_shipped() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let [http, https] = free_addresses();
    super::certificate::make(dir.path());
    lay_out(dir.path(), |name, shipped| match name {
        "cache.conf" => shipped.replace("/var/cache/nginx/pixedge", "cache"),
        // Also what waits behind `#` for a certificate.
        "server.conf" => shipped
            .replace("listen 80;", &format!("listen {http};"))
            .replace("# listen 443", &format!("listen {https}"))
            .replace("# ssl_certificate     /etc/ssl/img.example.com.pem", "ssl_certificate cert.pem")
            .replace("# ssl_certificate_key /etc/ssl/img.example.com.key", "ssl_certificate_key key.pem")
            .replace("# include", "include")
            .replace("# set_real_ip_from", "set_real_ip_from"),
        _ => shipped.replace("# server 10", "server 10"),
    });
    let output = command(dir.path()).arg("-t").stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && !said.contains("[warn]") { Ok(()) } else { Err(said) }
}

/// `nginx.conf` as Debian's in what matters, and `pixedge/` with the files of the site as `site` makes them.
fn lay_out(dir: &Path, site: impl Fn(&str, String) -> String) {
    std::fs::create_dir_all(dir.join("pixedge/site")).unwrap();
    for name in ["pixedge.conf", "proxy.conf", "tls.conf"] {
        std::fs::copy(format!("{SHIPPED}/{name}"), dir.join("pixedge").join(name)).unwrap();
    }
    for name in ["nodes.conf", "server.conf", "cache.conf"] {
        let shipped = std::fs::read_to_string(format!("{SHIPPED}/site/{name}")).unwrap();
        std::fs::write(dir.join("pixedge/site").join(name), site(name, shipped)).unwrap();
    }
    // Started by root, the workers must not lose the right to this folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    std::fs::write(
        dir.join("nginx.conf"),
        format!(
            "{user}\nworker_processes 2;\npid nginx.pid;\nerror_log error.log;\nevents {{ worker_connections 768; }}\n\
             http {{\nsendfile on;\ntcp_nopush on;\ntypes_hash_max_size 2048;\ngzip on;\naccess_log off;\n{paths}\
             ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;\ndefault_type application/octet-stream;\n\
             include pixedge/pixedge.conf;\n}}\n"
        ),
    )
    .unwrap();
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf")).arg("-e").arg(dir.join("error.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All are held until the last is found, so that no two are the same.
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn collect(dir: &Path, keys: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), keys);
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
            let key = head.split_once("\nKEY: ").and_then(|(_, rest)| rest.split_once('\n'));
            keys.extend(key.map(|(key, _)| key.to_owned()));
        }
    }
}
