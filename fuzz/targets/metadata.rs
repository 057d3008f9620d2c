//! See `pixedge_fuzz::metadata`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pixedge_fuzz::metadata(data));
