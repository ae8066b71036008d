//! No answer of the interface of the national directory stops a synchronisation or makes it go on without end.
//!
//! The input is the bodies of the answers, told apart by NUL; the last one is given again and again.

#![no_main]

use std::sync::Arc;

use annuaire::fhir::{Answer, Base, Found, Heard, Pace, Scope, Step, Sync, SyncRules};
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

const MOST_STEPS: usize = 1000;

fuzz_target!(|octets: &[u8]| {
    let mut bodies = octets.split(|b| *b == 0);
    let mut body = bodies.next().unwrap_or_default();
    let base = Base::parse("https://annuaire.test/fhir/v2").expect("a base");
    let rules = SyncRules { max_calls: 20, tries: 2, ..SyncRules::new(base.clone()) };
    let mut now = datetime!(2026-11-22 6:00 UTC);
    let mut sync = Sync::new(rules, Scope::Full, Arc::new(Pace::per_second(15)), now);
    for _ in 0..MOST_STEPS {
        match sync.next(now) {
            Step::Ask(ask) => {
                assert!(base.holds(&ask.url), "asked elsewhere: {}", ask.url);
                let answer = Answer { status: 200, retry_after: None, body: body.to_vec() };
                sync.hear(now, Heard::Answer(answer), &mut check);
                body = bodies.next().unwrap_or(body);
            }
            Step::Wait(wait) => {
                assert!(!wait.is_zero());
                now += wait;
            }
            Step::Done(_) | Step::Failed(_) => return,
        }
    }
    panic!("it goes on without end");
});

/// Texts of strangers are short enough for a report.
fn check(found: Found) {
    if let Found::Rejected(rejection) = found {
        assert!(rejection.detail.chars().count() <= 200, "{rejection:?}");
    }
}
