//! What delivery has to ask of accounts, which it does not know: who somebody is, and whether a share's password was
//! given. Asked only about pictures that not everybody may see.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::HeaderMap;

use crate::error::Fault;
use crate::library::{Image, Share};

/// Who asks, as far as a request proves it by something else than its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Viewer {
    #[default]
    Stranger,
    /// The account's integer key.
    User(i64),
    /// Sees everything.
    Admin,
}

/// What came of a share's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    Right,
    Missing,
    Wrong,
}

/// Whoever knows accounts.
pub trait Door: Send + Sync {
    /// Whether it is worth asking [`Door::viewer`]: costs a look at the headers and nothing else.
    fn knocks(&self, headers: &HeaderMap) -> bool;

    /// A token that is wrong, expired or may not read makes a stranger and no error: an error would tell that there is
    /// something to see.
    fn viewer<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<Viewer, DoorError>>;

    /// Whether the request proves that it knows the password of `share`, which has one.
    fn password<'a>(
        &'a self,
        share: &'a Share,
        headers: &'a HeaderMap,
        client: IpAddr,
    ) -> BoxFuture<'a, Result<Password, DoorError>>;
}

/// Why the door could not answer: too many attempts, a database that is away.
pub type DoorError = Arc<dyn Fault>;

impl Viewer {
    /// Whether an image is the viewer's, or the viewer's to look after.
    pub fn owns(self, image: &Image) -> bool {
        match self {
            Self::Stranger => false,
            Self::User(pk) => image.owner == Some(pk),
            Self::Admin => true,
        }
    }
}
