//! Creating processes, on threads of their own: an exec from a slow disk or a look-up of a user stops only the thread
//! that waits for it.

use super::child::{Failure, Plan, child_main};
use super::identity;
use super::inherited::Inherited;
use super::launch::Launch;
use super::output::Capture;
use super::turns::Turns;
use crate::machine::input::RunId;
use crate::output::failure;
use crate::registry::plan::ComponentPlan;
use crate::state::journal::Journal;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use s7proto::name::ComponentName;
use s7proto::status::{SpawnFailure, SpawnStage};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that create processes. More than two don't help on the machines this runs on; the others are there so that a
/// program on a hanging file system doesn't keep the rest from starting.
pub(super) const THREADS: usize = 8;
/// Rust code on these threads needs little: strings and a few file operations, far from 64 KiB deep.
const THREAD_STACK: usize = 128 * 1024;
/// The child runs a handful of frames of plain system calls on this stack, before it executes.
const CHILD_STACK: usize = 32 * 1024;

/// Something that may take its time.
pub enum Order {
    /// Create a run.
    Create {
        /// Which run.
        run: RunId,
        /// What it is made of.
        plan: Arc<ComponentPlan>,
    },
    /// Run the command that asks a run to stop, as the component's user and in its environment.
    Ask {
        /// Which run is to stop.
        run: RunId,
        /// The component's plan with the command in place of its program.
        plan: Arc<ComponentPlan>,
    },
    /// The component has left the registry: remove its lock.
    Forget(ComponentName),
    /// Note that a run is over, tree and all.
    NoteEnded {
        /// Whose run.
        component: ComponentName,
        /// Its number.
        run: u64,
    },
}

/// What came of an order.
pub enum Spawned {
    /// The program runs.
    Yes {
        /// Which run.
        run: RunId,
        /// Of which component.
        component: ComponentName,
        /// Its process id.
        pid: u32,
        /// Its descriptor.
        pidfd: OwnedFd,
        /// Why its record could not be written, if so.
        record_errno: Option<i32>,
    },
    /// The command that asks a run to stop runs, or why it doesn't.
    Asking {
        /// Which run is to stop.
        run: RunId,
        /// The command's process.
        command: Result<(u32, OwnedFd), SpawnFailure>,
    },
    /// There is no process.
    No {
        /// Which run.
        run: RunId,
        /// Why.
        failure: SpawnFailure,
    },
}

/// The pool.
pub struct Spawner {
    orders: mpsc::Sender<(u64, Order)>,
    queue: Arc<Mutex<mpsc::Receiver<(u64, Order)>>>,
    /// Orders taken so far.
    taken: u64,
    /// Orders that are queued or under way.
    open: Arc<AtomicUsize>,
    threads: usize,
    shared: Arc<Shared>,
}

struct Shared {
    capture: Capture,
    journal: Arc<Journal>,
    inherited: Inherited,
    locks: std::path::PathBuf,
    instance: String,
    null: File,
    turns: Turns,
    done: Box<dyn Fn(Spawned) + Send + Sync>,
}

impl Spawner {
    /// A pool that gives what came of each order to `done`.
    ///
    /// # Errors
    /// `/dev/null` can't be opened, or the folder for lock files can't be made in `runtime_dir`.
    pub fn new(
        runtime_dir: &std::path::Path,
        instance: String,
        capture: Capture,
        journal: Arc<Journal>,
        inherited: Inherited,
        done: impl Fn(Spawned) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let locks = runtime_dir.join("locks");
        match std::fs::create_dir(&locks) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let shared = Shared {
            capture,
            journal,
            inherited,
            locks,
            instance,
            null,
            turns: Turns::default(),
            done: Box::new(done),
        };
        // The queue holds at most one order for each component, since the machine waits for each answer.
        let (orders, queue) = mpsc::channel();
        Ok(Self {
            orders,
            queue: Arc::new(Mutex::new(queue)),
            taken: 0,
            open: Arc::new(AtomicUsize::new(0)),
            threads: 0,
            shared: Arc::new(shared),
        })
    }

    /// Takes an order; what comes of it is told later.
    pub fn submit(&mut self, order: Order) {
        let open = self.open.fetch_add(1, Ordering::AcqRel) + 1;
        if open > self.threads && self.threads < THREADS {
            self.add_thread();
        }
        let (run, creates) = match &order {
            Order::Create { run, .. } => (Some(*run), true),
            Order::Ask { run, .. } => (Some(*run), false),
            Order::NoteEnded { .. } | Order::Forget(_) => (None, false),
        };
        if self.threads > 0 && self.orders.send((self.taken, order)).is_ok() {
            self.taken += 1;
            return;
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        if let Some(run) = run {
            let failure = SpawnFailure {
                stage: SpawnStage::CreatingProcess,
                subject: "a thread of the supervisor".to_owned(),
                os_error: Some(libc::EAGAIN),
                cause: "no thread could be created for it".to_owned(),
                host_fault: true,
            };
            (self.shared.done)(if creates {
                Spawned::No { run, failure }
            } else {
                Spawned::Asking {
                    run,
                    command: Err(failure),
                }
            });
        }
    }

    fn add_thread(&mut self) {
        let (queue, open, shared) = (
            Arc::clone(&self.queue),
            Arc::clone(&self.open),
            Arc::clone(&self.shared),
        );
        let name = format!("s7-spawn-{}", self.threads + 1);
        let made = std::thread::Builder::new()
            .name(name)
            .stack_size(THREAD_STACK)
            .spawn(move || {
                let mut stack = vec![0u8; CHILD_STACK];
                loop {
                    let order = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, order)) = order else { return };
                    match order {
                        Order::Forget(component) => {
                            shared.turns.pass(number);
                            let _ = std::fs::remove_file(shared.locks.join(component.as_str()));
                        }
                        Order::NoteEnded { component, run } => {
                            shared.turns.pass(number);
                            shared.journal.ended(&component, run);
                        }
                        Order::Ask { run, plan } => {
                            shared.turns.pass(number);
                            let command = shared.create_asking(run, &plan, &mut stack);
                            (shared.done)(Spawned::Asking { run, command });
                        }
                        Order::Create { run, plan } => {
                            let created = shared.create(number, run, &plan, &mut stack);
                            // Before the answer: the next one needn't wait for whoever hears it.
                            shared.turns.pass(number);
                            (shared.done)(match created {
                                Ok((pid, pidfd, record_errno)) => Spawned::Yes {
                                    run,
                                    component: plan.id.clone(),
                                    pid,
                                    pidfd,
                                    record_errno,
                                },
                                Err(failure) => Spawned::No { run, failure },
                            });
                        }
                    }
                    open.fetch_sub(1, Ordering::AcqRel);
                }
            });
        match made {
            Ok(_) => self.threads += 1,
            Err(error) => log::warn!("creating a thread that starts components: {error}"),
        }
    }
}

/// Descriptors that a child is given.
struct Held<'a> {
    output: BorrowedFd<'a>,
    lock: Option<&'a File>,
    journal: Option<&'a File>,
}

impl Shared {
    fn create(
        &self,
        number: u64,
        run: RunId,
        plan: &ComponentPlan,
        stack: &mut [u8],
    ) -> Result<(u32, OwnedFd, Option<i32>), SpawnFailure> {
        let identity = identity::look_up(plan.run.user.as_deref(), plan.run.group.as_deref())?;
        if identity.differs && !super::process::is_privileged() {
            return Err(SpawnFailure {
                stage: SpawnStage::SettingUser,
                subject: identity.name,
                os_error: Some(libc::EPERM),
                cause: "only a supervisor of root can run a component as somebody else".to_owned(),
                host_fault: false,
            });
        }
        let lock = super::locks::lock_for(&self.locks, &plan.id, &self.instance)?;
        let launch = Launch::new(plan, run.run, &identity, &self.instance)?;
        let owner = identity.differs.then_some((identity.uid, identity.gid));
        let output = self
            .capture
            .attach(&plan.id, run.run, owner, &plan.log)
            .map_err(|error| io_failure(SpawnStage::PreparingOutput, plan.id.to_string(), &error))?;
        self.turns.wait(number);
        let held = Held {
            output: output.as_fd(),
            lock: lock.as_ref(),
            journal: self.journal.file(),
        };
        let result = self.clone_child(&launch, &identity, &held, stack, plan);
        if result.is_err() {
            self.journal.ended(&plan.id, run.run);
        }
        result
    }

    /// Its output is nobody's, and it is no run: it has neither lock nor record.
    fn create_asking(
        &self,
        run: RunId,
        plan: &ComponentPlan,
        stack: &mut [u8],
    ) -> Result<(u32, OwnedFd), SpawnFailure> {
        let identity = identity::look_up(plan.run.user.as_deref(), plan.run.group.as_deref())?;
        let launch = Launch::new(plan, run.run, &identity, &self.instance)?;
        let held = Held {
            output: self.null.as_fd(),
            lock: None,
            journal: None,
        };
        let (pid, pidfd, _) = self.clone_child(&launch, &identity, &held, stack, plan)?;
        Ok((pid, pidfd))
    }

    fn clone_child(
        &self,
        launch: &Launch,
        identity: &identity::Identity,
        held: &Held<'_>,
        stack: &mut [u8],
        component: &ComponentPlan,
    ) -> Result<(u32, OwnedFd, Option<i32>), SpawnFailure> {
        let (argv, envp) = (launch.argv(), launch.envp());
        let failure = Failure::default();
        let plan = Plan {
            program: launch.program.as_ptr(),
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            directory: launch.directory.as_ptr(),
            output: held.output.as_raw_fd(),
            null: self.null.as_raw_fd(),
            lock: held.lock.map_or(-1, AsRawFd::as_raw_fd),
            journal: held.journal.map_or(-1, AsRawFd::as_raw_fd),
            record: &launch.record,
            limits: &launch.limits,
            identity: identity
                .differs
                .then_some((identity.groups.as_slice(), identity.gid, identity.uid)),
            umask: launch.umask,
            inherited: &self.inherited,
            failure: &failure,
        };
        let (pid, pidfd) = clone_vfork(&plan, stack)
            .map_err(|error| io_failure(SpawnStage::CreatingProcess, component.id.to_string(), &error))?;
        let Some((stage, errno, limit)) = failure.get() else {
            return Ok((pid, pidfd, failure.record_errno()));
        };
        // The child has ended or is about to; nobody else may be left with its remains.
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {
        }
        let subject = subject(stage, limit, component);
        Err(io_failure(stage, subject, &io::Error::from_raw_os_error(errno)))
    }
}

fn subject(stage: SpawnStage, limit: usize, component: &ComponentPlan) -> String {
    let run = &component.run;
    match stage {
        SpawnStage::Executing => run.program.display().to_string(),
        SpawnStage::ChangingDirectory => run.working_directory.display().to_string(),
        SpawnStage::SettingUser => run.user.clone().unwrap_or_default(),
        SpawnStage::SettingGroup => run
            .group
            .as_ref()
            .or(run.user.as_ref())
            .cloned()
            .unwrap_or_default(),
        SpawnStage::SettingLimits => run.limits.get(limit).map_or_else(String::new, |limit| {
            format!("{:?}", limit.resource).to_lowercase()
        }),
        _ => component.id.to_string(),
    }
}

/// A failed start in the system's words, told apart by whose fault it is.
pub(super) fn io_failure(stage: SpawnStage, subject: String, error: &io::Error) -> SpawnFailure {
    let os_error = failure::os_code(error);
    // What the machine lacks for the moment isn't the component's fault (reliability A2, "Resource failure").
    let host_fault = matches!(
        os_error,
        Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOSPC)
    );
    let cause = os_error.map_or_else(|| error.to_string(), |code| rustix_words(code, error));
    SpawnFailure {
        stage,
        subject,
        os_error,
        cause,
        host_fault,
    }
}

/// The system's words without "(os error N)": the number travels beside them.
fn rustix_words(code: i32, error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_suffix(&format!(" (os error {code})"))
        .unwrap_or(&text)
        .to_owned()
}

/// Creates the child and waits until it has executed or failed.
fn clone_vfork(plan: &Plan<'_>, stack: &mut [u8]) -> io::Result<(u32, OwnedFd)> {
    let mut pidfd: libc::c_int = -1;
    let top = stack.as_mut_ptr_range().end.map_addr(|address| address & !0xf);
    // SAFETY: all signals are blocked while parent and child share their memory, so that no handler of the daemon runs
    // in the child; the stack is ours, as large as said, and in use by nobody until the call returns, which CLONE_VFORK
    // delays until the child has executed or ended; `plan` lives until then.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let pid = libc::clone(
            child_entry,
            top.cast::<c_void>(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD,
            std::ptr::from_ref(plan).cast_mut().cast::<c_void>(),
            &raw mut pidfd,
        );
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        match u32::try_from(pid) {
            Ok(pid) => Ok((pid, OwnedFd::from_raw_fd(pidfd))),
            Err(_) => Err(error),
        }
    }
}

extern "C" fn child_entry(plan: *mut c_void) -> libc::c_int {
    // SAFETY: `clone_vfork` passes a valid plan and stands still meanwhile.
    unsafe { child_main(plan) }
}
