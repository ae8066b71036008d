//! `pli demo`: two operators on this machine that exchange messages.

use crate::cli::DemoArgs;
use crate::failure::Failure;

/// Runs the demonstration.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let _ = args;
    Err(Failure::Refused("the demonstration is not there yet".to_owned()))
}
