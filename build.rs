//! Compiles the JPEG shim against the libjpeg-turbo that `turbojpeg-sys` vendors, so that one copy of the
//! library serves decoding and encoding.

#![allow(clippy::disallowed_methods, reason = "cargo tells a build script everything by the environment")]

use std::env;

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
}
