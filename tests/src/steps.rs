//! Named steps of one scenario, which share a running demo because starting one per test would cost more than all steps.

use anyhow::Result;

/// Runs steps, goes on after a failure, and reports all failures at the end.
#[derive(Debug, Default)]
pub struct Steps {
    failures: Vec<String>,
    passed: usize,
}

impl Steps {
    /// Runs one step. Its name says the rule that it holds.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) {
        match step() {
            Ok(()) => {
                println!("ok      {name}");
                self.passed += 1;
            }
            Err(error) => {
                println!("FAILED  {name}: {error:#}");
                self.failures.push(format!("{name}: {error:#}"));
            }
        }
    }

    /// Panics with the list of failed steps, if there are any.
    #[track_caller]
    pub fn finish(self) {
        assert!(
            self.failures.is_empty(),
            "{} of {} steps failed:\n\n{}",
            self.failures.len(),
            self.failures.len() + self.passed,
            self.failures.join("\n\n")
        );
    }
}
