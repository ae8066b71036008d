//! The national directory's FHIR R4 interface: what is asked, what the answers mean, at which pace.
//! No I/O: a [`Sync`] says what to ask and is told what came. `[MSS1 ANN.FHIR]`
//!
//! Facts are those of the ANS's documentation of version 2 and of its draft guide for MSSanté boxes; where these
//! disagree, both are read.

mod base;
mod delta;
mod mailbox;
mod mapping;
mod outcome;
mod pace;
mod resource;
mod sync;
mod systems;

pub use base::{Base, BaseError};
pub use delta::{Carrier, Delta};
pub use pace::Pace;
pub use sync::{Answer, Ask, Found, Heard, Scope, Step, Sync, SyncFault, SyncReport, SyncRules, TurnedAway};

pub(crate) use base::encoded;
pub(crate) use outcome::{explained, shortened};
pub(crate) use resource::{
    Bundle, BundleEntry, CodeableConcept, Coding, ContactPoint, Extension, Parameter, Parameters, Resource, Value,
};
pub(crate) use systems::{MAILBOX_EXTENSION, MESSAGING_EXTENSION, MESSAGING_KIND, MESSAGING_KINDS};
