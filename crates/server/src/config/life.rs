//! Settings of the life of BALs: inactivity, retention, quotas.

use std::time::Duration;

use mssante::{Quotas, Size};
use serde::Deserialize;

/// How BALs age.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bal {
    #[serde(with = "humantime_serde")]
    pub(crate) inactive_warning: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) inactive_closing: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) closed_retention: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) round: Duration,
}

/// As `humantime` counts: 30.44 days.
const fn months(number: u64) -> Duration {
    Duration::from_secs(number * 2_630_016)
}

impl Default for Bal {
    fn default() -> Self {
        Self {
            inactive_warning: months(10),
            inactive_closing: months(12),
            closed_retention: months(12),
            round: Duration::from_hours(1),
        }
    }
}

impl Bal {
    /// Rules that hold without connecting to anything. The text names the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.round.is_zero() {
            return Err("bal.round = \"0s\" would look without pause; write \"1h\"".to_owned());
        }
        let longest =
            [self.inactive_warning, self.inactive_closing, self.closed_retention, self.round].into_iter().max();
        if longest > Some(months(1200)) {
            return Err("a duration of [bal] is longer than a century; write \"0s\" for never".to_owned());
        }
        if !self.inactive_closing.is_zero() && self.inactive_warning >= self.inactive_closing {
            return Err(
                "bal.inactive_warning must be shorter than bal.inactive_closing: nobody is closed without a warning"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// What BALs may hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Quota {
    pub(crate) per: Size,
    pub(crate) org: Size,
    pub(crate) app: Size,
    pub(crate) cab: Size,
}

impl Default for Quota {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self { per: Size(2 * GIB), org: Size(10 * GIB), app: Size(10 * GIB), cab: Size(5 * GIB) }
    }
}

impl Quota {
    /// As the rules take them.
    pub(crate) fn quotas(&self) -> Quotas {
        Quotas { nominative: self.per, organisational: self.org, applicative: self.app, cabinet: self.cab }
    }
}
