//! What it costs to accept and store messages, without any protocol around it.
//!
//! `cargo run --release -p store --example acceptance_cost [messages] [octets] [sessions]` makes a cluster with fsync in a
//! folder of its own under /tmp and prints messages per second, and milliseconds of CPU per message of this process
//! and of PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has nothing to say")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use message::{MessageFacts, Scanner, Span, Summary};
use mssante::{Address, BalKind, Random, ReversePath};
use store::{Acceptance, Cluster, DatabaseSettings, LocalDelivery, NewBal, Source, Store};
use testkit::clock::{RealClock, TestRandom};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let mut next = |default: usize| arguments.next().unwrap_or(default);
    let (messages, octets, sessions) = (next(20_000), next(4_096), next(20));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure(messages, octets, sessions));
}

async fn measure(messages: usize, octets: usize, sessions: usize) {
    let folder = tempfile::Builder::new().prefix("pli-cost-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let cluster = Cluster::start(folder.path()).await.unwrap();
    let settings = DatabaseSettings { url: cluster.url(), connections: 20 };
    let store = Store::open(&settings, testkit::postgres::parts(Arc::new(RealClock))).await.unwrap();
    let (letter, summary) = letter(octets);
    let mut bals = Vec::new();
    for number in 0..100 {
        bals.push(store.create_bal(bal(&format!("b{number}@ch.mssante.fr"))).await.unwrap());
    }
    let (letter, summary, bals) = (Arc::new(letter), Arc::new(summary), Arc::new(bals));
    let postmaster = cluster.pid().unwrap();
    let (own, server, started) = (cpu("self"), server_cpu(postmaster), Instant::now());
    let taken = Arc::new(AtomicUsize::new(0));
    let tasks = (0..sessions).map(|_| {
        let (store, letter, summary, bals) = (store.clone(), letter.clone(), summary.clone(), bals.clone());
        let taken = taken.clone();
        tokio::spawn(async move {
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= messages {
                    return;
                }
                let bal = &bals[number % bals.len()];
                let mut intake = store.begin_intake().await.unwrap();
                intake.write(&letter).await.unwrap();
                let message = intake.finish(Summary::clone(&summary)).await.unwrap();
                store.accept(acceptance(message, bal)).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    report(messages, started, cpu("self") - own, server_cpu(postmaster) - server);
    read_back(&store, &bals[0]).await;
    store.close().await;
    cluster.stop().await.unwrap();
}

fn acceptance(message: store::SealedMessage, bal: &store::BalRecord) -> Acceptance {
    Acceptance {
        message,
        facts: MessageFacts::default(),
        reverse_path: ReversePath::Address(bal.address.clone()),
        smtputf8: false,
        envelope_id: None,
        ret: None,
        source: Source::Hop {
            dn: "cn=peer".into(),
            address: "192.0.2.1".into(),
            matched: "strict",
            certificate: [7; 32],
        },
        deliveries: vec![LocalDelivery { bal: bal.id, recipient: bal.address.clone() }],
        relays: Vec::new(),
        to_patients: None,
    }
}

fn report(messages: usize, started: Instant, own: f64, server: f64) {
    let count = f64::from(u32::try_from(messages).unwrap());
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "accepted {messages}: {:.0}/s; CPU per message: {:.3} ms here, {:.3} ms in PostgreSQL",
        count / seconds,
        own * 1_000.0 / count,
        server * 1_000.0 / count
    );
}

async fn read_back(store: &Store, bal: &store::BalRecord) {
    let started = Instant::now();
    let opened = store.open_folder(bal.id, "INBOX", true).await.unwrap();
    println!("opened a folder of {}: {:?}", opened.entries.len(), started.elapsed());
    let ids: Vec<_> = opened.entries.iter().map(|entry| entry.message).collect();
    let started = Instant::now();
    let summaries = store.summaries(&ids).await.unwrap();
    println!("unsealed {} summaries: {:?}", summaries.len(), started.elapsed());
    let started = Instant::now();
    for id in &ids {
        let mut reader = store.read_body(*id, Span { start: 0, len: u64::MAX }).await.unwrap();
        while reader.next().await.unwrap().is_some() {}
    }
    println!("read {} bodies one by one: {:?}", ids.len(), started.elapsed());
}

fn bal(address: &str) -> NewBal {
    NewBal::new(Address::parse(address).unwrap(), BalKind::Organisational)
}

/// Half text, half what looks like an encoded attachment.
fn letter(octets: usize) -> (Vec<u8>, Summary) {
    let mut letter = b"From: <a@ch.mssante.fr>\r\nTo: <b@ch.mssante.fr>\r\nSubject: essai\r\n\r\n".to_vec();
    letter.extend(b"Compte rendu d'hospitalisation.\r\n".iter().cycle().take(octets / 2));
    let mut noise = vec![0; octets / 2];
    TestRandom::seeded(1).fill(&mut noise);
    letter.extend(noise.iter().map(|octet| b'0' + octet % 64));
    let mut scanner = Scanner::new();
    scanner.push(&letter);
    (letter, scanner.finish())
}

/// Seconds of CPU that a process and its ended children used.
fn cpu(process: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    // utime, stime, cutime, cstime in hundredths.
    fields.skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn server_cpu(postmaster: u32) -> f64 {
    let entries = std::fs::read_dir(Path::new("/proc")).unwrap().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let children = processes.filter(|process| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("PPid:\t") == Some(postmaster.to_string().as_str()))
    });
    cpu(&postmaster.to_string()) + children.map(|process| cpu(&process)).sum::<f64>()
}
