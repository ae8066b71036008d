//! Opening a hop as the relay would, to see whether mail could be handed over; nothing is sent.

use mssante::Domain;

use crate::Hops;
use crate::health::HostHealth;
use crate::hop::Extent;
use crate::journal::{Journal, Step};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// `Ok` if mail could be handed over now, otherwise the stable word for the most telling reason.
    pub outcome: Result<(), &'static str>,
}

impl Hops {
    /// Tries every candidate of a domain up to the point where an envelope would be shown, and says what happened.
    pub async fn probe(&self, domain: &Domain) -> Probe {
        let mut journal = Journal::kept(self.clock.clone());
        let outcome = match self.open(domain, Extent::All, &HostHealth::default(), &mut journal).await {
            Ok(open) => {
                open.client.quit().await;
                Ok(())
            }
            Err(no) => Err(no.trouble.reason),
        };
        Probe { steps: journal.into_steps(), outcome }
    }
}
