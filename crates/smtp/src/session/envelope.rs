//! The envelope of the message in progress.

use mssante::{Address, BalId, ReversePath};
use store::DsnParameters;

use crate::command::MailCommand;
use crate::parameter::MailParameters;

/// Where an accepted recipient's copy goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Into BALs of ours: that of the address, those that it is handed on to, or both.
    Local(Vec<BalId>),
    /// To another operator.
    Peer,
}

/// An accepted recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// To whom.
    pub address: Address,
    /// What the sender wants to be told.
    pub dsn: DsnParameters,
    /// Where it goes.
    pub destination: Destination,
}

/// A message's sender and recipients. `[RFC5321 2.3.1]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// From whom.
    pub reverse_path: ReversePath,
    /// What the client says of the message.
    pub parameters: MailParameters,
    /// To whom; all accepted.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    pub(crate) fn new(mail: MailCommand) -> Self {
        Self { reverse_path: mail.reverse_path, parameters: mail.parameters, recipients: Vec::new() }
    }

    /// Adds a recipient; who is named twice gets one copy.
    pub(crate) fn add(&mut self, recipient: Recipient) {
        if self.recipients.iter().all(|known| known.address != recipient.address) {
            self.recipients.push(recipient);
        }
    }
}
