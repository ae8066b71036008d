//! IMAP from the client's side.

use std::net::SocketAddr;

use trust::ClientTls;

use super::{ClientError, Wire, lossy};

/// One untagged response: its text, with literals cut out and kept in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untagged {
    /// The response without `* `; each literal leaves its `{n}`.
    pub text: String,
    /// The literals.
    pub literals: Vec<Vec<u8>>,
}

/// One IMAP connection.
#[derive(Debug)]
pub struct ImapClient {
    wire: Wire,
    sent: u32,
}

impl ImapClient {
    /// Connects in clear and reads the greeting.
    pub async fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        Self::greeted(Wire::plain(address).await?).await
    }

    /// Connects with TLS from the first octet and reads the greeting.
    pub async fn connect_tls(address: SocketAddr, tls: &ClientTls, host: &str) -> Result<Self, ClientError> {
        Self::greeted(Wire::tls(address, tls, host).await?).await
    }

    async fn greeted(mut wire: Wire) -> Result<Self, ClientError> {
        let greeting = lossy(&wire.line().await?);
        if greeting.starts_with("* OK") {
            return Ok(Self { wire, sent: 0 });
        }
        Err(ClientError::Refused { asked: "connection".to_owned(), answer: greeting })
    }

    /// STARTTLS and the handshake. `[RFC3501 6.2.1]`
    pub async fn start_tls(mut self, tls: &ClientTls, host: &str) -> Result<Self, ClientError> {
        self.command("STARTTLS").await?;
        Ok(Self { wire: self.wire.start_tls(tls, host).await?, sent: self.sent })
    }

    /// LOGIN with quoted strings. `[RFC3501 6.2.3]`
    pub async fn login(&mut self, login: &str, password: &str) -> Result<(), ClientError> {
        self.exchange("LOGIN", &format!("LOGIN {} {}", quoted(login), quoted(password))).await.map(drop)
    }

    /// Sends a command and collects what comes before its `OK`; anything else is an error.
    pub async fn command(&mut self, line: &str) -> Result<Vec<Untagged>, ClientError> {
        self.exchange(line, line).await
    }

    /// Opens a folder and returns how many messages are in it. `[RFC3501 6.3.1]`
    pub async fn select(&mut self, folder: &str) -> Result<u32, ClientError> {
        let responses = self.command(&format!("SELECT {}", quoted(folder))).await?;
        let count = responses.iter().find_map(|response| response.text.strip_suffix(" EXISTS")?.parse().ok());
        count.ok_or_else(|| ClientError::Protocol("SELECT without EXISTS".to_owned()))
    }

    /// The UIDs that fit, e.g. `UNSEEN` or `HEADER Message-ID "<…>"`. `[RFC3501 6.4.4]`
    pub async fn uid_search(&mut self, criteria: &str) -> Result<Vec<u32>, ClientError> {
        let responses = self.command(&format!("UID SEARCH {criteria}")).await?;
        let found = responses.iter().filter_map(|response| response.text.strip_prefix("SEARCH"));
        Ok(found.flat_map(str::split_ascii_whitespace).filter_map(|word| word.parse().ok()).collect())
    }

    /// All octets of a message, without marking it as read. `[RFC3501 6.4.5]`
    pub async fn fetch(&mut self, uid: u32) -> Result<Vec<u8>, ClientError> {
        let responses = self.command(&format!("UID FETCH {uid} (UID BODY.PEEK[])")).await?;
        let fetched = responses.into_iter().find(|response| response.text.contains("FETCH"));
        let body = fetched.and_then(|response| response.literals.into_iter().next());
        body.ok_or_else(|| ClientError::Protocol(format!("no body came for UID {uid}")))
    }

    /// LOGOUT; whether the server answers is its affair.
    pub async fn logout(mut self) {
        let _ = self.command("LOGOUT").await;
    }

    /// `asked` is what errors say of `line`, which may hold a password.
    async fn exchange(&mut self, asked: &str, line: &str) -> Result<Vec<Untagged>, ClientError> {
        self.sent += 1;
        let tag = format!("a{}", self.sent);
        self.wire.send(format!("{tag} {line}\r\n").as_bytes()).await?;
        let mut untagged = Vec::new();
        loop {
            let response = self.response().await?;
            if let Some(text) = response.text.strip_prefix("* ") {
                untagged.push(Untagged { text: text.to_owned(), literals: response.literals });
            } else if let Some(answer) = response.text.strip_prefix(&format!("{tag} ")) {
                let done = answer.starts_with("OK");
                let refused = || ClientError::Refused { asked: asked.to_owned(), answer: answer.to_owned() };
                return if done { Ok(untagged) } else { Err(refused()) };
            } else if !response.text.starts_with('+') {
                return Err(ClientError::Protocol(format!("response '{}'", response.text)));
            }
        }
    }

    /// A line with the literals that hang on it.
    async fn response(&mut self) -> Result<Untagged, ClientError> {
        let mut response = Untagged { text: String::new(), literals: Vec::new() };
        loop {
            let line = lossy(&self.wire.line().await?);
            let literal = literal_size(&line);
            response.text.push_str(&line);
            let Some(size) = literal else { return Ok(response) };
            response.literals.push(self.wire.octets(size).await?);
        }
    }
}

/// The size that a line announces at its end. `[RFC3501 4.3]`
fn literal_size(line: &str) -> Option<usize> {
    let (_, size) = line.strip_suffix('}')?.rsplit_once('{')?;
    size.parse().ok()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        assert_eq!(literal_size("* 1 FETCH (UID 4 BODY[] {342}"), Some(342));
        assert_eq!(literal_size("* OK {12} no"), None);
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
