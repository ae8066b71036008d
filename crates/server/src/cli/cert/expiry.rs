//! `pli cert expiry`.

use mssante::Clock;

use super::configured::{self, Configured};
use super::{as_json, print};
use crate::ambient::SystemClock;
use crate::config::Settings;
use crate::failure::Failure;

/// Prints what ends within `days`; exit code 1 if that is anything, 3 if our key does not fit our certificate.
pub(super) fn run(settings: &Settings, days: u32, json: bool) -> Result<(), Failure> {
    let files = configured::all(settings).into_iter().collect::<Result<Vec<_>, _>>()?;
    let now = SystemClock.now();
    let ending: Vec<_> = files
        .iter()
        .flat_map(|Configured { setting, certificates, .. }| certificates.iter().map(move |each| (*setting, each)))
        .filter(|(_, certificate)| certificate.days_left(now) < i64::from(days))
        .collect();
    if json {
        let objects = ending.iter().map(|(setting, certificate)| {
            let mut object = as_json(certificate, now);
            object["setting"] = (*setting).into();
            object
        });
        print::json(&objects.collect::<Vec<_>>())?;
    } else {
        for (setting, certificate) in &ending {
            let (name, end) = (&certificate.facts.name, print::moment(certificate.facts.not_after));
            print::line(&format!("{setting}: {name}: {end}, {}", left(certificate.days_left(now))))?;
        }
    }
    match ending.len() {
        0 => Ok(settings.tls_files().check_pair()?),
        count => {
            Err(Failure::Refused(format!("{count} certificate(s) end within {days} days; order new ones in time")))
        }
    }
}

/// The days that are left, for people.
pub(super) fn left(days: i64) -> String {
    match days {
        ..0 => "ended".to_owned(),
        0 => "ends today".to_owned(),
        1 => "1 day left".to_owned(),
        _ => format!("{days} days left"),
    }
}
