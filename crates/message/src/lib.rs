//! A mail message: scanned once as it streams in, summarised, and given its trace fields.

mod address_list;
mod codec;
mod date;
mod decode;
mod envelope;
mod fields;
mod header;
mod lexer;
mod mime;
mod numbering;
mod printable;
mod report;
mod scanner;
mod summary;
mod trace;

pub use codec::SummaryError;
pub use decode::{decode_words, decoded_text};
pub use header::{HeaderBlock, HeaderError};
pub use report::{FailedRecipient, FailureReport, failure_report};
pub use scanner::Scanner;
pub use summary::{Content, Disposition, Envelope, EnvelopeAddress, Part, Span, Summary};
pub use trace::{ReceivedFrom, TlsFacts, TraceFields};
