//! The golden dialogs of `tests/dialogs/imap` against a listener on loopback. Their README describes the format.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::{BAL, Client, LIMIT, PASSWORD, World};
use imap::TlsStart;

/// Dialogs that run at the same time.
const AT_ONCE: usize = 4;

/// One line of a dialog.
struct Line {
    number: usize,
    session: String,
    kind: char,
    text: String,
}

#[test]
fn the_golden_dialogs_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/imap");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(!files.is_empty());
    let files = Mutex::new(files);
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let Some(file) = take(&files) {
                    let text = std::fs::read_to_string(&file).unwrap();
                    if let Err(error) = runtime.block_on(run(&text)) {
                        let name = file.file_name().unwrap().to_string_lossy().into_owned();
                        broken.lock().unwrap().push(format!("{name}: {error}"));
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn take(files: &Mutex<Vec<PathBuf>>) -> Option<PathBuf> {
    files.lock().unwrap().pop()
}

async fn run(text: &str) -> Result<(), String> {
    let start = if text.contains("\nlistener: imap\n") { TlsStart::Command } else { TlsStart::Connection };
    let world = World::new(start).await;
    let lines = parse(text);
    let mut sessions: BTreeMap<String, Client> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        if !sessions.contains_key(&line.session) {
            sessions.insert(line.session.clone(), world.connect().await);
        }
        let client = sessions.get_mut(&line.session).unwrap();
        step(client, &world, line, &lines[at + 1..]).await.map_err(|error| format!("line {}: {error}", line.number))?;
    }
    Ok(())
}

async fn step(client: &mut Client, world: &World, line: &Line, following: &[Line]) -> Result<(), String> {
    match line.kind {
        ':' if line.text.starts_with('C') => {
            let text = fill(&line.text[1..]);
            let literal = literal(line, following);
            let command = text.replace("{auto", &format!("{{{}", literal.len())) + "\r\n";
            client.send(command.as_bytes()).await;
            if text.ends_with("{auto+}") {
                client.send(literal.as_bytes()).await;
                client.send(b"\r\n").await;
            }
            client.owed = if text.ends_with("{auto}") { literal } else { String::new() };
            Ok(())
        }
        '+' => {
            client.send(fill(&line.text[1..]).as_bytes()).await;
            Ok(())
        }
        '|' => Ok(()),
        ':' if line.text.starts_with('S') => expect(client, &fill(&line.text[1..]), line, following).await,
        ':' if line.text.starts_with('T') => world.start_tls(client).await,
        ':' if line.text.starts_with('X') => client.expect_end().await,
        _ => Err("this is no line of a dialog".into()),
    }
}

async fn expect(client: &mut Client, wanted: &str, line: &Line, following: &[Line]) -> Result<(), String> {
    if wanted == "..." {
        let next = following.iter().find(|next| next.session == line.session && next.text.starts_with('S'));
        let next = fill(&next.ok_or("nothing is expected after ...")?.text[1..]);
        while !matches(&next, &client.peek().await?) {
            client.line().await?;
        }
        return Ok(());
    }
    let got = client.line().await?;
    if !matches(wanted, &got) {
        return Err(format!("expected '{wanted}', got '{got}'"));
    }
    if got.starts_with('+') && !client.owed.is_empty() {
        let literal = std::mem::take(&mut client.owed);
        client.send(literal.as_bytes()).await;
        client.send(b"\r\n").await;
    }
    Ok(())
}

/// The lines of the literal that a command announces.
fn literal(line: &Line, following: &[Line]) -> String {
    let mine = following.iter().filter(|next| next.session == line.session);
    let lines = mine.skip_while(|next| next.text.starts_with('S') && line.text.ends_with("{auto}"));
    let lines = lines.take_while(|next| next.kind == '|').map(|next| format!("{}\r\n", &next.text[1..]));
    lines.collect::<Vec<_>>().concat()
}

/// Kind and text are kept as `C: NOOP` → `:`, `CNOOP`.
fn parse(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with('#') || line.starts_with("listener:") || line.is_empty() {
            continue;
        }
        let at = line.find([':', '+', '|']).unwrap_or_else(|| panic!("line {number}: {line}"));
        let (head, rest) = (&line[..at], &line[at + 1..]);
        let kind = line[at..].chars().next().unwrap();
        let text = format!("{}{}", &head[..1], rest.strip_prefix(' ').unwrap_or(rest));
        lines.push(Line { number, session: head[1..].to_owned(), kind, text });
    }
    lines
}

fn fill(text: &str) -> String {
    let plain = |password: &str| BASE64.encode(format!("\0{BAL}\0{password}"));
    text.replace("{bal}", BAL)
        .replace("{password}", PASSWORD)
        .replace("{plain}", &plain(PASSWORD))
        .replace("{wrong}", &plain("wrong"))
        .replace("{limit}", &LIMIT.to_string())
        .replace("{oversize}", &(LIMIT + 1).to_string())
        .replace("{crlf}", "\r\n")
        .replace("{lf}", "\n")
}

/// Whether `got` is `wanted`, in which `...` stands for anything.
fn matches(wanted: &str, got: &str) -> bool {
    let mut parts = wanted.split("...");
    let Some(mut rest) = got.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
