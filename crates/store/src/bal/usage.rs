//! How much BALs hold, and what they may hold.

use mssante::{BalId, QuotaChoice, Size};
use serde::Serialize;
use serde_json::json;

use super::BalRecord;
use crate::trace::Event;
use crate::{Store, StoreError};

/// What is in all folders of a BAL. A copy counts in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// How many messages.
    pub messages: u64,
    /// How many octets, as received.
    pub octets: u64,
}

/// Column `quota`: NULL is what the kind may hold, 0 is no limit.
pub(super) fn column(choice: QuotaChoice) -> Option<i64> {
    match choice {
        QuotaChoice::Default => None,
        QuotaChoice::Unlimited => Some(0),
        QuotaChoice::Limit(Size(octets)) => Some(i64::try_from(octets).unwrap_or(i64::MAX)),
    }
}

pub(crate) fn choice(column: Option<i64>) -> QuotaChoice {
    match column {
        None => QuotaChoice::Default,
        Some(octets) if octets <= 0 => QuotaChoice::Unlimited,
        Some(octets) => QuotaChoice::Limit(Size(octets.unsigned_abs())),
    }
}

impl Store {
    /// How much is in a BAL.
    pub async fn usage(&self, bal: BalId) -> Result<Usage, StoreError> {
        let (messages, octets): (i64, i64) = sqlx::query_as(
            "SELECT coalesce(sum(messages), 0)::bigint, coalesce(sum(octets), 0)::bigint FROM folder WHERE bal_id = $1",
        )
        .bind(bal.0)
        .fetch_one(self.pool())
        .await?;
        Ok(Usage { messages: messages.max(0).unsigned_abs(), octets: octets.max(0).unsigned_abs() })
    }

    /// Says what a BAL may hold.
    pub async fn set_quota(&self, id: BalId, choice: QuotaChoice) -> Result<BalRecord, StoreError> {
        self.set_seen_quota(id, choice, None).await
    }

    /// The same, if it still is at the revision at which it was seen.
    pub async fn set_seen_quota(
        &self,
        id: BalId,
        choice: QuotaChoice,
        revision: Option<i64>,
    ) -> Result<BalRecord, StoreError> {
        let change = sqlx::query_as(
            "UPDATE bal SET quota = $2 WHERE id = $1 AND ($3::bigint IS NULL OR revision = $3) RETURNING *",
        )
        .bind(id.0)
        .bind(column(choice))
        .bind(revision);
        self.change(id, change, Event::BalQuota, json!({ "quota": choice })).await
    }
}
