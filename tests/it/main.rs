//! Everything that needs a running server, in one binary: eighteen of them took six times as long to link.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, sleep and read its environment"
)]
#![allow(unreachable_pub, reason = "nothing imports a test binary")]

mod access;
mod accounts;
mod administration;
mod api_description;
mod architecture;
mod browser;
mod client;
mod check;
mod clock;
mod cluster;
mod corpus;
mod crash;
mod crash_load;
mod databases;
mod deploy;
mod derivatives;
mod dialects;
mod direct;
mod faults;
mod freshness;
mod frontends;
mod golden;
mod hosts;
mod http2;
mod jobs;
mod languages;
mod library;
mod limits;
mod load;
mod migrate;
mod named;
mod nginx;
mod observability;
mod nodes;
mod originals;
mod promises;
mod purge;
mod quality;
mod read_path;
mod rendering;
mod resumable;
mod security;
mod semantics;
mod signatures;
mod sources;
mod ssrf;
mod still;
mod storages;
mod storages_api;
mod support;
mod svg;
mod tokens;
mod uploads;
mod validators;
