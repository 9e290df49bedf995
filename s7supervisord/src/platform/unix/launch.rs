//! From a plan to what the child needs: strings with a NUL at their end, limits, and the record of the run.

use super::child::Record;
use super::identity::Identity;
use crate::registry::plan::{ComponentPlan, LimitPlan, Resource};
use crate::state::known::{self, Beginning, OutputPipe, Tally};
use crate::state::told::Told;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::collections::BTreeMap;
use std::ffi::{CString, OsString, c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The search path of a component where the daemon has none itself: the one of a Debian or Red Hat login as root.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that concern the daemon alone, so that `inherit="true"` doesn't hand them on (DESIGN 5).
const PRIVATE: [&str; 9] = [
    crate::run::DETACHED_VARIABLE,
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    // Where the daemon was begun by such a command, its runs are none.
    super::command_mark::VARIABLE,
];

/// The strings and numbers of one run, kept alive until it executes.
pub struct Launch {
    pub program: CString,
    argv: Vec<CString>,
    envp: Vec<CString>,
    pub directory: CString,
    pub limits: Vec<(c_int, libc::rlimit64)>,
    pub umask: libc::mode_t,
    pub record: Record,
}

impl Launch {
    /// Prepares run number `run` of `plan` with `arguments` as `identity`, under the supervisor `instance`. `notify` is the address of
    /// the socket where it tells of itself, if it does, and `output` is where it writes.
    pub fn new(
        plan: &ComponentPlan,
        (run, arguments): (u64, &[String]),
        identity: &Identity,
        instance: &str,
        tally: &Tally,
        (notify, output): (Option<&Path>, Option<OutputPipe>),
    ) -> Result<Self, SpawnFailure> {
        let program = c_string(plan.run.program.as_os_str().as_bytes(), "the program's path")?;
        let argv = std::iter::once(Ok(program.clone()))
            .chain(
                arguments
                    .iter()
                    .map(|text| c_string(text.as_bytes(), "an argument")),
            )
            .collect::<Result<_, _>>()?;
        let mut variables = environment(plan, run, identity, instance);
        variables.extend(notify.into_iter().flat_map(|path| notify_variables(plan, path)));
        let envp = variables
            .into_iter()
            .map(|(name, value)| {
                let mut pair = name.into_vec();
                pair.push(b'=');
                pair.extend_from_slice(value.as_bytes());
                c_string(&pair, "a variable of the environment")
            })
            .collect::<Result<_, _>>()?;
        let directory = c_string(
            plan.run.working_directory.as_os_str().as_bytes(),
            "the working directory",
        )?;
        let beginning = Beginning {
            made_of: crate::registry::fingerprint::of(plan),
            told: Told::of(plan.notify),
            output,
        };
        let (text, holes) = known::start_with_holes(&plan.id, run, &beginning, tally);
        Ok(Self {
            program,
            argv,
            envp,
            directory,
            limits: plan.run.limits.iter().map(limit).collect(),
            umask: plan.run.umask & 0o777,
            record: Record {
                text: std::cell::UnsafeCell::new(text),
                holes,
            },
        })
    }

    /// The arguments as execve wants them; valid as long as `self`.
    pub fn argv(&self) -> Vec<*const c_char> {
        pointers(&self.argv)
    }

    /// The environment as execve wants it; valid as long as `self`.
    pub fn envp(&self) -> Vec<*const c_char> {
        pointers(&self.envp)
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain(std::iter::once(std::ptr::null()))
        .collect()
}

fn c_string(bytes: &[u8], what: &str) -> Result<CString, SpawnFailure> {
    CString::new(bytes).map_err(|_| SpawnFailure {
        stage: SpawnStage::Executing,
        subject: what.to_owned(),
        os_error: None,
        cause: "it holds a NUL character".to_owned(),
        host_fault: false,
    })
}

/// DESIGN 5: a small fixed set, then the registry's; the daemon's own only where the registry asks for it.
fn environment(
    plan: &ComponentPlan,
    run: u64,
    identity: &Identity,
    instance: &str,
) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> = BTreeMap::new();
    // The first process of a container is configured through its environment alone.
    let inherits = plan.run.inherit_environment;
    if inherits.unwrap_or_else(super::process::is_first) {
        variables
            .extend(std::env::vars_os().filter(|(name, _)| !PRIVATE.iter().any(|private| name == private)));
    }
    for name in ["PATH", "LANG", "TZ"] {
        if let Some(value) = std::env::var_os(name) {
            variables.insert(name.into(), value);
        }
    }
    variables
        .entry("PATH".into())
        .or_insert_with(|| DEFAULT_PATH.into());
    for (name, value) in [
        ("HOME", identity.home.clone()),
        ("USER", identity.name.clone()),
        ("LOGNAME", identity.name.clone()),
        ("SHELL", identity.shell.clone()),
        ("S7_COMPONENT", plan.id.as_str().to_owned()),
        ("S7_RUN", run.to_string()),
        // Which supervisor it belongs to: several may run on one machine (reliability E1).
        ("S7_INSTANCE", instance.to_owned()),
    ] {
        variables.insert(name.into(), value.into());
    }
    variables.extend(
        plan.run
            .environment
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    variables
}

/// Where and how often it tells of itself, as sd_notify(3) and sd_watchdog_enabled(3) look for it. There is no `WATCHDOG_PID`: any
/// process of the run may give its signs of life.
fn notify_variables(plan: &ComponentPlan, path: &Path) -> impl Iterator<Item = (OsString, OsString)> {
    let watchdog = plan.notify.and_then(|notify| notify.watchdog);
    let watchdog = watchdog.map(|span| ("WATCHDOG_USEC".into(), span.as_micros().to_string().into()));
    std::iter::once(("NOTIFY_SOCKET".into(), path.as_os_str().to_owned())).chain(watchdog)
}

fn limit(limit: &LimitPlan) -> (c_int, libc::rlimit64) {
    let resource = match limit.resource {
        Resource::As => libc::RLIMIT_AS,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Fsize => libc::RLIMIT_FSIZE,
        Resource::Memlock => libc::RLIMIT_MEMLOCK,
        Resource::Nofile => libc::RLIMIT_NOFILE,
        Resource::Nproc => libc::RLIMIT_NPROC,
        Resource::Rss => libc::RLIMIT_RSS,
        Resource::Stack => libc::RLIMIT_STACK,
    };
    let value = |limit: Option<u64>| limit.unwrap_or(libc::RLIM64_INFINITY);
    // The constants are small; their C type differs between libcs, and prlimit(2) takes an int.
    #[expect(clippy::cast_possible_wrap, reason = "RLIMIT_* are below 16")]
    let resource = resource as c_int;
    (
        resource,
        libc::rlimit64 {
            rlim_cur: value(limit.soft),
            rlim_max: value(limit.hard),
        },
    )
}
