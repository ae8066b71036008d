//! The end of our own certificate: peers refuse an expired one, so somebody must hear of it in time.

use std::time::Duration;

use mssante::Clock;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::node::Tls;
use crate::ambient::SystemClock;
use crate::cli::moment;

/// How often a server that nobody restarts says it again.
const AGAIN: Duration = Duration::from_hours(24);

/// How near the end is. A new certificate of IGC-Santé takes weeks where its name has to get on the list, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Urgency {
    /// From 60 days before: time to order a new one.
    Notice,
    /// From 30 days before.
    Warning,
    /// From 7 days before, and ever after.
    Alarm,
}

impl Urgency {
    fn of(left: time::Duration) -> Option<Self> {
        match () {
            () if left <= time::Duration::days(7) => Some(Self::Alarm),
            () if left <= time::Duration::days(30) => Some(Self::Warning),
            () if left <= time::Duration::days(60) => Some(Self::Notice),
            () => None,
        }
    }
}

/// What is to be said of the certificate that ends first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ExpiryWarning {
    /// How urgent.
    pub(crate) urgency: Urgency,
    /// When it ends, and what to do.
    pub(crate) text: String,
}

/// Sets the gauges and logs what ends soon.
pub(super) fn tell(tls: &Tls) {
    for (part, end) in tls.ends() {
        #[allow(clippy::cast_precision_loss, reason = "a date before the year 142 million")]
        metrics::gauge!("pli_certificate_expiry_seconds", "part" => part).set(end.unix_timestamp() as f64);
    }
    match notice(tls, SystemClock.now()) {
        None => {}
        Some(ExpiryWarning { urgency: Urgency::Notice, text }) => tracing::info!("{text}"),
        Some(ExpiryWarning { urgency: Urgency::Warning, text }) => tracing::warn!("{text}"),
        Some(ExpiryWarning { urgency: Urgency::Alarm, text }) => tracing::error!("{text}"),
    }
}

/// Tells once a day until `stop`.
pub(super) async fn follow(tls: Tls, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => tell(&tls),
        }
    }
}

/// What to say of the certificate that ends first, as a text.
pub(super) fn warning(tls: &Tls, now: OffsetDateTime) -> Option<String> {
    notice(tls, now).map(|warning| warning.text)
}

/// What to say of the certificate that ends first, and how loudly.
pub(super) fn notice(tls: &Tls, now: OffsetDateTime) -> Option<ExpiryWarning> {
    soon(tls.first_end(), now)
}

fn soon(end: OffsetDateTime, now: OffsetDateTime) -> Option<ExpiryWarning> {
    let left = end - now;
    let urgency = Urgency::of(left)?;
    let date = moment(end);
    let text = if left <= time::Duration::ZERO {
        format!("our certificate (tls.certificate_file) ended at {date}: other operators refuse our mail")
    } else {
        format!(
            "our certificate (tls.certificate_file) ends at {date}, in {} days; order a new one, \
             and if its subject differs have it put on the white list first",
            left.whole_days()
        )
    };
    Some(ExpiryWarning { urgency, text })
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn the_end_is_announced_at_sixty_thirty_and_seven_days_louder_each_time() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let at = |left| soon(now + left, now);
        let urgency = |left| at(left).map(|warning| warning.urgency);
        assert_eq!(at(Duration::days(60) + Duration::seconds(1)), None);
        assert_eq!(urgency(Duration::days(60)), Some(Urgency::Notice));
        assert_eq!(urgency(Duration::days(30) + Duration::seconds(1)), Some(Urgency::Notice));
        assert_eq!(urgency(Duration::days(30)), Some(Urgency::Warning));
        assert_eq!(urgency(Duration::days(7)), Some(Urgency::Alarm));
        assert_eq!(urgency(Duration::days(-100)), Some(Urgency::Alarm));
        let text = |left| at(left).unwrap().text;
        assert!(text(Duration::days(30)).contains("in 30 days"));
        assert!(text(Duration::hours(3)).contains("in 0 days"));
        assert!(text(Duration::seconds(-1)).contains("ended at 2024-10-03T"));
    }
}
