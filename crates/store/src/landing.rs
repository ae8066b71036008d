//! What becomes durable in one transaction when a message is accepted, and the statement that writes it.

use std::collections::BTreeMap;

use mssante::{Address, BalId, ReversePath, state_table};
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use crate::patients::{Conversing, converse};
use crate::seal::CHUNK_SIZE;
use crate::trace::Trace;
use crate::{DsnParameters, Flags, FolderId, Modseq, SealedMessage, Uid, UidValidity};

/// A message and all its references.
pub(crate) struct Landing {
    pub(crate) message: SealedMessage,
    pub(crate) placements: Vec<Placement>,
    pub(crate) relays: Vec<Relayed>,
    pub(crate) trace: Option<Trace>,
    /// What it does to conversations with patients.
    pub(crate) conversing: Option<Conversing>,
    pub(crate) at: OffsetDateTime,
}

/// Whether a message lands although its BAL takes no mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is a delivery: whoever sends it is told that the BAL was closed meanwhile.
    IfOpen,
    /// It is a report, or somebody who may do so puts it there.
    Always,
}

/// The message in a folder.
pub(crate) struct Placement {
    pub(crate) folder: FolderId,
    pub(crate) delivered_to: Option<BalId>,
    pub(crate) admission: Admission,
    pub(crate) flags: Flags,
    pub(crate) internal_date: OffsetDateTime,
}

impl Placement {
    /// The BAL that has to take mail.
    fn taker(&self) -> Option<BalId> {
        self.delivered_to.filter(|_| self.admission == Admission::IfOpen)
    }
}

/// The message for a remote recipient.
pub(crate) struct Relayed {
    pub(crate) recipient: Address,
    pub(crate) reverse_path: ReversePath,
    pub(crate) smtputf8: bool,
    pub(crate) envelope_id: Option<String>,
    pub(crate) ret: Option<String>,
    pub(crate) dsn: DsnParameters,
}

/// Where a placement ended up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) folder: FolderId,
    pub(crate) uid: Uid,
    pub(crate) uid_validity: UidValidity,
    pub(crate) modseq: Modseq,
}

impl Landing {
    /// About as many octets as the statement carries for it.
    pub(crate) fn weight(&self) -> usize {
        self.message.last_chunk.as_ref().map_or(0, |(_, data)| data.len()) + self.message.summary.len() + 512
    }

    /// Whether it lands only in BALs that take mail.
    pub(crate) fn needs_open_bals(&self) -> bool {
        self.placements.iter().any(|placement| placement.taker().is_some())
    }

    /// The folders that it locks.
    pub(crate) fn folders(&self) -> impl Iterator<Item = FolderId> {
        self.placements.iter().map(|placement| placement.folder)
    }
}

/// What goes into a folder.
#[derive(Default)]
struct Load {
    messages: i64,
    octets: i64,
}

/// What goes into each folder, and the place of each placement among the messages of its folder.
struct Places {
    loads: BTreeMap<FolderId, Load>,
    places: Vec<i64>,
}

impl Places {
    fn of(landings: &[&Landing]) -> Self {
        let mut loads = BTreeMap::<FolderId, Load>::new();
        let placements =
            landings.iter().flat_map(|landing| landing.placements.iter().map(move |placement| (landing, placement)));
        let places = placements
            .map(|(landing, placement)| {
                let load = loads.entry(placement.folder).or_default();
                load.messages += 1;
                load.octets += landing.message.size.cast_signed();
                load.messages - 1
            })
            .collect();
        Self { loads, places }
    }
}

/// `folder.id`, the first UID of the batch in it, UIDVALIDITY, HIGHESTMODSEQ.
type Numbered = (i64, i64, i64, i64);

/// How long a landing waits for a folder that is locked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// Others wait for the same statement.
    Short,
    /// The statement is alone.
    Long,
}

impl Patience {
    fn setting(self) -> &'static str {
        match self {
            Self::Short => "1s",
            Self::Long => "30s",
        }
    }
}

/// Writes the landings all or not at all. Returns where the placements of each ended up, in order.
pub(crate) async fn land(
    connection: &mut PgConnection,
    landings: &[&Landing],
    patience: Patience,
) -> Result<Vec<Vec<Placed>>, sqlx::Error> {
    let conversing = || landings.iter().filter_map(|landing| landing.conversing.as_ref());
    let (Some(first), true) = (landings.first(), conversing().next().is_some()) else {
        return write(connection, landings, patience).await;
    };
    let mut transaction = connection.begin().await?;
    let placed = write(&mut transaction, landings, patience).await?;
    converse(conversing(), first.at, &mut transaction).await?;
    transaction.commit().await?;
    Ok(placed)
}

/// One statement, which commits by itself when `connection` is in no transaction.
async fn write(
    connection: &mut PgConnection,
    landings: &[&Landing],
    patience: Patience,
) -> Result<Vec<Vec<Placed>>, sqlx::Error> {
    let Some(first) = landings.first() else { return Ok(Vec::new()) };
    let places = Places::of(landings);
    let query = sqlx::query_as::<_, Numbered>(include_str!("sql/land.sql"));
    let query = bind_messages(query, landings).bind(i32::try_from(CHUNK_SIZE).unwrap_or(i32::MAX)).bind(first.at);
    let query = bind_chunks(query, landings);
    let query = bind_placements(query, landings, &places);
    let query = bind_relays(query, landings);
    let query = bind_traces(query, landings).bind(patience.setting());
    let query = bind_actors(query, landings).bind(column(&places.loads, |(_, load)| load.octets));
    let query = bind_takers(query, landings);
    let numbered = query.fetch_all(connection).await?;
    let numbered: BTreeMap<i64, Numbered> = numbered.into_iter().map(|row| (row.0, row)).collect();
    Ok(placed(landings, &places, &numbered))
}

fn placed(landings: &[&Landing], places: &Places, numbered: &BTreeMap<i64, Numbered>) -> Vec<Vec<Placed>> {
    let mut places = places.places.iter();
    let mut next = |placement: &Placement| {
        let (_, first_uid, uid_validity, modseq) = numbered.get(&placement.folder.0)?;
        Some(Placed {
            folder: placement.folder,
            uid: Uid::try_from(first_uid + places.next()?).ok()?,
            uid_validity: UidValidity::try_from(*uid_validity).ok()?,
            modseq: modseq.unsigned_abs(),
        })
    };
    landings.iter().map(|landing| landing.placements.iter().filter_map(&mut next).collect()).collect()
}

type Query<'q> = sqlx::query::QueryAs<'q, sqlx::Postgres, Numbered, sqlx::postgres::PgArguments>;

/// One column of all rows.
fn column<'a, R: 'a, T>(rows: impl IntoIterator<Item = R>, value: impl Fn(R) -> T) -> Vec<T> {
    rows.into_iter().map(value).collect()
}

fn bind_messages<'q>(query: Query<'q>, landings: &[&'q Landing]) -> Query<'q> {
    let messages = || landings.iter().map(|landing| &landing.message);
    let staged = messages().filter(|message| message.is_staged());
    query
        .bind(column(staged, |m| m.id().0))
        .bind(column(messages(), |m| m.id().0))
        .bind(column(messages(), |m| m.size.cast_signed()))
        .bind(column(messages(), |m| i32::try_from(m.header_size).unwrap_or(i32::MAX)))
        .bind(column(messages(), |m| m.wrapped.key_id.as_str()))
        .bind(column(messages(), |m| m.wrapped.octets.as_slice()))
        .bind(column(messages(), |m| m.digest.as_slice()))
        .bind(column(messages(), |m| m.summary.as_slice()))
        .bind(column(messages(), |m| i64::from(m.staged_chunks)))
}

fn bind_chunks<'q>(query: Query<'q>, landings: &[&'q Landing]) -> Query<'q> {
    let chunks = || {
        let messages = landings.iter().map(|landing| &landing.message);
        messages.filter_map(|message| message.last_chunk.as_ref().map(|(n, data)| (message.id().0, *n, data)))
    };
    query
        .bind(column(chunks(), |(message, ..)| message))
        .bind(column(chunks(), |(_, n, _)| n.cast_signed()))
        .bind(column(chunks(), |(.., data)| data.as_slice()))
}

fn bind_placements<'q>(query: Query<'q>, landings: &[&'q Landing], places: &Places) -> Query<'q> {
    let placements = || {
        landings
            .iter()
            .flat_map(|landing| landing.placements.iter().map(move |placement| (&landing.message, placement)))
    };
    query
        .bind(column(&places.loads, |(folder, _)| folder.0))
        .bind(column(&places.loads, |(_, load)| load.messages))
        .bind(column(placements(), |(_, p)| p.folder.0))
        .bind(column(placements(), |(m, _)| m.id().0))
        .bind(places.places.clone())
        .bind(column(placements(), |(_, p)| p.delivered_to.map(|bal| bal.0)))
        .bind(column(placements(), |(_, p)| p.internal_date))
        .bind(column(placements(), |(m, _)| m.size.cast_signed()))
        .bind(column(placements(), |(_, p)| p.flags.bits()))
        .bind(column(placements(), |(_, p)| p.flags.joined_keywords()))
}

/// Which BALs have to take mail, and in which states they do.
fn bind_takers<'q>(query: Query<'q>, landings: &[&'q Landing]) -> Query<'q> {
    let placements = landings.iter().flat_map(|landing| &landing.placements);
    let open = state_table().iter().filter(|row| row.receiving.is_none());
    query
        .bind(column(placements, |placement| placement.taker().map(|bal| bal.0)))
        .bind(column(open, |row| row.state.word()))
}

fn bind_relays<'q>(query: Query<'q>, landings: &[&'q Landing]) -> Query<'q> {
    let relays =
        || landings.iter().flat_map(|landing| landing.relays.iter().map(move |relay| (landing.message.id().0, relay)));
    query
        .bind(column(relays(), |(message, _)| message))
        .bind(column(relays(), |(_, r)| r.recipient.to_string()))
        .bind(column(relays(), |(_, r)| r.recipient.key()))
        .bind(column(relays(), |(_, r)| r.recipient.domain().as_str()))
        .bind(column(relays(), |(_, r)| r.reverse_path.address().map(ToString::to_string)))
        .bind(column(relays(), |(_, r)| r.smtputf8))
        .bind(column(relays(), |(_, r)| r.envelope_id.as_deref()))
        .bind(column(relays(), |(_, r)| r.ret.as_deref()))
        .bind(column(relays(), |(_, r)| sqlx::types::Json(&r.dsn)))
}

fn bind_traces<'q>(query: Query<'q>, landings: &[&'q Landing]) -> Query<'q> {
    let traces = || landings.iter().filter_map(|landing| landing.trace.as_ref());
    query
        .bind(column(traces(), |t| t.event.word()))
        .bind(column(traces(), |t| t.message.map(|message| message.0)))
        .bind(column(traces(), |t| t.bal.map(|bal| bal.0)))
        .bind(column(traces(), |t| t.peer.as_deref()))
        .bind(column(traces(), |t| t.detail.as_deref()))
}

fn bind_actors<'q>(query: Query<'q>, landings: &[&'q Landing]) -> Query<'q> {
    let traces = || landings.iter().filter_map(|landing| landing.trace.as_ref());
    query.bind(column(traces(), |t| t.actor.to_string())).bind(column(traces(), |t| t.delegated.as_deref()))
}
