//! See `pixedge_fuzz::grammar`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pixedge_fuzz::grammar(data));
