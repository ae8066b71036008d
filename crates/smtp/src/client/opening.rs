//! From the first octet to the second EHLO: a hop that is in TLS with a peer whose certificate is
//! good, or none.

use tokio::net::TcpStream;
use tokio::time::timeout;
use trust::{HopTls, Transport};

use super::{Client, ClientError, Offer, Phase, Reply, Timeouts};

/// What happened while a hop was opened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The peer spoke first, as it should.
    Greeted(&'a Reply),
    /// The peer said what it offers, in clear or inside TLS.
    Offered(&'a Reply),
    /// The peer is ready for the handshake.
    StartTls(&'a Reply),
    /// The handshake is done; whether the peer is who it should be is not decided by that.
    Secured(&'a Transport),
}

/// Whoever wants to know step by step.
pub trait Observer: Send {
    /// Called right after it happened.
    fn saw(&mut self, event: &Event<'_>);
}

/// Nobody.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn saw(&mut self, _: &Event<'_>) {}
}

impl Client {
    /// Opens a hop on `stream`: greeting, EHLO, STARTTLS, handshake, EHLO. Never goes on in
    /// clear. `[MSS1 HOP.TLS]`
    ///
    /// Under TLS 1.3 a server that refuses our certificate says so only after the handshake;
    /// an end of the connection there is a [`ClientError::Tls`] too.
    pub async fn open(
        stream: TcpStream,
        host: &str,
        our_name: &str,
        tls: &HopTls,
        timeouts: Timeouts,
        observer: &mut dyn Observer,
    ) -> Result<Self, ClientError> {
        let mut clear = Self::over(Transport::from_plain(stream), timeouts);
        let greeting = clear.expect_reply(Phase::Greeting, timeouts.command).await?.require(Phase::Greeting, 220)?;
        observer.saw(&Event::Greeted(&greeting));
        clear.greet(our_name, observer).await?;
        if !clear.offered.has("STARTTLS") {
            return Err(ClientError::NoStartTls);
        }
        let ready = clear.command(Phase::StartTls, "STARTTLS\r\n").await?.require(Phase::StartTls, 220)?;
        observer.saw(&Event::StartTls(&ready));
        let mut secured = clear.handshake(host, tls, observer).await?;
        secured.greet(our_name, observer).await.map_err(ClientError::after_handshake)?;
        Ok(secured)
    }

    /// Octets that came in clear behind the `220` would be read as if they had come inside
    /// TLS: the connection is given up. `[RFC3207 4.2]`
    async fn handshake(self, host: &str, tls: &HopTls, observer: &mut dyn Observer) -> Result<Self, ClientError> {
        if self.replies.has_unread() {
            return Err(ClientError::Protocol("octets in clear behind the reply to STARTTLS".to_owned()));
        }
        let Some(stream) = self.transport.into_plain() else {
            return Err(ClientError::Protocol("STARTTLS inside TLS".to_owned()));
        };
        let transport = timeout(self.timeouts.command, tls.connect(stream, host))
            .await
            .map_err(|_| ClientError::Timeout(Phase::Handshake))??;
        observer.saw(&Event::Secured(&transport));
        transport.judged().map_err(ClientError::Distrusted)?;
        Ok(Self::over(transport, self.timeouts))
    }

    async fn greet(&mut self, our_name: &str, observer: &mut dyn Observer) -> Result<(), ClientError> {
        let reply = self.command(Phase::Ehlo, &format!("EHLO {our_name}\r\n")).await?.require(Phase::Ehlo, 250)?;
        observer.saw(&Event::Offered(&reply));
        self.offered = Offer::read(&reply);
        Ok(())
    }
}
