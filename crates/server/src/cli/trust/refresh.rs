//! `pli trust refresh`: asks the sources now, in this process, whether a server runs or not.

use serde_json::{Value, json};
use store::Due;

use super::{outcome, print};
use crate::config::Settings;
use crate::failure::Failure;
use crate::serve::trust::{Asked, CrlAsked, Reach, visit};

/// One source that was asked.
struct Step {
    value: Value,
    text: String,
    failed: bool,
}

/// Prints what each source gave; exit code 1 if one of them gave nothing that can be used.
pub(super) async fn run(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let steps = visit(settings, Reach::Network, async |keeper| {
        // The list's signer is looked up in them.
        let mut steps: Vec<Step> = keeper.refresh_crls().await?.iter().map(Step::of_crl).collect();
        steps.extend(keeper.ask_source(Due::Now).await?.iter().map(Step::of_list));
        Ok(steps)
    })
    .await?;
    if as_json {
        print::json(&steps.iter().map(|step| &step.value).collect::<Vec<_>>())?;
    } else {
        for step in &steps {
            print::line(&step.text)?;
        }
    }
    match steps.iter().filter(|step| step.failed).count() {
        0 => Ok(()),
        failed => Err(Failure::Refused(format!("{failed} of {} sources gave nothing that can be used", steps.len()))),
    }
}

impl Step {
    fn of_crl(asked: &CrlAsked) -> Self {
        let url = &asked.url;
        let (text, failed) = match &asked.result {
            Ok(Some(list)) => {
                let end = print::moment(list.next_update);
                (format!("{} certificates of {} revoked, good until {end}", list.revoked, list.issuer), false)
            }
            Ok(None) => ("nothing new".to_owned(), false),
            Err(why) => (why.clone(), true),
        };
        let value = json!({ "kind": "crl", "source": url, "ok": !failed, "text": text });
        Self { value, text: format!("revocation list {url}\n    {text}"), failed }
    }

    fn of_list(asked: &Asked) -> Self {
        let source = &asked.source;
        let (text, failed, result) = match &asked.result {
            Ok(outcome) => (outcome::text(outcome), outcome::success(outcome).is_err(), Some(outcome::value(outcome))),
            Err(error) => (error.to_string(), true, None),
        };
        let value = json!({ "kind": "list", "source": source, "ok": !failed, "text": text, "result": result });
        Self { value, text: format!("white list {source}\n    {text}"), failed }
    }
}
