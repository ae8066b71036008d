//! `pli audit list`.

use clap::Args;
use mssante::Address;
use store::{Event, EventClass, MessageId, Store, TraceFilter, TraceRecord};

use super::super::print;
use super::period::Period;
use crate::failure::Failure;

/// Which lines to show.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// What was done on this BAL, and messages that came to it.
    #[arg(long, value_name = "ADDRESS")]
    bal: Option<Address>,
    /// Done by this actor: an account, an address, a DN.
    #[arg(long)]
    actor: Option<String>,
    /// Of this event only, e.g. bal.created.
    #[arg(long, conflicts_with = "class")]
    event: Option<Event>,
    /// Of this class of events only, e.g. provisioning.
    #[arg(long)]
    class: Option<EventClass>,
    /// About this message, by its number as replies and Received fields have it, e.g. P3E8.
    #[arg(long, value_name = "NUMBER", value_parser = message)]
    message: Option<MessageId>,
    #[command(flatten)]
    period: Period,
    /// The newest so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

/// Reads what `MessageId` writes.
fn message(text: &str) -> Result<MessageId, String> {
    let digits = text.strip_prefix('P').ok_or("write the number with its P, as in P3E8")?;
    i64::from_str_radix(digits, 16).map(MessageId).map_err(|error| error.to_string())
}

impl List {
    pub(super) async fn run(self, store: &Store, json: bool) -> Result<(), Failure> {
        let filter = self.filter(store).await?;
        let lines = store.traces(&filter).await?;
        if json {
            return print::json(&lines);
        }
        let shown = lines.len();
        print::table(["number", "at", "event", "actor", "on", "what"], lines.into_iter().map(row))?;
        if shown == filter.limit as usize {
            eprintln!("the newest {shown} lines; --limit shows more, --from and --to others");
        }
        Ok(())
    }

    async fn filter(&self, store: &Store) -> Result<TraceFilter, Failure> {
        let bal = match &self.bal {
            Some(address) => {
                let bal = store.bal_behind(address).await?;
                Some(bal.ok_or_else(|| Failure::Refused(format!("there is no BAL {address}")))?.id)
            }
            None => None,
        };
        let filter = TraceFilter {
            bal,
            actor: self.actor.clone(),
            events: self.event.map(|event| vec![event.word().to_owned()]),
            message: self.message,
            from: self.period.from,
            to: self.period.to,
            limit: self.limit,
        };
        Ok(match self.class {
            Some(class) => filter.of_class(class),
            None => filter,
        })
    }
}

fn row(line: TraceRecord) -> [String; 6] {
    let number = line.number.map_or_else(|| "waits".to_owned(), |number| number.to_string());
    let removed = || if line.removed { "(removed)".to_owned() } else { String::new() };
    let actor = match (&line.actor, &line.delegated) {
        (Some(actor), Some(right)) => format!("{actor} ({right})"),
        (Some(actor), None) => actor.clone(),
        (None, _) => removed(),
    };
    let message = line.message_id.map(|message| MessageId(message).to_string());
    let on: Vec<String> = [line.bal, message, line.peer].into_iter().flatten().collect();
    let what = line.detail.map_or_else(removed, |detail| detail.to_string());
    [number, print::moment(line.at), line.event, actor, on.join(", "), what]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_as_replies_name_it() {
        assert_eq!(message(&MessageId(1000).to_string()), Ok(MessageId(1000)));
        assert!(message("1000").is_err() && message("Pxyz").is_err());
    }
}
