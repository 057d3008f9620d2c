//! pixedge: an image CDN edge and image host. The rooms stand in the order of a request; ARCHITECTURE.md says what each
//! may import.

// Composition: the command line, the configuration, and the one place that builds every part.
pub mod cli;
pub mod config;
pub mod app;
// A shell: outside requests become calls of a use case.
pub mod http;
// The read side, one request's way.
pub mod delivery;
pub mod auth;
pub mod limit;
pub mod cache;
pub mod source;
pub mod codec;
pub mod transform;
pub mod workers;
// A shell: time and the queue become calls of a use case.
pub mod jobs;
// The operator's side.
pub mod admin;
pub mod migrate;
// The write side.
pub mod upload;
pub mod accounts;
pub mod library;
pub mod storage;
pub mod db;
pub mod mail;
pub mod net;
pub mod cluster;
// Base: every room may use these.
pub mod error;
pub mod telemetry;
pub mod units;
