//! Tests of the daemon's log, run to their end on the test's own thread where that can be.

use super::*;
use jiff::civil::date;
use std::fs;
use std::sync::atomic::AtomicI64;
use std::thread;

/// A log in a folder of its own, with a clock that the test sets.
struct Stage {
    temp: tempfile::TempDir,
    seconds: Arc<AtomicI64>,
}

impl Stage {
    fn new() -> Self {
        let noon = date(2026, 11, 22)
            .at(12, 0, 0, 0)
            .to_zoned(TimeZone::UTC)
            .unwrap()
            .timestamp();
        Self {
            temp: tempfile::tempdir().unwrap(),
            seconds: Arc::new(AtomicI64::new(noon.as_second())),
        }
    }

    fn options(&self, trace_level: u8) -> LogOptions {
        let file = self.temp.path().join("logs").join("Supervisor.log");
        LogOptions {
            file,
            trace_level,
            also_stderr: false,
            keep_days: KEEP_DAYS,
            indispensable: true,
        }
    }

    fn prepare(&self, trace_level: u8) -> (Backend, Writer) {
        let seconds = Arc::clone(&self.seconds);
        let clock = move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap();
        prepare(self.options(trace_level), Box::new(clock), Some(TimeZone::UTC)).unwrap()
    }

    fn forward(&self, hours: i64) {
        self.seconds.fetch_add(hours * 3600, Ordering::Relaxed);
    }

    fn path(&self, day: &str) -> PathBuf {
        self.temp
            .path()
            .join("logs")
            .join(format!("Supervisor-{day}.log"))
    }

    fn text(&self, day: &str) -> String {
        fs::read_to_string(self.path(day)).unwrap()
    }
}

fn say(backend: &Backend, level: Level, target: &str, text: &str) {
    backend.log(
        &Record::builder()
            .level(level)
            .target(target)
            .args(format_args!("{text}"))
            .build(),
    );
}

fn info(backend: &Backend, text: &str) {
    say(backend, Level::Info, "s7", text);
}

#[test]
fn a_record_is_one_line_with_local_time_level_and_text() {
    let stage = Stage::new();
    let (log, writer) = stage.prepare(2);
    info(&log, "is: started");
    say(
        &log,
        Level::Error,
        "s7",
        "broken\n2026-11-22 12:00:00.000 INFO  forged",
    );
    drop(log);
    writer.run();
    let expected = "2026-11-22 12:00:00.000 INFO  is: started\n\
                    2026-11-22 12:00:00.000 ERROR broken\\n2026-11-22 12:00:00.000 INFO  forged\n";
    assert_eq!(stage.text("2026-11-22"), expected);
}

#[test]
fn a_new_day_begins_a_new_file_and_only_own_old_files_go() {
    let stage = Stage::new();
    let logs = stage.temp.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let others = [
        "is.log",
        "Supervisor.log",
        "Supervisor-old.log",
        "Supervisor-2020-01-01.log.gz",
    ];
    for name in others
        .iter()
        .chain(&["Supervisor-2026-11-12.log", "Supervisor-2026-11-11.log"])
    {
        fs::write(logs.join(name), "old\n").unwrap();
    }
    fs::create_dir(stage.path("2020-01-01")).unwrap();
    let (log, writer) = stage.prepare(2);
    assert!(
        !stage.path("2026-11-11").exists(),
        "more than ten days back at the start"
    );
    assert!(stage.path("2026-11-12").exists());
    info(&log, "today");
    stage.forward(12);
    info(&log, "tomorrow");
    drop(log);
    writer.run();
    assert_eq!(stage.text("2026-11-22"), "2026-11-22 12:00:00.000 INFO  today\n");
    assert_eq!(
        stage.text("2026-11-23"),
        "2026-11-23 00:00:00.000 INFO  tomorrow\n"
    );
    assert!(
        !stage.path("2026-11-12").exists(),
        "more than ten days back at the change of the day"
    );
    assert!(stage.path("2020-01-01").is_dir(), "a folder is not a log");
    for name in others {
        assert!(logs.join(name).exists(), "{name}");
    }
}

#[test]
fn the_local_date_of_the_zone_decides_the_file() {
    let stage = Stage::new();
    stage.forward(11);
    let seconds = stage.seconds.load(Ordering::Relaxed);
    let clock = move || Timestamp::from_second(seconds).unwrap();
    let east = TimeZone::fixed(jiff::tz::offset(2));
    let (log, writer) = prepare(stage.options(2), Box::new(clock), Some(east)).unwrap();
    info(&log, "past midnight");
    drop(log);
    writer.run();
    assert_eq!(
        stage.text("2026-11-23"),
        "2026-11-23 01:00:00.000 INFO  past midnight\n"
    );
}

#[test]
fn a_full_queue_never_blocks_and_what_is_missing_is_counted() {
    let stage = Stage::new();
    let (log, writer) = stage.prepare(2);
    for number in 0..QUEUE + 5 {
        info(&log, &number.to_string());
    }
    drop(log);
    writer.run();
    let text = stage.text("2026-11-22");
    assert_eq!(text.lines().count(), QUEUE + 1);
    assert!(
        text.lines()
            .nth(QUEUE - 1)
            .unwrap()
            .ends_with(&format!("INFO  {}", QUEUE - 1))
    );
    assert!(
        text.ends_with("WARN  5 lines are missing here: they came faster than they could be written\n"),
        "{text}"
    );
}

#[test]
fn each_trace_level_lets_through_what_it_should() {
    let table = [
        (Level::Error, "s7", 1),
        (Level::Warn, "s7", 1),
        (Level::Info, LIFECYCLE, 1),
        (Level::Info, "s7", 2),
        (Level::Debug, LIFECYCLE, 3),
        (Level::Debug, "s7", 3),
        (Level::Trace, "s7", 4),
    ];
    for (level, target, from) in table {
        for trace_level in 1..=4 {
            let expected = trace_level >= from;
            assert_eq!(
                is_written(trace_level, level, target),
                expected,
                "{level} {target} at {trace_level}"
            );
            assert!(
                !expected || level <= most(trace_level),
                "{level} {target} at {trace_level}"
            );
        }
    }
    assert!(is_written(0, Level::Warn, "s7") && !is_written(0, Level::Info, "s7"));
    assert!(is_written(255, Level::Trace, "s7"));
}

#[test]
fn a_record_of_any_length_is_cut_to_a_bounded_line() {
    let stage = Stage::new();
    let (log, writer) = stage.prepare(2);
    info(&log, &"ü".repeat(LONGEST));
    drop(log);
    writer.run();
    let text = stage.text("2026-11-22");
    assert!(
        text.ends_with("ü…\n") && text.len() < LONGEST + 100,
        "{} bytes",
        text.len()
    );
}

#[test]
fn a_line_that_a_crash_left_open_is_closed_first() {
    let stage = Stage::new();
    fs::create_dir(stage.temp.path().join("logs")).unwrap();
    fs::write(stage.path("2026-11-22"), "half a li").unwrap();
    let (log, writer) = stage.prepare(2);
    info(&log, "on we go");
    drop(log);
    writer.run();
    assert_eq!(
        stage.text("2026-11-22"),
        "half a li\n2026-11-22 12:00:00.000 INFO  on we go\n"
    );
}

#[test]
fn a_folder_in_place_of_the_log_is_an_error_at_the_start_and_a_missing_line_later() {
    let stage = Stage::new();
    fs::create_dir_all(stage.path("2026-11-23")).unwrap();
    let (log, writer) = stage.prepare(2);
    info(&log, "today");
    stage.forward(12);
    info(&log, "nowhere to go");
    stage.forward(24);
    info(&log, "the day after");
    drop(log);
    writer.run();
    let text = stage.text("2026-11-24");
    let missing = "WARN  1 lines are missing here: opening ";
    assert!(
        text.contains(missing) && text.ends_with("INFO  the day after\n"),
        "{text}"
    );
    stage.forward(-24);
    let path = stage.path("2026-11-23");
    let seconds = stage.seconds.load(Ordering::Relaxed);
    let clock = move || Timestamp::from_second(seconds).unwrap();
    let refused = prepare(stage.options(2), Box::new(clock), Some(TimeZone::UTC))
        .map(|_| ())
        .unwrap_err();
    assert!(
        refused.to_string().contains(&path.display().to_string()),
        "{refused}"
    );
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew_within_a_second_or_so() {
    let stage = Stage::new();
    let (log, writer) = stage.prepare(2);
    let running = thread::spawn(move || writer.run());
    let shared = DaemonLog(Arc::clone(&log.shared));
    info(&log, "first");
    assert!(shared.flush(Duration::from_secs(30)));
    let moved = stage.temp.path().join("moved");
    fs::rename(stage.path("2026-11-22"), &moved).unwrap();
    let start = Instant::now();
    while !stage.path("2026-11-22").exists() {
        assert!(start.elapsed() < Duration::from_secs(30));
        info(&log, "again");
        assert!(shared.flush(Duration::from_secs(30)));
        thread::sleep(Duration::from_millis(20));
    }
    drop(log);
    running.join().unwrap();
    assert!(
        fs::read_to_string(&moved)
            .unwrap()
            .starts_with("2026-11-22 12:00:00.000 INFO  first\n")
    );
    assert!(stage.text("2026-11-22").ends_with("again\n"));
}

#[test]
fn flush_waits_for_what_was_logged_and_gives_up_in_time() {
    let stage = Stage::new();
    let (log, writer) = stage.prepare(2);
    let handle = DaemonLog(Arc::clone(&log.shared));
    assert!(handle.flush(Duration::ZERO), "nothing was logged yet");
    info(&log, "slow");
    assert!(!handle.flush(Duration::from_millis(20)), "nobody writes yet");
    let running = thread::spawn(move || writer.run());
    assert!(handle.flush(Duration::from_secs(30)));
    assert!(stage.text("2026-11-22").ends_with("slow\n"));
    drop(log);
    running.join().unwrap();
}

#[test]
fn the_installed_log_writes_todays_file_and_takes_a_new_level() {
    // A log is installed for a whole process, so this test has one of its own.
    const INSIDE: &str = "S7_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        let path = concat!(
            module_path!(),
            "::the_installed_log_writes_todays_file_and_takes_a_new_level"
        );
        let (_, path) = path.split_once("::").unwrap();
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let output = again
            .args(["--exact", path, "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let stage = Stage::new();
    let before = local_day();
    let log = start(stage.options(1)).unwrap();
    log::info!("too fine");
    log::info!(target: LIFECYCLE, "is: started");
    log.set_trace_level(3);
    log::debug!("now seen");
    assert!(log.flush(Duration::from_secs(30)));
    let days = [before, local_day()];
    let path = days
        .iter()
        .map(|day| stage.path(day))
        .find(|path| path.exists())
        .unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("INFO  is: started\n") && text.contains("DEBUG now seen\n"),
        "{text}"
    );
    assert!(!text.contains("too fine"), "{text}");
    assert!(start(stage.options(1)).is_err(), "there is one log in a process");
}

fn local_day() -> String {
    jiff::Zoned::now().date().to_string()
}
