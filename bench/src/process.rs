//! What the server costs, read from `/proc`: CPU, memory and disk flushes of all its processes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result};

/// CPU time of `/proc` is counted in hundredths of a second on every Linux that we know.
const TICK_MS: f64 = 10.0;

/// The server's processes: the roots and all that they started.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    roots: Vec<u32>,
}

/// Memory at one moment, in octets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Of the first root, `pli serve`.
    pub(crate) pli: u64,
    /// Of all processes: each one's own memory, and the memory that PostgreSQL's processes share, once.
    pub(crate) all: u64,
}

struct Stat {
    parent: u32,
    ticks: u64,
}

impl Tree {
    /// The processes of these ids and their descendants, now and later.
    pub(crate) fn new(roots: Vec<u32>) -> Self {
        Self { roots }
    }

    /// CPU time of all of them so far, in milliseconds, including children that have ended.
    pub(crate) fn cpu_ms(&self) -> Result<f64> {
        let ticks: u64 = self.members()?.values().map(|stat| stat.ticks).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few million ticks at most")]
        Ok(ticks as f64 * TICK_MS)
    }

    /// Their memory now.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        let mut shared = 0;
        for pid in self.members()?.into_keys() {
            let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
            let own = octets(&status, "RssAnon:");
            memory.all += own;
            shared = shared.max(octets(&status, "RssShmem:"));
            if self.roots.first() == Some(&pid) {
                memory.pli = own;
            }
        }
        memory.all += shared;
        Ok(memory)
    }

    fn members(&self) -> Result<HashMap<u32, Stat>> {
        let mut all = HashMap::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // A process may end while we look.
            if let Some(stat) = fs::read_to_string(format!("/proc/{pid}/stat")).ok().as_deref().and_then(parse_stat) {
                all.insert(pid, stat);
            }
        }
        let inside: HashSet<u32> = all.keys().copied().filter(|pid| self.descends(*pid, &all)).collect();
        all.retain(|pid, _| inside.contains(pid));
        Ok(all)
    }

    fn descends(&self, mut pid: u32, all: &HashMap<u32, Stat>) -> bool {
        loop {
            if self.roots.contains(&pid) {
                return true;
            }
            match all.get(&pid) {
                Some(stat) if stat.parent > 1 => pid = stat.parent,
                _ => return false,
            }
        }
    }
}

/// `pid (name) state ppid … utime stime cutime cstime …`, where the name may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, tail) = text.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

fn octets(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// This process's own memory now.
pub(crate) fn own_memory() -> Result<u64> {
    Ok(octets(&fs::read_to_string("/proc/self/status")?, "RssAnon:"))
}

/// The most memory that this process had since [`forget_own_peak`], its program text included.
pub(crate) fn own_peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    Ok(octets(&status, "VmHWM:").saturating_sub(octets(&status, "RssFile:")))
}

/// Begins a new measurement of the peak, where the system lets us.
pub(crate) fn forget_own_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The process id of the PostgreSQL that keeps its data below `data_dir`, if one runs.
pub(crate) fn postmaster(data_dir: &Path) -> Option<u32> {
    let text = fs::read_to_string(data_dir.join("postgresql/data/postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// Flush requests that the disk under `path` has completed since the machine started. Flushes of all programs count.
pub(crate) fn disk_flushes(path: &Path) -> Result<Option<u64>> {
    let device = fs::metadata(path).with_context(|| path.display().to_string())?.dev();
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff);
    let table = fs::read_to_string("/proc/diskstats")?;
    let numbers = [major.to_string(), minor.to_string()];
    Ok(table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let same = fields.first() == Some(&numbers[0].as_str()) && fields.get(1) == Some(&numbers[1].as_str());
        if same { fields.get(18)?.parse().ok() } else { None }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_even_with_odd_names() {
        let stat = parse_stat("42 (postgres: x) y) S 7 1 1 0 -1 0 0 0 0 0 10 20 3 4 20 0 1 0 5").unwrap();
        assert_eq!((stat.parent, stat.ticks), (7, 37));
    }

    #[test]
    fn this_process_belongs_to_itself() {
        let tree = Tree::new(vec![std::process::id()]);
        assert!(tree.members().unwrap().contains_key(&std::process::id()));
        assert!(tree.memory().unwrap().all > 0);
    }
}
