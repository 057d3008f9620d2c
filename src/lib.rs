//! pixedge: an image CDN edge and image host. The rooms stand in the order of a request.

pub mod cli;
pub mod config;
pub mod app;
pub mod http;
pub mod delivery;
pub mod cache;
pub mod source;
pub mod codec;
pub mod transform;
pub mod workers;
pub mod upload;
pub mod library;
pub mod storage;
pub mod db;
pub mod error;
pub mod telemetry;
pub mod units;
