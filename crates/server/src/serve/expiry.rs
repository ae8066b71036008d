//! The end of our own certificate: peers refuse an expired one, so somebody must hear of it in time.

use std::time::Duration;

use mssante::Clock;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::node::Tls;
use crate::ambient::SystemClock;

/// A new certificate of IGC-Santé takes weeks where its name has to get on the list, too.
const NOTICE: time::Duration = time::Duration::days(30);
/// How often a server that nobody restarts says it again.
const AGAIN: Duration = Duration::from_hours(24);

/// Says what the gauge means.
pub(super) fn describe() {
    metrics::describe_gauge!(
        "pli_certificate_expiry_seconds",
        metrics::Unit::Seconds,
        "when our certificate in use by this part ends, in seconds since 1970"
    );
}

/// Sets the gauges and logs what ends soon.
pub(super) fn tell(tls: &Tls) {
    for (part, end) in tls.ends() {
        #[allow(clippy::cast_precision_loss, reason = "a date before the year 142 million")]
        metrics::gauge!("pli_certificate_expiry_seconds", "part" => part).set(end.unix_timestamp() as f64);
    }
    if let Some(warning) = warning(tls, SystemClock.now()) {
        tracing::warn!("{warning}");
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

/// What to say of the certificate that ends first.
pub(super) fn warning(tls: &Tls, now: OffsetDateTime) -> Option<String> {
    soon(tls.first_end(), now)
}

fn soon(end: OffsetDateTime, now: OffsetDateTime) -> Option<String> {
    let left = end - now;
    let date = end.date();
    if left <= time::Duration::ZERO {
        return Some(format!(
            "our certificate (tls.certificate_file) ended on {date}: other operators refuse our mail"
        ));
    }
    (left <= NOTICE).then(|| {
        format!(
            "our certificate (tls.certificate_file) ends on {date}, in {} days; order a new one, \
             and if its subject differs have it put on the white list first",
            left.whole_days()
        )
    })
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn the_end_is_announced_from_thirty_days_before() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        assert_eq!(soon(now + Duration::days(31), now), None);
        assert!(soon(now + Duration::days(30), now).unwrap().contains("in 30 days"));
        assert!(soon(now + Duration::hours(3), now).unwrap().contains("in 0 days"));
        assert!(soon(now - Duration::seconds(1), now).unwrap().contains("ended on 2024-10-03"));
    }
}
