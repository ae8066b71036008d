//! `pli audit list`.

use clap::Args;
use mssante::Address;
use store::{Event, EventClass, MessageId, TraceRecord};

use super::super::print;
use super::period::Period;
use crate::admin::{Administration, AskTraces, message_number};
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
    #[arg(long, value_name = "NUMBER", value_parser = message_number)]
    message: Option<MessageId>,
    #[command(flatten)]
    period: Period,
    /// The newest so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl List {
    pub(super) async fn run(self, admin: &Administration, json: bool) -> Result<(), Failure> {
        let limit = self.limit;
        let lines = admin.traces(self.request()).await?;
        if json {
            return print::json(&lines);
        }
        let shown = lines.len();
        print::table(["number", "at", "event", "actor", "on", "what"], lines.into_iter().map(row))?;
        if shown == limit as usize {
            eprintln!("the newest {shown} lines; --limit shows more, --from and --to others");
        }
        Ok(())
    }

    fn request(self) -> AskTraces {
        let Self { bal, actor, event, class, message, period, limit } = self;
        AskTraces { bal, actor, event, class, message, from: period.from, to: period.to, limit }
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
