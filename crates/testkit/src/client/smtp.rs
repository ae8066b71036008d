//! SMTP from the client's side.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use trust::ClientTls;

use super::{ClientError, Wire, lossy};

/// A reply with all its lines. `[RFC5321 4.2]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its three digits.
    pub code: u16,
    /// The texts after the code, one for each line.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2yz or 3yz.
    pub fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Whether it begins so, e.g. with `550 5.7.1`.
    pub fn is(&self, beginning: &str) -> bool {
        self.to_string().starts_with(beginning)
    }

    /// Whether a line of an EHLO reply announces the extension.
    pub fn announces(&self, keyword: &str) -> bool {
        self.lines.iter().any(|line| line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(keyword)))
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.lines.last().map_or("", String::as_str))
    }
}

/// One SMTP connection.
#[derive(Debug)]
pub struct SmtpClient {
    wire: Wire,
}

impl SmtpClient {
    /// Connects in clear and reads the greeting.
    pub async fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        Self::greeted(Wire::plain(address).await?).await
    }

    /// Connects with TLS from the first octet and reads the greeting.
    pub async fn connect_tls(address: SocketAddr, tls: &ClientTls, host: &str) -> Result<Self, ClientError> {
        Self::greeted(Wire::tls(address, tls, host).await?).await
    }

    async fn greeted(wire: Wire) -> Result<Self, ClientError> {
        let mut client = Self { wire };
        let greeting = client.reply().await?;
        positive("connection", greeting)?;
        Ok(client)
    }

    /// EHLO, STARTTLS, handshake, EHLO. `[RFC3207 4]`
    pub async fn start_tls(mut self, tls: &ClientTls, host: &str, name: &str) -> Result<Self, ClientError> {
        self.demand(&format!("EHLO {name}")).await?;
        self.demand("STARTTLS").await?;
        let mut client = Self { wire: self.wire.start_tls(tls, host).await? };
        client.demand(&format!("EHLO {name}")).await?;
        Ok(client)
    }

    /// Sends octets as they are.
    pub async fn send(&mut self, octets: &[u8]) -> Result<(), ClientError> {
        self.wire.send(octets).await
    }

    /// Sends a command and returns whatever the server says.
    pub async fn command(&mut self, line: &str) -> Result<Reply, ClientError> {
        self.wire.send(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// Sends a command; anything but a positive reply is an error.
    pub async fn demand(&mut self, line: &str) -> Result<Reply, ClientError> {
        let reply = self.command(line).await?;
        positive(line, reply)
    }

    /// AUTH PLAIN with an initial response. `[RFC4616 2]`
    pub async fn auth_plain(&mut self, login: &str, password: &str) -> Result<(), ClientError> {
        let response = BASE64.encode(format!("\0{login}\0{password}"));
        let reply = self.command(&format!("AUTH PLAIN {response}")).await?;
        positive("AUTH PLAIN", reply).map(drop)
    }

    /// AUTH EXTERNAL as `bal`, or as whatever the certificate opens. `[RFC4422 A]`
    pub async fn auth_external(&mut self, bal: Option<&str>) -> Result<(), ClientError> {
        let response = bal.map_or_else(|| "=".to_owned(), |bal| BASE64.encode(bal));
        self.demand(&format!("AUTH EXTERNAL {response}")).await.map(drop)
    }

    /// A whole transaction with DATA; returns the reply that takes the message over.
    pub async fn submit(&mut self, from: &str, to: &[&str], message: &[u8]) -> Result<Reply, ClientError> {
        let body = if message.is_ascii() { "" } else { " BODY=8BITMIME" };
        self.demand(&format!("MAIL FROM:<{from}>{body}")).await?;
        for recipient in to {
            self.demand(&format!("RCPT TO:<{recipient}>")).await?;
        }
        self.demand("DATA").await?;
        self.wire.send(&stuffed(message)).await?;
        let reply = self.reply().await?;
        positive("end of DATA", reply)
    }

    /// QUIT; whether the server answers is its affair.
    pub async fn quit(mut self) {
        let _ = self.command("QUIT").await;
    }

    /// The next reply.
    pub async fn reply(&mut self) -> Result<Reply, ClientError> {
        let mut lines = Vec::new();
        loop {
            let line = lossy(&self.wire.line().await?);
            let (code, more, text) = parse(&line).ok_or_else(|| ClientError::Protocol(format!("reply '{line}'")))?;
            lines.push(text.to_owned());
            if !more {
                return Ok(Reply { code, lines });
            }
        }
    }
}

/// Code, whether another line follows, text. `[RFC5321 4.2.1]`
fn parse(line: &str) -> Option<(u16, bool, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    let code = code.parse().ok()?;
    match rest.as_bytes().first() {
        None => Some((code, false, "")),
        Some(b' ') => Some((code, false, &rest[1..])),
        Some(b'-') => Some((code, true, &rest[1..])),
        Some(_) => None,
    }
}

fn positive(asked: &str, reply: Reply) -> Result<Reply, ClientError> {
    if reply.is_positive() {
        return Ok(reply);
    }
    Err(ClientError::Refused { asked: asked.to_owned(), answer: reply.to_string() })
}

/// The content with its dots doubled and its end. `[RFC5321 4.5.2]`
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    let mut at_line_start = true;
    for &octet in message {
        if at_line_start && octet == b'.' {
            out.push(b'.');
        }
        out.push(octet);
        at_line_start = octet == b'\n';
    }
    if !at_line_start {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_one_and_of_many_lines_are_read() {
        assert_eq!(parse("250 2.1.0 ok"), Some((250, false, "2.1.0 ok")));
        assert_eq!(parse("250-SIZE 10"), Some((250, true, "SIZE 10")));
        assert_eq!(parse("354"), Some((354, false, "")));
        assert_eq!(parse("hello"), None);
    }

    #[test]
    fn dots_at_line_starts_are_doubled_and_the_end_is_on_its_own_line() {
        assert_eq!(stuffed(b".a\r\nb.\r\n..c\r\n"), b"..a\r\nb.\r\n...c\r\n.\r\n");
        assert_eq!(stuffed(b"a"), b"a\r\n.\r\n");
    }
}
