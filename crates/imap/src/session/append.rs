//! APPEND: the message goes into the store as it arrives. `[RFC3501 6.3.11]`

use message::Scanner;
use mssante::Right;
use store::{Folder, SealedMessage, SpecialUse, Store, Trace};

use super::Session;
use super::change::{room, target, target_gone};
use super::state::Account;
use crate::codec::{self, AppendHead, fields};
use crate::framer::{Bounds, Literal};
use crate::reply::{Done, Failure, no_permission};
use crate::wire::Wire;

impl Session {
    /// Carries out an APPEND whose message is still to come; its tag and how it ended.
    pub(super) async fn append(&mut self, head: &[u8], literal: Literal) -> (String, Result<Done, Failure>) {
        let Some(head) = codec::decode_append(head) else {
            // the framer has decoded it already
            return (String::new(), Err(Failure::Bye("Bad command")));
        };
        let result = self.append_message(&head, literal).await;
        (head.tag, result)
    }

    async fn append_message(&mut self, head: &AppendHead, literal: Literal) -> Result<Done, Failure> {
        let folder = match self.may_append(head, literal).await {
            Ok(folder) => folder,
            Err(failure) => return Err(self.refuse_message(failure, literal).await?),
        };
        if literal.synchronising {
            self.say("+ Ready");
            self.wire.flush().await?;
        }
        let store = &self.service.store;
        let bal = self.state.account()?.bal();
        let taken = take(store, &mut self.wire, literal.length).await?;
        self.end_of_command().await?;
        let filed = self.still_may_file(&folder).await?;
        let flags = fields::flags(&head.flags).map_err(super::limit)?;
        let date = head.date.as_ref().and_then(fields::moment);
        let appended = self.service.store.append(folder.id, taken?, flags, date, filed).await.map_err(target_gone)?;
        self.service.rooms.taken(&[bal], literal.length);
        let code = format!("APPENDUID {} {}", appended.uid_validity, appended.uid);
        Ok(Done::coded(&code, "APPEND completed"))
    }

    /// A message may take longer to come in than the right lasts by which it was let in: it is asked for again. What the
    /// audit trail is told, if a delegate files the message.
    async fn still_may_file(&mut self, folder: &Folder) -> Result<Option<Trace>, Failure> {
        let holds = match self.state.standing() {
            Some(standing) => standing.holds(&self.service.authenticator).await,
            None => false,
        };
        let account = self.state.account()?;
        if !holds || !may_file(account, folder) {
            return Err(no_permission());
        }
        Ok(account.filing(&self.service.store, "append", 1, folder))
    }

    /// Whether the message is wanted, before any of it is taken.
    async fn may_append(&self, head: &AppendHead, literal: Literal) -> Result<Folder, Failure> {
        let account = self.state.account()?;
        if literal.length > self.service.limits.message_size {
            return Err(Failure::No("[TOOBIG] The message is too big".into()));
        }
        if literal.length == 0 {
            return Err(Failure::No("[CANNOT] The message is empty".into()));
        }
        fields::flags(&head.flags).map_err(super::limit)?;
        let folder = target(&self.service.store, account, &head.mailbox).await?;
        if !may_file(account, &folder) {
            return Err(no_permission());
        }
        room(&self.service.rooms, account.bal(), literal.length).await?;
        Ok(folder)
    }

    /// Reads away what a client sends without waiting for leave; how the command ends.
    async fn refuse_message(&mut self, failure: Failure, literal: Literal) -> Result<Failure, Failure> {
        if literal.synchronising {
            return Ok(failure);
        }
        if !self.state.is_logged_in() || literal.length > 4 * self.service.limits.message_size {
            return Err(Failure::Bye("[TOOBIG] The message is too big"));
        }
        skip(&mut self.wire, literal.length).await?;
        self.end_of_command().await?;
        Ok(failure)
    }

    /// After the message only the end of the line may come.
    async fn end_of_command(&mut self) -> Result<(), Failure> {
        let rest = self.wire.line(Bounds::AFTER_LOGIN).await?;
        if rest.is_empty() { Ok(()) } else { Err(Failure::Bad("APPEND takes one message")) }
    }
}

/// Who may send, but not write, keeps what he has sent and what he is about to send: in Sent and Drafts only.
fn may_file(account: &Account, folder: &Folder) -> bool {
    let rights = account.rights();
    let of_sending = matches!(folder.special_use, Some(SpecialUse::Sent | SpecialUse::Drafts));
    rights.has(Right::Write) || (rights.may_send() && of_sending)
}

/// Takes `length` octets into the store. The outer error is the connection's; after an inner
/// one, which is the store's, the octets were read all the same.
async fn take(store: &Store, wire: &mut Wire, length: u64) -> Result<Result<SealedMessage, Failure>, Failure> {
    let mut intake = match store.begin_intake().await {
        Ok(intake) => intake,
        Err(error) => {
            skip(wire, length).await?;
            return Ok(Err(error.into()));
        }
    };
    let mut scanner = Scanner::new();
    let mut left = length;
    while left > 0 {
        let piece = wire.message(left).await?;
        left -= piece.len() as u64;
        scanner.push(&piece);
        if let Err(error) = intake.write(&piece).await {
            skip(wire, left).await?;
            return Ok(Err(error.into()));
        }
    }
    Ok(intake.finish(scanner.finish()).await.map_err(Failure::from))
}

async fn skip(wire: &mut Wire, mut length: u64) -> Result<(), Failure> {
    while length > 0 {
        length -= wire.message(length).await?.len() as u64;
    }
    Ok(())
}
