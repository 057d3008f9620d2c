//! The way to the operator's mail server: SMTP with STARTTLS where it is offered, or inside TLS from the start.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use url::Url;

use super::MailError;
use crate::net::{self, TlsStream};
use crate::units::Secret;

/// The mail server, as `mail.smtp` names it.
#[derive(Debug)]
pub(super) struct Relay {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<(String, Secret)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    /// From the first byte: `smtps://`.
    Wrapped,
    /// By STARTTLS where it is offered.
    Offered,
    /// By STARTTLS, or not at all: `?tls=required`.
    Required,
    /// Never: `?tls=none`.
    None,
}

impl Relay {
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let mut tls = match url.scheme() {
            "smtps" => Tls::Wrapped,
            "smtp" => Tls::Offered,
            _ => return Err("does not begin with `smtp://` or `smtps://`".to_owned()),
        };
        for (key, value) in url.query_pairs() {
            tls = match (&*key, &*value, tls) {
                ("tls", "required", Tls::Offered) => Tls::Required,
                ("tls", "none", Tls::Offered) => Tls::None,
                _ => {
                    return Err(format!("`{key}={value}`: only smtp:// has `?tls=required` and `?tls=none`"));
                }
            };
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = match (url.username(), url.password()) {
            ("", _) => None,
            (_, None) => return Err("has a user without a password".to_owned()),
            (user, Some(password)) => Some((decoded(user), Secret::new(decoded(password)))),
        };
        let port = url.port().unwrap_or(if tls == Tls::Wrapped { 465 } else { 587 });
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port, tls, credentials })
    }

    /// Sends one message over a connection of its own: mails are rare.
    pub(super) async fn send(&self, message: &Message, timeout: Duration) -> Result<(), MailError> {
        let mut connection = self.connect(timeout).await?;
        connection.send(message.envelope(), &message.formatted()).await?;
        // The mail is accepted; how they part is of no matter.
        let _ = connection.quit().await;
        Ok(())
    }

    /// As far as one comes without sending anything: the connection, its encryption and the password. Says who answered.
    pub(super) async fn check(&self, timeout: Duration) -> Result<String, MailError> {
        let mut connection = self.connect(timeout).await?;
        let encrypted = self.tls == Tls::Wrapped || connection.is_encrypted();
        let _ = connection.quit().await;
        let how = if encrypted { "with TLS" } else { "without TLS" };
        Ok(format!("{}:{} answers, {how}", self.host, self.port))
    }

    /// A connection that takes mail.
    async fn connect(&self, timeout: Duration) -> Result<AsyncSmtpConnection, MailError> {
        let stream = net::connect(&self.host, self.port, timeout).await?;
        let peer = stream.peer_addr().ok();
        let stream: Box<dyn AsyncTokioStream> = match self.tls {
            Tls::Wrapped => Box::new(Wrapped { stream: net::secure(stream, &self.host).await?, peer }),
            _ => Box::new(stream),
        };
        let hello = ClientId::default();
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await?;
        let offered = connection.can_starttls();
        match self.tls {
            Tls::Required if !offered => return Err(MailError::NoTls),
            Tls::Offered | Tls::Required if offered => {
                connection.starttls(TlsParameters::new(self.host.clone())?, &hello).await?;
            }
            _ => {}
        }
        if let Some((user, password)) = &self.credentials {
            let secure = self.tls == Tls::Wrapped || connection.is_encrypted();
            if !secure && !peer.is_some_and(|peer| is_loopback(peer.ip())) {
                return Err(MailError::OpenPassword);
            }
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A TLS connection as lettre wants to see one.
struct Wrapped {
    stream: TlsStream,
    peer: Option<SocketAddr>,
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wrapped").field(&self.peer).finish()
    }
}

impl AsyncTokioStream for Wrapped {
    fn peer_addr(&self) -> std::io::Result<SocketAddr> {
        self.peer.ok_or_else(|| std::io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Wrapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wrapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_says_who_how_and_where() {
        let relay = Relay::of("smtp://ana%40x:p%2Fw@mail.example.com").unwrap();
        assert_eq!((relay.host.as_str(), relay.port, relay.tls), ("mail.example.com", 587, Tls::Offered));
        assert_eq!(relay.credentials, Some(("ana@x".to_owned(), Secret::new("p/w"))));
        let relay = Relay::of("smtps://[::1]").unwrap();
        assert_eq!((relay.host.as_str(), relay.port, relay.tls), ("::1", 465, Tls::Wrapped));
        assert_eq!(Relay::of("smtp://h:25?tls=none").unwrap().tls, Tls::None);
        assert_eq!(Relay::of("smtp://h?tls=required").unwrap().tls, Tls::Required);
        for wrong in [
            "",
            "http://h",
            "smtp://",
            "smtp://u@h",
            "smtp://h?tls=maybe",
            "smtps://h?tls=none",
            "smtp://h?x=y",
        ] {
            assert!(Relay::of(wrong).is_err(), "{wrong}");
        }
    }
}
