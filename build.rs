//! Compiles the JPEG shim against the libjpeg-turbo that `turbojpeg-sys` vendors, so that one copy of the
//! library serves decoding and encoding.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
