//! `IHE_XDM.ZIP`: what can be said of the archive of a letter without telling what is in it.
//!
//! Pure, and bounded in memory and work by the limits of its modules; the octets of the archive are all that is held.

mod archive;
mod attachment;
mod cda;
mod letter;
mod metadata;
mod verdict;
mod xml;
mod zip;

pub use archive::look_inside;
pub use attachment::{AttachmentDecoder, xdm_archives};
pub use letter::{XdmLetter, judge_without_archive};
pub use verdict::{Severity, VerdictRow, XdmVerdict, XdmVerdicts, verdict_table};
