//! The directory and the resolver: what the server knows of an address, answered from memory.
//!
//! The resolver holds the local BALs; which peer domains exist is asked of the trust list,
//! which is handed in, so that this crate knows neither files nor certificates.

mod resolver;

pub use resolver::{LocalBal, Resolver, Route};
