//! The ways to a BAL beside its own address: aliases, and forwards from other BALs of this operator.

use annuaire::{Forward, LocalBal, LocalTable};
use mssante::{Address, BalId, BalKind, BalState, ForwardCopy, Replies};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, PgTransaction};

use super::{BalRow, parsed};
use crate::trace::Event;
use crate::{BalRecord, Store, StoreError};

/// Held by whoever changes forwards, so that two changes that are each without a circle do not make one.
const FORWARD_LOCK: i64 = 0x706c_6966;

/// Another address of a BAL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AliasRecord {
    /// The address.
    pub address: Address,
    /// The BAL that it leads to.
    pub bal: BalId,
}

/// Mail of one BAL that goes to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ForwardRecord {
    /// Whose mail.
    pub from: BalId,
    /// To whom.
    pub to: BalId,
    /// What stays.
    pub copy: ForwardCopy,
}

/// What routing needs of a BAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalWay {
    /// Its own address.
    pub address: Address,
    /// Its number.
    pub id: BalId,
    /// Its kind.
    pub kind: BalKind,
    /// Where it is in its life.
    pub state: BalState,
    /// Whether people may write to it.
    pub replies: Replies,
}

#[derive(FromRow)]
struct BalWayRow {
    address: String,
    id: i64,
    kind: String,
    state: String,
    replies: String,
}

impl TryFrom<BalWayRow> for BalWay {
    type Error = StoreError;

    fn try_from(row: BalWayRow) -> Result<Self, StoreError> {
        Ok(Self {
            address: parsed(&row.address)?,
            id: BalId(row.id),
            kind: parsed(&row.kind)?,
            state: parsed(&row.state)?,
            replies: parsed(&row.replies)?,
        })
    }
}

/// What routing needs of our BALs, as it stood at one moment.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// The BALs.
    pub bals: Vec<BalWay>,
    /// The aliases that lead to them.
    pub aliases: Vec<AliasRecord>,
    /// Their forwards.
    pub forwards: Vec<ForwardRecord>,
}

/// As the resolver keeps them.
impl From<&Ways> for LocalTable {
    fn from(ways: &Ways) -> Self {
        let mut table = Self::default();
        for bal in &ways.bals {
            table.put(&bal.address, LocalBal { id: bal.id, kind: bal.kind, state: bal.state, replies: bal.replies });
        }
        for alias in &ways.aliases {
            table.alias(&alias.address, alias.bal);
        }
        for forward in &ways.forwards {
            table.forward(forward.from, Forward { target: forward.to, copy: forward.copy });
        }
        table
    }
}

impl Store {
    /// All ways to all BALs, of one moment.
    pub async fn ways(&self) -> Result<Ways, StoreError> {
        self.read_ways(None).await
    }

    /// The ways to these BALs, and where they hand their mail on to, of one moment. One that is not there is left out.
    pub async fn ways_of(&self, bals: impl IntoIterator<Item = BalId>) -> Result<Ways, StoreError> {
        let bals: Vec<i64> = bals.into_iter().map(|bal| bal.0).collect();
        self.read_ways(Some(&bals)).await
    }

    async fn read_ways(&self, of: Option<&[i64]>) -> Result<Ways, StoreError> {
        let mut transaction = self.pool().begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *transaction).await?;
        let bals = bals(of, &mut transaction).await?;
        let aliases = aliases(of, &mut transaction).await?;
        let forwards = forwards_of(of, &mut transaction).await?;
        transaction.commit().await?;
        Ok(Ways { bals, aliases, forwards })
    }

    /// The addresses of these BALs.
    pub async fn addresses_of(&self, bals: &[BalId]) -> Result<Vec<(BalId, Address)>, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, address FROM bal WHERE id = ANY ($1)")
            .bind(bals.iter().map(|id| id.0).collect::<Vec<_>>())
            .fetch_all(self.pool())
            .await?;
        rows.into_iter().map(|(id, address)| Ok((BalId(id), parsed(&address)?))).collect()
    }

    /// The BAL that an address leads to, as its own or as an alias.
    pub async fn bal_behind(&self, address: &Address) -> Result<Option<BalRecord>, StoreError> {
        let row: Option<BalRow> = sqlx::query_as(
            "SELECT * FROM bal WHERE address_key = $1
                OR id = (SELECT bal_id FROM bal_alias WHERE bal_alias.address_key = $1)",
        )
        .bind(address.key())
        .fetch_optional(self.pool())
        .await?;
        row.map(TryInto::try_into).transpose()
    }

    /// Lets another address lead to a BAL.
    pub async fn add_alias(&self, bal: BalId, alias: &Address) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        claim_address(alias, &mut transaction).await?;
        let now = self.clock().now();
        sqlx::query("INSERT INTO bal_alias (address_key, address, bal_id, created_at) VALUES ($1, $2, $3, $4)")
            .bind(alias.key())
            .bind(alias.to_string())
            .bind(bal.0)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        self.ways_changed(transaction, bal, Event::AliasAdded, json!({ "alias": alias })).await
    }

    /// Takes an alias away; the BAL that it led to.
    pub async fn remove_alias(&self, alias: &Address) -> Result<BalId, StoreError> {
        let mut transaction = self.pool().begin().await?;
        let bal: Option<i64> = sqlx::query_scalar("DELETE FROM bal_alias WHERE address_key = $1 RETURNING bal_id")
            .bind(alias.key())
            .fetch_optional(&mut *transaction)
            .await?;
        let bal = BalId(bal.ok_or_else(|| StoreError::NoSuchAlias(alias.clone()))?);
        self.ways_changed(transaction, bal, Event::AliasRemoved, json!({ "alias": alias })).await?;
        Ok(bal)
    }

    /// The aliases of one BAL, or all.
    pub async fn aliases(&self, bal: Option<BalId>) -> Result<Vec<AliasRecord>, StoreError> {
        let bal = bal.map(|id| [id.0]);
        aliases(bal.as_ref().map(<[i64; 1]>::as_slice), &mut *self.pool().acquire().await?).await
    }

    /// Lets mail of one BAL go to another; a forward that is there is changed. What kinds may do that is the
    /// caller's question (`mssante::may_forward`); a circle is refused here.
    pub async fn set_forward(&self, forward: ForwardRecord) -> Result<(), StoreError> {
        let ForwardRecord { from, to, copy } = forward;
        let mut transaction = self.pool().begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(FORWARD_LOCK).execute(&mut *transaction).await?;
        if leads_to(to, from, &mut transaction).await? {
            return Err(StoreError::ForwardCircle { from, to });
        }
        sqlx::query(
            "INSERT INTO bal_forward (bal_id, target_id, copy, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (bal_id, target_id) DO UPDATE SET copy = excluded.copy",
        )
        .bind(from.0)
        .bind(to.0)
        .bind(copy.word())
        .bind(self.clock().now())
        .execute(&mut *transaction)
        .await?;
        self.ways_changed(transaction, from, Event::ForwardSet, json!({ "to": to, "copy": copy })).await
    }

    /// Ends a forward.
    pub async fn remove_forward(&self, from: BalId, to: BalId) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        let done = sqlx::query("DELETE FROM bal_forward WHERE bal_id = $1 AND target_id = $2")
            .bind(from.0)
            .bind(to.0)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NoSuchForward { from, to });
        }
        self.ways_changed(transaction, from, Event::ForwardRemoved, json!({ "to": to })).await
    }

    /// The forwards from and to one BAL, or all.
    pub async fn forwards(&self, bal: Option<BalId>) -> Result<Vec<ForwardRecord>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        match bal {
            Some(bal) => forwards_from_and_to(bal, &mut connection).await,
            None => forwards_of(None, &mut connection).await,
        }
    }

    async fn ways_changed(
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

/// An address is a BAL's own or an alias, never both: who creates one holds this lock until the commit.
pub(super) async fn claim_address(address: &Address, connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(address.key())
        .execute(&mut *connection)
        .await?;
    let taken: Option<bool> = sqlx::query_scalar(
        "SELECT true FROM bal WHERE address_key = $1 UNION ALL SELECT false FROM bal_alias WHERE address_key = $1",
    )
    .bind(address.key())
    .fetch_optional(connection)
    .await?;
    match taken {
        None => Ok(()),
        Some(true) => Err(StoreError::BalExists(address.clone())),
        Some(false) => Err(StoreError::AliasExists(address.clone())),
    }
}

async fn leads_to(from: BalId, to: BalId, connection: &mut PgConnection) -> Result<bool, StoreError> {
    let found: bool = sqlx::query_scalar(
        "WITH RECURSIVE reached (id) AS (
             VALUES ($1::bigint)
             UNION
             SELECT target_id FROM bal_forward JOIN reached ON bal_id = reached.id)
         SELECT EXISTS (SELECT FROM reached WHERE id = $2)",
    )
    .bind(from.0)
    .bind(to.0)
    .fetch_one(connection)
    .await?;
    Ok(found)
}

// Plans are made once for all parameters (see `set_up`): what reads everything and what finds a few rows by an index must
// be statements of their own.

async fn bals(of: Option<&[i64]>, connection: &mut PgConnection) -> Result<Vec<BalWay>, StoreError> {
    let query = match of {
        None => sqlx::query_as("SELECT address, id, kind, state, replies FROM bal"),
        Some(bals) => {
            sqlx::query_as("SELECT address, id, kind, state, replies FROM bal WHERE id = ANY ($1)").bind(bals)
        }
    };
    let rows: Vec<BalWayRow> = query.fetch_all(connection).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

async fn aliases(of: Option<&[i64]>, connection: &mut PgConnection) -> Result<Vec<AliasRecord>, StoreError> {
    let query = match of {
        None => sqlx::query_as("SELECT address, bal_id FROM bal_alias ORDER BY address_key"),
        Some(bals) => {
            sqlx::query_as("SELECT address, bal_id FROM bal_alias WHERE bal_id = ANY ($1) ORDER BY address_key")
                .bind(bals)
        }
    };
    let rows: Vec<(String, i64)> = query.fetch_all(connection).await?;
    rows.into_iter().map(|(address, bal)| Ok(AliasRecord { address: parsed(&address)?, bal: BalId(bal) })).collect()
}

async fn forwards_of(from: Option<&[i64]>, connection: &mut PgConnection) -> Result<Vec<ForwardRecord>, StoreError> {
    let query = match from {
        None => sqlx::query_as("SELECT bal_id, target_id, copy FROM bal_forward ORDER BY bal_id, target_id"),
        Some(bals) => sqlx::query_as(
            "SELECT bal_id, target_id, copy FROM bal_forward WHERE bal_id = ANY ($1) ORDER BY bal_id, target_id",
        )
        .bind(bals),
    };
    forward_records(query.fetch_all(connection).await?)
}

async fn forwards_from_and_to(bal: BalId, connection: &mut PgConnection) -> Result<Vec<ForwardRecord>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT bal_id, target_id, copy FROM bal_forward WHERE $1 IN (bal_id, target_id) ORDER BY bal_id, target_id",
    )
    .bind(bal.0)
    .fetch_all(connection)
    .await?;
    forward_records(rows)
}

fn forward_records(rows: Vec<(i64, i64, String)>) -> Result<Vec<ForwardRecord>, StoreError> {
    let record = |(from, to, copy): (i64, i64, String)| {
        Ok(ForwardRecord { from: BalId(from), to: BalId(to), copy: parsed(&copy)? })
    };
    rows.into_iter().map(record).collect()
}
