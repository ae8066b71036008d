//! The grammar of commands. `[RFC5321 4.1.1]`

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mssante::ReversePath;
use store::DsnParameters;

use crate::parameter::{self, MailParameters, ParameterError};
use crate::path::{self, ForwardPath};
use crate::reply::{self, Reply};

/// Longest line of a command, CR LF included. `[RFC5321 4.5.3.1.4]`
const LONGEST: usize = 512;
/// Longest MAIL or RCPT: every extension that we announce may add to the limit. `[RFC5321 4.1.1.11]`
const LONGEST_WITH_PARAMETERS: usize = 2048;

/// MAIL, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailCommand {
    /// From whom.
    pub reverse_path: ReversePath,
    /// What the client says of the message.
    pub parameters: MailParameters,
}

/// RCPT, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptCommand {
    /// To whom.
    pub path: ForwardPath,
    /// What the sender wants to be told.
    pub dsn: DsnParameters,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Auth { mechanism: String, initial: Option<Vec<u8>> },
    Bdat { size: u64, last: bool },
    Data,
    Ehlo(String),
    Helo(String),
    Help,
    Mail(MailCommand),
    Noop,
    Quit,
    Rcpt(RcptCommand),
    Rset,
    StartTls,
    Vrfy,
}

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandError {
    /// It is another protocol: a web page makes a browser talk to us. The session ends.
    OtherProtocol,
    /// The octets of a chunk follow and nobody knows how many. The session ends.
    ChunkSize,
    /// What to reply.
    Refused(Reply),
}

impl From<Reply> for CommandError {
    fn from(reply: Reply) -> Self {
        Self::Refused(reply)
    }
}

/// Reads a line without its CR LF.
pub(crate) fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let text = std::str::from_utf8(line).map_err(|_| reply::NOT_TEXT)?;
    if text.chars().any(char::is_control) {
        return Err(reply::NOT_TEXT.into());
    }
    // Spaces at the end are tolerated. `[RFC5321 4.1.1]`
    let text = text.trim_end_matches(' ');
    let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
    let verb = verb.to_ascii_uppercase();
    check_length(&verb, line.len() + 2)?;
    parse_verb(&verb, argument)
}

fn check_length(verb: &str, length: usize) -> Result<(), Reply> {
    let longest = match verb {
        // The framer has a limit of its own for these. `[RFC4954 4]`
        "AUTH" => usize::MAX,
        "MAIL" | "RCPT" => LONGEST_WITH_PARAMETERS,
        _ => LONGEST,
    };
    if length > longest { Err(reply::LINE_TOO_LONG) } else { Ok(()) }
}

fn parse_verb(verb: &str, argument: &str) -> Result<Command, CommandError> {
    match verb {
        "AUTH" => auth(argument),
        "BDAT" => bdat(argument),
        "DATA" => without_argument(argument, Command::Data),
        "EHLO" => client_name(argument).map(Command::Ehlo),
        "HELO" => client_name(argument).map(Command::Helo),
        "HELP" => Ok(Command::Help),
        "MAIL" => mail(argument),
        "NOOP" => Ok(Command::Noop),
        "QUIT" => without_argument(argument, Command::Quit),
        "RCPT" => rcpt(argument),
        "RSET" => without_argument(argument, Command::Rset),
        "STARTTLS" => without_argument(argument, Command::StartTls),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" | "ETRN" | "SAML" | "SEND" | "SOML" | "TURN" => Err(reply::NOT_IMPLEMENTED.into()),
        "CONNECT" | "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT" | "TRACE" => {
            Err(CommandError::OtherProtocol)
        }
        _ => Err(reply::UNKNOWN_COMMAND.into()),
    }
}

fn syntax(text: &'static str) -> CommandError {
    Reply::new(501, "5.5.4", text).into()
}

fn without_argument(argument: &str, command: Command) -> Result<Command, CommandError> {
    if argument.is_empty() { Ok(command) } else { Err(syntax("this command takes no argument")) }
}

/// A host name or address literal. It goes into the Received field, so nothing else passes.
fn client_name(argument: &str) -> Result<String, CommandError> {
    let literal = argument.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = |name: &str, more: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b))
    };
    let well_formed = argument.len() <= 255 && literal.map_or(fits(argument, ".-_"), |inner| fits(inner, ".:-"));
    if well_formed { Ok(argument.to_owned()) } else { Err(syntax("a host name or an address literal is needed")) }
}

/// `FROM:<path> parameters`; no space after the colon.
fn after_colon<'a>(argument: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = argument.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(rest)
}

fn mail(argument: &str) -> Result<Command, CommandError> {
    let rest = after_colon(argument, "FROM:").ok_or_else(|| syntax("write MAIL FROM:<address>"))?;
    let wrong_path = || Reply::new(501, "5.1.7", "the sender is not written <local-part@domain> or <>");
    let (path, parameters) = path::split(rest).map_err(|_| wrong_path())?;
    let reverse_path = path::reverse(path).map_err(|_| wrong_path())?;
    let parameters = MailParameters::parse(parameters).map_err(parameter_reply)?;
    Ok(Command::Mail(MailCommand { reverse_path, parameters }))
}

fn rcpt(argument: &str) -> Result<Command, CommandError> {
    let rest = after_colon(argument, "TO:").ok_or_else(|| syntax("write RCPT TO:<address>"))?;
    let wrong_path = || Reply::new(501, "5.1.3", "the recipient is not written <local-part@domain>");
    let (path, parameters) = path::split(rest).map_err(|_| wrong_path())?;
    let path = path::forward(path).map_err(|_| wrong_path())?;
    let dsn = parameter::recipient(parameters).map_err(parameter_reply)?;
    Ok(Command::Rcpt(RcptCommand { path, dsn }))
}

fn parameter_reply(error: ParameterError) -> CommandError {
    match error {
        ParameterError::Syntax => syntax("parameters are written KEYWORD=value, each once"),
        ParameterError::Unknown => Reply::new(555, "5.5.4", "a parameter is not known here").into(),
        ParameterError::Value => syntax("a parameter has a value that it cannot have"),
    }
}

/// `size [LAST]`. `[RFC3030 2]`
fn bdat(argument: &str) -> Result<Command, CommandError> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let digits = words.next().filter(|word| word.bytes().all(|b| b.is_ascii_digit())).ok_or(CommandError::ChunkSize)?;
    let size = digits.parse().map_err(|_| CommandError::ChunkSize)?;
    match (words.next(), words.next()) {
        (None, _) => Ok(Command::Bdat { size, last: false }),
        (Some(word), None) if word.eq_ignore_ascii_case("LAST") => Ok(Command::Bdat { size, last: true }),
        _ => Err(CommandError::ChunkSize),
    }
}

/// `mechanism [initial response]`. `[RFC4954 4]`
fn auth(argument: &str) -> Result<Command, CommandError> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or_else(|| syntax("write AUTH mechanism"))?.to_owned();
    let initial = words.next().map(initial_response).transpose()?;
    if words.next().is_some() {
        return Err(syntax("AUTH takes a mechanism and an initial response"));
    }
    Ok(Command::Auth { mechanism, initial })
}

/// A lone `=` stands for an empty response. `[RFC4954 4]`
fn initial_response(word: &str) -> Result<Vec<u8>, CommandError> {
    if word == "=" { Ok(Vec::new()) } else { decode(word.as_bytes()).ok_or_else(|| reply::AUTH_MALFORMED.into()) }
}

/// Base64 as AUTH carries it.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64 as AUTH carries it.
pub(crate) fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smtp_proto::Request;

    use super::*;

    fn refused(line: &str) -> Reply {
        match parse(line.as_bytes()) {
            Err(CommandError::Refused(reply)) => reply,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn written(reply: &Reply) -> String {
        let mut output = Vec::new();
        reply.write_to(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn commands_are_read_in_any_case() {
        assert_eq!(parse(b"quit"), Ok(Command::Quit));
        assert_eq!(parse(b"Data  "), Ok(Command::Data));
        assert_eq!(parse(b"bdat 12 last"), Ok(Command::Bdat { size: 12, last: true }));
        assert_eq!(parse(b"EHLO [IPv6:::1]"), Ok(Command::Ehlo("[IPv6:::1]".to_owned())));
        let auth = Command::Auth { mechanism: "plain".to_owned(), initial: Some(Vec::new()) };
        assert_eq!(parse(b"AUTH plain ="), Ok(auth));
        assert!(matches!(parse(b"mail from:<a@b.fr> size=3"), Ok(Command::Mail(_))));
        assert!(matches!(parse(b"RCPT TO:<Postmaster>"), Ok(Command::Rcpt(_))));
    }

    #[test]
    fn what_is_nearly_a_command_is_refused() {
        for (line, code) in [
            ("", "500 5.5.1"),
            (" NOOP", "500 5.5.1"),
            ("MAIL", "501 5.5.4"),
            ("MAIL FROM: <a@b.fr>", "501 5.1.7"),
            ("MAIL FROM:a@b.fr", "501 5.1.7"),
            ("MAIL FROM:<a@b.fr>SIZE=1", "501 5.5.4"),
            ("MAIL FROM:<a@b.fr> BODY=BINARYMIME", "501 5.5.4"),
            ("MAIL FROM:<a@b.fr> REQUIRETLS", "555 5.5.4"),
            ("RCPT TO:<>", "501 5.1.3"),
            ("RCPT TO: <a@b.fr>", "501 5.1.3"),
            ("RCPT TO:<a@[127.0.0.1]>", "501 5.1.3"),
            ("STARTTLS now", "501 5.5.4"),
            ("RSET x", "501 5.5.4"),
            ("EHLO", "501 5.5.4"),
            ("EHLO a(b", "501 5.5.4"),
            ("EHLO hôte", "501 5.5.4"),
            ("AUTH", "501 5.5.4"),
            ("AUTH PLAIN %%%", "501 5.5.2"),
            ("NOOP a\0b", "500 5.5.2"),
            ("EXPN all", "502 5.5.1"),
        ] {
            assert!(written(&refused(line)).starts_with(code), "{line}: {}", written(&refused(line)));
        }
    }

    #[test]
    fn lines_have_the_limits_of_their_command() {
        let noop = |length: usize| format!("NOOP {}", "x".repeat(length - 7));
        assert_eq!(parse(noop(512).as_bytes()), Ok(Command::Noop));
        assert_eq!(refused(&noop(513)), reply::LINE_TOO_LONG);
        let mail = format!("MAIL FROM:<a@b.fr> ENVID={}", "x".repeat(2022));
        assert_eq!(refused(&mail), reply::LINE_TOO_LONG);
    }

    #[test]
    fn a_web_request_and_an_unreadable_chunk_size_end_the_session() {
        assert_eq!(parse(b"GET / HTTP/1.1"), Err(CommandError::OtherProtocol));
        for line in ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 2", "BDAT 1 LAST x", "BDAT 99999999999999999999"] {
            assert_eq!(parse(line.as_bytes()), Err(CommandError::ChunkSize), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_the_reader_fail_otherwise_than_by_an_error(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&line);
        }

        /// An independent parser reads what we read.
        #[test]
        fn smtp_proto_agrees_on_well_formed_mail(local in "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,4})?", size in 0_u32..100_000) {
            let line = format!("MAIL FROM:<{local}@b.fr> SIZE={size} BODY=8BITMIME\r\n");
            let theirs = Request::parse(&mut line.as_bytes().iter()).unwrap();
            let ours = parse(line.trim_end().as_bytes()).unwrap();
            let (Command::Mail(ours), Request::Mail { from: theirs }) = (ours, theirs) else { panic!("not MAIL") };
            prop_assert_eq!(ours.parameters.size, Some(theirs.size as u64));
            prop_assert_eq!(ours.reverse_path.address().unwrap().to_string(), theirs.address.into_owned());
        }
    }
}
