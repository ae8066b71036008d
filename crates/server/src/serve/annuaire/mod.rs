//! The life of the directory in a running server: from its sources into force and into the database, shared by the nodes
//! of a database.
//!
//! Who imports builds the directory and writes its image; everybody else loads the image. [`Keeper`] does one thing at a
//! time and is what the commands use, too; [`Follower`] does it again and again.

mod download;
mod fhir;
mod follow;
mod import;
mod keeper;
mod local;
mod merge;
mod outcome;
mod report;
mod source;
mod view;
mod visit;
mod weigh;

pub(crate) use fhir::{Synchronised, asked_again};
pub(crate) use follow::Follower;
pub(crate) use import::{Step, Watcher};
pub(crate) use keeper::{InForce, Keeper, as_of};
pub(crate) use outcome::{Acknowledgement, Done, Outcome, Reason};
pub(crate) use report::{Part, Report};
pub(crate) use source::{Asked, Feed, Handed, Mode};
pub(crate) use view::{Standing, reason_word, standing};
pub(super) use view::{View, begin_counting, tell};
pub(crate) use visit::visit;
