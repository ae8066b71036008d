//! The vocabulary of the trust space and its rules: addresses, BAL kinds, national
//! identifiers, who may write to whom.
//!
//! This crate is pure. It does no I/O, knows no async, and reads no clock but the one
//! that it is handed. Everything here is a value that exists only when it is true.

mod address;
mod ambient;
mod authors;
mod bal;
mod creation;
mod forwarding;
mod hex;
mod identifiers;
mod life;
mod opening;
mod patients;
mod person;
mod quota;
mod refusal;
mod rights;
mod rules;
mod sending;

pub use address::{Address, AddressError, Domain, LocalPart, ReversePath};
pub use ambient::{Clock, Random};
pub use authors::{Claim, Writer, is_service, judge_authors, whose};
pub use bal::{BalId, BalKind, BalState, Listing, Replies, UnknownWord};
pub use creation::{Attribute, AttributeError, AttributeRow, Presence, attribute_table, may_change, may_create};
pub use forwarding::{ForwardCopy, ForwardForbidden, ForwardRow, forward_table, may_forward};
pub use hex::hex;
pub use identifiers::{
    Adeli, AssignedIns, Finess, IdentifierError, Ins, InsOid, KeyCheck, KeyPolicy, OtherPerson, OtherStructure,
    PersonId, Rpps, Siren, Siret, StructureId, luhn,
};
pub use life::{
    MoveError, MoveRow, Mover, Shown, StateRow, may_move, may_read, may_receive, may_send, move_table, state_table,
};
pub use opening::{Credential, OpeningRow, may_log_in_with, opening_table};
pub use patients::{
    Answering, Answers, Conversation, ConversationStep, Judged, PatientMail, PatientPolicy, french_for_patient_status,
    may_patient_write, may_redirect_answers, may_take_prescriptions,
};
pub use person::{Login, LoginError, PersonState};
pub use quota::{QuotaChoice, Quotas, Size, SizeError};
pub use refusal::{Permanence, Refusal, RefusalRow, french_for_status, refusal_table};
pub use rights::{
    DelegateKind, DelegationForbidden, DelegationRow, Giver, Right, Rights, delegation_table, may_delegate,
};
pub use rules::{Rule, Verdict, rule_table};
pub use sending::{Enforcement, SendingRules, judge_replies, judge_reply_to};
