//! `IHE_XDM.ZIP`: what can be said of the archive of a letter without telling what is in it.

mod verdict;

pub use verdict::{Severity, VerdictRow, XdmVerdict, XdmVerdicts, verdict_table};
