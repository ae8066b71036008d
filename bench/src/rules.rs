//! What one question to the rules costs: who may send, receive, log in, open, hand on, answer.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use mssante::{
    Address, Attribute, BalKind, BalState, Conversation, Credential, DelegateKind, PatientMail, Right, Rights,
    may_create, may_delegate, may_forward, may_log_in_with, may_patient_write, may_receive, may_send,
};

use crate::cpu::median;
use crate::figure::{Figure, most};
use crate::micro::Micro;

/// The cases of this part.
pub(crate) const CASES: [Micro; 1] = [Micro { part: "rules", name: "rules-ask", run: ask }];

const ROUNDS: usize = 101;
/// Questions between two looks at the clock.
const QUESTIONS: u32 = 10_000;
/// Nanoseconds.
const MOST: f64 = 1_000.0;

fn ask(case: &'static str) -> Result<Vec<Figure>> {
    let states = [BalState::Created, BalState::Active, BalState::Suspended, BalState::Closed];
    let rights = [Right::Read, Right::Write, Right::SendOnBehalf].into_iter().collect::<Rights>();
    let given = [Attribute::Structure, Attribute::Responsible, Attribute::Certificate];
    let kind = |n: usize| BalKind::ALL[n % 4];
    let conversation = |n: usize| [Conversation::None, Conversation::Open, Conversation::Closed][n % 3];
    let patient = Address::parse("188017512345605@patient.mssante.fr")?;
    let holder = DelegateKind::HolderOf(BalKind::Nominative);
    let figures = [
        ("a state sends", nanos(|n| may_send(states[n % 4]).is_ok())),
        ("a state receives", nanos(|n| may_receive(states[n % 4]).is_ok())),
        (
            "a kind logs in by password",
            nanos(|n| may_log_in_with(kind(n), states[n % 4], Credential::Password).is_ok()),
        ),
        ("a kind is opened to others", nanos(|n| may_delegate(kind(n), holder, rights).is_ok())),
        ("a kind hands on to another", nanos(|n| may_forward(kind(n), kind(n / 4)).is_ok())),
        ("a patient writes", nanos(|n| may_patient_write(&patient, conversation(n), PatientMail::Answers).is_ok())),
        ("a kind comes with attributes", nanos(|n| may_create(kind(n), &given).is_ok())),
    ];
    Ok(figures.into_iter().map(|(what, nanos)| Figure::new(case, what, nanos, "ns", most(MOST))).collect())
}

/// One question, by the median of the rounds.
fn nanos(question: impl Fn(usize) -> bool) -> f64 {
    let round = |_| {
        let begun = Instant::now();
        for n in 0..QUESTIONS as usize {
            black_box(question(black_box(n)));
        }
        begun.elapsed()
    };
    let times: Vec<Duration> = (0..ROUNDS).map(round).collect();
    median(times).as_secs_f64() * 1e9 / f64::from(QUESTIONS)
}
