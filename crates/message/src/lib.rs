//! A mail message: scanned once as it streams in, summarised, and given its trace fields.

mod address_list;
mod claims;
mod codec;
mod date;
mod decode;
mod envelope;
mod facts;
mod fields;
mod header;
mod letter;
mod lexer;
mod mime;
mod mss;
mod numbering;
mod printable;
mod report;
mod scanner;
mod summary;
mod trace;
mod xdm;

pub use claims::{Authors, Thread, identifiers};
pub use codec::SummaryError;
pub use decode::{decode_words, decoded_text};
pub use facts::MessageFacts;
pub use header::{HeaderBlock, HeaderError, ReplyTo};
pub use letter::{ServiceLetter, service_letter};
pub use mss::{InsFlag, MssHeaders};
pub use report::{FailedRecipient, FailureReport, failure_report};
pub use scanner::Scanner;
pub use summary::{Content, Disposition, Envelope, EnvelopeAddress, Part, Span, Summary};
pub use trace::{ReceivedFrom, TlsFacts, TraceFields};
pub use xdm::{
    AttachmentDecoder, Severity, VerdictRow, XdmLetter, XdmVerdict, XdmVerdicts, judge_without_archive, look_inside,
    verdict_table, xdm_archives,
};
