//! What tests and the demo need: a private PKI shaped like IGC-Santé, signed white lists, clocks,
//! databases, small mail clients, extractions of the directory and messages as hospitals send them.

pub mod audit;
pub mod client;
pub mod clock;
pub mod extraction;
pub mod fhir;
pub mod http;
pub mod letter;
pub mod list;
pub mod pki;
#[cfg(feature = "database")]
pub mod postgres;
pub mod revocation;
