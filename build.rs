//! Compiles the JPEG shim against the libjpeg-turbo that `turbojpeg-sys` vendors, so that one copy of the
//! library serves decoding and encoding, and takes the viewer of the API's description out of the archive in which it is
//! vendored.

#![allow(clippy::disallowed_methods, reason = "cargo tells a build script everything by the environment")]

use std::env;
use std::io::{Cursor, Read as _};
use std::path::Path;

const SHIM: &str = "src/codec/jpeg/shim.c";
const SHIM_HEADER: &str = "src/codec/jpeg/shim.h";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={SHIM}");
    println!("cargo:rerun-if-changed={SHIM_HEADER}");
    let Ok(headers) = env::var("DEP_TURBOJPEG_INCLUDE") else {
        panic!("turbojpeg-sys said nothing about its headers; it must be built with its `cmake` feature");
    };
    cc::Build::new()
        .file(SHIM)
        .includes(headers.split(','))
        // Debug builds too: the shim is on the path of every row.
        .opt_level(2)
        .extra_warnings(true)
        .compile("pixedge_jpeg");
    let Some(out) = env::var_os("OUT_DIR") else { panic!("cargo gives a build script a folder") };
    if let Err(error) = unpack_viewer(Path::new(&out)) {
        panic!("the archive of Swagger UI: {error}");
    }
}

/// Each file as gzip, in which all browsers take it: the archive's own compressed bytes with another head and tail.
fn unpack_viewer(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];
    let mut archive = zip::ZipArchive::new(Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED))?;
    for at in 0..archive.len() {
        let mut file = archive.by_index_raw(at)?;
        let name = file.name()?.into_owned();
        let Some(wanted) = FILES.into_iter().find(|wanted| name.ends_with(&format!("/dist/{wanted}"))) else {
            continue;
        };
        if name.contains("/flavors/") {
            continue;
        }
        // RFC 1952: no name, no time, unknown system.
        let mut gzip = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 255];
        file.read_to_end(&mut gzip)?;
        gzip.extend(file.crc32().to_le_bytes());
        gzip.extend(u32::try_from(file.size())?.to_le_bytes());
        std::fs::write(out.join(format!("{wanted}.gz")), gzip)?;
    }
    match FILES.iter().find(|wanted| !out.join(format!("{wanted}.gz")).exists()) {
        Some(missing) => Err(format!("{missing} is not in it").into()),
        None => Ok(()),
    }
}
