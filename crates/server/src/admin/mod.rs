//! What administrators do, written once: the command line (`cli/bal…`) and the HTTP API read a request, call a function
//! from here, and print what it returns. Neither holds a rule of its own.
//!
//! Where a new function goes: a file per subject (`bal.rs` for a BAL itself, `audit.rs` for the trail and what is counted from it, `ways.rs` for aliases and forwards, `bulk` for lists of many BALs), as a
//! method of [`Administration`]; what is asked as a type in `request.rs`, which denies fields that it does not know; why it
//! is refused as a variant of [`AdminError`], where its [`kind`](AdminError::kind) gives exit code and HTTP status. A request is checked as
//! far as it can be without the database by a method of its own (`check`), so that commands can refuse before they open
//! one. Changes name only what they change, and states are left only from where the administrator saw them.

mod audit;
mod bal;
mod bulk;
mod delegation;
mod error;
mod indicators;
mod person;
mod reason;
mod request;
mod ways;

use mssante::{Domain, KeyPolicy, Quotas};
use store::Store;

use crate::config::Settings;

pub(crate) use audit::{AskTraces, VerifiedTrail, message_number, verified};
pub(crate) use bal::{LARGEST_PAGE, Occupancy};
pub(crate) use bulk::{
    Column, Done, Invalid, KeepPasswords, LARGEST_FILE, Outcome, Plan, Sink, guarded, meant, record,
};
pub(crate) use delegation::{Begin, End, EndDelegation, GiveDelegation};
pub(crate) use error::{AdminError, Field, Kind};
pub(crate) use indicators::{INDICATOR_COLUMNS, indicator_row, indicators, month};
pub(crate) use person::{CreatePerson, MovePerson};
pub(crate) use request::{ChangeBal, CreateBal, MoveBal, Password, SetForward, Warning};
pub(crate) use ways::{AliasEntry, ForwardEntry};

/// What the configuration says about BALs.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// `operator.domains`.
    pub(crate) domains: Vec<Domain>,
    /// `annuaire.unconfirmed_keys`.
    pub(crate) unconfirmed_keys: KeyPolicy,
    /// `quota`.
    pub(crate) quotas: Quotas,
}

impl Rules {
    /// Those of this configuration.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            domains: settings.operator.domains.clone(),
            unconfirmed_keys: settings.annuaire.unconfirmed_keys,
            quotas: settings.quota.quotas(),
        }
    }
}

/// The functions of administrators, for one of them.
#[derive(Debug, Clone)]
pub(crate) struct Administration {
    store: Store,
    rules: Rules,
}

impl Administration {
    /// For whom the handle on the store acts (`Store::acting_as`): the audit trail names him.
    pub(crate) fn new(store: Store, rules: Rules) -> Self {
        Self { store, rules }
    }
}
