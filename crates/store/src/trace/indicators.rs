//! Indicators of a month, from counters that know no correspondents.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::FromRow;
use time::{Date, OffsetDateTime, UtcOffset};

use crate::{Store, StoreError};

/// What the BALs of one kind and structure did in a month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MonthCount {
    /// BALs by state, in the words of states.
    pub bals: BTreeMap<String, i64>,
    /// Of the BALs that are not closed, those on the liste rouge.
    pub unlisted: i64,
    /// BALs that sent at least one message.
    pub emitters: i64,
    /// Messages sent, each once however many recipients it had.
    pub sent: i64,
    /// Their octets.
    pub sent_octets: i64,
    /// Messages received, once for each BAL.
    pub received: i64,
    /// Their octets.
    pub received_octets: i64,
    /// Of those sent, to at least one patient.
    pub to_patients: i64,
    /// Of those received, from a patient.
    pub from_patients: i64,
    /// Of those sent, with an `IHE_XDM.zip`.
    pub with_xdm: i64,
    /// Of those sent, with `X-MSS-INS: O`.
    pub ins_qualified: i64,
    /// Of those sent, with `X-MSS-INS: N`.
    pub ins_unqualified: i64,
}

impl MonthCount {
    /// Adds what others did. BALs belong to one kind and structure, so that emitters add up.
    pub fn add(&mut self, other: &Self) {
        for (state, bals) in &other.bals {
            *self.bals.entry(state.clone()).or_default() += bals;
        }
        self.unlisted += other.unlisted;
        self.emitters += other.emitters;
        self.sent += other.sent;
        self.sent_octets += other.sent_octets;
        self.received += other.received;
        self.received_octets += other.received_octets;
        self.to_patients += other.to_patients;
        self.from_patients += other.from_patients;
        self.with_xdm += other.with_xdm;
        self.ins_qualified += other.ins_qualified;
        self.ins_unqualified += other.ins_unqualified;
    }
}

/// Messages sent with one piece of software.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct SoftwareCount {
    /// X-MSS-NIL; empty where messages have none.
    pub software: String,
    /// BALs that sent with it.
    pub emitters: i64,
    /// Messages.
    pub sent: i64,
    /// Of these, with an `IHE_XDM.zip`.
    pub with_xdm: i64,
}

/// The indicators of a month.
#[derive(Debug, Clone)]
pub struct Indicators {
    /// Its first day.
    pub month: Date,
    /// When BALs were counted; none if nobody did in that month.
    pub bals_counted_at: Option<OffsetDateTime>,
    /// By code of the kind and structure (empty: none).
    pub rows: BTreeMap<(String, String), MonthCount>,
    /// By software.
    pub software: Vec<SoftwareCount>,
}

#[derive(FromRow)]
struct BalsRow {
    kind: String,
    state: String,
    listing: String,
    structure: String,
    bals: i64,
    counted_at: OffsetDateTime,
}

#[derive(FromRow)]
struct MessagesRow {
    kind: String,
    structure: String,
    emitters: i64,
    sent: i64,
    sent_octets: i64,
    received: i64,
    received_octets: i64,
    to_patients: i64,
    from_patients: i64,
    with_xdm: i64,
    ins_qualified: i64,
    ins_unqualified: i64,
}

impl Store {
    /// Counts the BALs of the month that runs. Called every now and then, so that the last count of a month is that of
    /// its end.
    pub async fn count_bals(&self) -> Result<(), StoreError> {
        let now = self.clock().now();
        let month = first_day(now.to_offset(UtcOffset::UTC).date());
        let mut transaction = self.pool().begin().await?;
        sqlx::query("LOCK TABLE indicator_bals IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM indicator_bals WHERE month = $1").bind(month).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO indicator_bals (month, kind, state, listing, structure, bals, counted_at)
             SELECT $1, kind, state, listing, coalesce(structure, ''), count(*), $2 FROM bal GROUP BY 2, 3, 4, 5",
        )
        .bind(month)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The indicators of the month that begins with this day. BALs of the month that runs are counted now.
    pub async fn indicators(&self, month: Date) -> Result<Indicators, StoreError> {
        let month = first_day(month);
        if month == first_day(self.clock().now().to_offset(UtcOffset::UTC).date()) {
            self.count_bals().await?;
        }
        let mut indicators = Indicators { month, bals_counted_at: None, rows: BTreeMap::new(), software: Vec::new() };
        for row in self.bal_counts(month).await? {
            indicators.bals_counted_at = indicators.bals_counted_at.max(Some(row.counted_at));
            let count = indicators.rows.entry((row.kind, row.structure)).or_default();
            count.unlisted += if row.listing == "unlisted" && row.state != "closed" { row.bals } else { 0 };
            *count.bals.entry(row.state).or_default() += row.bals;
        }
        for row in self.message_counts(month).await? {
            let count = indicators.rows.entry((row.kind.clone(), row.structure.clone())).or_default();
            let bals = std::mem::take(&mut count.bals);
            *count = row.into_count(bals, count.unlisted);
        }
        indicators.software = self.software_counts(month).await?;
        Ok(indicators)
    }

    async fn bal_counts(&self, month: Date) -> Result<Vec<BalsRow>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT kind, state, listing, structure, bals, counted_at FROM indicator_bals WHERE month = $1",
        )
        .bind(month)
        .fetch_all(self.pool())
        .await?)
    }

    async fn message_counts(&self, month: Date) -> Result<Vec<MessagesRow>, StoreError> {
        // Each BAL first: its row is looked up once, and emitters are those with something sent.
        Ok(sqlx::query_as(
            "WITH each AS (
                 SELECT bal_id,
                        sum(messages) FILTER (WHERE direction = 'sent') AS sent,
                        sum(octets) FILTER (WHERE direction = 'sent') AS sent_octets,
                        sum(messages) FILTER (WHERE direction = 'received') AS received,
                        sum(octets) FILTER (WHERE direction = 'received') AS received_octets,
                        sum(messages) FILTER (WHERE direction = 'sent' AND patient) AS to_patients,
                        sum(messages) FILTER (WHERE direction = 'received' AND patient) AS from_patients,
                        sum(messages) FILTER (WHERE direction = 'sent' AND xdm) AS with_xdm,
                        sum(messages) FILTER (WHERE direction = 'sent' AND ins = 'O') AS ins_qualified,
                        sum(messages) FILTER (WHERE direction = 'sent' AND ins = 'N') AS ins_unqualified
                 FROM indicator_day WHERE day >= $1 AND day < $2 GROUP BY bal_id)
             SELECT b.kind, coalesce(b.structure, '') AS structure, count(*) FILTER (WHERE sent > 0) AS emitters,
                    coalesce(sum(sent), 0)::bigint AS sent, coalesce(sum(sent_octets), 0)::bigint AS sent_octets,
                    coalesce(sum(received), 0)::bigint AS received,
                    coalesce(sum(received_octets), 0)::bigint AS received_octets,
                    coalesce(sum(to_patients), 0)::bigint AS to_patients,
                    coalesce(sum(from_patients), 0)::bigint AS from_patients,
                    coalesce(sum(with_xdm), 0)::bigint AS with_xdm,
                    coalesce(sum(ins_qualified), 0)::bigint AS ins_qualified,
                    coalesce(sum(ins_unqualified), 0)::bigint AS ins_unqualified
             FROM each JOIN bal b ON b.id = each.bal_id GROUP BY 1, 2",
        )
        .bind(month)
        .bind(next_month(month))
        .fetch_all(self.pool())
        .await?)
    }

    async fn software_counts(&self, month: Date) -> Result<Vec<SoftwareCount>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT software, count(DISTINCT bal_id) AS emitters, sum(messages)::bigint AS sent,
                    coalesce(sum(messages) FILTER (WHERE xdm), 0)::bigint AS with_xdm
             FROM indicator_day WHERE day >= $1 AND day < $2 AND direction = 'sent' GROUP BY 1 ORDER BY 3 DESC, 1",
        )
        .bind(month)
        .bind(next_month(month))
        .fetch_all(self.pool())
        .await?)
    }
}

impl MessagesRow {
    fn into_count(self, bals: BTreeMap<String, i64>, unlisted: i64) -> MonthCount {
        MonthCount {
            bals,
            unlisted,
            emitters: self.emitters,
            sent: self.sent,
            sent_octets: self.sent_octets,
            received: self.received,
            received_octets: self.received_octets,
            to_patients: self.to_patients,
            from_patients: self.from_patients,
            with_xdm: self.with_xdm,
            ins_qualified: self.ins_qualified,
            ins_unqualified: self.ins_unqualified,
        }
    }
}

fn first_day(day: Date) -> Date {
    day.replace_day(1).unwrap_or(day)
}

fn next_month(month: Date) -> Date {
    first_day(first_day(month) + time::Duration::days(31))
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn months_follow_each_other() {
        assert_eq!(next_month(date!(2026 - 12 - 15)), date!(2027 - 01 - 01));
        assert_eq!(next_month(date!(2026 - 02 - 01)), date!(2026 - 03 - 01));
        assert_eq!(first_day(date!(2026 - 10 - 31)), date!(2026 - 10 - 01));
    }
}
