//! What each command does, and when it may come.

use auth::sasl::{Exchange, Mechanism, Step};
use mssante::Refusal;

use super::{Action, Channel, Greeting, Phase, Question, Session, Wait};
use crate::Role;
use crate::command::{self, Command, CommandError, MailCommand, RcptCommand};
use crate::line::Line;
use crate::path::ForwardPath;
use crate::reply::{self, Reply, write_multi_line};

impl Session {
    /// Takes the next line; nothing to do if it had its reply already.
    pub(super) fn next_line(&mut self) -> Option<Action> {
        let Some(line) = self.framer.next(&mut self.input) else { return Some(Action::Read(Wait::Command)) };
        if self.is_one_line_too_many() {
            self.close_with(&reply::TOO_MANY_COMMANDS);
            return None;
        }
        let line = match line {
            Line::Whole(line) => line,
            Line::BareLineEnding => return self.refused_line(&reply::BARE_LINE_ENDING),
            Line::TooLong => return self.refused_line(&reply::LINE_TOO_LONG),
        };
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Sasl(exchange) => self.sasl_line(exchange, &line),
            _ => self.command_line(&line),
        }
    }

    fn refused_line(&mut self, reply: &Reply) -> Option<Action> {
        self.phase = Phase::Command;
        self.mistake(reply);
        None
    }

    fn command_line(&mut self, line: &[u8]) -> Option<Action> {
        match command::parse(line) {
            Ok(command) => self.command(command),
            Err(CommandError::Refused(reply)) => {
                self.mistake(&reply);
                None
            }
            Err(CommandError::ChunkSize) => {
                self.close_with(&reply::CHUNK_SIZE);
                None
            }
            Err(CommandError::OtherProtocol) => {
                metrics::counter!("pli_smtp_other_protocol_total").increment(1);
                self.close_with(&reply::NOT_SMTP);
                None
            }
        }
    }

    fn command(&mut self, command: Command) -> Option<Action> {
        match command {
            Command::Ehlo(name) => return self.ehlo(name),
            Command::Helo(name) => return self.helo(name),
            Command::Help => self.reply(&reply::HELP),
            Command::Noop => self.reply(&reply::OK),
            Command::Quit => return self.quit(),
            Command::Rset => return self.rset(),
            Command::StartTls => self.starttls(),
            Command::Bdat { size, last } => return self.bdat(size, last),
            Command::Auth { .. } | Command::Data | Command::Mail(_) | Command::Rcpt(_) | Command::Vrfy
                if self.channel == Channel::Clear =>
            {
                let sender = match &command {
                    Command::Mail(mail) => mail.reverse_path.address(),
                    _ => None,
                };
                self.refuse(Refusal::TlsRequired, sender);
                self.sender_refused |= matches!(command, Command::Mail(_));
            }
            Command::Auth { mechanism, initial } => return self.auth(&mechanism, initial.as_deref()),
            Command::Data => return self.data(),
            Command::Mail(mail) => return self.mail(mail),
            Command::Rcpt(rcpt) => return self.rcpt(rcpt),
            Command::Vrfy => self.reply(&reply::CANNOT_VERIFY),
        }
        None
    }

    fn ehlo(&mut self, name: String) -> Option<Action> {
        self.greeting = Some(Greeting { name, extended: true });
        let lines = self.extensions();
        write_multi_line(250, &lines, &mut self.output);
        self.forget_message()
    }

    fn helo(&mut self, name: String) -> Option<Action> {
        self.greeting = Some(Greeting { name, extended: false });
        self.reply(&Reply::bare(250, self.settings.hostname.clone()));
        self.forget_message()
    }

    /// Our name and what we offer at this moment. `[RFC5321 4.1.1.1]`, `[RFC9422 4]`
    fn extensions(&self) -> Vec<String> {
        let limits = &self.settings.limits;
        let mut lines = vec![
            self.settings.hostname.clone(),
            "PIPELINING".to_owned(),
            format!("SIZE {}", limits.message_size),
            "8BITMIME".to_owned(),
            "SMTPUTF8".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
            "CHUNKING".to_owned(),
            "DSN".to_owned(),
            format!("LIMITS RCPTMAX={} MAILMAX={}", limits.recipients, limits.transactions),
        ];
        if self.channel == Channel::Clear {
            lines.push("STARTTLS".to_owned());
        }
        let mechanisms: Vec<_> = self.mechanisms().iter().map(|mechanism| mechanism.name()).collect();
        if !mechanisms.is_empty() {
            lines.push(format!("AUTH {}", mechanisms.join(" ")));
        }
        lines
    }

    /// The mechanisms that can succeed at this moment. `[RFC4954 3]`
    fn mechanisms(&self) -> &'static [Mechanism] {
        match (self.settings.role, self.channel) {
            (Role::Submission, Channel::Tls { .. }) if self.logged_in => &[],
            (Role::Submission, Channel::Tls { certificate: true }) => {
                &[Mechanism::Plain, Mechanism::Login, Mechanism::External]
            }
            (Role::Submission, Channel::Tls { certificate: false }) => &[Mechanism::Plain, Mechanism::Login],
            (Role::Hop, _) | (_, Channel::Clear) => &[],
        }
    }

    fn quit(&mut self) -> Option<Action> {
        self.close_with(&reply::BYE);
        self.forget_message()
    }

    fn rset(&mut self) -> Option<Action> {
        self.reply(&reply::OK);
        self.forget_message()
    }

    /// Octets that came with STARTTLS were sent by somebody who does not wait for our reply:
    /// perhaps by a third party who wants them read inside TLS. `[RFC3207 6]`
    fn starttls(&mut self) {
        if self.channel != Channel::Clear {
            return self.mistake(&reply::TLS_ALREADY);
        }
        if self.input.is_empty() {
            self.reply(&reply::READY_FOR_TLS);
            self.phase = Phase::Handshake;
            return;
        }
        metrics::counter!("pli_smtp_starttls_injections_total").increment(1);
        tracing::warn!("octets followed STARTTLS in clear; connection dropped");
        self.phase = Phase::Closed;
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Option<Action> {
        if self.greeting.is_none() {
            self.mistake(&reply::GREET_FIRST);
            return None;
        }
        if self.logged_in || self.envelope.is_some() {
            self.mistake(&reply::OUT_OF_ORDER);
            return None;
        }
        let offered = Mechanism::parse(mechanism).filter(|mechanism| self.mechanisms().contains(mechanism));
        let Some(mechanism) = offered else {
            self.mistake(&reply::AUTH_MECHANISM);
            return None;
        };
        let (exchange, step) = Exchange::start(mechanism, initial);
        self.sasl_step(exchange, step)
    }

    fn sasl_line(&mut self, mut exchange: Exchange, line: &[u8]) -> Option<Action> {
        if line == b"*" {
            self.mistake(&reply::AUTH_CANCELLED);
            return None;
        }
        let step = command::decode(line).map_or(Step::Malformed, |response| exchange.answer(&response));
        self.sasl_step(exchange, step)
    }

    fn sasl_step(&mut self, exchange: Exchange, step: Step) -> Option<Action> {
        match step {
            Step::Challenge(challenge) => {
                self.reply(&Reply::bare(334, command::encode(&challenge)));
                self.phase = Phase::Sasl(exchange);
                None
            }
            Step::Done(credentials) => Some(self.ask(Question::LogIn, Action::Authenticate(credentials))),
            Step::Malformed => {
                self.mistake(&reply::AUTH_MALFORMED);
                None
            }
        }
    }

    /// Whether the client may send mail at all at this point; if not, it has its reply.
    pub(super) fn may_send_mail(&self) -> Result<(), SendError> {
        if self.channel == Channel::Clear {
            return Err(SendError::Refused(Refusal::TlsRequired));
        }
        if self.greeting.is_none() {
            return Err(SendError::Mistake(reply::GREET_FIRST));
        }
        if self.settings.role == Role::Submission && !self.logged_in {
            return Err(SendError::Refused(Refusal::AuthenticationRequired));
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, error: &SendError) {
        match error {
            SendError::Consequence(reply) => self.reply(reply),
            SendError::Mistake(reply) => self.mistake(reply),
            SendError::Refused(refusal) => self.refuse(*refusal, None),
        }
    }

    fn mail(&mut self, mail: MailCommand) -> Option<Action> {
        self.sender_refused = false;
        if let Err(error) = self.judge_mail(&mail) {
            self.tell(&error);
            self.sender_refused = self.envelope.is_none();
            return None;
        }
        if self.messages >= self.settings.limits.transactions {
            self.close_with(&reply::TOO_MANY_MESSAGES);
            return None;
        }
        Some(self.ask(Question::Sender(mail.clone()), Action::JudgeSender(mail)))
    }

    fn judge_mail(&self, mail: &MailCommand) -> Result<(), SendError> {
        self.may_send_mail()?;
        if self.envelope.is_some() {
            return Err(SendError::Mistake(reply::OUT_OF_ORDER));
        }
        if mail.parameters.size.is_some_and(|size| size > self.settings.limits.message_size) {
            return Err(SendError::Refused(Refusal::MessageTooLarge));
        }
        let needs_utf8 = mail.reverse_path.address().is_some_and(mssante::Address::needs_smtputf8);
        if needs_utf8 && !mail.parameters.smtputf8 {
            return Err(SendError::Refused(Refusal::Utf8Needed));
        }
        Ok(())
    }

    /// Why a command that needs an accepted MAIL is not taken.
    pub(super) fn without_sender(&self) -> SendError {
        if self.sender_refused {
            SendError::Consequence(reply::OUT_OF_ORDER)
        } else {
            SendError::Mistake(reply::OUT_OF_ORDER)
        }
    }

    fn rcpt(&mut self, rcpt: RcptCommand) -> Option<Action> {
        if let Err(error) = self.judge_rcpt(&rcpt) {
            self.tell(&error);
            return None;
        }
        Some(self.ask(Question::Recipient(rcpt.dsn.clone()), Action::JudgeRecipient(rcpt)))
    }

    fn judge_rcpt(&self, rcpt: &RcptCommand) -> Result<(), SendError> {
        self.may_send_mail()?;
        let envelope = self.envelope.as_ref().filter(|_| self.receiving.is_none());
        let envelope = envelope.ok_or_else(|| self.without_sender())?;
        if envelope.recipients.len() >= self.settings.limits.recipients {
            return Err(SendError::Refused(Refusal::TooManyRecipients));
        }
        let needs_utf8 = matches!(&rcpt.path, ForwardPath::Address(address) if address.needs_smtputf8());
        if needs_utf8 && !envelope.parameters.smtputf8 {
            return Err(SendError::Refused(Refusal::Utf8Needed));
        }
        Ok(())
    }
}

/// Why a command of a transaction is not taken.
#[derive(Debug)]
pub(super) enum SendError {
    /// What came before went wrong, and the client could not know when it sent this.
    Consequence(Reply),
    /// The client made a mistake.
    Mistake(Reply),
    /// We do not want to.
    Refused(Refusal),
}
