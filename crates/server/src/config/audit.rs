//! Settings of the audit trail.

use std::time::Duration;

use serde::Deserialize;
use store::{EventClass, Retentions};

/// Shorter, and the trail would cost more than what it tells.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// Longer, and lines could be taken out of the inbox unnoticed for too long.
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);

/// The audit trail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    #[serde(with = "humantime_serde")]
    pub(crate) enter_every: Duration,
    pub(crate) retention: Retention,
}

impl Default for Audit {
    fn default() -> Self {
        Self { enter_every: Duration::from_secs(1), retention: Retention::default() }
    }
}

/// Makes the section with a setting for each class.
macro_rules! retention {
    ($($name:ident $class:ident,)*) => {
        /// How long contents are kept, by class of events.
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct Retention {
            $(#[serde(with = "humantime_serde")] $name: Duration,)*
        }

        impl Default for Retention {
            fn default() -> Self {
                Self { $($name: EventClass::$class.default_retention().unsigned_abs(),)* }
            }
        }

        impl Retention {
            fn of_classes(&self) -> impl Iterator<Item = (EventClass, Duration)> {
                [$((EventClass::$class, self.$name),)*].into_iter()
            }
        }
    };
}

retention! {
    provisioning Provisioning,
    log_in LogIn,
    delegation Delegation,
    reading Reading,
    send Send,
    delivery Delivery,
    refusal Refusal,
    deletion Deletion,
    trust Trust,
    directory Directory,
    audit Audit,
}

impl Audit {
    /// What is wrong with the section.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&self.enter_every) {
            return Err("audit.enter_every is not between 100ms and 1m; take 1s".to_owned());
        }
        match self.retention.of_classes().find(|(_, kept)| kept.as_secs() < 86_400) {
            Some((class, _)) => Err(format!(
                "audit.retention.{} is less than a day; say how many days lines are kept, as in \"365d\"",
                class.word().replace('-', "_")
            )),
            None => Ok(()),
        }
    }

    /// For the store.
    pub(crate) fn retentions(&self) -> Retentions {
        let classes = self.retention.of_classes();
        Retentions(
            classes.map(|(class, kept)| (class, time::Duration::seconds(kept.as_secs().cast_signed()))).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_setting() {
        assert_eq!(Audit::default().retentions(), Retentions::default());
    }
}
