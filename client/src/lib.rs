//! Talks to a pixedge server: uploads pictures without ever sending one twice, finds, shares, transforms and deletes
//! them; and builds the URLs that the server answers. It depends on nothing of the server.
//!
//! ```no_run
//! # use pixedge_client::{Client, Config, Silent, Stop, Wish};
//! let config = Config::load(None)?;
//! let client = Client::new(&config, &Stop::default())?;
//! let uploaded = client.upload("cat.png".as_ref(), &Wish::default(), &Silent)?;
//! println!("{}", uploaded.image.url);
//! # Ok::<(), pixedge_client::Failure>(())
//! ```

mod answers;
mod api;
mod body;
mod cache;
mod client;
mod config;
mod escape;
mod failure;
mod find;
mod local;
mod once;
mod rfc3339;
mod srcset;
mod stop;
mod tus;
mod upload;
mod urls;

pub use answers::{Image, Links, Listed, Share, Version};
pub use cache::Cache;
pub use client::{Client, ListWish, ShareWish, Spec};
pub use config::{Config, Credential};
pub use escape::{free_text, value};
pub use failure::{Failure, Lang, Step};
pub use find::pictures;
pub use srcset::Sizes;
pub use stop::Stop;
pub use upload::{Silent, Status, Uploaded, Visibility, Watch, Wish};
pub use urls::{Error, Picture, Urls};
