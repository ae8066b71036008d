//! Taking contents away when their time is over. A line of the trail says so first: whoever verifies the chain knows by
//! it which contents may be gone.
//!
//! Work goes along the numbers of lines, in steps. Each is a transaction of its own that notes how far it came: what
//! takes long is gone on with the next time, and what was looked at is not looked at again.

use std::collections::BTreeMap;

use sqlx::{FromRow, PgConnection, Postgres, Transaction};
use time::{Duration, OffsetDateTime, Time};

use super::emptied::Announced;
use super::removal::Removal;
use super::rows;
use crate::{Event, EventClass, Store, StoreError};

/// How long contents are kept, by class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retentions(pub BTreeMap<EventClass, Duration>);

impl Default for Retentions {
    fn default() -> Self {
        Self(EventClass::ALL.into_iter().map(|class| (class, class.default_retention())).collect())
    }
}

/// What one round of retention did.
#[derive(Debug, Default)]
pub struct Retained {
    /// Lines that lost their content.
    pub lines: u64,
    /// Classes of which another node keeps contents longer than this one would; the longer time holds.
    pub kept_longer: Vec<EventClass>,
    /// Classes that could not be looked after, and why. The others were.
    pub failed: Vec<(EventClass, StoreError)>,
}

/// Held by the node that does a step, until its transaction ends.
const RETAINING_LOCK: i64 = 0x706c_6972;
/// Lines that one step looks at.
const STEP: i64 = 10_000;
/// By how much clocks of nodes may differ at most, and what is looked at a second time because of that.
const SKEW: Duration = Duration::DAY;
/// For how long a retention holds that no node has asked for any more.
const REMEMBERED: Duration = Duration::days(2);

/// The transaction of a step.
type Work = Transaction<'static, Postgres>;

/// What became of a step.
enum Step {
    /// So many lines lost their content; there is more to do.
    Went(u64),
    /// There is nothing to do, or another node does it.
    Done,
}

impl Store {
    /// Announces what is over, and takes away what was announced before and is in the chain by now. To be called
    /// several times an hour, by any number of nodes. When it is given up in the middle, what was done stays.
    pub async fn retain_traces(&self, retentions: &Retentions) -> Retained {
        let mut retained = Retained::default();
        for (class, ours) in &retentions.0 {
            if let Err(error) = self.retain(*class, *ours, &mut retained).await {
                retained.failed.push((*class, error));
            }
        }
        retained
    }

    async fn retain(&self, class: EventClass, ours: Duration, retained: &mut Retained) -> Result<(), StoreError> {
        let (announced, _) = rows::announced(&mut *self.pool().acquire().await?, self.keyring()).await?;
        let Some(kept) = self.agree(class, ours).await? else { return Ok(()) };
        if kept > ours {
            retained.kept_longer.push(class);
        }
        let due = (self.clock().now() - kept).replace_time(Time::MIDNIGHT);
        loop {
            match self.step(class, due, &announced).await? {
                Step::Went(lines) => retained.lines += lines,
                Step::Done => return Ok(()),
            }
        }
    }

    /// How long contents of a class are kept: what this node wants, or another one that wants it longer. Whoever has a
    /// shorter time in his configuration by mistake takes nothing away from the others. None if another node works.
    async fn agree(&self, class: EventClass, ours: Duration) -> Result<Option<Duration>, StoreError> {
        let Some((mut work, mut state)) = self.begin_step(class).await? else { return Ok(None) };
        let kept = state.agree(ours, self.clock().now());
        let written = state.write(class, &mut work).await;
        finish(work, written.map(|()| Some(kept))).await
    }

    /// Contents of lines before `due` are over.
    async fn step(&self, class: EventClass, due: OffsetDateTime, announced: &Announced) -> Result<Step, StoreError> {
        let Some((mut work, mut state)) = self.begin_step(class).await? else { return Ok(Step::Done) };
        let done = match self.advance(class, due, announced, &mut state, &mut work).await {
            Ok(step) => state.write(class, &mut work).await.map(|()| step),
            Err(error) => Err(error),
        };
        finish(work, done).await
    }

    async fn advance(
        &self,
        class: EventClass,
        due: OffsetDateTime,
        announced: &Announced,
        state: &mut State,
        work: &mut PgConnection,
    ) -> Result<Step, StoreError> {
        // Whatever the table says: contents go only if the chain has an announcement of pli that they may.
        let removable = announced.before(class).map(|before| before.min(due));
        match removable.filter(|before| state.removed < Some(*before)) {
            Some(before) => state.empty(class, before, work).await,
            None if state.looked.max(state.announced) < Some(due) => self.look(class, due, state, work).await,
            None => Ok(Step::Done),
        }
    }

    /// Looks for contents that are over, and announces that they go as soon as there is one.
    async fn look(
        &self,
        class: EventClass,
        due: OffsetDateTime,
        state: &mut State,
        work: &mut PgConnection,
    ) -> Result<Step, StoreError> {
        let Some(last) = state.next(due, work).await? else {
            (state.looked, state.walked) = (Some(due), entered_by(due - SKEW, work).await?);
            return Ok(Step::Done);
        };
        if !any(class, due, (state.walked, last), work).await? {
            state.walked = last;
            return Ok(Step::Went(0));
        }
        state.announced = Some(due);
        let detail = Removal { class, before: due }.detail(self.keyring());
        self.trace(Event::AuditRemoval).with(detail).insert(work).await?;
        Ok(Step::Done)
    }

    /// The state of a class, for this node alone; none if another one works.
    async fn begin_step(&self, class: EventClass) -> Result<Option<(Work, State)>, StoreError> {
        let mut work = self.pool().begin().await?;
        let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(RETAINING_LOCK)
            .fetch_one(&mut *work)
            .await?;
        if !ours {
            return finish(work, Ok(None)).await;
        }
        match State::read(class, &mut work).await {
            Ok(state) => Ok(Some((work, state))),
            Err(error) => finish(work, Err(error)).await,
        }
    }
}

/// Ends a step at once, also one that failed: a transaction that is only dropped keeps its lock for a moment, and the
/// next class would take it for another node's.
async fn finish<T>(work: Work, done: Result<T, StoreError>) -> Result<T, StoreError> {
    if done.is_ok() {
        work.commit().await?;
    } else {
        work.rollback().await?;
    }
    done
}

/// How far the retention of a class is.
#[derive(Debug, Default, FromRow)]
struct State {
    /// Contents before this time may go, as was announced last.
    announced: Option<OffsetDateTime>,
    /// Contents before this time are gone.
    removed: Option<OffsetDateTime>,
    /// Nothing before this time was there to announce.
    looked: Option<OffsetDateTime>,
    /// The line up to which nothing is left to do.
    walked: i64,
    kept: Option<i64>,
    kept_at: Option<OffsetDateTime>,
}

impl State {
    async fn read(class: EventClass, connection: &mut PgConnection) -> Result<Self, StoreError> {
        let state = sqlx::query_as(
            "SELECT announced, removed, looked, walked, kept, kept_at FROM trace_retention WHERE class = $1",
        )
        .bind(class.word())
        .fetch_optional(connection)
        .await?;
        Ok(state.unwrap_or_default())
    }

    async fn write(&self, class: EventClass, connection: &mut PgConnection) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO trace_retention (class, announced, removed, looked, walked, kept, kept_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (class) DO UPDATE SET (announced, removed, looked, walked, kept, kept_at)
                 = (excluded.announced, excluded.removed, excluded.looked, excluded.walked, excluded.kept,
                    excluded.kept_at)",
        )
        .bind(class.word())
        .bind(self.announced)
        .bind(self.removed)
        .bind(self.looked)
        .bind(self.walked)
        .bind(self.kept)
        .bind(self.kept_at)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// How long contents are kept, with what a node wants now.
    fn agree(&mut self, ours: Duration, now: OffsetDateTime) -> Duration {
        match self.kept.map(Duration::seconds).zip(self.kept_at) {
            Some((kept, at)) if kept > ours && (now - at).abs() < REMEMBERED => kept,
            _ => {
                (self.kept, self.kept_at) = (Some(ours.whole_seconds()), Some(now));
                ours
            }
        }
    }

    /// The last line of the next step on the way to what was entered before a time; none at the end of the way.
    async fn next(&self, before: OffsetDateTime, connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
        let end = entered_by(before, connection).await?;
        Ok((self.walked < end).then(|| end.min(self.walked + STEP)))
    }

    /// Takes contents away that are older than `before`.
    async fn empty(
        &mut self,
        class: EventClass,
        before: OffsetDateTime,
        work: &mut PgConnection,
    ) -> Result<Step, StoreError> {
        let Some(last) = self.next(before, work).await? else {
            (self.removed, self.walked) = (Some(before), entered_by(before - SKEW, work).await?);
            return Ok(Step::Went(0));
        };
        let lines = take_away(class, before, (self.walked, last), work).await?;
        self.walked = last;
        Ok(Step::Went(lines))
    }
}

/// The last line that was entered before a time. Lines are entered after they happened: those that follow are younger,
/// or came late and go later.
async fn entered_by(at: OffsetDateTime, connection: &mut PgConnection) -> Result<i64, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT last FROM trace_link WHERE at < $1 ORDER BY at DESC, last DESC LIMIT 1")
            .bind(at)
            .fetch_optional(connection)
            .await?;
    Ok(last.unwrap_or(0))
}

/// Whether there are contents of a class from before a time after the first of these lines, up to the second.
async fn any(
    class: EventClass,
    before: OffsetDateTime,
    (after, last): (i64, i64),
    connection: &mut PgConnection,
) -> Result<bool, StoreError> {
    let any = sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM trace_line
             WHERE number > $1 AND number <= $2 AND at < $3 AND event = ANY ($4) AND salt IS NOT NULL)",
    )
    .bind(after)
    .bind(last)
    .bind(before)
    .bind(removable(class))
    .fetch_one(connection)
    .await?;
    Ok(any)
}

/// Takes those contents away.
async fn take_away(
    class: EventClass,
    before: OffsetDateTime,
    (after, last): (i64, i64),
    connection: &mut PgConnection,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE trace_line SET salt = NULL, actor = NULL, delegated = NULL, message_id = NULL, bal_id = NULL,
                peer = NULL, detail = NULL
         WHERE number > $1 AND number <= $2 AND at < $3 AND event = ANY ($4) AND salt IS NOT NULL",
    )
    .bind(after)
    .bind(last)
    .bind(before)
    .bind(removable(class))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// The events of a class; announcements stay, or nobody could tell any more what was to go.
fn removable(class: EventClass) -> Vec<&'static str> {
    class.events().filter(|word| *word != Event::AuditRemoval.word()).collect()
}
