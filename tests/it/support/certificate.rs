//! Certificates of this run, by openssl.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Key and certificate, `key.pem` and `cert.pem` in a folder. Who takes the certificate for an authority has one that vouches
/// for `localhost`.
pub fn make(folder: &Path) -> [PathBuf; 2] {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    ["key.pem", "cert.pem"].map(|name| folder.join(name))
}
