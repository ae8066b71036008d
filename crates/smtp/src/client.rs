//! The sending client: greets, starts TLS, hands a message over.
