//! Which version of something that waits is meant: whoever puts it in force says that he has looked at this one.

use clap::Args;

/// A version that waits for an acknowledgement.
#[derive(Debug, Args)]
pub(super) struct Meant {
    /// The version that was looked at.
    #[arg(value_name = "VERSION")]
    number: Option<i64>,
    /// Whichever is pending.
    #[arg(long, conflicts_with = "number")]
    yes: bool,
}

impl Meant {
    /// Whether it is the one of this number.
    pub(super) fn is(&self, number: i64) -> bool {
        self.yes || self.number == Some(number)
    }

    /// What to say first when it is not: nothing if none was named.
    pub(super) fn does_not_wait(&self, link: &str) -> String {
        self.number.map(|number| format!("version {number} does not wait{link}")).unwrap_or_default()
    }
}
