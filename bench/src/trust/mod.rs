//! The trust space alone, without a server: what its list and its checks of certificates cost.

mod corpus;
mod handshake;
mod list;
mod pair;
mod resumption;

use crate::micro::Micro;

const fn case(name: &'static str, run: fn(&'static str) -> anyhow::Result<Vec<crate::figure::Figure>>) -> Micro {
    Micro { part: "trust", name, run }
}

/// What is measured.
pub(crate) const CASES: [Micro; 4] = [
    case("trust-list-read", list::read),
    case("trust-lookup", list::look_up),
    case("hop-handshake", handshake::measure),
    case("hop-resumption", resumption::measure),
];
