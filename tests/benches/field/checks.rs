//! What checks cost, and that a busy machine makes none of them fail (issue 5: a thousand checks of a port, each every 10 s, cost
//! less than 2 % of one core; a thousand checked components on loaded cores for a minute give no false restart).
//!
//! All components are checked at one port that listens here: whom the kernel connects doesn't matter to the daemon. So that
//! none is held up because somebody else has its port, each says that it listens on another one, where nobody does.

use crate::bed::{Bed, PATIENCE};
use crate::row::{Bound, Row};
use crate::{Options, quiet};
use s7tests::usage::cpu;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Three rounds of checks.
const SPAN: Duration = Duration::from_secs(30);
/// Checks of 10 s are spread over so much by then.
const SETTLED: Duration = Duration::from_secs(12);
const LOADED: Duration = Duration::from_secs(60);
const LOADED_QUICKLY: Duration = Duration::from_secs(15);

/// Of the ports that only root binds, and nobody has.
const OWN_PORT: u16 = 1;

/// The measures.
///
/// # Errors
/// What could not be measured.
pub fn rows(options: &Options) -> io::Result<Vec<Row>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    // It ends with the program.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let mut rows = Vec::new();
    for n in &options.sizes {
        let bed = checked(options, *n, port, "10s")?;
        std::thread::sleep(SETTLED);
        let (pid, began) = (bed.pid()?, Instant::now());
        let before = cpu(pid);
        std::thread::sleep(SPAN);
        let used = cpu(pid).saturating_sub(before);
        rows.push(Row {
            measure: "checks each 10 s",
            n: Some(*n),
            ours: 100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64(),
            unit: "% CPU",
            floor: None,
            bound: Bound::AtMost(2.0),
            note: format!("{used:?} in {SPAN:?}"),
        });
        bed.stop()?;
        quiet();
    }
    if let Some(n) = options.sizes.iter().max() {
        let span = if options.quick { LOADED_QUICKLY } else { LOADED };
        let bed = checked(options, *n, port, "1s")?;
        let restarts = under_load(&bed, span)?;
        rows.push(Row {
            measure: "restarts under load",
            n: Some(*n),
            ours: restarts,
            unit: "",
            floor: None,
            bound: Bound::AtMost(0.0),
            note: format!("checks each 1 s for {span:?}, twice as many busy threads as cores"),
        });
        bed.stop()?;
        quiet();
    }
    Ok(rows)
}

/// A daemon with `n` workers that are all ready.
fn checked(options: &Options, n: usize, port: u16, interval: &str) -> io::Result<Bed> {
    let worker = options.tools.worker();
    let bed = Bed::with(&options.tools, |starts| {
        format!(
            "<server id=\"w\" port=\"{OWN_PORT}\"><executable>{}</executable><arguments><argument>{}</argument></arguments>\
             <instances>{n}</instances><health type=\"tcp\" port=\"{port}\" interval=\"{interval}\"/></server>",
            worker.display(),
            starts.path().display()
        )
    })?;
    let began = Instant::now();
    while !components(&bed)
        .is_ok_and(|all| all.len() == n && all.iter().all(|one| one["health"] == "healthy"))
    {
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("not all are ready: {}", bed.said())));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(bed)
}

fn components(bed: &Bed) -> io::Result<Vec<serde_json::Value>> {
    let output = bed.ctl().args(["--json", "status"]).output()?;
    let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(status["components"].as_array().cloned().unwrap_or_default())
}

/// So many restarts there were, while the machine had more to do than it can.
#[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
fn under_load(bed: &Bed, span: Duration) -> io::Result<f64> {
    let busy = Arc::new(AtomicBool::new(true));
    let cores = std::thread::available_parallelism()?.get();
    let spinners: Vec<_> = (0..cores * 2)
        .map(|_| {
            let busy = Arc::clone(&busy);
            std::thread::spawn(move || {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    std::thread::sleep(span);
    busy.store(false, Ordering::Relaxed);
    for spinner in spinners {
        spinner
            .join()
            .map_err(|_| io::Error::other("a busy thread broke off"))?;
    }
    let all = components(bed)?;
    let restarts = all.iter().filter_map(|one| one["restarts"].as_u64()).sum::<u64>();
    let unwell = all.iter().filter(|one| one["health"] != "healthy").count() as u64;
    Ok((restarts + unwell) as f64)
}
