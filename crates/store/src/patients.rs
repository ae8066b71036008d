//! Conversations of our BALs with patients.
//!
//! A patient stands in these rows as a keyed hash: addresses hold the INS, and the rows last. That protects what is older
//! than the audit trail and the queue, which name correspondents in clear for as long as their retention goes.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use mssante::{Address, BalId, Conversation, ConversationStep, PatientMail};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::bal::parsed;
use crate::{Store, StoreError};

/// What the key that patients are hashed under is derived for.
const PURPOSE: &str = "patient";

/// A letter of one of our BALs to patients.
#[derive(Debug, Clone)]
pub struct LetterToPatients {
    /// Who writes.
    pub sender: BalId,
    /// Whom the patients may answer: the sender, or the BALs that its Reply-To names.
    pub answered_by: Vec<BalId>,
    /// To whom.
    pub patients: Vec<Address>,
    /// What it does to the conversations.
    pub step: ConversationStep,
    /// Its Message-IDs in the form in which they are compared, with the angle brackets.
    pub message_ids: Vec<String>,
}

/// The same as it is written, with hashes of patients and letters.
#[derive(Debug)]
pub(crate) struct Conversing {
    step: ConversationStep,
    sender: i64,
    answered_by: Vec<i64>,
    /// Under the active key.
    patients: Vec<Vec<u8>>,
    /// Under every key of the ring: another one may have been active when a conversation began.
    known_as: Vec<Vec<u8>>,
    letters: Vec<Vec<u8>>,
}

/// Moves the conversations on, in the transaction that accepts the letters, in their order. Writes nothing where a
/// conversation is open already.
pub(crate) async fn converse<'a>(
    letters: impl Iterator<Item = &'a Conversing>,
    at: OffsetDateTime,
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let letters: Vec<&Conversing> = letters.collect();
    for alike in letters.chunk_by(|one, next| one.step == next.step) {
        match alike.first().map(|letter| letter.step) {
            Some(ConversationStep::Open) => open(alike, at, connection).await?,
            Some(ConversationStep::End) => end(alike, at, connection).await?,
            Some(ConversationStep::Block) => block(alike, at, connection).await?,
            None => {}
        }
    }
    Ok(())
}

/// The conversations that these letters are part of: BAL, patient, who writes. Each once and in one order, so that no two
/// transactions wait for each other.
fn conversations(letters: &[&Conversing]) -> (Vec<i64>, Vec<Vec<u8>>, Vec<i64>) {
    let all: BTreeSet<(i64, &Vec<u8>, i64)> = letters
        .iter()
        .flat_map(|letter| letter.answered_by.iter().map(move |bal| (letter, *bal)))
        .flat_map(|(letter, bal)| letter.patients.iter().map(move |patient| (bal, patient, letter.sender)))
        .collect();
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (bal, patient, opener) in all {
        columns.0.push(bal);
        columns.1.push(patient.clone());
        columns.2.push(opener);
    }
    columns
}

async fn open(letters: &[&Conversing], at: OffsetDateTime, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let (bals, patients, openers) = conversations(letters);
    sqlx::query(
        "INSERT INTO conversation (bal_id, patient, opened_by, state, changed_at)
         SELECT c.*, 'open', $4 FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS c
         ON CONFLICT (bal_id, patient, opened_by) DO UPDATE SET state = 'open', changed_at = excluded.changed_at
         WHERE conversation.state <> 'open'",
    )
    .bind(bals)
    .bind(patients)
    .bind(openers)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Those that the sender opened, and those that were opened for it; one that never was open is closed as well, so that
/// the patient is told why he cannot answer. `[MSS2 PATIENT.FIN]`
async fn end(letters: &[&Conversing], at: OffsetDateTime, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let (bals, patients, openers) = conversations(letters);
    sqlx::query(
        "INSERT INTO conversation (bal_id, patient, opened_by, state, changed_at)
         SELECT c.*, 'closed', $4 FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS c
         ON CONFLICT (bal_id, patient, opened_by) DO NOTHING",
    )
    .bind(bals)
    .bind(patients)
    .bind(openers)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    for letter in letters {
        sqlx::query(
            "UPDATE conversation SET state = 'closed', changed_at = $3
             WHERE (opened_by = $1 OR bal_id = $1) AND patient = ANY ($2) AND state = 'open'",
        )
        .bind(letter.sender)
        .bind(&letter.known_as)
        .bind(at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn block(letters: &[&Conversing], at: OffsetDateTime, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for letter in letters {
        sqlx::query(
            "INSERT INTO unanswerable (bal_id, patient, message_id, at)
             SELECT bal, patient, letter, $4
             FROM unnest($1::bigint[]) bal, unnest($2::bytea[]) patient, unnest($3::bytea[]) letter
             ORDER BY bal, patient, letter
             ON CONFLICT DO NOTHING",
        )
        .bind([letter.answered_by.as_slice(), &[letter.sender]].concat())
        .bind(&letter.patients)
        .bind(&letter.letters)
        .bind(at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

impl Store {
    /// What a letter to patients writes.
    pub(crate) fn conversing(&self, letter: &LetterToPatients) -> Conversing {
        Conversing {
            step: letter.step,
            sender: letter.sender.0,
            answered_by: numbers(&letter.answered_by),
            patients: letter.patients.iter().map(|patient| self.hash(&patient.key())).collect(),
            known_as: letter.patients.iter().flat_map(|patient| self.all_hashes(patient)).collect(),
            letters: letter.message_ids.iter().map(|id| self.hash(id)).collect(),
        }
    }

    /// How a BAL and a patient stand, and what the BAL takes of patients. `None` if there is no such BAL.
    pub async fn conversation(
        &self,
        bal: BalId,
        patient: &Address,
    ) -> Result<Option<(Conversation, PatientMail)>, StoreError> {
        let row: Option<(String, Option<bool>, bool)> = sqlx::query_as(
            "SELECT patient_mail,
                    (SELECT bool_or(state = 'open') FROM conversation WHERE bal_id = $1 AND patient = ANY ($2)),
                    EXISTS (SELECT FROM unanswerable WHERE bal_id = $1 AND patient = ANY ($2))
             FROM bal WHERE id = $1",
        )
        .bind(bal.0)
        .bind(self.all_hashes(patient))
        .fetch_optional(self.pool())
        .await?;
        let Some((takes, open, blocked)) = row else { return Ok(None) };
        let conversation = match (open, blocked) {
            (Some(true), _) => Conversation::Open,
            (Some(false), _) => Conversation::Closed,
            (None, true) => Conversation::Blocked,
            (None, false) => Conversation::None,
        };
        Ok(Some((conversation, parsed(&takes)?)))
    }

    /// Whether a BAL has written to any patient, or somebody for it.
    pub async fn has_written_to_patients(&self, bal: BalId) -> Result<bool, StoreError> {
        let (written,) = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM conversation WHERE bal_id = $1)
                 OR EXISTS (SELECT FROM conversation WHERE opened_by = $1)
                 OR EXISTS (SELECT FROM unanswerable WHERE bal_id = $1)",
        )
        .bind(bal.0)
        .fetch_one(self.pool())
        .await?;
        Ok(written)
    }

    /// Whether one of these BALs has written one of these letters to the patient as one that takes no answer; any letter
    /// without `answered`.
    pub async fn takes_no_answer(
        &self,
        bals: &[BalId],
        patient: &Address,
        answered: Option<&[String]>,
    ) -> Result<bool, StoreError> {
        let answered: Option<Vec<_>> = answered.map(|ids| ids.iter().flat_map(|id| self.all_hashes_of(id)).collect());
        let (blocked,) = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM unanswerable
                            WHERE bal_id = ANY ($1) AND patient = ANY ($2)
                              AND ($3::bytea[] IS NULL OR message_id = ANY ($3)))",
        )
        .bind(numbers(bals))
        .bind(self.all_hashes(patient))
        .bind(answered)
        .fetch_one(self.pool())
        .await?;
        Ok(blocked)
    }

    /// Under the active key.
    fn hash(&self, text: &str) -> Vec<u8> {
        let (active, _) = self.keyring().active();
        self.hash_under(active, text)
    }

    fn all_hashes(&self, patient: &Address) -> Vec<Vec<u8>> {
        self.all_hashes_of(&patient.key())
    }

    /// Under every key of the ring: another one may have been active when the row was written.
    fn all_hashes_of(&self, text: &str) -> Vec<Vec<u8>> {
        self.keyring().iter().map(|(id, _)| self.hash_under(id, text)).collect()
    }

    fn hash_under(&self, id: &str, text: &str) -> Vec<u8> {
        let key = self.keyring().derived(id, PURPOSE).expect("a key of this ring");
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes()).as_ref().to_vec()
    }
}

fn numbers(bals: &[BalId]) -> Vec<i64> {
    bals.iter().map(|bal| bal.0).collect()
}
