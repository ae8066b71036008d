//! `pli status`: what the running server says of itself.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::print;
use crate::config::Settings;
use crate::failure::Failure;

/// Prints `/readyz`; fails with exit code 4 if the server is not running or not ready, with 1 if no usable trust list
/// is in force or the audit trail cannot be relied on.
pub(super) async fn print(settings: &Settings, json: bool) -> Result<(), Failure> {
    let address = settings.http.listen;
    let (status, body) = get(address, "/readyz").await.map_err(|why| {
        Failure::Unavailable(format!(
            "no running server answers on http.listen = \"{address}\": {why}; is `pli serve` up?"
        ))
    })?;
    let facts: Value = serde_json::from_str(&body)
        .map_err(|_| Failure::Unavailable(format!("what answers on http.listen = \"{address}\" is not pli")))?;
    print::facts(&facts, json)?;
    if status != 200 {
        return Err(Failure::Unavailable("the server is running but not ready".to_owned()));
    }
    judge_trail(&facts)?;
    judge_list(&facts)
}

/// What a monitor must hear of although the server is ready.
fn judge_trail(facts: &Value) -> Result<(), Failure> {
    facts["audit_alarm"].as_str().map_or(Ok(()), |why| Err(Failure::Refused(why.to_owned())))
}

/// Likewise.
fn judge_list(facts: &Value) -> Result<(), Failure> {
    match facts["trust_list_standing"].as_str() {
        Some(standing @ ("missing" | "expired")) => Err(Failure::Refused(format!(
            "the trust list is {standing}: people can read, mail of other operators is refused temporarily, mail to \
             them waits; see `pli trust status`"
        ))),
        _ => Ok(()),
    }
}

/// Status and body of a plain GET; enough for our own loopback endpoints.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), talk)
        .await
        .map_err(|_| "no answer within 5 seconds".to_owned())?
        .map_err(|error| error.to_string())?;
    read_answer(&answer).ok_or_else(|| "the answer is not HTTP".to_owned())
}

fn read_answer(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monitors_hear_of_a_trust_list_that_is_missing_or_expired() {
        let code = |standing: &str| {
            let facts = serde_json::json!({ "trust_list_standing": standing });
            judge_list(&facts).map_err(|failure| failure.exit_code())
        };
        assert_eq!(["fresh", "stale", "missing", "expired"].map(code), [Ok(()), Ok(()), Err(1), Err(1)]);
    }

    #[test]
    fn monitors_hear_of_an_audit_trail_that_was_set_back() {
        let code = |alarm: Value| {
            judge_trail(&serde_json::json!({ "audit_alarm": alarm })).map_err(|failure| failure.exit_code())
        };
        assert_eq!([Value::Null, "set back".into()].map(code), [Ok(()), Err(1)]);
    }

    #[test]
    fn status_and_body_are_read() {
        let answer = "HTTP/1.0 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(read_answer(answer), Some((503, "{}".to_owned())));
        assert_eq!(read_answer("220 mail ESMTP\r\n"), None);
    }
}
