//! What the daemon holds, second by second, and whether it grows.

use s7tests::sandbox::Sandbox;
use s7tests::usage;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is noted: its name, its unit, how much more is still noise, and how much is too much however it comes.
///
/// Noise: memory as the allocator keeps it (each thread has a cache of freed pieces, 230 KiB at most, that fills over hours: with
/// `GLIBC_TUNABLES=glibc.malloc.tcache_count=0` nothing grows), a descriptor and a pipe for each client and start that is under way,
/// spawners (up to eight) and the runtime's helpers, which end after ten seconds. The journal is written anew when it has grown to
/// 1 MiB or to four times what holds, so it goes up and down.
///
/// Of the resident memory some 6 MiB are pages of the program's file, which the kernel takes and gives as it likes; what would leak is
/// in the anonymous part.
const NOTED: [(&str, &str, f64, f64); 7] = [
    ("anonymous memory", "KiB", 1024.0, 16.0 * 1024.0),
    ("resident memory", "KiB", 8192.0, 128.0 * 1024.0),
    ("descriptors", "", 16.0, 400.0),
    ("threads", "", 8.0, 64.0),
    ("journal", "KiB", 1300.0, 4096.0),
    ("entries of the runtime folder", "", 8.0, 200.0),
    ("entries of the log folder", "", 8.0, 200.0),
];

/// One life of the daemon.
pub struct Ledger(Vec<[f64; NOTED.len()]>);

/// One figure of it.
pub struct Line {
    name: &'static str,
    unit: &'static str,
    early: f64,
    late: f64,
    most: f64,
    /// Whether it hasn't grown by more than the noise.
    pub is_flat: bool,
}

impl Ledger {
    /// Notes each second what `pid` holds, for as long as `span`.
    pub fn of(sandbox: &Sandbox, pid: u32, span: Duration) -> Self {
        let begun = Instant::now();
        let mut samples = Vec::new();
        while begun.elapsed() < span {
            samples.push([
                usage::anonymous(pid) as f64 / 1024.0,
                usage::resident(pid) as f64 / 1024.0,
                usage::descriptors(pid) as f64,
                usage::threads(pid) as f64,
                std::fs::metadata(sandbox.path("run/journal")).map_or(0, |meta| meta.len()) as f64 / 1024.0,
                entries(&sandbox.path("run")) as f64,
                entries(&sandbox.path("logs")) as f64,
            ]);
            std::thread::sleep(Duration::from_secs(1).min(span.saturating_sub(begun.elapsed())));
        }
        Self(samples)
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.0.len()
    }

    /// What came of it, figure by figure.
    pub fn lines(&self) -> Vec<Line> {
        let quarter = self.0.len() / 4;
        let figures = NOTED.iter().enumerate();
        figures
            .map(|(at, (name, unit, noise, limit))| {
                let of = |samples: &[[f64; NOTED.len()]]| middle(samples.iter().map(|one| one[at]).collect());
                // The first quarter is for what is made when it is first needed.
                let early = of(&self.0[quarter..2 * quarter]);
                let late = of(&self.0[3 * quarter..]);
                let most = self.0.iter().map(|one| one[at]).fold(0.0, f64::max);
                Line {
                    name,
                    unit,
                    early,
                    late,
                    most,
                    is_flat: late - early <= *noise && most <= *limit,
                }
            })
            .collect()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            unit,
            early,
            late,
            most,
            is_flat,
        } = self;
        let verdict = if *is_flat { "" } else { "  GROWN" };
        write!(
            f,
            "{name:30} {early:8.0} -> {late:8.0} {unit:3}  (at most {most:.0}){verdict}"
        )
    }
}

/// The median; 0 of nothing.
fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// All that is in a folder and those below it.
fn entries(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        count += 1;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            count += entries(&entry.path());
        }
    }
    count
}
