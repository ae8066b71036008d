//! Real third-party clients against the running demo.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::{Demo, Mailbox, Operator, Program, Steps, client_config, http_get};

#[test]
fn real_clients_send_and_read() {
    let demo = Demo::start().expect("the demo starts");
    write_bundle(&demo).expect("a bundle of authorities");
    let mut steps = Steps::default();
    steps.run("smtplib submits in every way and is refused what it may not do", || {
        script(&demo, "smtplib_submission.py").map(drop)
    });
    steps.run("imaplib reads and files", || script(&demo, "imaplib_reading.py").map(drop));
    steps.run("swaks submits with STARTTLS and a password", || swaks_submits(&demo));
    steps.run("swaks hops with the listed certificate", || swaks_hops(&demo));
    steps.run("swaks hops without a certificate and is refused", || swaks_without_certificate(&demo));
    steps.run("swaks hops without TLS and is refused", || swaks_in_the_clear(&demo));
    steps.run("curl submits over TLS and fetches the same bytes over IMAP", || curl_sends_and_fetches(&demo));
    steps.run("mbsync synchronises 50 messages both ways", || mbsync_both_ways(&demo));
    steps.run("health and metrics are served on the local port", || health_and_metrics(&demo));
    steps.run("the servers are alive and nothing panicked", || demo.check_health());
    steps.finish();
}

fn script(demo: &Demo, name: &str) -> Result<String> {
    let output = Program::script(name).arg(demo.sheet_file()).succeed()?;
    print!("{output}");
    Ok(output)
}

/// swaks shows its own certificate only; OpenSSL adds the intermediate if it finds it among the authorities.
fn write_bundle(demo: &Demo) -> Result<()> {
    let sheet = &demo.sheet;
    let bundle = [fs::read(&sheet.ca_file)?, fs::read(&sheet.issuing_ca_file)?].concat();
    Ok(fs::write(demo.sheet_file().with_file_name("bundle.pem"), bundle)?)
}

fn swaks(demo: &Demo, port: u16) -> Program {
    Program::new("swaks")
        .args(["--server", "127.0.0.1", "--port", &port.to_string(), "--timeout", "30", "--ehlo", "swaks.test"])
        .arg("--tls-ca-path")
        .arg(demo.sheet_file().with_file_name("bundle.pem"))
}

fn inbox(demo: &Demo, operator: &Operator) -> Result<Mailbox> {
    let (login, password) = operator.person().credentials();
    Mailbox::open(operator.imaps_port, client_config(&demo.sheet.ca_file, None)?, login, password)
}

fn swaks_submits(demo: &Demo) -> Result<()> {
    let hospital = demo.hospital();
    let bal = hospital.person();
    let (login, password) = bal.credentials();
    let mut inbox = inbox(demo, hospital)?;
    let before = inbox.count("INBOX")?;
    swaks(demo, hospital.submission_port)
        .args(["--tls", "--tls-verify", "--auth", "LOGIN", "--auth-user", login, "--auth-password", password])
        .args(["--from", &bal.address, "--to", &bal.address, "--header", "Subject: swaks"])
        .succeed()?;
    ensure!(inbox.count("INBOX")? == before + 1, "the message is not in the INBOX");
    Ok(())
}

fn swaks_hops(demo: &Demo) -> Result<()> {
    let (hospital, pharmacy) = (demo.hospital(), demo.pharmacy());
    let mut inbox = inbox(demo, hospital)?;
    let before = inbox.count("INBOX")?;
    swaks(demo, hospital.smtp_port)
        .args(["--tls", "--tls-verify", "--pipeline"])
        .arg("--tls-cert")
        .arg(&pharmacy.server_cert_file)
        .arg("--tls-key")
        .arg(&pharmacy.server_key_file)
        .args(["--from", &pharmacy.person().address, "--to", &hospital.person().address])
        .succeed()?;
    ensure!(inbox.count("INBOX")? == before + 1, "the message is not in the INBOX");
    Ok(())
}

/// `[MSS1 HOP.MTLS]`
fn swaks_without_certificate(demo: &Demo) -> Result<()> {
    refused_hop(demo, swaks(demo, demo.hospital().smtp_port).arg("--tls"))
}

fn swaks_in_the_clear(demo: &Demo) -> Result<()> {
    refused_hop(demo, swaks(demo, demo.hospital().smtp_port))
}

fn refused_hop(demo: &Demo, swaks: Program) -> Result<()> {
    let (hospital, pharmacy) = (demo.hospital(), demo.pharmacy());
    let mut inbox = inbox(demo, hospital)?;
    let before = inbox.count("INBOX")?;
    let exit = swaks.args(["--from", &pharmacy.person().address, "--to", &hospital.person().address]).run()?;
    ensure!(exit.code != Some(0), "the hop was let in: {exit}");
    ensure!(inbox.count("INBOX")? == before, "the message is in the INBOX");
    Ok(())
}

fn curl(demo: &Demo, bal: &e2e::Bal) -> Program {
    let (login, password) = bal.credentials();
    Program::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--user", &format!("{login}:{password}")])
        .arg("--cacert")
        .arg(&demo.sheet.ca_file)
}

fn curl_sends_and_fetches(demo: &Demo) -> Result<()> {
    let hospital = demo.hospital();
    let bal = hospital.person();
    let file = demo.scratch("curl")?.join("message.eml");
    let message = format!(
        "From: {0}\r\nTo: {0}\r\nSubject: curl\r\nDate: Mon, 02 Nov 2026 08:00:00 +0100\r\nMessage-ID: <curl@client.test>\r\n\r\n\
         first line\r\n.leading dot\r\n\r\nlast line\r\n",
        bal.address
    );
    fs::write(&file, &message)?;
    curl(demo, bal)
        .arg(format!("smtps://127.0.0.1:{}", hospital.submissions_port))
        .args(["--mail-from", &bal.address, "--mail-rcpt", &bal.address, "--upload-file"])
        .arg(&file)
        .succeed()?;
    let number = inbox(demo, hospital)?.count("INBOX")?;
    let url = format!("imaps://127.0.0.1:{}/INBOX;MAILINDEX={number}", hospital.imaps_port);
    let fetched = curl(demo, bal).arg(url).succeed()?;
    ensure!(fetched.ends_with(&message), "not the bytes that were sent:\n{fetched}");
    let listing = curl(demo, bal).arg(format!("imaps://127.0.0.1:{}/", hospital.imaps_port)).succeed()?;
    ensure!(listing.contains("INBOX") && listing.contains("Sent"), "{listing}");
    Ok(())
}

const MESSAGES: usize = 50;

fn mbsync_both_ways(demo: &Demo) -> Result<()> {
    prepare(demo, &["fill", &MESSAGES.to_string()])?;
    let folder = demo.scratch("mbsync")?;
    let configuration = write_mbsyncrc(demo, &folder)?;
    let mbsync = || {
        let run = Program::new("mbsync").arg("--config").arg(&configuration).arg("all");
        run.env("HOME", &folder).succeed()
    };
    mbsync()?;
    let files = maildir_files(&folder)?;
    ensure!(files.len() == MESSAGES, "{} messages in the Maildir", files.len());

    // Here: flag one, delete two, add one. There: nothing new.
    mark(&files[0], 'F')?;
    mark(&files[1], 'T')?;
    mark(&files[2], 'T')?;
    let added = "From: a@client.test\nTo: b@client.test\nSubject: ajout local\nDate: Mon, 02 Nov 2026 08:00:00 +0100\n\nbonjour\n";
    fs::write(folder.join("Maildir/Synchro/cur/1.1.local:2,S"), added)?;
    mbsync()?;
    let listing = prepare(demo, &["list"])?;
    let lines: Vec<&str> = listing.lines().collect();
    ensure!(lines.len() == MESSAGES - 2 + 1, "{} messages on the server:\n{listing}", lines.len());
    ensure!(lines.iter().filter(|line| line.contains("Flagged")).count() == 1, "{listing}");
    ensure!(lines.contains(&"ajout local Seen"), "{listing}");

    // A third run finds nothing to do.
    let before = maildir_files(&folder)?;
    mbsync()?;
    ensure!(maildir_files(&folder)? == before, "a run without changes changed the Maildir");
    Ok(())
}

fn prepare(demo: &Demo, arguments: &[&str]) -> Result<String> {
    Program::script("mbsync_prepare.py").arg(demo.sheet_file()).args(arguments).succeed()
}

fn write_mbsyncrc(demo: &Demo, folder: &Path) -> Result<PathBuf> {
    let pharmacy = demo.pharmacy();
    let (login, password) = pharmacy.person().credentials();
    fs::create_dir_all(folder.join("Maildir"))?;
    let text = format!(
        "IMAPAccount pli\nHost localhost\nPort {port}\nUser \"{login}\"\nPass \"{password}\"\nSSLType IMAPS\n\
         SystemCertificates no\nCertificateFile {ca}\n\nIMAPStore far\nAccount pli\n\n\
         MaildirStore near\nSubFolders Verbatim\nPath {here}/Maildir/\nInbox {here}/Maildir/INBOX\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns Synchro\nCreate Near\nExpunge Both\nSync All\nSyncState *\n",
        port = pharmacy.imaps_port,
        ca = demo.sheet.ca_file.display(),
        here = folder.display(),
    );
    let file = folder.join("mbsyncrc");
    fs::write(&file, text)?;
    Ok(file)
}

fn maildir_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for part in ["cur", "new"] {
        for entry in fs::read_dir(folder.join("Maildir/Synchro").join(part))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Adds a Maildir flag.
fn mark(file: &Path, flag: char) -> Result<()> {
    let name = file.file_name().and_then(|name| name.to_str()).context("a Maildir name")?;
    let (unique, flags) = name.split_once(":2,").unwrap_or((name, ""));
    let mut letters: Vec<char> = flags.chars().chain([flag]).collect();
    letters.sort_unstable();
    let marked = format!("{unique}:2,{}", letters.into_iter().collect::<String>());
    let cur = file.parent().and_then(Path::parent).context("a Maildir")?.join("cur");
    Ok(fs::rename(file, cur.join(marked))?)
}

fn health_and_metrics(demo: &Demo) -> Result<()> {
    for path in ["/healthz", "/readyz"] {
        let (status, body) = http_get(demo.hospital().http_port, path)?;
        ensure!(status == 200, "{path}: {status} {body}");
    }
    let (status, metrics) = http_get(demo.hospital().http_port, "/metrics")?;
    ensure!(status == 200 && metrics.lines().any(|line| line.starts_with("pli_")), "{metrics}");
    Ok(())
}

#[test]
fn the_demo_holds_and_says_so_by_its_exit_code() {
    let exit = Program::pli()
        .and_then(|pli| {
            let base = e2e::free_port_base()?.to_string();
            pli.args(["demo", "--once", "--port-base", &base]).run()
        })
        .expect("`pli demo --once` runs");
    assert_eq!(exit.code, Some(0), "{exit}");
}
