//! One measured number with what it should be.

use serde::Serialize;

/// A number that a case without messages found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) case: &'static str,
    /// What was measured.
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    /// What it should be; none if it is only told.
    pub(crate) target: Option<Target>,
}

/// What a number should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Target {
    Most(f64),
    Least(f64),
    Exactly(f64),
}

/// At most this.
#[expect(clippy::unnecessary_wraps, reason = "targets are optional")]
pub(crate) fn most(limit: f64) -> Option<Target> {
    Some(Target::Most(limit))
}

/// At least this.
#[expect(clippy::unnecessary_wraps, reason = "targets are optional")]
pub(crate) fn least(limit: f64) -> Option<Target> {
    Some(Target::Least(limit))
}

/// This, which is a count.
#[expect(clippy::unnecessary_wraps, reason = "targets are optional")]
pub(crate) fn exactly(count: f64) -> Option<Target> {
    Some(Target::Exactly(count))
}

impl Figure {
    pub(crate) fn new(
        case: &'static str,
        what: impl Into<String>,
        measured: f64,
        unit: &'static str,
        target: Option<Target>,
    ) -> Self {
        Self { case, what: what.into(), measured, unit, target }
    }

    /// The number with its unit.
    pub(crate) fn shown(&self) -> String {
        let Self { measured, unit, .. } = self;
        match *unit {
            "" => format!("{measured:.0}"),
            "×" => format!("{measured:.2} ×"),
            _ if *measured < 100.0 => format!("{measured:.1} {unit}"),
            _ => format!("{measured:.0} {unit}"),
        }
    }

    /// What it should be, and whether it is.
    pub(crate) fn verdict(&self) -> String {
        let (text, held) = match self.target {
            None => return String::new(),
            Some(Target::Most(limit)) => (format!("≤ {limit} {}", self.unit), self.measured <= limit),
            Some(Target::Least(limit)) => (format!("≥ {limit} {}", self.unit), self.measured >= limit),
            Some(Target::Exactly(count)) => (format!("{count}"), (self.measured - count).abs() < 0.5),
        };
        format!("{}: {}", text.trim_end(), if held { "held" } else { "MISSED" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_held_or_missed() {
        let figure = |measured, target| Figure::new("case", "what", measured, "ms", target);
        assert_eq!(figure(149.9, most(150.0)).verdict(), "≤ 150 ms: held");
        assert_eq!(figure(150.1, most(150.0)).verdict(), "≤ 150 ms: MISSED");
        assert_eq!(figure(149.9, least(150.0)).verdict(), "≥ 150 ms: MISSED");
        assert_eq!(figure(150.0, least(150.0)).verdict(), "≥ 150 ms: held");
        assert_eq!(figure(1.0, exactly(0.0)).verdict(), "0: MISSED");
        assert_eq!(figure(12.345, None).verdict(), "");
        assert_eq!(figure(12.345, None).shown(), "12.3 ms");
    }
}
