//! What the tests of this crate share.

use std::sync::atomic::{AtomicU8, Ordering};

use mssante::{Address, BalId, BalKind, BalState, Clock, Random};
use store::BalRecord;
use time::OffsetDateTime;

pub(crate) const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        START
    }
}

/// Fills with 0, 0, 0…, then 1, 1, 1…
#[derive(Default)]
pub(crate) struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

pub(crate) fn bal(address: &str, kind: BalKind, state: BalState) -> BalRecord {
    BalRecord {
        id: BalId(1),
        address: Address::parse(address).unwrap(),
        kind,
        state,
        state_reason: None,
        display_name: None,
        holder: None,
        structure: None,
        responsible: None,
        certificate_dn: None,
        listing: mssante::Listing::Listed,
        service: None,
        description: None,
        patient_mail: mssante::PatientMail::Answers,
        has_password: false,
        revision: 1,
        created_at: START,
    }
}
