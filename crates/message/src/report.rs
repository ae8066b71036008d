//! Delivery status notifications. `[RFC3464]`, `[RFC6522]`

use mssante::Address;
use time::OffsetDateTime;

/// One recipient that the message could not be handed to.
#[derive(Debug, Clone)]
pub struct FailedRecipient {
    /// Whom it was for.
    pub recipient: Address,
    /// ORCPT as the sender gave it. `[RFC3461 4.2]`
    pub original_recipient: Option<String>,
    /// Enhanced status code, e.g. `5.1.1`.
    pub status: String,
    /// What the other side said, or what happened, in English.
    pub diagnostic: String,
    /// What a person is told, in French.
    pub french: String,
    /// The other side's name, if we reached it.
    pub remote_mta: Option<String>,
}

/// A message that some recipients will not get.
#[derive(Debug, Clone)]
pub struct FailureReport {
    /// Our host name (Reporting-MTA, and the domain of the postmaster who writes).
    pub reporting_mta: String,
    /// To whom the report goes.
    pub to: Address,
    /// ENVID of the original transaction. `[RFC3461 4.4]`
    pub envelope_id: Option<String>,
    /// When the original was accepted.
    pub arrived_at: OffsetDateTime,
    /// When the report is written.
    pub now: OffsetDateTime,
    /// Identifier for the report's own Message-ID, unique.
    pub id: String,
    /// Who did not get it.
    pub recipients: Vec<FailedRecipient>,
    /// Header block of the original, returned with the report.
    pub original_header: Vec<u8>,
}

/// The report as a message, French first, English below. `[RFC3464 2]`
pub fn failure_report(report: &FailureReport) -> Vec<u8> {
    todo!()
}
