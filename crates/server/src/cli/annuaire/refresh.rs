//! `pli annuaire refresh`: asks the sources in this process, whether a server runs or not.

use serde_json::{Value, json};
use store::{AnnuaireId, Due};

use super::{outcome, print, progress};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::annuaire::{Asked, Feed, Outcome, visit};

/// Asks now; exit code 1 if a source gave nothing that can be used, or something that waits for a person.
pub(super) async fn run(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    asked(settings, Due::WhenFree, as_json).await
}

/// Asks those that are due.
pub(super) async fn asked(settings: &Settings, due: Due, as_json: bool) -> Result<(), Failure> {
    if Feed::ALL.iter().all(|feed| feed.url(settings).is_none()) {
        return Err(Failure::Configuration(
            "no source is configured; set annuaire.url or annuaire.fhir.url, or import a file with `pli annuaire import FILE`".to_owned(),
        ));
    }
    let asked = visit(settings, async |keeper| {
        let watcher = progress::watcher(as_json);
        let mut asked = Vec::new();
        for feed in Feed::ALL {
            asked.extend(keeper.ask(feed, due, &watcher).await?);
        }
        Ok(asked)
    })
    .await?;
    if as_json {
        print::json(&asked.iter().map(value).collect::<Vec<_>>())?;
    } else {
        for source in &asked {
            print(source)?;
        }
        if asked.is_empty() {
            print::line("nothing is due: the sources were asked not long ago")?;
        }
    }
    let waits = asked.iter().find_map(waits);
    match (asked.iter().filter(|source| failed(source) && self::waits(source).is_none()).count(), waits) {
        (0, None) => Ok(()),
        (0, Some(version)) => Err(Failure::Refused(format!(
            "what came waits for you: look at `pli annuaire status`, then run `pli annuaire acknowledge {version}`"
        ))),
        (failed, _) => {
            Err(Failure::Refused(format!("{failed} of {} sources gave nothing that can be used", asked.len())))
        }
    }
}

/// The version that came and waits for a person.
fn waits(asked: &Asked) -> Option<AnnuaireId> {
    match &asked.result.as_ref().ok()?.outcome {
        Outcome::Pending { version, .. } => Some(*version),
        _ => None,
    }
}

fn failed(asked: &Asked) -> bool {
    asked.result.as_ref().map_or(true, |done| outcome::success(&done.outcome).is_err())
}

fn text(asked: &Asked) -> String {
    asked.result.as_ref().map_or_else(ToString::to_string, |done| outcome::text(&done.outcome))
}

fn value(asked: &Asked) -> Value {
    let result = asked.result.as_ref().ok().map(|done| outcome::value(&done.outcome, &done.rejections));
    json!({
        "kind": asked.feed.kind().word(), "source": asked.url, "ok": !failed(asked), "text": text(asked),
        "result": result,
    })
}

fn print(asked: &Asked) -> Result<(), Failure> {
    print::line(&format!("{} {}", asked.feed.kind().word(), asked.url))?;
    match &asked.result {
        Ok(done) if outcome::success(&done.outcome).is_ok() => outcome::print(&done.outcome, &done.rejections),
        _ => print::line(&format!("    {}", text(asked))),
    }
}
