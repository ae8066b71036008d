//! Conversations with patients, as letters open, end and block them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use common::{acceptance, address, bal, count, letter, run, seal};
use mssante::{Address, Conversation, ConversationStep, PatientMail};
use store::{Acceptance, BalRecord, KeyRing, LetterToPatients, Store, StoreParts};
use testkit::clock::RealClock;
use testkit::postgres::{TestDatabase, parts};

const PATIENT: &str = "279035121518989@patient.mssante.fr";
const OTHER: &str = "188102B17295264@patient.mssante.fr";

fn to(patient: &str, sender: &BalRecord, step: ConversationStep) -> LetterToPatients {
    LetterToPatients {
        sender: sender.id,
        answered_by: vec![sender.id],
        patients: vec![address(patient)],
        step,
        message_ids: vec!["<1@ch.mssante.fr>".to_owned()],
    }
}

async fn accepted(store: &Store, letter_to: LetterToPatients) -> Acceptance {
    let remote: Vec<String> = letter_to.patients.iter().map(ToString::to_string).collect();
    let remote: Vec<&str> = remote.iter().map(String::as_str).collect();
    let message = seal(store, &letter(100, false)).await;
    Acceptance { to_patients: Some(letter_to), ..acceptance(message, &[], &remote) }
}

async fn write(store: &Store, letter_to: LetterToPatients) {
    store.accept(accepted(store, letter_to).await).await.unwrap();
}

async fn state(store: &Store, bal: &BalRecord, patient: &str) -> Conversation {
    store.conversation(bal.id, &address(patient)).await.unwrap().unwrap().0
}

#[tokio::test]
async fn a_letter_that_is_not_accepted_opens_ends_and_blocks_nothing() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let doctor = bal(&store, "dr").await;
    for step in [ConversationStep::Open, ConversationStep::Block, ConversationStep::End] {
        let fails = accepted(&store, to(PATIENT, &doctor, step)).await;
        run(&database, "ALTER TABLE queue ADD CONSTRAINT test_refuses CHECK (recipient = '') NOT VALID").await;
        assert!(store.accept(fails).await.is_err());
        run(&database, "ALTER TABLE queue DROP CONSTRAINT test_refuses").await;
        assert_eq!(state(&store, &doctor, PATIENT).await, Conversation::None, "{step:?}");
    }
    write(&store, to(PATIENT, &doctor, ConversationStep::Open)).await;
    assert_eq!(state(&store, &doctor, PATIENT).await, Conversation::Open);
    assert_eq!(count(&database, "queue").await, 1);
}

#[tokio::test]
async fn rule_patient_fin_subject_ends_all_conversations_of_the_sender_with_this_patient() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (doctor, software, colleague) = (bal(&store, "dr").await, bal(&store, "labo").await, bal(&store, "dr2").await);
    write(&store, to(PATIENT, &doctor, ConversationStep::Open)).await;
    write(&store, to(OTHER, &doctor, ConversationStep::Open)).await;
    write(&store, to(PATIENT, &colleague, ConversationStep::Open)).await;
    let for_both = LetterToPatients {
        answered_by: vec![doctor.id, colleague.id],
        ..to(PATIENT, &software, ConversationStep::Open)
    };
    write(&store, for_both).await;
    write(&store, to(PATIENT, &software, ConversationStep::End)).await;
    assert_eq!(state(&store, &doctor, PATIENT).await, Conversation::Open, "his own is not the software's to end");
    write(&store, to(PATIENT, &doctor, ConversationStep::End)).await;
    assert_eq!(state(&store, &doctor, PATIENT).await, Conversation::Closed);
    assert_eq!(state(&store, &doctor, OTHER).await, Conversation::Open);
    assert_eq!(state(&store, &colleague, PATIENT).await, Conversation::Open);
}

#[tokio::test]
async fn rule_patient_fin_subject_as_the_only_letter_is_told_as_an_end() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let doctor = bal(&store, "dr").await;
    write(&store, to(PATIENT, &doctor, ConversationStep::End)).await;
    assert_eq!(state(&store, &doctor, PATIENT).await, Conversation::Closed);
    assert!(store.has_written_to_patients(doctor.id).await.unwrap());
}

#[tokio::test]
async fn rule_patient_reopen_by_writing_again() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let doctor = bal(&store, "dr").await;
    for (step, expected) in [
        (ConversationStep::Open, Conversation::Open),
        (ConversationStep::End, Conversation::Closed),
        (ConversationStep::Open, Conversation::Open),
    ] {
        write(&store, to(PATIENT, &doctor, step)).await;
        assert_eq!(state(&store, &doctor, PATIENT).await, expected, "{step:?}");
    }
}

#[tokio::test]
async fn rule_patient_fin_field_blocks_answers_to_that_letter_and_no_other() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (doctor, colleague) = (bal(&store, "dr").await, bal(&store, "dr2").await);
    assert!(!store.has_written_to_patients(doctor.id).await.unwrap());
    write(&store, to(PATIENT, &doctor, ConversationStep::Block)).await;
    assert_eq!(state(&store, &doctor, PATIENT).await, Conversation::Blocked);
    assert!(store.has_written_to_patients(doctor.id).await.unwrap());
    write(&store, to(PATIENT, &doctor, ConversationStep::Open)).await;
    assert_eq!(state(&store, &doctor, PATIENT).await, Conversation::Open);
    let blocked = async |bal: &BalRecord, patient: &str, answered: Option<&str>| {
        let (patient, answered): (Address, Option<[String; 1]>) =
            (address(patient), answered.map(|id| [id.to_owned()]));
        store.takes_no_answer(&[bal.id], &patient, answered.as_ref().map(<[String; 1]>::as_slice)).await.unwrap()
    };
    assert!(blocked(&doctor, PATIENT, Some("<1@ch.mssante.fr>")).await);
    assert!(blocked(&doctor, PATIENT, None).await, "whoever answers everything answers this letter");
    assert!(!blocked(&doctor, PATIENT, Some("<2@ch.mssante.fr>")).await);
    assert!(!blocked(&doctor, OTHER, None).await);
    assert!(!blocked(&colleague, PATIENT, None).await);
}

#[tokio::test]
async fn conversations_of_an_older_key_go_on_and_end_under_a_new_one() {
    let database = TestDatabase::new().await;
    let under = async |active: &str| {
        let keys = format!("key one {}\nkey two {}\nactive {active}\n", "01".repeat(32), "02".repeat(32));
        let keyring = Arc::new(KeyRing::parse(&keys).unwrap());
        Store::open(&database.settings(), StoreParts { keyring, ..parts(Arc::new(RealClock)) }).await.unwrap()
    };
    let before = under("one").await;
    let doctor = bal(&before, "dr").await;
    write(&before, to(PATIENT, &doctor, ConversationStep::Open)).await;
    write(&before, to(PATIENT, &doctor, ConversationStep::Block)).await;
    let after = under("two").await;
    assert_eq!(state(&after, &doctor, PATIENT).await, Conversation::Open);
    let answered = ["<1@ch.mssante.fr>".to_owned()];
    assert!(after.takes_no_answer(&[doctor.id], &address(PATIENT), Some(&answered)).await.unwrap());
    write(&after, to(PATIENT, &doctor, ConversationStep::End)).await;
    assert_eq!(state(&after, &doctor, PATIENT).await, Conversation::Closed);
    assert_eq!(state(&before, &doctor, PATIENT).await, Conversation::Closed);
}

#[tokio::test]
async fn a_bal_takes_answers_only_unless_it_is_said() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let pharmacy = bal(&store, "pharmacie").await;
    store.set_patient_mail(pharmacy.id, PatientMail::Prescriptions).await.unwrap();
    let found = store.conversation(pharmacy.id, &address(PATIENT)).await.unwrap().unwrap();
    assert_eq!(found, (Conversation::None, PatientMail::Prescriptions));
}
