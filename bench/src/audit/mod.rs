//! The audit trail alone, over a private PostgreSQL as it is deployed: what entering costs acceptance, how fast the chain
//! is entered and verified, and what indicators take.

#![allow(clippy::cast_precision_loss, reason = "counts of lines and messages are far below 2^52")]

mod acceptance;
mod ground;
mod months;
mod verify;

use crate::micro::Micro;

const fn case(name: &'static str, run: fn(&'static str) -> anyhow::Result<Vec<crate::figure::Figure>>) -> Micro {
    Micro { part: "audit", name, run }
}

/// What is measured.
pub(crate) const CASES: [Micro; 3] = [
    case("audit-acceptance", acceptance::measure),
    case("audit-verify", verify::measure),
    case("audit-indicators", months::measure),
];
