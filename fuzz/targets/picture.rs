//! See `pixedge_fuzz::picture`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pixedge_fuzz::picture(data));
