//! See `pixedge_fuzz::svg`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pixedge_fuzz::svg(data));
