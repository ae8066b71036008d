//! Numbers that are asked for with every message and hardly ever cost a round trip.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mssante::BalId;
use sqlx::PgPool;

use crate::{FolderId, MessageId, Store, StoreError};

/// Numbers that one `nextval` gives; the sequence's increment.
const BLOCK: i64 = 1_000;

/// What is left of the block of message numbers that this process drew.
#[derive(Debug, Default)]
pub(crate) struct NumberBlock {
    range: tokio::sync::Mutex<std::ops::Range<i64>>,
}

impl NumberBlock {
    async fn next(&self, pool: &PgPool) -> Result<MessageId, StoreError> {
        let mut range = self.range.lock().await;
        if range.is_empty() {
            let first: i64 = sqlx::query_scalar("SELECT nextval('message_number')").fetch_one(pool).await?;
            *range = first..first + BLOCK;
        }
        let number = range.start;
        range.start += 1;
        Ok(MessageId(number))
    }
}

/// INBOX of each BAL that mail came for: it can be neither deleted nor renamed, so its number never changes.
#[derive(Debug, Default)]
pub(crate) struct Inboxes(Mutex<HashMap<BalId, FolderId>>);

impl Inboxes {
    /// The numbers that are known, in the order of `bals`.
    fn known(&self, bals: &[BalId]) -> Option<Vec<FolderId>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bals.iter().map(|bal| known.get(bal).copied()).collect()
    }

    fn learn(&self, rows: impl IntoIterator<Item = (i64, i64)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(rows.into_iter().map(|(bal, folder)| (BalId(bal), FolderId(folder))));
    }
}

impl Store {
    pub(crate) async fn next_message_id(&self) -> Result<MessageId, StoreError> {
        self.number_block().next(self.pool()).await
    }

    /// The INBOX of each BAL, in the order of `bals`.
    pub(crate) async fn inboxes(&self, bals: &[BalId]) -> Result<Vec<FolderId>, StoreError> {
        if let Some(known) = self.inbox_cache().known(bals) {
            return Ok(known);
        }
        let rows: Vec<(i64, i64)> =
            sqlx::query_as("SELECT bal_id, id FROM folder WHERE bal_id = ANY ($1) AND name = 'INBOX'")
                .bind(bals.iter().map(|bal| bal.0).collect::<Vec<_>>())
                .fetch_all(self.pool())
                .await?;
        let missing = bals.iter().find(|bal| rows.iter().all(|row| row.0 != bal.0));
        if let Some(bal) = missing {
            return Err(StoreError::NoSuchBal(bal.to_string()));
        }
        self.inbox_cache().learn(rows);
        self.inbox_cache().known(bals).ok_or_else(|| StoreError::inconsistent("folder", "a BAL without INBOX"))
    }
}
