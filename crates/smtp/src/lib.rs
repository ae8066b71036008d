//! SMTP: the receiving session as a state machine without I/O, the connection around it, and
//! the sending client.

pub mod client;
mod command;
mod connection;
mod data;
mod header;
mod incoming;
mod line;
mod parameter;
mod path;
mod patience;
mod patients;
mod policy;
mod rate;
mod refused;
mod reply;
mod service;
pub mod session;
mod xdm;

pub use command::{MailCommand, RcptCommand};
pub use header::{Additions, Author, Collected, HeaderCollector, judge_header};
pub use parameter::MailParameters;
pub use path::ForwardPath;
pub use rate::Rates;
pub use refused::Refusals;
pub use service::{Limits, Role, Service, TlsStart};
pub use xdm::{XdmDesk, XdmPolicy, XdmRule};
