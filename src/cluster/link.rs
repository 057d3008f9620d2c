//! One connection for commands and one for messages, to a single Redis or to a Redis Cluster; which of the two it is
//! the server says itself.

use std::fmt;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, cmd};

use crate::units::Secret;

/// Where Redis is: one or more `redis://` or `rediss://` URLs. Their passwords are in no text of this type.
#[derive(Clone)]
pub struct Urls(Vec<redis::ConnectionInfo>);

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "not a URL like `redis://user:password@host:6379/0` or `rediss://…`; several are separated by commas"
    )]
    Url,
    #[error("{host}: no answer within {timeout:?}")]
    Timeout { host: String, timeout: Duration },
    #[error("{host}: {source}")]
    Redis { host: String, source: redis::RedisError },
}

/// A connection for commands; cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    commands: Commands,
    host: String,
    /// Where messages are heard.
    client: Client,
}

#[derive(Clone)]
enum Commands {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Urls {
    /// Separated by commas: the nodes of a cluster to begin with, or places where to look one after the other.
    pub fn parse(text: &Secret) -> Result<Self, ClusterError> {
        let parse = |url: &str| {
            let url = url.trim();
            let scheme = url.split_once("://").map(|(scheme, _)| scheme);
            if !matches!(scheme, Some("redis" | "rediss")) {
                return Err(ClusterError::Url);
            }
            url.into_connection_info().map_err(|_| ClusterError::Url)
        };
        let urls: Vec<_> = text.expose().split(',').map(parse).collect::<Result<_, _>>()?;
        Ok(Self(urls))
    }
}

impl fmt::Debug for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|info| info.addr().to_string())).finish()
    }
}

/// The first of the servers that answers, and its name.
pub(super) async fn connect(urls: &Urls, timeout: Duration) -> Result<(Link, String), ClusterError> {
    let mut last = ClusterError::Url;
    for info in &urls.0 {
        let host = info.addr().to_string();
        match within(&host, timeout * 4, open(urls, info, timeout)).await {
            Ok((commands, client)) => return Ok((Link { commands, host: host.clone(), client }, host)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn open(
    urls: &Urls,
    info: &redis::ConnectionInfo,
    timeout: Duration,
) -> redis::RedisResult<(Commands, Client)> {
    let client = Client::open(info.clone())?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    let mut one = client.get_multiplexed_async_connection_with_config(&config).await?;
    // Who may not ask has a single server until it says otherwise.
    let about: String = cmd("INFO").arg("cluster").query_async(&mut one).await.unwrap_or_default();
    if !about.contains("cluster_enabled:1") {
        return Ok((Commands::One(one), client));
    }
    let cluster = ClusterClient::builder(urls.0.clone())
        .connection_timeout(timeout)
        .response_timeout(timeout)
        .retries(2)
        .build()?;
    Ok((Commands::Cluster(cluster.get_async_connection().await?), client))
}

impl Link {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.commands, Commands::Cluster(_))
    }

    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        command: &Cmd,
        timeout: Duration,
    ) -> Result<T, ClusterError> {
        within(&self.host, timeout, async {
            match self.commands.clone() {
                Commands::One(mut link) => command.query_async(&mut link).await,
                Commands::Cluster(mut link) => command.query_async(&mut link).await,
            }
        })
        .await
    }

    pub(super) async fn ping(&self, timeout: Duration) -> Result<(), ClusterError> {
        self.ask::<redis::Value>(&cmd("PING"), timeout).await.map(|_| ())
    }

    /// On a cluster, its nodes pass messages on to each other.
    pub(super) async fn publish(
        &self,
        channel: &str,
        message: &str,
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let mut publish = cmd("PUBLISH");
        publish.arg(channel).arg(message);
        self.ask::<redis::Value>(&publish, timeout).await.map(|_| ())
    }

    pub(super) async fn listen(&self, channel: &str, timeout: Duration) -> Result<PubSub, ClusterError> {
        within(&self.host, timeout, async {
            let mut messages = self.client.get_async_pubsub().await?;
            messages.subscribe(channel).await?;
            Ok(messages)
        })
        .await
    }
}

pub(super) async fn within<T>(
    host: &str,
    timeout: Duration,
    answer: impl Future<Output = redis::RedisResult<T>>,
) -> Result<T, ClusterError> {
    let host = || host.to_owned();
    match tokio::time::timeout(timeout, answer).await {
        Ok(answer) => answer.map_err(|source| ClusterError::Redis { host: host(), source }),
        Err(_) => Err(ClusterError::Timeout { host: host(), timeout }),
    }
}

impl ClusterError {
    /// Whether Redis has heard us and does not do what we want, which a new connection would not change.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Redis { source, .. } => {
                !(source.is_io_error() || source.is_connection_dropped() || source.is_timeout())
            }
            Self::Url | Self::Timeout { .. } => false,
        }
    }
}
