//! Conversations of our BALs with patients.
//!
//! A patient stands in the database as a keyed hash: addresses hold the INS, and these rows last.

use aws_lc_rs::hmac;
use mssante::{Address, BalId, Conversation, ConversationStep, PatientMail};

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
    /// Its Message-ID, with the angle brackets.
    pub message_id: Option<String>,
}

impl Store {
    /// Moves the conversations on. Called before the letter is accepted: doing it again changes nothing, and a letter
    /// that is on its way can be answered. Writes nothing where a conversation is open already.
    pub async fn note_letter_to_patients(&self, letter: &LetterToPatients) -> Result<(), StoreError> {
        match letter.step {
            ConversationStep::Open => self.open_conversations(letter).await,
            ConversationStep::End => self.end_conversations(letter).await,
            ConversationStep::Block => self.block_answers(letter).await,
        }
    }

    async fn open_conversations(&self, letter: &LetterToPatients) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO conversation (bal_id, patient, opened_by, state, changed_at)
             SELECT bal, patient, $3, 'open', $4
             FROM unnest($1::bigint[]) bal, unnest($2::bytea[]) patient
             ORDER BY bal, patient
             ON CONFLICT (bal_id, patient, opened_by) DO UPDATE SET state = 'open', changed_at = excluded.changed_at
             WHERE conversation.state <> 'open'",
        )
        .bind(numbers(&letter.answered_by))
        .bind(self.hashes(&letter.patients))
        .bind(letter.sender.0)
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Those that the sender opened, and those that were opened for it. `[MSS2 PATIENT.FIN]`
    async fn end_conversations(&self, letter: &LetterToPatients) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE conversation SET state = 'closed', changed_at = $3
             WHERE (opened_by = $1 OR bal_id = $1) AND patient = ANY ($2) AND state = 'open'",
        )
        .bind(letter.sender.0)
        .bind(letter.patients.iter().flat_map(|patient| self.all_hashes(patient)).collect::<Vec<_>>())
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    async fn block_answers(&self, letter: &LetterToPatients) -> Result<(), StoreError> {
        let Some(message_id) = &letter.message_id else { return Ok(()) };
        sqlx::query(
            "INSERT INTO unanswerable (bal_id, patient, message_id, at)
             SELECT bal, patient, $3, $4 FROM unnest($1::bigint[]) bal, unnest($2::bytea[]) patient
             ON CONFLICT DO NOTHING",
        )
        .bind(numbers(&[letter.answered_by.as_slice(), &[letter.sender]].concat()))
        .bind(self.hashes(&letter.patients))
        .bind(self.hash(message_id))
        .bind(self.clock().now())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// How a BAL and a patient stand, and what the BAL takes of patients. `None` if there is no such BAL.
    pub async fn conversation(
        &self,
        bal: BalId,
        patient: &Address,
    ) -> Result<Option<(Conversation, PatientMail)>, StoreError> {
        let row: Option<(String, Option<bool>)> = sqlx::query_as(
            "SELECT patient_mail, (SELECT bool_or(state = 'open') FROM conversation WHERE bal_id = $1 AND patient = ANY ($2))
             FROM bal WHERE id = $1",
        )
        .bind(bal.0)
        .bind(self.all_hashes(patient))
        .fetch_optional(self.pool())
        .await?;
        let Some((takes, open)) = row else { return Ok(None) };
        let conversation = match open {
            Some(true) => Conversation::Open,
            Some(false) => Conversation::Closed,
            None => Conversation::None,
        };
        Ok(Some((conversation, parsed(&takes)?)))
    }

    /// Whether one of these BALs has written one of these letters to the patient as one that takes no answer.
    pub async fn takes_no_answer(
        &self,
        bals: &[BalId],
        patient: &Address,
        answered: &[String],
    ) -> Result<bool, StoreError> {
        let answered: Vec<_> = answered.iter().flat_map(|id| self.all_hashes_of(id)).collect();
        let (blocked,) = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM unanswerable
                            WHERE bal_id = ANY ($1) AND patient = ANY ($2) AND message_id = ANY ($3))",
        )
        .bind(numbers(bals))
        .bind(self.all_hashes(patient))
        .bind(answered)
        .fetch_one(self.pool())
        .await?;
        Ok(blocked)
    }

    fn hashes(&self, patients: &[Address]) -> Vec<Vec<u8>> {
        patients.iter().map(|patient| self.hash(&patient.key())).collect()
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
