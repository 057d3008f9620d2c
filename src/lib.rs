//! pixedge: an image CDN edge and image host. The rooms stand in the order of a request.

pub mod app;
pub mod cache;
pub mod cli;
pub mod codec;
pub mod config;
pub mod db;
pub mod delivery;
pub mod error;
pub mod http;
pub mod library;
pub mod source;
pub mod storage;
pub mod telemetry;
pub mod transform;
pub mod units;
pub mod upload;
pub mod workers;
