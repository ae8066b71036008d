//! Logs and metrics.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, Settings};
use crate::failure::Failure;

/// Bounds of durations, in seconds: from a memory access to a client's patience.
const SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
/// Bounds of message sizes.
const OCTETS: &[f64] = &[1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 26_214_400.0];
/// Bounds of counts, such as messages in one commit.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Begins logging to standard error and collecting metrics.
pub(super) fn begin(log: &Log) -> Result<PrometheusHandle, Failure> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| Failure::Configuration(format!("log.level = \"{}\": {error}", log.level)))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match log.format {
        LogFormat::Text => subscriber.with_ansi(false).finish().try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).finish().try_init(),
    };
    begun.map_err(|error| Failure::Refused(format!("logging cannot begin: {error}")))?;
    recorder().map_err(|error| Failure::Refused(format!("metrics cannot begin: {error}")))
}

/// Logs what is less safe in the configuration than it should be.
pub(super) fn warn(settings: &Settings) {
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
}

/// Histograms, not summaries, so that nodes can be added up.
fn recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_octets".to_owned()), OCTETS)?
        .install_recorder()
}
