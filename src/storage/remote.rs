//! Stores on the network: S3 and WebDAV by OpenDAL, over the guarded way out.

use std::num::NonZeroUsize;
use std::time::Duration;

use opendal::layers::{ConcurrentLimitLayer, RetryEvent, RetryLayer, TimeoutLayer};
use opendal::{HttpTransporter, OperationContext, Operator, services};
use serde::Deserialize;
use url::Url;

use super::config::Scheme;
use super::transport::Transport;
use crate::net::{Client, HostPattern, Rules, Server};
use crate::units::{Cidr, Secret};

/// Where such a store is and how one logs in: OpenDAL's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Remote {
    pub endpoint: String,
    /// S3.
    pub bucket: String,
    /// S3; unset = `us-east-1`, which servers of one's own mostly take.
    pub region: Option<String>,
    /// S3; without both keys requests are not signed.
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub session_token: Option<Secret>,
    /// S3: `bucket.host/…` instead of `host/bucket/…`.
    pub enable_virtual_host_style: bool,
    /// S3.
    pub default_storage_class: Option<String>,
    /// WebDAV, http.
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// A bearer token, in place of name and password.
    pub token: Option<Secret>,
}

/// How much a store on the network may take of us.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// One attempt, and one piece of a body.
    pub timeout: Duration,
    /// Requests at once.
    pub concurrency: NonZeroUsize,
    /// The longest body of an answer.
    pub max_bytes: u64,
    /// Whether what stands under a key stays the same, so that a read that broke may be taken up half-way.
    pub immutable: bool,
}

/// How far a store that is not the operator's own may lead us, beside the public Internet by its usual ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The hosts that may be named; `None` = all, by their usual ports.
    pub hosts: Option<Vec<HostPattern>>,
    /// Addresses that may be connected to although they are not public.
    pub allow_addresses: Vec<Cidr>,
}

impl Remote {
    /// `root` is the prefix within the bucket or server. The endpoint is trusted, being the operator's own word;
    /// where it redirects to is not.
    pub fn open(&self, scheme: Scheme, root: &str, bounds: Bounds) -> Result<Operator, opendal::Error> {
        let server = self.server()?;
        let trusted = vec![server.below(&self.bucket), server];
        self.open_by(scheme, root, bounds, Rules { trusted, ..Rules::default() })
    }

    /// The same for an endpoint that somebody else named: neither it nor what it redirects to is trusted.
    pub(super) fn open_guarded(
        &self,
        scheme: Scheme,
        root: &str,
        bounds: Bounds,
        reach: &Reach,
    ) -> Result<Operator, opendal::Error> {
        self.server()?;
        let Reach { hosts, allow_addresses } = reach.clone();
        self.open_by(scheme, root, bounds, Rules { hosts, allow_addresses, ..Rules::default() })
    }

    fn server(&self) -> Result<Server, opendal::Error> {
        let endpoint = Url::parse(&self.endpoint).ok();
        endpoint.as_ref().and_then(Server::of).ok_or_else(|| invalid("endpoint is no URL"))
    }

    fn open_by(
        &self,
        scheme: Scheme,
        root: &str,
        bounds: Bounds,
        rules: Rules,
    ) -> Result<Operator, opendal::Error> {
        // With an empty key OpenDAL would look for the machine's own credentials.
        let empty =
            |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| secret.expose().is_empty());
        if self.access_key_id.as_deref() == Some("") || empty(&self.secret_access_key) {
            return Err(invalid("access_key_id and secret_access_key must not be empty"));
        }
        let dal = match scheme {
            Scheme::S3 => Operator::new(self.s3(root)),
            Scheme::Webdav => Operator::new(self.webdav(root)),
            Scheme::Fs | Scheme::Memory | Scheme::Http => Err(invalid("no such store on the network")),
        }?;
        let rules = Rules {
            connect_timeout: bounds.timeout.min(rules.connect_timeout),
            idle_timeout: bounds.timeout,
            max_bytes: bounds.max_bytes,
            ..rules
        };
        let transport = HttpTransporter::new(Transport(Client::new(rules)));
        Ok(layered(dal.with_context(OperationContext::new().with_http_transport(transport)), bounds))
    }

    fn s3(&self, root: &str) -> services::S3 {
        // Whatever the machine has of AWS's variables, files and metadata service is not ours to use.
        let mut s3 = services::S3::default()
            .root(root)
            .endpoint(self.endpoint.trim_end_matches('/'))
            .bucket(&self.bucket)
            .region(self.region.as_deref().unwrap_or("us-east-1"))
            .disable_config_load()
            .disable_ec2_metadata();
        s3 = match (&self.access_key_id, &self.secret_access_key) {
            (Some(id), Some(secret)) => s3.access_key_id(id).secret_access_key(secret.expose()),
            _ => s3.skip_signature(),
        };
        if let Some(token) = &self.session_token {
            s3 = s3.session_token(token.expose());
        }
        if let Some(class) = &self.default_storage_class {
            s3 = s3.default_storage_class(class);
        }
        if self.enable_virtual_host_style { s3.enable_virtual_host_style() } else { s3 }
    }

    fn webdav(&self, root: &str) -> services::Webdav {
        let secret = |secret: &Option<Secret>| secret.as_ref().map_or("", Secret::expose).to_owned();
        services::Webdav::default()
            .root(root)
            .endpoint(self.endpoint.trim_end_matches('/'))
            .username(self.username.as_deref().unwrap_or_default())
            .password(&secret(&self.password))
            .token(&secret(&self.token))
    }
}

fn invalid(text: &str) -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::ConfigInvalid, text)
}

/// Bounds and repeats what goes over a network. The time limit lies under the retries: above them it would drop a
/// retry half-way.
fn layered(dal: Operator, bounds: Bounds) -> Operator {
    let dal = dal.layer(TimeoutLayer::new().with_timeout(bounds.timeout).with_io_timeout(bounds.timeout));
    let retry = RetryLayer::new()
        .with_max_times(2)
        .with_min_delay(Duration::from_millis(100))
        .with_jitter()
        .with_notify(|event: RetryEvent<'_>| {
            tracing::debug!(operation = ?event.op, error = %event.err, "asking again");
        });
    let dal = if bounds.immutable { dal.layer(retry) } else { dal };
    dal.layer(ConcurrentLimitLayer::new(bounds.concurrency.get()))
}
