//! Whether BALs have room for more, remembered for a while: a quota must not cost every message a query.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mssante::{BalId, Quotas, Size, Verdict};
use time::{Duration, OffsetDateTime};
use tokio::sync::mpsc;

use crate::bal::{choice, parsed};
use crate::{BalChange, BalNews, Store, StoreError};

/// How long a BAL is believed to hold what was counted: longer the more room there is. What this process adds is added,
/// what others add is not: near the limit it is looked at again before every few messages.
const FAR: Duration = Duration::HOUR;
const MIDWAY: Duration = Duration::minutes(5);
const NEAR: Duration = Duration::seconds(2);
/// BALs that are remembered; then all are forgotten.
const MOST: usize = 100_000;

/// What is known of a BAL.
#[derive(Debug, Clone, Copy)]
struct Known {
    limit: Option<Size>,
    octets: u64,
    until: OffsetDateTime,
    /// It was told on already.
    told: bool,
}

impl Known {
    fn new(limit: Option<Size>, octets: u64, now: OffsetDateTime) -> Self {
        let lasts = match limit {
            None => FAR,
            Some(limit) if octets < limit.0 / 2 => FAR,
            Some(limit) if octets < limit.0 / 10 * 8 => MIDWAY,
            Some(_) => NEAR,
        };
        Self { limit, octets, until: now + lasts, told: false }
    }
}

/// Quotas, and what BALs hold of them; shared by the sessions of a process.
#[derive(Debug)]
pub struct Rooms {
    store: Store,
    quotas: Quotas,
    known: Mutex<HashMap<BalId, Known>>,
    changes: Mutex<BalNews>,
    nearly_full: mpsc::UnboundedSender<BalId>,
}

impl Rooms {
    /// Both ends: the other one hears of BALs that are nearly full, each once in a while.
    pub fn new(store: Store, quotas: Quotas) -> (Self, mpsc::UnboundedReceiver<BalId>) {
        let (nearly_full, told) = mpsc::unbounded_channel();
        let changes = Mutex::new(store.bal_news());
        (Self { store, quotas, known: Mutex::default(), changes, nearly_full }, told)
    }

    /// Whether each of these BALs has room for `more` octets. `[MSS1 BAL.QUOTA]`
    pub async fn judge(&self, bals: &[BalId], more: u64) -> Result<Verdict, StoreError> {
        let now = self.store.clock().now();
        let unknown = self.unknown(bals, now);
        if !unknown.is_empty() {
            self.learn(&unknown, now).await?;
        }
        let known = self.lock();
        let full = bals.iter().filter_map(|bal| known.get(bal)).filter_map(|known| Some((known.limit?, known.octets)));
        Ok(full.map(|(limit, octets)| limit.has_room(octets, more)).find(Result::is_err).unwrap_or(Ok(())))
    }

    /// These BALs have taken `more` octets each.
    pub fn taken(&self, bals: &[BalId], more: u64) {
        let mut known = self.lock();
        for bal in bals {
            let Some(known) = known.get_mut(bal) else { continue };
            known.octets = known.octets.saturating_add(more);
            if known.limit.is_some_and(|limit| known.octets >= limit.warned_from()) && !known.told {
                known.told = true;
                // Nobody listens in commands.
                let _ = self.nearly_full.send(*bal);
            }
        }
    }

    /// Those of which nothing is known that still counts. Whoever changes a BAL may have changed its quota.
    fn unknown(&self, bals: &[BalId], now: OffsetDateTime) -> Vec<BalId> {
        let changed = self.changes.lock().unwrap_or_else(PoisonError::into_inner).latest();
        let mut known = self.lock();
        match changed {
            BalChange::Of(changed) => known.retain(|bal, _| !changed.contains(bal)),
            BalChange::Any => known.clear(),
        }
        if known.len() > MOST {
            known.clear();
        }
        bals.iter().filter(|bal| known.get(bal).is_none_or(|known| known.until <= now)).copied().collect()
    }

    async fn learn(&self, bals: &[BalId], now: OffsetDateTime) -> Result<(), StoreError> {
        let rows: Vec<(i64, String, Option<i64>, i64)> = sqlx::query_as(
            "SELECT b.id, b.kind, b.quota,
                    (SELECT coalesce(sum(f.octets), 0)::bigint FROM folder f WHERE f.bal_id = b.id)
             FROM bal b WHERE b.id = ANY ($1)",
        )
        .bind(bals.iter().map(|bal| bal.0).collect::<Vec<_>>())
        .fetch_all(self.store.pool())
        .await?;
        let mut fresh = Vec::with_capacity(rows.len());
        for (id, kind, quota, octets) in rows {
            let limit = self.quotas.limit(parsed(&kind)?, choice(quota));
            fresh.push((BalId(id), Known::new(limit, octets.max(0).unsigned_abs(), now)));
        }
        let mut known = self.lock();
        for (bal, mut fresh) in fresh {
            fresh.told = known.get(&bal).is_some_and(|old| old.told)
                && fresh.limit.is_some_and(|l| fresh.octets >= l.calm_below());
            known.insert(bal, fresh);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BalId, Known>> {
        // The map is whole at every moment, so a panic elsewhere does not spoil it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
