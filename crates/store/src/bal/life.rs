//! The states of BALs and the moves between them.

use mssante::{BalId, BalState, Mover, may_move};
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{BalRecord, BalRow, Seen, missing, parsed};
use crate::trace::{Actor, Event, Trace};
use crate::{Store, StoreError, publication};

/// Log-ins are written down this coarsely: a client that logs in every minute costs one write in an hour.
const LOGIN_PRECISION: Duration = Duration::HOUR;

impl Store {
    /// Moves a BAL through its life, by an administrator, with a reason for the audit trail.
    pub async fn set_bal_state(&self, id: BalId, state: BalState, reason: &str) -> Result<BalRecord, StoreError> {
        self.move_bal(id, state, reason, Seen::NOTHING).await
    }

    /// The same, if it still is as it was seen.
    pub async fn move_bal(
        &self,
        id: BalId,
        state: BalState,
        reason: &str,
        seen: Seen,
    ) -> Result<BalRecord, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        let (from, revision) = lock_state(&mut transaction, id).await?;
        if seen.revision.is_some_and(|seen| seen != revision) || seen.state.is_some_and(|seen| seen != from) {
            return Err(missing(id, &mut transaction).await?);
        }
        may_move(from, state, Mover::Administrator)?;
        let row = enter(&mut transaction, id, state, reason, now).await?;
        let detail = detail(from, state, Mover::Administrator, reason);
        self.trace(Event::BalState).of_bal(id).with(detail).insert(&mut transaction).await?;
        publication::queue(&mut transaction, id, now).await?;
        self.notices().announce_bal(id, &mut transaction).await?;
        transaction.commit().await?;
        self.notices().bal_changed(id);
        row.try_into()
    }

    /// Somebody has logged in to this BAL, as read for the log-in: its own credential, a delegate, or a certificate. Makes a
    /// created BAL active and takes a warning about inactivity back; otherwise writes at most once an hour.
    pub async fn note_login(&self, bal: &BalRecord, actor: Actor, now: OffsetDateTime) -> Result<(), StoreError> {
        let known = bal.last_login_at.is_some_and(|last| now - last < LOGIN_PRECISION);
        if known && bal.state != BalState::Created && bal.inactivity_warned_at.is_none() {
            return Ok(());
        }
        if bal.state == BalState::Created {
            return self.first_login(bal.id, actor, now).await;
        }
        // Of two log-ins at once one writes.
        sqlx::query(
            "UPDATE bal SET last_login_at = greatest(last_login_at, $2), inactivity_warned_at = NULL
             WHERE id = $1 AND (last_login_at IS NULL OR last_login_at <= $3 OR inactivity_warned_at IS NOT NULL)",
        )
        .bind(bal.id.0)
        .bind(now)
        .bind(now - LOGIN_PRECISION)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    async fn first_login(&self, id: BalId, actor: Actor, now: OffsetDateTime) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        let (from, _) = lock_state(&mut transaction, id).await?;
        sqlx::query("UPDATE bal SET last_login_at = $2, inactivity_warned_at = NULL WHERE id = $1")
            .bind(id.0)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        let first = may_move(from, BalState::Active, Mover::FirstLogIn).is_ok();
        if first {
            let reason = Mover::FirstLogIn.word();
            enter(&mut transaction, id, BalState::Active, reason, now).await?;
            let detail = detail(from, BalState::Active, Mover::FirstLogIn, reason);
            Trace::new(now, Event::BalState).by(actor).of_bal(id).with(detail).insert(&mut transaction).await?;
            self.notices().announce_bal(id, &mut transaction).await?;
        }
        transaction.commit().await?;
        if first {
            self.notices().bal_changed(id);
        }
        Ok(())
    }
}

/// The state and the revision of a BAL that nobody else changes before the transaction ends.
async fn lock_state(connection: &mut PgConnection, id: BalId) -> Result<(BalState, i64), StoreError> {
    let row: Option<(String, i64)> = sqlx::query_as("SELECT state, revision FROM bal WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    let (word, revision) = row.ok_or_else(|| StoreError::NoSuchBal(id.to_string()))?;
    Ok((parsed(&word)?, revision))
}

/// Puts a BAL that is locked into a state. Nobody was warned of what is past.
pub(super) async fn enter(
    connection: &mut PgConnection,
    id: BalId,
    state: BalState,
    reason: &str,
    now: OffsetDateTime,
) -> Result<BalRow, StoreError> {
    Ok(sqlx::query_as(
        "UPDATE bal SET state = $2, state_reason = $3, state_since = $4, inactivity_warned_at = NULL, emptied_at = NULL,
                        kept_from = NULL
         WHERE id = $1 RETURNING *",
    )
    .bind(id.0)
    .bind(state.word())
    .bind(reason)
    .bind(now)
    .fetch_one(connection)
    .await?)
}

pub(super) fn detail(from: BalState, to: BalState, by: Mover, reason: &str) -> Value {
    json!({ "from": from, "state": to, "by": by, "reason": reason })
}
