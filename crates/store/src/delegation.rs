//! The rights of people on BALs that are not their own.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use mssante::{Address, BalId, Login, Right, Rights};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, PgTransaction};
use time::OffsetDateTime;

use crate::bal::{BalRow, parsed};
use crate::trace::{Event, Trace};
use crate::{Actor, BalRecord, PersonNumber, SpecialUse, Store, StoreError};

/// The number of a delegation in the store. Never reused; other rights or dates are another delegation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DelegationId(pub i64);

impl fmt::Display for DelegationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who acts on a BAL that is not his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delegate {
    /// A person without a BAL.
    Person(PersonNumber),
    /// The holder of this nominative BAL.
    Holder(BalId),
}

impl Delegate {
    /// The columns `person_id` and `holder_id`.
    fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Person(person) => (Some(person.0), None),
            Self::Holder(bal) => (None, Some(bal.0)),
        }
    }
}

/// A delegate as people know him, written as the one or the other: no login has an `@`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DelegateName {
    /// By his login.
    Person(Login),
    /// By the address of his BAL.
    Holder(Address),
}

impl fmt::Display for DelegateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(login) => login.fmt(f),
            Self::Holder(address) => address.fmt(f),
        }
    }
}

impl FromStr for DelegateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            Address::parse(text).map(Self::Holder).map_err(|error| error.to_string())
        } else {
            Login::parse(text).map(Self::Person).map_err(|error| error.to_string())
        }
    }
}

impl TryFrom<String> for DelegateName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DelegateName> for String {
    fn from(name: DelegateName) -> Self {
        name.to_string()
    }
}

/// A delegation to give.
#[derive(Debug, Clone)]
pub struct NewDelegation {
    /// The BAL that is opened.
    pub bal: BalId,
    /// To whom.
    pub delegate: Delegate,
    /// What he may do.
    pub rights: Rights,
    /// From when on; now without it.
    pub valid_from: Option<OffsetDateTime>,
    /// Until when; until it is ended without it.
    pub valid_until: Option<OffsetDateTime>,
    /// Why, for the audit trail.
    pub reason: String,
}

/// What somebody saw of a delegation before he asks for a change of it. What changed meanwhile is not overwritten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SeenDelegation {
    /// Nobody looked: the change is made whatever is there.
    #[default]
    Anything,
    /// There was none.
    Nothing,
    /// It was this one.
    This(DelegationId),
}

impl SeenDelegation {
    fn check(self, found: Option<DelegationId>) -> Result<(), StoreError> {
        let holds = match self {
            Self::Anything => true,
            Self::Nothing => found.is_none(),
            Self::This(seen) => found == Some(seen),
        };
        if holds { Ok(()) } else { Err(StoreError::DelegationOvertaken) }
    }
}

/// A delegation as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelegationRecord {
    /// Its number.
    pub id: DelegationId,
    /// The BAL that is opened.
    pub bal: Address,
    /// To whom.
    pub delegate: DelegateName,
    /// What he may do.
    pub rights: Rights,
    /// From when on.
    #[serde(with = "time::serde::rfc3339")]
    pub valid_from: OffsetDateTime,
    /// Until when.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_until: Option<OffsetDateTime>,
    /// Who gave it.
    pub given_by: String,
    /// Why.
    pub reason: String,
    /// When it was given.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was taken away or replaced.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
    /// By whom.
    pub ended_by: Option<String>,
    /// Why.
    pub end_reason: Option<String>,
}

/// Which delegations to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct DelegationFilter {
    /// Of this BAL only.
    pub bal: Option<BalId>,
    /// To this delegate only.
    pub delegate: Option<Delegate>,
    /// Also those that were taken away or replaced.
    pub with_ended: bool,
}

/// A BAL that somebody else opens, for a log-in. Whether the moment is right is for the caller to see.
#[derive(Debug, Clone)]
pub struct Delegated {
    /// The delegation.
    pub id: DelegationId,
    /// The BAL that it opens.
    pub bal: BalRecord,
    /// What may be done.
    pub rights: Rights,
    /// From when on.
    pub valid_from: OffsetDateTime,
    /// Until when.
    pub valid_until: Option<OffsetDateTime>,
}

#[derive(FromRow)]
struct DelegatedRow {
    #[sqlx(flatten)]
    bal: BalRow,
    delegation_id: i64,
    rights: String,
    valid_from: OffsetDateTime,
    valid_until: Option<OffsetDateTime>,
}

impl TryFrom<DelegatedRow> for Delegated {
    type Error = StoreError;

    fn try_from(row: DelegatedRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: DelegationId(row.delegation_id),
            bal: row.bal.try_into()?,
            rights: parsed(&row.rights)?,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
        })
    }
}

#[derive(FromRow)]
struct DelegationRow {
    id: i64,
    bal: String,
    login: Option<String>,
    holder: Option<String>,
    rights: String,
    valid_from: OffsetDateTime,
    valid_until: Option<OffsetDateTime>,
    given_by: String,
    reason: String,
    created_at: OffsetDateTime,
    ended_at: Option<OffsetDateTime>,
    ended_by: Option<String>,
    end_reason: Option<String>,
}

impl TryFrom<DelegationRow> for DelegationRecord {
    type Error = StoreError;

    fn try_from(row: DelegationRow) -> Result<Self, StoreError> {
        let delegate = match (row.login, row.holder) {
            (Some(login), _) => DelegateName::Person(parsed(&login)?),
            (None, Some(holder)) => DelegateName::Holder(parsed(&holder)?),
            (None, None) => return Err(StoreError::inconsistent("delegation", "neither person nor holder")),
        };
        Ok(Self {
            id: DelegationId(row.id),
            bal: parsed(&row.bal)?,
            delegate,
            rights: parsed(&row.rights)?,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            given_by: row.given_by,
            reason: row.reason,
            created_at: row.created_at,
            ended_at: row.ended_at,
            ended_by: row.ended_by,
            end_reason: row.end_reason,
        })
    }
}

const RECORD: &str = "SELECT d.id, bal.address AS bal, person.login, holder.address AS holder, d.rights, d.valid_from,
        d.valid_until, d.given_by, d.reason, d.created_at, d.ended_at, d.ended_by, d.end_reason
    FROM delegation d JOIN bal ON bal.id = d.bal_id
    LEFT JOIN person ON person.id = d.person_id LEFT JOIN bal holder ON holder.id = d.holder_id";

/// What a delegate does with messages.
#[derive(Debug, Clone, Copy)]
pub struct Filing {
    /// The command of IMAP.
    pub how: &'static str,
    /// How many messages.
    pub messages: usize,
    /// What the folder is for, if it is a special one.
    pub into: Option<SpecialUse>,
}

impl Store {
    /// Opens a BAL to somebody. What he had on it until now ends. Which BALs may be opened to whom is the caller's
    /// question (`mssante::may_delegate`).
    pub async fn delegate(&self, new: NewDelegation) -> Result<DelegationRecord, StoreError> {
        self.delegate_seen(new, SeenDelegation::Anything).await
    }

    /// The same, if what he had on it still is what was seen.
    pub async fn delegate_seen(
        &self,
        new: NewDelegation,
        seen: SeenDelegation,
    ) -> Result<DelegationRecord, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        // two who give at once take turns
        sqlx::query("SELECT 1 FROM bal WHERE id = $1 FOR NO KEY UPDATE")
            .bind(new.bal.0)
            .execute(&mut *transaction)
            .await?;
        let replaced =
            end(&mut transaction, (new.bal, new.delegate), now, &self.actor().to_string(), "replaced").await?;
        seen.check(replaced)?;
        let id = insert(&mut transaction, &new, now, self.actor()).await?;
        let record = record(&mut transaction, id).await?;
        let detail = json!({ "delegation": record, "replaces": replaced });
        self.delegation_changed(transaction, new.bal, Event::DelegationGiven, detail).await?;
        Ok(record)
    }

    /// Takes away what somebody may do on a BAL; his open sessions on it end.
    pub async fn end_delegation(
        &self,
        bal: BalId,
        delegate: Delegate,
        reason: &str,
    ) -> Result<DelegationRecord, StoreError> {
        self.end_seen_delegation(bal, delegate, reason, SeenDelegation::Anything).await
    }

    /// The same, if it still is the one that was seen.
    pub async fn end_seen_delegation(
        &self,
        bal: BalId,
        delegate: Delegate,
        reason: &str,
        seen: SeenDelegation,
    ) -> Result<DelegationRecord, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        let ended = end(&mut transaction, (bal, delegate), now, &self.actor().to_string(), reason).await?;
        let ended = ended.ok_or(StoreError::NoSuchDelegation)?;
        seen.check(Some(ended))?;
        let record = record(&mut transaction, ended).await?;
        self.delegation_changed(transaction, bal, Event::DelegationEnded, json!({ "delegation": record })).await?;
        Ok(record)
    }

    /// Ends up to 500 delegations whose last moment has passed, with a line in the audit trail for each; how many. They
    /// have given nothing since that moment.
    pub async fn end_lapsed_delegations(&self) -> Result<usize, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let lapsed: Vec<(i64, i64)> = sqlx::query_as(
            "UPDATE delegation SET ended_at = valid_until, ended_by = $2, end_reason = 'over'
             WHERE id IN (SELECT id FROM delegation WHERE ended_at IS NULL AND valid_until <= $1
                          ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)
             RETURNING id, bal_id",
        )
        .bind(self.clock().now())
        .bind(self.actor().to_string())
        .fetch_all(&mut *transaction)
        .await?;
        for (id, bal) in &lapsed {
            let record = record(&mut transaction, DelegationId(*id)).await?;
            let detail = json!({ "delegation": record });
            self.trace(Event::DelegationEnded).of_bal(BalId(*bal)).with(detail).insert(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(lapsed.len())
    }

    /// Delegations that the filter lets through, by BAL, oldest first.
    pub async fn delegations(&self, filter: DelegationFilter) -> Result<Vec<DelegationRecord>, StoreError> {
        let (person, holder) = filter.delegate.map_or((None, None), Delegate::columns);
        let rows: Vec<DelegationRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{RECORD} WHERE ($1::bigint IS NULL OR d.bal_id = $1)
                AND ($2::bigint IS NULL OR d.person_id = $2) AND ($3::bigint IS NULL OR d.holder_id = $3)
                AND ($4 OR d.ended_at IS NULL)
             ORDER BY bal.address_key, d.id"
        )))
        .bind(filter.bal.map(|bal| bal.0))
        .bind(person)
        .bind(holder)
        .bind(filter.with_ended)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// The BALs that are open to somebody, now or later, in whatever state they are; only `bal` of them, if it is given.
    pub async fn delegated_to(&self, delegate: Delegate, bal: Option<&Address>) -> Result<Vec<Delegated>, StoreError> {
        let (person, holder) = delegate.columns();
        let rows: Vec<DelegatedRow> = sqlx::query_as(
            "SELECT bal.*, d.id AS delegation_id, d.rights, d.valid_from, d.valid_until
             FROM delegation d JOIN bal ON bal.id = d.bal_id
             WHERE d.ended_at IS NULL AND (d.person_id = $1 OR d.holder_id = $2)
                AND ($3::text IS NULL OR bal.address_key = $3)
             ORDER BY bal.address_key",
        )
        .bind(person)
        .bind(holder)
        .bind(bal.map(Address::key))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Whoever this handle acts for opens a BAL that is not his own, to read it: once for each session.
    pub async fn trace_delegated_reading(
        &self,
        bal: BalId,
        delegation: DelegationId,
        rights: Rights,
        from: IpAddr,
    ) -> Result<(), StoreError> {
        let detail = json!({ "delegation": delegation, "rights": rights, "address": from });
        let trace = self.trace(Event::DelegationRead).under(Right::Read.word()).of_bal(bal).with(detail);
        self.record(&[trace]).await
    }

    /// The line about messages that whoever this handle acts for puts into a folder of a BAL that is not his own, under
    /// this right. Folders have names of their holders' making, which are content; their use is told.
    pub fn filing(&self, bal: BalId, delegation: DelegationId, right: Right, filing: Filing) -> Trace {
        let Filing { how, messages, into } = filing;
        let into = into.map(SpecialUse::word);
        let detail = json!({ "delegation": delegation, "how": how, "messages": messages, "into": into });
        self.trace(Event::DelegationFiled).under(right.word()).of_bal(bal).with(detail)
    }

    async fn delegation_changed(
        &self,
        mut transaction: PgTransaction<'_>,
        bal: BalId,
        event: Event,
        detail: Value,
    ) -> Result<(), StoreError> {
        self.trace(event).of_bal(bal).with(detail).insert(&mut transaction).await?;
        self.notices().announce_bal(bal, &mut transaction).await?;
        transaction.commit().await?;
        self.notices().bal_changed(bal);
        Ok(())
    }
}

async fn insert(
    connection: &mut PgConnection,
    new: &NewDelegation,
    now: OffsetDateTime,
    by: &Actor,
) -> Result<DelegationId, StoreError> {
    let (person, holder) = new.delegate.columns();
    let id = sqlx::query_scalar(
        "INSERT INTO delegation (bal_id, person_id, holder_id, rights, valid_from, valid_until, given_by, reason, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
    )
    .bind(new.bal.0)
    .bind(person)
    .bind(holder)
    .bind(new.rights.to_string())
    .bind(new.valid_from.unwrap_or(now))
    .bind(new.valid_until)
    .bind(by.to_string())
    .bind(&new.reason)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(DelegationId(id))
}

/// Ends what somebody may do on a BAL, if there is anything; which delegation that was.
async fn end(
    connection: &mut PgConnection,
    (bal, delegate): (BalId, Delegate),
    now: OffsetDateTime,
    by: &str,
    reason: &str,
) -> Result<Option<DelegationId>, StoreError> {
    let (person, holder) = delegate.columns();
    let id: Option<i64> = sqlx::query_scalar(
        "UPDATE delegation SET ended_at = $4, ended_by = $5, end_reason = $6
         WHERE bal_id = $1 AND (person_id = $2 OR holder_id = $3) AND ended_at IS NULL RETURNING id",
    )
    .bind(bal.0)
    .bind(person)
    .bind(holder)
    .bind(now)
    .bind(by)
    .bind(reason)
    .fetch_optional(connection)
    .await?;
    Ok(id.map(DelegationId))
}

async fn record(connection: &mut PgConnection, id: DelegationId) -> Result<DelegationRecord, StoreError> {
    let row: DelegationRow = sqlx::query_as(sqlx::AssertSqlSafe(format!("{RECORD} WHERE d.id = $1")))
        .bind(id.0)
        .fetch_one(connection)
        .await?;
    row.try_into()
}
