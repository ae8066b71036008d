//! One case from the first connection to the last message seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::case::Case;
use crate::client::{Sender, Target};
use crate::content::Content;
use crate::imap::Readers;
use crate::latency::Percentiles;
use crate::process::{self, Memory, Tree};
use crate::report::Outcome;
use crate::setup::Setup;

/// What the senders share.
struct Load {
    target: Target,
    content: Content,
    case: Case,
    recipients: Vec<String>,
    /// Distinguishes the identifiers of this run from those of all others.
    run: String,
    next_connection: AtomicUsize,
}

/// What the senders bring back.
#[derive(Default)]
struct Sent {
    ids: Vec<String>,
    latencies: Vec<Duration>,
}

/// Runs one case.
pub(crate) async fn run(setup: &Setup, case: &Case) -> Result<Outcome> {
    let mut readers = Readers::new(setup.mailboxes()?)?;
    let load = Arc::new(Load {
        target: setup.target(case.door)?,
        content: Content::new(case.size),
        case: case.clone(),
        recipients: (0..case.total()).map(|number| setup.recipient(number).to_owned()).collect(),
        run: case.name.replace(' ', "-"),
        next_connection: AtomicUsize::new(0),
    });
    let tree = setup.processes();
    let data_dir = setup.hospital().data_dir.clone();
    let watch = MemoryWatch::start(setup.hospital_processes());
    let (cpu_before, flushes_before) = (tree.cpu_ms()?, process::disk_flushes(&data_dir)?);
    let started = Instant::now();
    let sent = send_all(&load).await?;
    let accepting = started.elapsed();
    readers.wait_for(sent.ids.len())?;
    let delivering = started.elapsed();
    let cpu = tree.cpu_ms()? - cpu_before;
    let flushes = process::disk_flushes(&data_dir)?.zip(flushes_before).map(|(after, before)| after - before);
    let memory = watch.stop();
    let found = readers.found()?;
    Ok(outcome(case, sent, &found, &Cost { accepting, delivering, cpu, flushes, memory }))
}

/// What it took.
struct Cost {
    accepting: Duration,
    delivering: Duration,
    cpu: f64,
    flushes: Option<u64>,
    memory: Memory,
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages, flushes and octets are far below 2^52")]
fn outcome(case: &Case, sent: Sent, found: &HashMap<String, usize>, cost: &Cost) -> Outcome {
    let accepted = sent.ids.len();
    let count = accepted as f64;
    let times = |id: &String| found.get(id).copied().unwrap_or(0);
    Outcome {
        case: case.name.clone(),
        accepted,
        found: sent.ids.iter().filter(|id| times(id) > 0).count(),
        lost: sent.ids.iter().filter(|id| times(id) == 0).count(),
        duplicated: sent.ids.iter().map(|id| times(id).saturating_sub(1)).sum(),
        accepted_per_second: count / cost.accepting.as_secs_f64(),
        delivered_per_second: count / cost.delivering.as_secs_f64(),
        latency_ms: Percentiles::of(sent.latencies),
        cpu_ms_per_message: cost.cpu / count,
        flushes_per_message: cost.flushes.map(|flushes| flushes as f64 / count),
        pli_memory_mb: cost.memory.pli as f64 / 1e6,
        all_memory_mb: cost.memory.all as f64 / 1e6,
    }
}

/// As many workers as connections at once; each opens a connection, sends its messages, closes, and goes on.
async fn send_all(load: &Arc<Load>) -> Result<Sent> {
    let mut workers = JoinSet::new();
    for _ in 0..load.case.connections {
        let load = Arc::clone(load);
        workers.spawn(async move { work(&load).await });
    }
    let mut all = Sent::default();
    while let Some(sent) = workers.join_next().await {
        let mut sent = sent??;
        all.ids.append(&mut sent.ids);
        all.latencies.append(&mut sent.latencies);
    }
    Ok(all)
}

async fn work(load: &Load) -> Result<Sent> {
    let mut sent = Sent::default();
    loop {
        let connection = load.next_connection.fetch_add(1, Ordering::Relaxed);
        if connection >= load.case.rounds {
            return Ok(sent);
        }
        let mut sender = Sender::open(&load.target).await?;
        for message in 0..load.case.messages {
            let number = connection * load.case.messages + message;
            let id = format!("{}-{number}", load.run);
            let to = &load.recipients[number];
            let header = Content::header(&id, &load.target.sender, to);
            sent.latencies.push(sender.send(to, &header, load.content.body()).await?);
            sent.ids.push(id);
        }
        sender.quit().await?;
    }
}

/// Looks at the servers' memory five times a second.
struct MemoryWatch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Memory>,
}

impl MemoryWatch {
    fn start(tree: Tree) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut most = Memory::default();
            while !seen.load(Ordering::Relaxed) {
                if let Ok(now) = tree.memory() {
                    most = Memory { pli: most.pli.max(now.pli), all: most.all.max(now.all) };
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            most
        });
        Self { stop, thread }
    }

    fn stop(self) -> Memory {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}
