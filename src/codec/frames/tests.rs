//! Whole files: what a viewer would see, and how long.

use std::time::Duration;

use super::super::{Limits, Probe, probe};
use super::*;

fn header(bytes: &[u8]) -> Header {
    match probe(bytes, bytes.len() as u64, &Limits::default()).unwrap() {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => panic!("cut"),
    }
}
