//! The daemon is killed over and over under load, at moments that nobody has chosen.

use s7tests::ctl;
use s7tests::daemon::{Daemon, pid};
use s7tests::eventually::{SOON, eventually, when};
use s7tests::numbered;
use s7tests::processes::{self, is_alive};
use s7tests::random::Random;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often the daemon is killed, where `S7_KILLS` doesn't say otherwise. The issue asks for 200.
const KILLS: u64 = 40;
/// How many of each kind there are; twenty in all.
const STEADY: usize = 5;
const WRITERS: usize = 5;
const CRASHERS: usize = 5;
/// What clients may do to those that they are let at.
const VICTIMS: [&str; 5] = ["polite", "stubborn", "leaver", "lingerer", "loud"];

fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{kind}{number}")).collect()
}

/// All of them. `generation` stands in the environment of one victim, so that a reload has something to do.
fn servers(generation: u64) -> Vec<Server> {
    let with_record = |id: &str, verbs: &str| Server::new(id, &format!("record {id}.starts {verbs}"));
    let mut servers = Vec::new();
    for id in names("steady", STEADY) {
        servers.push(with_record(&id, "wait"));
    }
    for (number, id) in names("writer", WRITERS).iter().enumerate() {
        // Some write all the time, some as fast as they can and then for a moment nothing.
        let verbs = if number < 2 { "burst 3000 40" } else { "tick 1" };
        // In one file, whatever it writes while a slow machine kills two hundred times.
        servers.push(with_record(id, verbs).with("<log maxSize=\"8GB\"/>"));
    }
    let crashes = [
        "sleep 30 exit 1",
        "exit 3",
        "sleep 100 crash SEGV",
        "fork-setsid crasher3.left sleep 50 exit 1",
        "lines 0 500 exit 1",
    ];
    for (id, verbs) in names("crasher", CRASHERS).iter().zip(crashes) {
        // Never ready, so that each end is a crash, and in a tier that nobody waits for.
        servers.push(with_record(id, verbs).start_delay("1").tier(3));
    }
    for (id, verbs) in VICTIMS.iter().zip([
        "wait",
        "ignore TERM wait",
        "fork-setsid leaver.left wait",
        "slow-stop 30 wait",
        "lines 0 2000 wait",
    ]) {
        let victim = with_record(id, verbs).stop_timeout("100ms").tier(2);
        servers.push(victim.variable("GENERATION", &(generation / 4).to_string()));
    }
    servers
}

/// What the load and the watch have counted.
#[derive(Debug, Default)]
struct Counts {
    commands: AtomicUsize,
    answered: AtomicUsize,
    looks: AtomicUsize,
}

/// Gives commands until it is over.
fn client(sandbox: &Sandbox, mut random: Random, over: &AtomicBool, counts: &Counts) {
    let mut generation = 0;
    while !over.load(Ordering::Relaxed) {
        let victim = random.one_of(&VICTIMS);
        let mut command = sandbox.ctl_command();
        command.args(["--timeout", "2"]);
        match random.below(10) {
            0..=2 => command.args(["start", victim]),
            3..=4 => command.args(["stop", victim]),
            5..=7 => command.args(["restart", victim]),
            8 => command.arg("status"),
            _ => {
                generation += 1;
                sandbox.write_registry(&servers(generation));
                command.arg("reload")
            }
        };
        counts.commands.fetch_add(1, Ordering::Relaxed);
        let said = ctl::run(&mut command);
        if said.code == Some(0) {
            counts.answered.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(random.below(30)));
    }
}

/// Looks for second copies until it is over: a process that has recorded its start while an earlier one of its component lives.
fn watch(sandbox: &Sandbox, over: &AtomicBool, counts: &Counts) -> Vec<String> {
    let mut found = Vec::new();
    let all = names("steady", STEADY)
        .into_iter()
        .chain(names("writer", WRITERS))
        .chain(names("crasher", CRASHERS))
        .chain(VICTIMS.iter().map(|id| (*id).to_owned()));
    let all: Vec<String> = all.collect();
    while !over.load(Ordering::Relaxed) {
        for id in &all {
            // Whoever stands in the file before another one had ended before that one began. The last few are enough.
            let starts = sandbox.starts(&format!("{id}.starts"));
            let last = starts.iter().rev().take(4).map(|start| start.pid);
            let living: BTreeSet<u32> = last.filter(|pid| is_alive(*pid)).collect();
            if living.len() > 1 {
                found.push(format!("{id}: {living:?} live at once"));
            }
            counts.looks.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    found
}

/// Who is healthy, by its process id and its time of creation.
fn healthy(daemon: &Daemon<'_>) -> BTreeMap<String, (u32, u64)> {
    let ids = names("steady", STEADY)
        .into_iter()
        .chain(names("writer", WRITERS));
    ids.map(|id| {
        let pid = pid(&daemon.wait_for(&id, "RUNNING")).expect("what runs has a process id");
        let started = processes::process(pid).expect("it lives").started;
        (id, (pid, started))
    })
    .collect()
}

fn still_there(healthy: &BTreeMap<String, (u32, u64)>) -> Result<(), String> {
    for (id, (pid, started)) in healthy {
        let now = processes::process(*pid).filter(|_| is_alive(*pid));
        if now.is_none_or(|now| now.started != *started) {
            return Err(format!("{id}, process {pid}, has ended"));
        }
    }
    Ok(())
}

/// Ends the load also where the test fails: it would be waited for otherwise.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The moment of the next kill: as often while the daemon takes over as later.
fn moment(random: &mut Random) -> Duration {
    let longest = *random.one_of(&[20, 100, 400, 1500]);
    Duration::from_micros(random.below(longest * 1000))
}

fn asleep(span: Duration) {
    let begun = Instant::now();
    std::thread::sleep(span.saturating_sub(Duration::from_millis(1)));
    while begun.elapsed() < span {
        std::hint::spin_loop();
    }
}

#[test]
fn no_kill_at_any_moment_under_load_costs_a_pid_or_a_line_or_leaves_a_second_copy() {
    let kills = std::env::var("S7_KILLS").ok().and_then(|text| text.parse().ok());
    let kills: u64 = kills.unwrap_or(KILLS);
    let (mut random, seed) = Random::from_environment();
    let sandbox = Sandbox::with(&servers(0));
    let daemon = sandbox.start();
    let before = healthy(&daemon);
    let (over, counts) = (AtomicBool::new(false), Counts::default());
    let begun = Instant::now();
    let (daemon, doubled, harmed) = std::thread::scope(|scope| {
        let clients = [random.below(u64::MAX), random.below(u64::MAX)].map(Random::from_seed);
        for random in clients {
            scope.spawn(|| client(&sandbox, random, &over, &counts));
        }
        let watching = scope.spawn(|| watch(&sandbox, &over, &counts));
        let load = Over(&over);
        let (mut daemon, mut harmed) = (daemon, None);
        for kill in 0..kills {
            asleep(moment(&mut random));
            daemon.kill();
            daemon = sandbox.spawn_with(&[]);
            if let Err(why) = still_there(&before) {
                harmed = Some(format!("after kill {kill}: {why}"));
                break;
            }
            processes::reap_adopted();
        }
        drop(load);
        (daemon, watching.join().unwrap_or_default(), harmed)
    });
    let took = begun.elapsed();
    let context = format!("{} kills in {took:.1?}, S7_SEED={seed}, {counts:?}", kills);
    eprintln!("{context}");
    assert_eq!(harmed, None, "{context}");
    assert_eq!(doubled, Vec::<String>::new(), "{context}");
    daemon.wait_until_it_answers();
    assert_eq!(healthy(&daemon), before, "{context}");
    for id in names("steady", STEADY)
        .into_iter()
        .chain(names("writer", WRITERS))
    {
        let starts = sandbox.starts(&format!("{id}.starts")).len();
        assert_eq!(starts, 1, "{id} began once; {context}");
    }
    everything_is_accounted_for(&sandbox, &daemon, &context);
    daemon.stop();
    for id in names("writer", WRITERS) {
        let runs = numbered::runs_of(&sandbox.log_of(&id));
        assert_eq!(runs.as_ref().map(Vec::len), Ok(1), "{id}: {runs:?}; {context}");
        eprintln!("{id}: {} lines", runs.unwrap_or_default().iter().sum::<u64>());
    }
}

/// Each process of the sandbox is the daemon, one that the daemon speaks of, or one that a living run has sent off.
fn everything_is_accounted_for(sandbox: &Sandbox, daemon: &Daemon<'_>, context: &str) {
    for id in VICTIMS {
        sandbox.ctl(&["restart", id]).exits(0);
    }
    eventually(
        &format!("nobody is there whom nobody knows; {context}"),
        SOON,
        || {
            processes::reap_adopted();
            let status = daemon.status();
            let all = status["components"].as_array().cloned().unwrap_or_default();
            let known: BTreeSet<u32> = all.iter().filter_map(pid).chain([daemon.pid()]).collect();
            let there = sandbox.processes();
            let strangers = there.iter().filter(|process| !known.contains(&process.pid));
            let strangers: Vec<u32> = strangers.map(|process| process.pid).collect();
            // Of the two that send one off, at most the present run's is there.
            let of = |file: &str| {
                let sent = sandbox.read(file);
                let sent: BTreeSet<u32> = sent.lines().filter_map(|line| line.parse().ok()).collect();
                strangers.iter().filter(|pid| sent.contains(pid)).count()
            };
            let (left, crashed) = (of("leaver.left"), of("crasher3.left"));
            when(
                left <= 1 && crashed <= 1 && left + crashed == strangers.len(),
                || format!("{strangers:?} of {there:?}"),
            )
        },
    );
}
