//! DATA and BDAT: from the command to the last octet.

use bytes::Bytes;
use mssante::Refusal;

use super::commands::SendError;
use super::{Action, Phase, Question, Session, Start, Wait};
use crate::data::{Announced, DotReader, Found, LineRules};
use crate::reply::{self, Reply};

/// A message between its first octet and its last.
#[derive(Debug)]
pub(super) struct Receiving {
    rules: LineRules,
    /// The shell knows that the message will not be accepted.
    abandoned: bool,
}

/// A BDAT chunk that is being read. `[RFC3030 2]`
#[derive(Debug)]
pub(super) struct Chunk {
    size: u64,
    remaining: u64,
    last: bool,
    /// The chunk came at a wrong moment: it is read, so that the commands after it are found,
    /// and answered then.
    skipped: Option<SendError>,
}

impl Session {
    pub(super) fn data(&mut self) -> Option<Action> {
        if let Err(error) = self.judge_start().and_then(|()| self.judge_data()) {
            self.tell(&error);
            return None;
        }
        Some(self.ask(Question::Begin(Start::Data), Action::BeginMessage))
    }

    /// DATA cannot end what BDAT began. `[RFC3030 2]`
    fn judge_data(&self) -> Result<(), SendError> {
        if self.receiving.is_some() { Err(SendError::Mistake(reply::OUT_OF_ORDER)) } else { Ok(()) }
    }

    fn judge_start(&self) -> Result<(), SendError> {
        self.may_send_mail()?;
        let envelope = self.envelope.as_ref().ok_or_else(|| self.without_sender())?;
        if envelope.recipients.is_empty() { Err(SendError::Consequence(reply::NO_RECIPIENT)) } else { Ok(()) }
    }

    pub(super) fn bdat(&mut self, size: u64, last: bool) -> Option<Action> {
        if size > self.most_read() {
            self.close_with(&reply::TOO_MUCH_DATA);
            return self.forget_message();
        }
        match self.judge_start() {
            Ok(()) if self.receiving.is_some() => {
                self.start_chunk(size, last, None);
                None
            }
            Ok(()) => Some(self.ask(Question::Begin(Start::Chunk { size, last }), Action::BeginMessage)),
            Err(error) => {
                self.start_chunk(size, last, Some(error));
                None
            }
        }
    }

    fn start_chunk(&mut self, size: u64, last: bool, skipped: Option<SendError>) {
        self.phase = Phase::Chunk(Chunk { size, remaining: size, last, skipped });
        // What cannot fit is refused as a whole, and still read.
        if let Some(receiving) = self.receiving.as_mut()
            && size > receiving.rules.room()
        {
            receiving.rules.damage(Refusal::MessageTooLarge);
        }
    }

    /// Answers [`Action::BeginMessage`].
    pub fn begin_answer(&mut self, answer: Result<(), Refusal>) {
        let Phase::Asked(Question::Begin(start)) = self.answered() else { return };
        if answer.is_ok() {
            self.receiving = Some(Receiving { rules: self.rules(), abandoned: false });
        }
        match (start, answer) {
            (Start::Data, Ok(())) => {
                self.reply(&Reply::bare(354, "go ahead; end with CR LF . CR LF"));
                self.phase = Phase::Data(DotReader::default());
            }
            (Start::Data, Err(refusal)) => {
                self.refuse(refusal, None);
                self.envelope = None;
            }
            (Start::Chunk { size, last }, Ok(())) => self.start_chunk(size, last, None),
            (Start::Chunk { size, last }, Err(refusal)) => {
                self.envelope = None;
                self.start_chunk(size, last, Some(SendError::Refused(refusal)));
            }
        }
    }

    fn rules(&self) -> LineRules {
        let parameters = self.envelope.as_ref().map(|envelope| envelope.parameters.clone()).unwrap_or_default();
        let announced = Announced { eight_bit: parameters.eight_bit, utf8: parameters.smtputf8 };
        LineRules::new(announced, self.settings.limits.message_size)
    }

    /// Refuses the message whose content is coming in. The rest of it is read and thrown away,
    /// then the client gets its reply.
    pub fn refuse_content(&mut self, refusal: Refusal) {
        if let Some(receiving) = self.receiving.as_mut() {
            receiving.rules.damage(refusal);
        }
    }

    pub(super) fn next_data(&mut self) -> Option<Action> {
        let Phase::Data(reader) = &mut self.phase else { return None };
        if self.input.is_empty() {
            return Some(Action::Read(Wait::Content));
        }
        let piece = reader.take(&self.input);
        let content = self.input.split_to(piece.consumed).freeze().slice(piece.content);
        match piece.found {
            Found::More => self.take_content(content),
            Found::BareCr => {
                self.refuse_content(Refusal::BareLineEnding);
                None
            }
            Found::End => self.end_of_content(),
        }
    }

    pub(super) fn next_chunk(&mut self) -> Option<Action> {
        let Phase::Chunk(chunk) = &mut self.phase else { return None };
        if chunk.remaining == 0 {
            return self.end_of_chunk();
        }
        if self.input.is_empty() {
            return Some(Action::Read(Wait::Content));
        }
        let length = usize::try_from(chunk.remaining).map_or(self.input.len(), |n| n.min(self.input.len()));
        let content = self.input.split_to(length).freeze();
        chunk.remaining -= length as u64;
        if chunk.skipped.is_some() { None } else { self.take_content(content) }
    }

    fn take_content(&mut self, content: Bytes) -> Option<Action> {
        let most_read = self.most_read();
        let receiving = self.receiving.as_mut()?;
        receiving.rules.check(&content);
        if receiving.rules.size() > most_read {
            self.close_with(&reply::TOO_MUCH_DATA);
            return self.forget_message();
        }
        match receiving.rules.damaged() {
            None if content.is_empty() => None,
            None => Some(Action::Content(content)),
            Some(_) => (!std::mem::replace(&mut receiving.abandoned, true)).then_some(Action::Abandon),
        }
    }

    /// Octets that are read of one message or chunk, refused or not, before the session ends:
    /// a client learns why its message is refused, and nobody makes us read for ever.
    fn most_read(&self) -> u64 {
        let limit = self.settings.limits.message_size;
        limit.saturating_add(limit.max(1 << 20))
    }

    fn end_of_chunk(&mut self) -> Option<Action> {
        let Phase::Chunk(chunk) = std::mem::replace(&mut self.phase, Phase::Command) else { return None };
        if let Some(error) = chunk.skipped {
            self.tell(&error);
            return None;
        }
        let damaged = self.receiving.as_ref().is_some_and(|receiving| receiving.rules.damaged().is_some());
        if chunk.last || damaged {
            return self.end_of_content();
        }
        self.reply(&Reply::with_text(250, "2.0.0", format!("{} octets received", chunk.size)));
        None
    }

    fn end_of_content(&mut self) -> Option<Action> {
        self.phase = Phase::Command;
        let receiving = self.receiving.as_mut()?;
        receiving.rules.finish();
        match receiving.rules.damaged() {
            None => Some(self.ask(Question::End, Action::EndMessage)),
            Some(refusal) => {
                self.refuse(refusal, None);
                self.forget_message()
            }
        }
    }
}
