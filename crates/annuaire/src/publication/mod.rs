//! What the national directory is to be told of our BALs: what follows from a BAL and from what is known to be
//! published, and how it is said. No I/O. `[MSS1 ANN.PUBLISH]`
//!
//! The service that operators will use is a draft (ANS, July 2026): where its documents disagree, [`PatchStyle`]
//! has the choice.

mod delivery;
mod file;
mod patch;
mod plan;

pub use delivery::{Call, Delivery, Method, Outcome};
pub use file::line;
pub use patch::{PatchStyle, TypeForm};
pub use plan::{Card, Facts, Known, Operation, Owner, Plan, Task, plan};
