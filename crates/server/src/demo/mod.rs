//! `pli demo`: two complete operators on this machine that exchange messages through their
//! real ports.

mod authority;
mod guide;
mod hops;
mod operator;
mod plan;
mod scenario;
mod sheet;
mod site;
mod steps;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{DemoArgs, json, line};
use crate::failure::Failure;
use authority::Authority;
use operator::Operator;
use plan::Plan;
use scenario::Scenario;
use site::{OperatorFiles, Site};

/// For whom the demonstration prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Tables, and how to set up a mail client.
    People,
    /// One JSON object: the steps. The sheet has the rest.
    Programs,
}

/// Makes the site, starts both operators, runs the scenario, and cleans up whatever happened.
pub(crate) async fn run(args: DemoArgs, audience: Audience) -> Result<(), Failure> {
    let stop = Stop::listen()?;
    let plans = [Plan::hospital(args.port_base), Plan::pharmacy(args.port_base)];
    let authority = Authority::start()
        .await
        .map_err(|error| Failure::Refused(format!("revocation lists cannot be published: {error}")))?;
    let (site, files) = Site::make(args.dir.clone(), &plans, &authority)?;
    let result = operate((&args, audience), &site, plans, files, stop).await;
    if matches!(result, Ok(()) | Err(Failure::Interrupted)) {
        site.remove();
    } else {
        eprintln!("pli: {} is kept, so that you can read the logs", site.dir.display());
    }
    result
}

/// From the first started process to the last stopped one.
async fn operate(
    (args, audience): (&DemoArgs, Audience),
    site: &Site,
    plans: [Plan; 2],
    files: [OperatorFiles; 2],
    mut stop: Stop,
) -> Result<(), Failure> {
    let mut operators = start(plans, files)?;
    let shown = tokio::select! {
        shown = show(args, audience, site, &mut operators) => shown,
        () = stop.wait() => Err(Failure::Interrupted),
    };
    if shown.is_ok() && !args.once {
        stay(&mut operators, &mut stop).await;
    }
    let [hospital, pharmacy] = operators;
    tokio::join!(hospital.stop(), pharmacy.stop());
    shown
}

/// Until somebody stops the demonstration. An operator that somebody kills may be started again
/// by hand: the other one goes on.
async fn stay([hospital, pharmacy]: &mut [Operator; 2], stop: &mut Stop) {
    let both_ended = async {
        tokio::join!(hospital.watch(), pharmacy.watch());
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = stop.wait() => {}
        () = both_ended => {}
    }
}

fn start([hospital, pharmacy]: [Plan; 2], [ours, theirs]: [OperatorFiles; 2]) -> Result<[Operator; 2], Failure> {
    Ok([Operator::start(hospital, ours)?, Operator::start(pharmacy, theirs)?])
}

/// Everything up to the point where a person could take over.
async fn show(args: &DemoArgs, audience: Audience, site: &Site, operators: &mut [Operator; 2]) -> Result<(), Failure> {
    if audience == Audience::People {
        line("Starting two operators, each with its own PostgreSQL…")?;
    }
    for operator in operators.iter_mut() {
        operator.until_ready(0).await?;
        operator.create_bals().await?;
    }
    let [hospital, pharmacy] = &*operators;
    if audience == Audience::People {
        guide::places(site, [hospital, pharmacy])?;
    }
    let steps = Scenario { site, hospital, pharmacy }.run().await;
    match audience {
        Audience::People => steps.print()?,
        Audience::Programs => json(&steps.json())?,
    }
    if !steps.all_held() {
        return Err(Failure::Refused("not everything held".to_owned()));
    }
    if let Some(file) = &args.sheet {
        sheet::write(file, site, [hospital, pharmacy])?;
    }
    match audience {
        Audience::Programs => Ok(()),
        Audience::People if args.once => line("Everything held."),
        Audience::People => guide::mail_clients(site, [hospital, pharmacy]),
    }
}

/// Ctrl-C or SIGTERM.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::Refused(format!("cannot listen to signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
