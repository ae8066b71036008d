//! The sending client: greets, starts TLS, hands messages over. One transaction after another
//! on the same hop; bodies are streamed, never held.

mod error;
mod opening;
mod reply;
mod stuffing;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use mssante::{Address, ReversePath};
use store::{DsnNotify, DsnParameters};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use trust::{Transport, VerifiedPeer};

pub use self::error::{ClientError, Phase};
pub use self::opening::{Event, Observer, Unobserved};
pub use self::reply::Reply;
use self::reply::ReplyReader;
use self::stuffing::DotStuffer;

/// Longest value of a parameter: an ORCPT. `[RFC3461 4.2]`
const LONGEST_VALUE: usize = 500;

/// How long the client waits in each phase. `[RFC5321 4.5.3.2]`
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the greeting, and for the replies to EHLO, STARTTLS, MAIL, RCPT.
    pub command: Duration,
    /// For the reply to DATA.
    pub data_start: Duration,
    /// For one block of content to be taken by the peer.
    pub data_block: Duration,
    /// For the reply to the final dot.
    pub data_end: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_mins(5),
            data_start: Duration::from_mins(2),
            data_block: Duration::from_mins(3),
            data_end: Duration::from_mins(10),
        }
    }
}

/// What the peer offers in its answer to EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Offer {
    /// Keywords of extensions, upper case.
    keywords: BTreeSet<String>,
    /// The largest message it takes, if it says so. `[RFC1870 4]`
    size_limit: Option<u64>,
}

impl Offer {
    /// Reads the lines of an EHLO reply; the first one is a greeting. `[RFC5321 4.1.1]`
    fn read(reply: &Reply) -> Self {
        let mut offer = Self::default();
        for line in reply.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            if keyword == "SIZE" {
                offer.size_limit = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            }
            offer.keywords.insert(keyword);
        }
        offer
    }

    fn has(&self, keyword: &str) -> bool {
        self.keywords.contains(keyword)
    }
}

/// One message on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Envelope sender.
    pub reverse_path: &'a ReversePath,
    /// To whom.
    pub recipients: &'a [(Address, DsnParameters)],
    /// Octets of the content.
    pub size: u64,
    /// Whether it must not travel without SMTPUTF8.
    pub smtputf8: bool,
    /// ENVID. `[RFC3461 4.4]`
    pub envelope_id: Option<&'a str>,
    /// RET. `[RFC3461 4.3]`
    pub ret: Option<&'a str>,
}

/// Where the octets of a message come from.
pub trait Content: Send {
    /// The next octets, `None` at the end; an error text when they cannot be read.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, String>> + Send;
}

/// What the peer said of one recipient: taken (with the reply to the final dot) or refused.
pub type RecipientResult = Result<Reply, Reply>;

/// An open hop.
pub struct Client {
    transport: Transport,
    replies: ReplyReader,
    offered: Offer,
    timeouts: Timeouts,
    /// Nobody knows any more which reply belongs to which command.
    out_of_step: bool,
}

impl Client {
    fn over(transport: Transport, timeouts: Timeouts) -> Self {
        Self { transport, replies: ReplyReader::default(), offered: Offer::default(), timeouts, out_of_step: false }
    }

    /// The same hop, on which the peer is waited for so long from now on.
    #[must_use]
    pub fn waiting(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The peer whose certificate was verified.
    pub fn peer(&self) -> Option<&VerifiedPeer> {
        self.transport.peer()
    }

    /// The largest message that the peer takes, if it says so. `[RFC1870 4]`
    pub fn size_limit(&self) -> Option<u64> {
        self.offered.size_limit
    }

    /// TLS version and suite, for traces.
    pub fn tls_description(&self) -> Option<String> {
        self.transport.tls_description()
    }

    /// Hands one message over. The results are in the order of the recipients. After `Ok` the
    /// hop can be used again, after an error if [`Client::recover`] says so.
    pub async fn send(
        &mut self,
        envelope: &Envelope<'_>,
        content: &mut impl Content,
    ) -> Result<Vec<RecipientResult>, ClientError> {
        self.can_carry(envelope)?;
        let answers = self.announce(envelope).await?;
        if answers.iter().all(Result::is_err) {
            self.command(Phase::Reset, "RSET\r\n").await?.require(Phase::Reset, 250)?;
            return Ok(answers);
        }
        self.command_within(Phase::Data, "DATA\r\n", self.timeouts.data_start).await?.require(Phase::Data, 354)?;
        self.stream(content).await?;
        let last = self.expect_reply(Phase::DataEnd, self.timeouts.data_end).await?;
        Ok(answers.into_iter().map(|answer| answer.and_then(|_| last.clone().into_result())).collect())
    }

    /// Makes the hop ready for the next message, if `error` was about the last one only; says
    /// whether it is.
    pub async fn recover(&mut self, error: &ClientError) -> bool {
        !self.out_of_step
            && error.is_about_the_message()
            && self.command(Phase::Reset, "RSET\r\n").await.is_ok_and(|reply| reply.code() == 250)
    }

    fn can_carry(&self, envelope: &Envelope<'_>) -> Result<(), ClientError> {
        if envelope.smtputf8 && !self.offered.has("SMTPUTF8") {
            return Err(ClientError::PeerLacks("SMTPUTF8"));
        }
        match self.offered.size_limit {
            Some(limit) if envelope.size > limit => Err(ClientError::PeerLimit(limit)),
            _ => Ok(()),
        }
    }

    /// MAIL and all RCPTs, in one go where the peer takes that. `[RFC2920 3.1]`
    async fn announce(&mut self, envelope: &Envelope<'_>) -> Result<Vec<RecipientResult>, ClientError> {
        let mail = self.mail_command(envelope);
        let rcpts: Vec<_> = envelope.recipients.iter().map(|(to, dsn)| self.rcpt_command(to, dsn)).collect();
        let together = self.offered.has("PIPELINING");
        if together {
            self.write(Phase::Mail, format!("{mail}{}", rcpts.concat()).as_bytes()).await?;
        } else {
            self.write(Phase::Mail, mail.as_bytes()).await?;
        }
        let accepted = self.expect_reply(Phase::Mail, self.timeouts.command).await?;
        if let Err(refused) = accepted.require(Phase::Mail, 250) {
            self.out_of_step = together && !self.drain(rcpts.len()).await;
            return Err(refused);
        }
        let mut answers = Vec::with_capacity(rcpts.len());
        for rcpt in &rcpts {
            if !together {
                self.write(Phase::Rcpt, rcpt.as_bytes()).await?;
            }
            answers.push(self.expect_reply(Phase::Rcpt, self.timeouts.command).await?.into_result());
        }
        Ok(answers)
    }

    /// Reads past the replies to what was pipelined behind a refused MAIL; says whether all of them came. Whatever
    /// happens meanwhile, the refusal is the outcome: a peer that counts these commands as mistakes may well hang up.
    async fn drain(&mut self, replies: usize) -> bool {
        for _ in 0..replies {
            match self.expect_reply(Phase::Rcpt, self.timeouts.command).await {
                Ok(reply) if reply.code() != 421 => {}
                _ => return false,
            }
        }
        true
    }

    fn mail_command(&self, envelope: &Envelope<'_>) -> String {
        let mut line = format!("MAIL FROM:{}", envelope.reverse_path);
        if self.offered.has("SIZE") {
            line += &parameter("SIZE", Some(&envelope.size.to_string()));
        }
        if self.offered.has("8BITMIME") {
            line += " BODY=8BITMIME";
        }
        if envelope.smtputf8 {
            line += " SMTPUTF8";
        }
        if self.offered.has("DSN") {
            line += &parameter("RET", envelope.ret);
            line += &parameter("ENVID", envelope.envelope_id);
        }
        line + "\r\n"
    }

    fn rcpt_command(&self, recipient: &Address, dsn: &DsnParameters) -> String {
        let mut line = format!("RCPT TO:<{recipient}>");
        if self.offered.has("DSN") {
            line += &parameter("NOTIFY", notify_words(&dsn.notify).as_deref());
            line += &parameter("ORCPT", dsn.original_recipient.as_deref());
        }
        line + "\r\n"
    }

    async fn stream(&mut self, content: &mut impl Content) -> Result<(), ClientError> {
        let mut stuffer = DotStuffer::default();
        let mut wire = Vec::new();
        while let Some(bytes) = content.next().await.map_err(ClientError::Content)? {
            wire.clear();
            stuffer.push(&bytes, &mut wire);
            if stuffer.saw_eight_bit() && !self.offered.has("8BITMIME") {
                return Err(ClientError::PeerLacks("8BITMIME"));
            }
            self.write_within(Phase::DataBlock, &wire, self.timeouts.data_block).await?;
        }
        wire.clear();
        stuffer.finish(&mut wire);
        self.write_within(Phase::DataBlock, &wire, self.timeouts.data_block).await
    }

    /// Says goodbye; nothing depends on the answer.
    pub async fn quit(mut self) {
        let goodbye = async {
            self.command(Phase::Quit, "QUIT\r\n").await?;
            self.transport.shutdown().await.map_err(|error| ClientError::Io(Phase::Quit, error))
        };
        if let Ok(Err(error)) = timeout(Duration::from_secs(5), goodbye).await {
            tracing::debug!(%error, "the peer did not answer QUIT");
        }
    }

    async fn command(&mut self, phase: Phase, line: &str) -> Result<Reply, ClientError> {
        self.command_within(phase, line, self.timeouts.command).await
    }

    async fn command_within(&mut self, phase: Phase, line: &str, wait: Duration) -> Result<Reply, ClientError> {
        self.write_within(phase, line.as_bytes(), wait).await?;
        self.expect_reply(phase, wait).await
    }

    async fn write(&mut self, phase: Phase, bytes: &[u8]) -> Result<(), ClientError> {
        self.write_within(phase, bytes, self.timeouts.command).await
    }

    async fn write_within(&mut self, phase: Phase, bytes: &[u8], wait: Duration) -> Result<(), ClientError> {
        let writing = async {
            self.transport.write_all(bytes).await?;
            self.transport.flush().await
        };
        timeout(wait, writing)
            .await
            .map_err(|_| ClientError::Timeout(phase))?
            .map_err(|error| ClientError::Io(phase, error))
    }

    async fn expect_reply(&mut self, phase: Phase, wait: Duration) -> Result<Reply, ClientError> {
        timeout(wait, self.replies.read(&mut self.transport, phase)).await.map_err(|_| ClientError::Timeout(phase))?
    }
}

/// ` NAME=value`, or nothing. A value that could end the word or the line never becomes part of a command, wherever it
/// comes from; the message travels without it. `[RFC5321 4.1.2]`, `[RFC3461 4]`
fn parameter(name: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return String::new() };
    let fits = (1..=LONGEST_VALUE).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic() && b != b'=');
    if !fits {
        tracing::warn!(parameter = name, "a value that is no esmtp-value is left out");
        return String::new();
    }
    format!(" {name}={value}")
}

fn notify_words(notify: &DsnNotify) -> Option<String> {
    match *notify {
        DsnNotify::Unsaid => None,
        DsnNotify::Never => Some("NEVER".to_owned()),
        DsnNotify::On { success, failure, delay } => {
            let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
            let said: Vec<_> = words.into_iter().filter_map(|(on, word)| on.then_some(word)).collect();
            Some(said.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case() {
        let reply = Reply::new(250, &["mail.example greets", "pipelining", "SIZE 1000", "8BitMime", "X-ODD"]);
        let offered = Offer::read(&reply);
        assert!(offered.has("PIPELINING") && offered.has("8BITMIME") && !offered.has("STARTTLS"));
        assert_eq!(offered.size_limit, Some(1000));
    }

    #[test]
    fn a_size_of_zero_is_no_limit() {
        assert_eq!(Offer::read(&Reply::new(250, &["x", "SIZE 0"])).size_limit, None);
    }

    #[test]
    fn no_value_ends_the_word_or_the_line_of_a_command() {
        assert_eq!(parameter("ENVID", Some("a+2Bb")), " ENVID=a+2Bb");
        assert_eq!(parameter("ORCPT", Some("rfc822;x@y.fr")), " ORCPT=rfc822;x@y.fr");
        for value in
            ["", "a b", "a\r\nRCPT TO:<x@y.fr>", "a\n", "a\rb", "a\0", "a\t", "\u{e9}", "a=b", &"x".repeat(501)]
        {
            assert_eq!(parameter("ENVID", Some(value)), "", "{value:?}");
        }
    }

    #[test]
    fn no_address_ends_the_path_or_the_line_of_a_command() {
        for text in [
            "a\r\nDATA@b.fr",
            "\"a\r\n\"@b.fr",
            "\"a\\\r\"@b.fr",
            "a b@b.fr",
            "a>@b.fr",
            "a@b.fr>",
            "a@b.fr\r\n",
            "\"a\u{85}\"@b.fr",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        // Whoever reads the path knows quotes.
        assert_eq!(Address::parse("\"a> b\"@b.fr").unwrap().to_string(), "\"a> b\"@b.fr");
    }

    #[test]
    fn dsn_wishes_are_passed_on_as_words() {
        let wish = DsnNotify::On { success: true, failure: true, delay: false };
        assert_eq!(notify_words(&wish).as_deref(), Some("SUCCESS,FAILURE"));
        assert_eq!(notify_words(&DsnNotify::Unsaid), None);
    }
}
