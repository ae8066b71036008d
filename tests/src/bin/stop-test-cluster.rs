//! Stops the PostgreSQL that tests share. `make test` runs it at the end.

use anyhow::Result;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(testkit::postgres::stop_test_cluster())?)
}
