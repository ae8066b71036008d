//! Stops the PostgreSQL that tests share. `make test` runs it at the end.

fn main() {}
