//! Many BALs at once: a transaction and a handful of statements for all of them.

use std::collections::{HashMap, HashSet};

use mssante::{Address, BalId, Listing, Replies};
use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{BalRow, DEFAULT_FOLDERS, parsed, usage};
use crate::trace::{self, Event};
use crate::{BalEdit, BalRecord, NewBal, SpecialUse, Store, StoreError};

/// An edit of a BAL that was looked at before.
#[derive(Debug, Clone)]
pub struct SeenEdit {
    /// Which BAL.
    pub id: BalId,
    /// Its revision when it was looked at.
    pub revision: i64,
    /// What is to be another.
    pub edit: BalEdit,
}

impl Store {
    /// Creates BALs, each with its default folders: all of them or, if an address is taken, none. The numbers are in the
    /// order of `new`. Meant for some hundreds: each address is locked until the commit.
    pub async fn create_bals(&self, new: &[NewBal]) -> Result<Vec<BalId>, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        claim_addresses(new, &mut transaction).await?;
        let ids = insert_bals(new, now, &mut transaction).await?;
        insert_folders(&ids, &mut transaction).await?;
        queue_publications(&ids, now, &mut transaction).await?;
        let created = |(id, new): (&BalId, &NewBal)| {
            let detail = json!({ "address": new.address, "kind": new.kind, "password": new.password_hash.is_some() });
            self.trace(Event::BalCreated).of_bal(*id).with(detail)
        };
        let traces: Vec<_> = ids.iter().zip(new).map(created).collect();
        trace::insert_all(&traces, &mut transaction).await?;
        self.notices().announce_bals(&ids, &mut transaction).await?;
        transaction.commit().await?;
        self.notices().bals_changed(&ids);
        Ok(ids)
    }

    /// Says anew what BALs are for: each edit changes the fields that it names and no others. A BAL that is not as it was
    /// seen any more is left alone; the numbers of the changed ones are given.
    pub async fn edit_bals(&self, edits: &[SeenEdit]) -> Result<HashSet<BalId>, StoreError> {
        let now = self.clock().now();
        let mut transaction = self.pool().begin().await?;
        let changed = update_bals(edits, &mut transaction).await?;
        let ids: Vec<_> = edits.iter().map(|seen| seen.id).filter(|id| changed.contains(id)).collect();
        queue_publications(&ids, now, &mut transaction).await?;
        let done = edits.iter().filter(|seen| changed.contains(&seen.id));
        let edited = |seen: &SeenEdit| self.trace(Event::BalEdited).of_bal(seen.id).with(seen.edit.for_the_trail());
        trace::insert_all(&done.map(edited).collect::<Vec<_>>(), &mut transaction).await?;
        self.notices().announce_bals(&ids, &mut transaction).await?;
        transaction.commit().await?;
        self.notices().bals_changed(&ids);
        Ok(changed)
    }

    /// The BALs of these addresses; addresses that have none are left out.
    pub async fn bals_at(&self, addresses: &[Address]) -> Result<Vec<BalRecord>, StoreError> {
        let rows: Vec<BalRow> = sqlx::query_as("SELECT * FROM bal WHERE address_key = ANY ($1)")
            .bind(keys(addresses))
            .fetch_all(self.pool())
            .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Those of these addresses that are aliases, with the address of their BAL.
    pub async fn aliases_at(&self, addresses: &[Address]) -> Result<Vec<(Address, Address)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT a.address, b.address FROM bal_alias a JOIN bal b ON b.id = a.bal_id WHERE a.address_key = ANY ($1)",
        )
        .bind(keys(addresses))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|(alias, bal)| Ok((parsed(&alias)?, parsed(&bal)?))).collect()
    }
}

fn keys(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(Address::key).collect()
}

/// An address is a BAL's own or an alias, never both. Locks are taken in one order, so that two imports wait for each
/// other and do not end in a deadlock.
async fn claim_addresses(new: &[NewBal], connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut keys: Vec<_> = new.iter().map(|bal| bal.address.key()).collect();
    keys.sort_unstable();
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest($1::text[]) AS key")
        .bind(&keys)
        .execute(&mut *connection)
        .await?;
    let taken: Option<(String, bool)> = sqlx::query_as(
        "SELECT address, true FROM bal WHERE address_key = ANY ($1)
         UNION ALL SELECT address, false FROM bal_alias WHERE address_key = ANY ($1) LIMIT 1",
    )
    .bind(&keys)
    .fetch_optional(connection)
    .await?;
    match taken {
        None => Ok(()),
        Some((address, true)) => Err(StoreError::BalExists(parsed(&address)?)),
        Some((address, false)) => Err(StoreError::AliasExists(parsed(&address)?)),
    }
}

async fn insert_bals(
    new: &[NewBal],
    now: OffsetDateTime,
    connection: &mut PgConnection,
) -> Result<Vec<BalId>, StoreError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "INSERT INTO bal (address, address_key, kind, state, display_name, holder, structure, responsible,
                          certificate_dn, listing, service, description, password_hash, identity, software, nil, replies,
                          quota, created_at, state_since)
         SELECT address, address_key, kind, 'created', display_name, holder, structure, responsible, certificate_dn,
                listing, service, description, password_hash, identity, software, nil, replies, quota, $13, $13
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $14::text[], $15::text[], $16::text[],
                     $17::text[], $18::bigint[])
              AS new (address, address_key, kind, display_name, holder, structure, responsible, certificate_dn, listing,
                      service, description, password_hash, identity, software, nil, replies, quota)
         RETURNING id, address_key",
    )
    .bind(column(new, |bal| Some(bal.address.to_string())))
    .bind(column(new, |bal| Some(bal.address.key())))
    .bind(column(new, |bal| Some(bal.kind.code().to_owned())))
    .bind(column(new, |bal| bal.display_name.clone()))
    .bind(column(new, |bal| bal.holder.as_ref().map(ToString::to_string)))
    .bind(column(new, |bal| bal.structure.as_ref().map(ToString::to_string)))
    .bind(column(new, |bal| bal.responsible.clone()))
    .bind(column(new, |bal| bal.certificate_dn.clone()))
    .bind(column(new, |bal| Some(bal.listing.word().to_owned())))
    .bind(column(new, |bal| bal.service.clone()))
    .bind(column(new, |bal| bal.description.clone()))
    .bind(column(new, |bal| bal.password_hash.clone()))
    .bind(now)
    .bind(column(new, |bal| bal.identity.as_ref().map(ToString::to_string)))
    .bind(column(new, |bal| bal.software.clone()))
    .bind(column(new, |bal| bal.nil.clone()))
    .bind(column(new, |bal| Some(bal.replies.word().to_owned())))
    .bind(new.iter().map(|bal| usage::column(bal.quota)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    in_order(new, rows)
}

fn column(new: &[NewBal], value: impl Fn(&NewBal) -> Option<String>) -> Vec<Option<String>> {
    new.iter().map(value).collect()
}

/// RETURNING promises no order.
fn in_order(new: &[NewBal], rows: Vec<(i64, String)>) -> Result<Vec<BalId>, StoreError> {
    let ids: HashMap<String, i64> = rows.into_iter().map(|(id, key)| (key, id)).collect();
    let id = |bal: &NewBal| ids.get(&bal.address.key()).copied().map(BalId);
    let found: Option<Vec<_>> = new.iter().map(id).collect();
    found.ok_or_else(|| StoreError::inconsistent("bal", "a BAL that was created has no number"))
}

/// INBOX and the default folders of each BAL, all subscribed.
pub(super) async fn insert_folders(bals: &[BalId], connection: &mut PgConnection) -> Result<(), StoreError> {
    let uses = || DEFAULT_FOLDERS.into_iter();
    let names: Vec<&str> = std::iter::once("INBOX").chain(uses().map(SpecialUse::default_name)).collect();
    let words: Vec<Option<&str>> = std::iter::once(None).chain(uses().map(|use_| Some(use_.word()))).collect();
    sqlx::query(
        "WITH made AS (
             INSERT INTO folder (bal_id, name, special_use)
             SELECT bal, name, word FROM unnest($1::bigint[]) AS bal CROSS JOIN unnest($2::text[], $3::text[]) AS f (name, word)
             RETURNING bal_id, name)
         INSERT INTO subscription (bal_id, name) SELECT bal_id, name FROM made",
    )
    .bind(bals.iter().map(|bal| bal.0).collect::<Vec<_>>())
    .bind(names)
    .bind(words)
    .execute(connection)
    .await?;
    Ok(())
}

/// As `publication::queue`, for many.
async fn queue_publications(
    bals: &[BalId],
    now: OffsetDateTime,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO publication AS p (bal_id, state, wanted_at, due_at)
         SELECT bal, 'waiting', $2, $2 FROM unnest($1::bigint[]) AS bal ORDER BY bal
         ON CONFLICT (bal_id) DO UPDATE
         SET state = 'waiting', wanted_at = $2, due_at = $2, attempts = 0, fence = p.fence + 1",
    )
    .bind(bals.iter().map(|bal| bal.0).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_bals(edits: &[SeenEdit], connection: &mut PgConnection) -> Result<HashSet<BalId>, StoreError> {
    let column = |value: fn(&BalEdit) -> Option<String>| edits.iter().map(|seen| value(&seen.edit)).collect::<Vec<_>>();
    let changed: Vec<i64> = sqlx::query_scalar(
        "UPDATE bal
         SET display_name = nullif(coalesce(new.display_name, bal.display_name), ''),
             service = nullif(coalesce(new.service, bal.service), ''),
             description = nullif(coalesce(new.description, bal.description), ''),
             responsible = nullif(coalesce(new.responsible, bal.responsible), ''),
             listing = coalesce(new.listing, bal.listing),
             software = nullif(coalesce(new.software, bal.software), ''),
             nil = nullif(coalesce(new.nil, bal.nil), ''),
             replies = coalesce(new.replies, bal.replies)
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                     $8::text[], $9::text[], $10::text[])
              AS new (id, display_name, service, description, responsible, listing, revision, software, nil, replies)
         WHERE bal.id = new.id AND bal.revision = new.revision
         RETURNING bal.id",
    )
    .bind(edits.iter().map(|seen| seen.id.0).collect::<Vec<_>>())
    .bind(column(|edit| edit.display_name.clone()))
    .bind(column(|edit| edit.service.clone()))
    .bind(column(|edit| edit.description.clone()))
    .bind(column(|edit| edit.responsible.clone()))
    .bind(column(|edit| edit.listing.map(|listing: Listing| listing.word().to_owned())))
    .bind(edits.iter().map(|seen| seen.revision).collect::<Vec<_>>())
    .bind(column(|edit| edit.software.clone()))
    .bind(column(|edit| edit.nil.clone()))
    .bind(column(|edit| edit.replies.map(|replies: Replies| replies.word().to_owned())))
    .fetch_all(connection)
    .await?;
    Ok(changed.into_iter().map(BalId).collect())
}
