//! From the command line to the running loop, and out again.

use crate::cli;
use crate::control::call::INBOX;
use crate::control::place::Place;
use crate::control::reception::Reception;
use crate::daemon_log::{self, DaemonLog, LogOptions};
use crate::driver::matches::Matches;
use crate::driver::{Driver, End, Outcome, Parts};
use crate::folders::{prepare_folders, prepare_runtime_dir, runtime_folder};
use crate::handover::{self, Kept};
use crate::in_force::{self, InForce};
use crate::platform::endpoint::{self, Groups};
use crate::platform::host::Host;
use crate::platform::output::Capture;
use crate::platform::removals::Removals;
use crate::platform::signals::{self, Signals};
use crate::platform::{HandedOver, Inherited, Socket, binary, leftovers, process};
use crate::registry::plan::Plan;
use crate::registry::{self, LoadOptions, Os, places};
use crate::state::history;
use crate::state::journal::Journal;
use crate::state::known::Known;
use crate::state::record::Left;
use crate::{Failure, exit, lock, panics, service};
use s7proto::endpoint::Endpoint;
use s7proto::name::ComponentName;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// Set by `s7ctl start`: standard error is nobody's, so the log stays in its file.
pub const DETACHED_VARIABLE: &str = "S7_DETACHED";
/// How long the last answers and the last output may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// `check`: exit 0 or 78.
///
/// # Errors
/// There is no registry to be found.
pub fn check(options: &cli::Check) -> Result<u8, Failure> {
    let mut load = load_options(options.file.as_deref(), &options.common)?;
    load.strict = options.strict;
    match registry::check::run(&load, options.json, &mut std::io::stdout().lock()) {
        Ok(code) => Ok(code),
        // Whoever reads has heard enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(exit::OK),
        Err(error) => Err(Failure::new(
            exit::INTERNAL,
            format!("printing what was found: {error}"),
        )),
    }
}

/// `run`: supervises until it is asked to stop.
///
/// # Errors
/// It could not begin.
pub fn run(options: cli::Run, inherited: Inherited) -> Result<u8, Failure> {
    // Both before there is a second thread.
    let handed = HandedOver::take();
    signals::hold()
        .map_err(|error| Failure::new(exit::INTERNAL, format!("holding signals back: {error}")))?;
    process::set_process_name();
    // It is remembered as it is now; where the system doesn't say, whoever needs it says so.
    let _ = binary::own_path();
    process::set_file_mode_mask();
    process::raise_descriptor_limit();
    process::can_supervise().map_err(|why| Failure::new(exit::INTERNAL, why))?;
    let load = load_options(options.registry.as_deref(), &options.common)?;
    let groups = Groups::find(options.observe_group.as_deref(), options.control_group.as_deref())
        .map_err(|why| Failure::new(exit::USAGE, why))?;
    let endpoint = service::endpoint_of_daemon(options.socket.as_deref())?;
    let folder = runtime_folder(options.runtime_dir, &endpoint)?;
    let handed_over = handed.from.is_some();
    let registry = in_force::load(&load, &folder, handed_over)?;
    let runtime_dir = prepare_runtime_dir(&folder, &endpoint)?;
    let plan = registry.plan();
    let lock = lock::hold(handed.lock, &runtime_dir)?;
    service::mark::clear_at_start(&runtime_dir);
    let folders = prepare_folders(plan);
    let carries_on = handed_over || in_force::anything_lives(&runtime_dir);
    if !carries_on {
        folders.as_ref().map_err(Failure::clone)?;
    }
    let log = start_log(plan, !carries_on)?;
    panics::note_in(log.clone());
    plan.log_warnings();
    if let Err(failure) = &folders {
        log::error!("{}; what runs is looked after without it", failure.message);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::INTERNAL, format!("starting the runtime: {error}")))?;
    let begin = Begin {
        registry,
        load,
        endpoint,
        runtime_dir,
        groups,
        inherited,
        log: log.clone(),
        lock,
        listener: handed.listener,
        notify: handed.notify,
        lost: handed.lost,
        replaced: handed.from,
        folders,
    };
    let end = runtime.block_on(supervise(begin));
    runtime.shutdown_timeout(LAST_WORDS);
    match &end {
        Ok(_) => log::info!(target: "lifecycle", "everything is stopped, ending"),
        Err(failure) => log::error!("{}", failure.message),
    }
    let _ = log.flush(LAST_WORDS);
    let (end, kept) = end?;
    if end == End::Again && !signals::unheard_stop() {
        return Err(kept.begin_again(inherited));
    }
    Ok(exit::OK)
}

struct Begin {
    registry: InForce,
    load: LoadOptions,
    endpoint: Endpoint,
    runtime_dir: PathBuf,
    groups: Groups,
    inherited: Inherited,
    log: DaemonLog,
    lock: File,
    listener: Option<Socket>,
    notify: Vec<Socket>,
    lost: Option<File>,
    replaced: Option<String>,
    folders: Result<(), Failure>,
}

async fn supervise(begin: Begin) -> Result<(End, Kept), Failure> {
    let Begin {
        registry,
        load,
        endpoint,
        runtime_dir,
        groups,
        inherited,
        log,
        mut lock,
        listener,
        notify,
        lost,
        replaced,
        folders,
    } = begin;
    let (plan, found) = registry.take();
    let cannot =
        |what: &str, error: std::io::Error| Failure::new(exit::CANNOT_CREATE, format!("{what}: {error}"));
    let signals = Signals::listen().map_err(|error| cannot("listening to signals", error))?;
    let capture = Capture::start(&runtime_dir)
        .map_err(|error| cannot(&format!("preparing {}", runtime_dir.display()), error))?;
    if let Some(lost) = lost {
        capture.go_on_from(lost);
    }
    let boot_id = leftovers::boot_id();
    let remembered = history::read_beside(runtime_dir.clone(), boot_id.clone());
    let instance = runtime_dir.display().to_string();
    let mut left = read_state(&runtime_dir, &boot_id)?;
    let (known, all_down) = (std::mem::take(&mut left.known), left.all_down.clone());
    // What the registry no longer has is remembered as long as something of it may live.
    let has = |name: &ComponentName| plan.components.iter().any(|component| component.id == *name);
    left.known = known
        .into_iter()
        .filter(|(name, known)| known.process.is_some() || has(name))
        .collect();
    // First, so that what a run has written while no daemon lived is searched as well.
    let matches = Matches::new(&capture, &plan);
    take_up_output(&capture, &left.known, &plan);
    let (journal, fault) = Journal::begin(&runtime_dir, &boot_id, &left);
    let state_fault = fault.map(|error| format!("writing {}: {error}", journal.path().display()));
    if let Some(fault) = &state_fault {
        log::error!("{fault}: a next supervisor won't know what runs");
    }
    let journal = Arc::new(journal);
    let mut host = Host::start(
        &runtime_dir,
        instance.clone(),
        capture.clone(),
        Arc::clone(&journal),
        inherited,
    )
    .map_err(|error| cannot(&format!("preparing {}", runtime_dir.display()), error))?;
    host.take_sockets(notify);
    let taken_over = listener.and_then(|socket| endpoint::take_over(socket, &endpoint).ok().flatten());
    let listening = match taken_over {
        Some(listener) => Ok(listener),
        None => endpoint::listen(&endpoint, groups),
    };
    let listener = listening.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Failure::new(exit::TAKEN, format!("listening at {endpoint}: {error}"))
        }
        _ => cannot(&format!("listening at {endpoint}"), error),
    })?;
    let refresh = Arc::new(Notify::new());
    let looked = watch::channel(None);
    let (calls, inbox) = mpsc::channel(INBOX);
    let place = Place {
        endpoint: endpoint.clone(),
        runtime_dir: runtime_dir.clone(),
        groups,
        refresh: Arc::clone(&refresh),
        journal: journal.path().to_owned(),
        removals: Removals::begin(),
        looked: looked.0,
    };
    let held = lock
        .try_clone()
        .map_err(|error| cannot("doubling the descriptor of the lock", error))?;
    let mut reception = Reception::open(place, listener, Some(held), calls);
    log::info!(
        target: "lifecycle",
        "s7supervisord {} begins, pid {}, registry {}, listening at {endpoint}",
        crate::version(),
        std::process::id(),
        load.file.display()
    );
    let mut driver = Driver::new(Parts {
        plan,
        load,
        host,
        capture: capture.clone(),
        matches,
        state_fault,
        inbox,
        refresh,
        looked: looked.1,
        journal: Arc::clone(&journal),
        remembered,
        wishes: (left.wishes, all_down),
        endpoint: endpoint.to_string(),
        log: log.clone(),
        signals,
    });
    driver
        .take_over(left.known, instance, replaced)
        .map_err(|error| cannot("looking after what an earlier supervisor left", error))?;
    if let Err(failure) = folders {
        driver.lacks_a_folder(&failure.message);
    }
    match found {
        Ok(sources) => driver.keep_registry(sources),
        Err(failure) => driver.is_stale(failure),
    }
    let mut outcome = driver.run().await;
    let (end, record, alive, written, successor) = loop {
        match outcome {
            Outcome::Over {
                end,
                record,
                alive,
                history,
                successor,
            } => break (end, record, alive, history, successor),
            Outcome::HandOver(driver) => {
                (outcome, reception) =
                    handover::hand_over(driver, reception, inherited, &mut lock, &log).await;
            }
        }
    };
    // What was given up or had ended for good is so no longer: the next daemon begins with everything.
    let finished = tokio::task::spawn_blocking(move || journal.finish(&record)).await;
    if let Ok(Err(error)) = finished {
        log::warn!("writing the record for the last time: {error}");
    }
    if let Some(written) = written {
        let _ = tokio::time::timeout(LAST_WORDS, written).await;
    }
    let (mut reception, mut handed) = match end {
        End::Stopped => (Some(reception), None),
        End::Again => (None, Some(reception.hand_over().await)),
    };
    if let Some(reception) = &mut reception {
        // It removes the socket; whoever waits for an answer gets it before the daemon goes.
        reception.close().await;
    }
    let drained = tokio::task::spawn_blocking(move || capture.drain(LAST_WORDS)).await;
    if !matches!(drained, Ok(true)) {
        log::warn!("some output could not be written in time");
    }
    // Who follows output has a last look at it now.
    drop(alive);
    if let Some(reception) = reception {
        reception.last_answers(LAST_WORDS).await;
    }
    if let Some(handed) = &mut handed {
        handed.farewell(LAST_WORDS).await;
    }
    Ok((end, Kept::of(lock, handed, successor)))
}

/// What an earlier daemon has noted.
///
/// # Errors
/// A newer version has noted it, so that nobody here knows what runs.
fn read_state(runtime_dir: &Path, boot_id: &str) -> Result<Left, Failure> {
    let doing = format!(
        "reading what an earlier supervisor has noted in {}",
        runtime_dir.display()
    );
    match Journal::read(runtime_dir, boot_id) {
        Ok(left) => {
            if left.damaged > 0 {
                log::error!(
                    "{doing}: {} lines are damaged; what they said is looked for otherwise",
                    left.damaged
                );
            }
            Ok(left)
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(Failure::new(
            exit::INTERNAL,
            format!(
                "{doing}: {error}; start the newer version, or stop everything with it before this one is started"
            ),
        )),
        Err(error) => {
            log::error!("{doing}: {error}; what runs is looked for otherwise");
            Ok(Left::default())
        }
    }
}

/// What an earlier daemon left running still writes: its output is kept until it has ended.
fn take_up_output(capture: &Capture, known: &BTreeMap<ComponentName, Known>, plan: &Plan) {
    for (name, known) in known.iter().filter(|(_, known)| known.process.is_some()) {
        let mut components = plan.components.iter();
        let Some(component) = components.find(|component| component.id == *name) else {
            continue;
        };
        if let Err(error) = capture.reattach(name, known.run, &component.log, known.holder()) {
            log::warn!("{error}: what it still writes is lost");
        }
    }
}

pub(crate) fn load_options(file: Option<&Path>, common: &cli::Registry) -> Result<LoadOptions, Failure> {
    let given = places::Given::new(common.install_folder.clone(), file.map(Path::to_owned));
    let places = places::find(&given).map_err(|why| Failure::new(exit::USAGE, why.to_string()))?;
    Ok(LoadOptions {
        file: places.registry,
        install_folder: places.install_folder,
        settings: common.settings.clone(),
        strict: false,
        os: Os::current(),
    })
}

/// The log. Where what runs has to be looked after, one that can't be written is no reason not to: it is tried again.
fn start_log(plan: &Plan, indispensable: bool) -> Result<DaemonLog, Failure> {
    let file = plan.supervisor.log.clone();
    let shown = file.display().to_string();
    let options = LogOptions {
        file,
        trace_level: plan.supervisor.trace_level,
        also_stderr: std::env::var_os(DETACHED_VARIABLE).is_none(),
        keep_days: daemon_log::KEEP_DAYS,
        indispensable,
    };
    daemon_log::start(options)
        .map_err(|error| Failure::new(exit::CANNOT_CREATE, format!("opening the log {shown}: {error}")))
}
