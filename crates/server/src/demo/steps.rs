//! What happened, step by step.

use std::time::{Duration, Instant};

use testkit::client::ClientError;

use crate::cli::table;
use crate::failure::Failure;

/// One step with its outcome.
#[derive(Debug)]
struct Step {
    name: String,
    outcome: Result<String, String>,
    took: Duration,
}

/// All steps in their order.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
}

impl Steps {
    /// Does one step and keeps what came of it; returns whether it held.
    pub(super) async fn step(&mut self, name: &str, work: impl Future<Output = Result<String, ClientError>>) -> bool {
        let begin = Instant::now();
        let outcome = tokio::time::timeout(Duration::from_mins(1), work).await;
        let outcome = outcome
            .map_err(|_| "no answer within a minute".to_owned())
            .and_then(|outcome| outcome.map_err(|error| error.to_string()));
        let held = outcome.is_ok();
        self.steps.push(Step { name: name.to_owned(), outcome, took: begin.elapsed() });
        held
    }

    /// Whether every step held.
    pub(super) fn all_held(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_ok())
    }

    /// The steps with their times, for programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let steps = self.steps.iter().map(|step| {
            serde_json::json!({
                "step": step.name,
                "held": step.outcome.is_ok(),
                "seen": step.outcome.as_ref().unwrap_or_else(|why| why),
                "milliseconds": step.took.as_secs_f64() * 1000.0,
            })
        });
        serde_json::json!({ "held": self.all_held(), "steps": steps.collect::<Vec<_>>() })
    }

    /// The table of steps with their times.
    pub(super) fn print(&self) -> Result<(), Failure> {
        let rows = self.steps.iter().enumerate().map(|(index, step)| {
            let (verdict, said) = match &step.outcome {
                Ok(said) => ("ok", said),
                Err(why) => ("FAILED", why),
            };
            let milliseconds = format!("{:.1}", step.took.as_secs_f64() * 1000.0);
            [(index + 1).to_string(), step.name.clone(), verdict.to_owned(), said.clone(), milliseconds]
        });
        table(["", "step", "result", "what was seen", "ms"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_step_that_does_not_hold_is_enough() {
        let mut steps = Steps::default();
        assert!(steps.step("a", async { Ok(String::new()) }).await);
        assert!(steps.all_held());
        assert!(!steps.step("b", async { Err(ClientError::Protocol("x".into())) }).await);
        assert!(steps.step("c", async { Ok(String::new()) }).await);
        assert!(!steps.all_held());
    }
}
