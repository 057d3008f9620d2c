//! Keeping the connection: telling, listening, noticing that Redis is away, and coming back.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSub;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::link::{Link, connect, within};
use super::{ClusterError, Inner, News};
use crate::error::with_causes;

/// Between two tries to reach a Redis that is away.
const AGAIN: Duration = Duration::from_millis(500);
/// A connection that is cut off silently is noticed after this and a timeout.
const PING: Duration = Duration::from_secs(1);

impl Inner {
    pub(super) async fn run(&self) {
        // So that one outage is one line in the log, however often it is tried.
        let mut is_told = false;
        loop {
            let error = match self.begin().await {
                Ok((link, messages, host)) => {
                    tracing::info!(host, "Redis is there: purges and changes are told, limits are shared");
                    is_told = false;
                    self.set_link(Some(link.clone()));
                    // Whatever was said while nobody listened.
                    self.heard.pin(News::ALL);
                    let error = self.stay(&link, messages, &host).await;
                    self.set_link(None);
                    error
                }
                Err(error) => error,
            };
            if !is_told {
                let error = with_causes(&error);
                tracing::warn!(
                    error,
                    "Redis is away: limits hold for each node alone, purges and changes are seen within a second"
                );
                is_told = true;
            }
            sleep(AGAIN).await;
        }
    }

    async fn begin(&self) -> Result<(Link, PubSub, String), ClusterError> {
        let timeout = self.config.timeout;
        let (link, host) = connect(&self.config.urls, timeout).await?;
        let messages = link.listen(&self.channel(), timeout).await?;
        Ok((link, messages, host))
    }

    /// Until something fails.
    async fn stay(&self, link: &Link, messages: PubSub, host: &str) -> ClusterError {
        let timeout = self.config.timeout;
        let (mut sink, mut messages) = messages.split();
        let mut pings = interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let channel = self.channel();
        let ended = || redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        loop {
            let done = tokio::select! {
                message = messages.next() => match message {
                    Some(message) => {
                        let text = message.get_payload::<String>().unwrap_or_default();
                        if let Some(news) = News::heard(&text, &self.node) {
                            self.metrics.cluster_message("received");
                            self.heard.pin(news);
                        }
                        Ok(())
                    }
                    None => Err(ClusterError::Redis { host: host.to_owned(), source: ended() }),
                },
                news = self.to_tell.take() => {
                    self.metrics.cluster_message("sent");
                    link.publish(&channel, &news.message(&self.node), timeout).await
                }
                () = self.broken.notified() => link.ping(timeout).await,
                _ = pings.tick() => {
                    let heard = within(host, timeout, sink.ping::<redis::Value>());
                    let (asked, heard) = tokio::join!(link.ping(timeout), heard);
                    asked.and(heard.map(|_| ()))
                }
            };
            match done {
                Ok(()) => {}
                // A new connection would be refused the same.
                Err(error) if error.is_refusal() => self.refused(&error),
                Err(error) => return error,
            }
        }
    }
}
