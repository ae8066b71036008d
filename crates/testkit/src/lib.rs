//! What tests and the demo need: a private PKI shaped like IGC-Santé, signed white lists, clocks.

pub mod clock;
pub mod list;
pub mod pki;
