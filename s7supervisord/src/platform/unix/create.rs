//! Creating one process: what its child needs is prepared first, and then there is one call.

mod errand;
mod failed;

pub use errand::Made;
pub(super) use errand::kill as kill_errand;

use super::cgroup::{self, Tree};
use super::child::{Failure, Plan};
use super::clone::clone_vfork;
use super::door::{Door, Passage};
pub(super) use super::fault::io_failure;
use super::identity::{self, Identity};
use super::inherited::Inherited;
use super::java::Javas;
use super::launch::Launch;
use super::notices::{Channel, NewChannel, descriptor_of};
use super::output::{Capture, ChildOutput};
use super::places::Place;
use super::ports::Ports;
use crate::failpoint::{self, Point};
use crate::machine::input::RunId;
use crate::output::failure::doing;
use crate::registry::plan::ComponentPlan;
use crate::state::journal::{Journal, Lent};
use crate::state::known::Tally;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use s7proto::status::{SpawnFailure, SpawnStage};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// The child runs a handful of frames of plain system calls on this stack, before it executes.
const CHILD_STACK: usize = 32 * 1024;

/// What every process is created with.
pub struct Creator {
    pub capture: Capture,
    pub journal: Arc<Journal>,
    pub inherited: Inherited,
    /// Where the components' locks lie.
    pub locks: PathBuf,
    /// Where runs tell of themselves.
    pub runtime_dir: PathBuf,
    /// What a component is told as `S7_INSTANCE`.
    pub instance: String,
    /// Who the daemon is itself, once it was looked up.
    pub own: OnceLock<Identity>,
    /// What every new process passes; closed when the daemon ends.
    pub door: Arc<Door>,
    /// Runs that are to end as soon as they are there, so that nothing is waited for on the way.
    pub hastened: Mutex<HashSet<RunId>>,
    /// Who listens where.
    pub ports: Ports,
    /// Which Javas there are.
    pub javas: Javas,
}

/// Where a thread's children run until they execute.
pub struct Stack(Vec<u8>);

impl Default for Stack {
    fn default() -> Self {
        Self(vec![0u8; CHILD_STACK])
    }
}

/// A run that only has to be created.
pub struct Prepared {
    pub run: RunId,
    pub plan: Arc<ComponentPlan>,
    tally: Tally,
    launch: Launch,
    identity: Identity,
    output: ChildOutput,
    lock: Option<File>,
    unmade: Option<String>,
    cgroup: Option<Tree>,
    notify: Option<NewChannel>,
}

/// A new process.
pub struct Created {
    pub pid: u32,
    pub pidfd: OwnedFd,
    /// Its line in the record.
    pub record: Vec<u8>,
    /// Why that could not be written, if so.
    pub unrecorded: Option<String>,
    /// What could not be made in the runtime folder for it, and why, if so.
    pub unmade: Option<String>,
    /// The cgroup that it lives in, if it has one of its own.
    pub cgroup: Option<Tree>,
    /// Where it tells of itself, if it does.
    pub channel: Option<Channel>,
    /// Kept until the core loop looks after the process.
    pub passage: Passage,
}

impl Creator {
    /// With nobody known so far.
    ///
    /// # Errors
    /// The folder for lock files can't be made in `runtime_dir`.
    pub fn new(
        runtime_dir: &Path,
        instance: String,
        capture: Capture,
        journal: Arc<Journal>,
        inherited: Inherited,
        ports: Ports,
    ) -> io::Result<Self> {
        let locks = runtime_dir.join("locks");
        match std::fs::create_dir(&locks) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        Ok(Self {
            capture,
            journal,
            inherited,
            locks,
            runtime_dir: runtime_dir.to_owned(),
            instance,
            own: OnceLock::new(),
            door: Arc::default(),
            hastened: Mutex::default(),
            ports,
            javas: Javas::default(),
        })
    }

    /// Does all that can be done before, for a run that was ordered at that time.
    pub fn prepare(
        &self,
        (run, ordered): (RunId, Instant),
        plan: Arc<ComponentPlan>,
        tally: Tally,
    ) -> Result<Prepared, SpawnFailure> {
        if self.door.is_closed() {
            return Err(too_late(&plan));
        }
        failpoint::reach(Point::SpawnPrepare);
        let id = plan.id.clone();
        let prepared = self.try_to_prepare((run, ordered), plan, tally.clone());
        if prepared.is_err() {
            // Nobody has noted that the run before is over.
            self.journal.ended(&id, run.run, &tally, None);
        }
        prepared
    }

    fn try_to_prepare(
        &self,
        (run, ordered): (RunId, Instant),
        plan: Arc<ComponentPlan>,
        tally: Tally,
    ) -> Result<Prepared, SpawnFailure> {
        let identity = self.identity(&plan)?;
        if identity.differs && !super::process::is_privileged() {
            return Err(SpawnFailure {
                stage: SpawnStage::SettingUser,
                subject: identity.name,
                os_error: Some(libc::EPERM),
                cause: "only a supervisor of root can run a component as somebody else".to_owned(),
                host_fault: false,
            });
        }
        self.ports.check(&plan, ordered, tally.crashes)?;
        super::remains::make_heap_folder(&plan, &identity);
        let in_haste = || self.hastened().contains(&run);
        let lock = super::locks::lock_for(&self.locks, &plan.id, &self.instance, &in_haste)?;
        let arguments = self.javas.arguments(&plan, &identity)?;
        let start = (run.run, arguments.as_ref());
        let owner = identity.differs.then_some((identity.uid, identity.gid));
        let notify = Channel::of_run(&self.runtime_dir, &plan, run.run, owner)?;
        let address = notify
            .as_ref()
            .filter(|made| made.given.is_none())
            .map(|made| made.channel.path());
        let mut output = self
            .capture
            .attach(&plan.id, run.run, owner, &plan.log)
            .map_err(|error| io_failure(SpawnStage::PreparingOutput, plan.id.to_string(), &error))?;
        let ways = (address, output.pipe());
        let (lock, unlocked) = lock.map_or_else(|why| (None, Some(why)), |lock| (Some(lock), None));
        let unmade = output.take_unnamed().or(unlocked);
        let launch = Launch::new(&plan, start, &identity, &self.instance, &tally, ways)?;
        let cgroup = self.cgroup(&plan, run);
        Ok(Prepared {
            run,
            plan,
            tally,
            launch,
            identity,
            output,
            lock,
            unmade,
            cgroup,
            notify,
        })
    }

    /// Whether all that a run needs can be made in the runtime folder again.
    pub fn try_the_folder(&self) -> io::Result<()> {
        self.capture.try_a_name()?;
        let made = super::locks::try_a_lock(&self.locks);
        made.map_err(|error| doing(format_args!("making a lock in {}", self.locks.display()), error))
    }

    /// Runs that are to end as soon as they are there.
    pub fn hastened(&self) -> MutexGuard<'_, HashSet<RunId>> {
        // Nobody panics with this lock, and if somebody did, a set is whole all the same.
        self.hastened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run's own cgroup. Without one its tree is held together as everywhere else, so that keeps nothing from running.
    fn cgroup(&self, plan: &ComponentPlan, run: RunId) -> Option<Tree> {
        let made = cgroup::home()?.make(&plan.id, run.run, &self.instance);
        let made =
            made.inspect_err(|error| log::warn!("{}: making a cgroup for run {}: {error}", plan.id, run.run));
        let tree = made.ok()?;
        if let Some(hard) = plan.memory.hard {
            // Where it isn't in force, it is measured instead, and `status` says so.
            tree.limit_memory(hard);
        }
        Some(tree)
    }

    /// Who a component runs as. Who the daemon is itself is looked up once: it doesn't change.
    fn identity(&self, plan: &ComponentPlan) -> Result<Identity, SpawnFailure> {
        let (user, group) = (plan.run.user.as_deref(), plan.run.group.as_deref());
        if user.is_some() || group.is_some() {
            return identity::look_up(user, group);
        }
        if let Some(own) = self.own.get() {
            return Ok(own.clone());
        }
        let own = identity::look_up(None, None)?;
        Ok(self.own.get_or_init(|| own).clone())
    }

    /// Creates a run and waits until it has executed.
    pub fn create(&self, prepared: Prepared, stack: &mut Stack) -> Result<Created, SpawnFailure> {
        let Prepared {
            run,
            plan,
            tally,
            launch,
            identity,
            output,
            lock,
            unmade,
            cgroup,
            notify,
        } = prepared;
        let (channel, given) = notify.map_or((None, None), |made| (Some(made.channel), made.given));
        let lent = (lock.as_ref().map(AsFd::as_fd), given.as_ref().map(AsFd::as_fd));
        let result = Place::with(Some(output.as_fd()), lent.0, lent.1)
            .map_err(|error| io_failure(SpawnStage::ConnectingOutput, plan.id.to_string(), &error))
            .and_then(|place| {
                let has = (lock.is_some(), given.is_some());
                // What lies in the place is enough, and is let go of after the call.
                drop((output, lock, given));
                let given = (&place, has, Some(&*self.journal));
                let created = self.clone_child(&launch, &identity, given, stack, &plan, cgroup.clone());
                place.give_back();
                created
            });
        let contained = result.as_ref().is_ok_and(|created| created.cgroup.is_some());
        if let Some(cgroup) = cgroup.filter(|_| !contained) {
            // What fails here is tried again when the daemon ends and when the next one begins.
            let _ = cgroup.remove();
        }
        if result.is_err() {
            self.journal.ended(&plan.id, run.run, &tally, None);
        }
        result.map(|created| Created {
            channel,
            unmade,
            ..created
        })
    }

    /// Its output is nobody's, and it is no run: it has neither lock nor record.
    pub fn create_asking(
        &self,
        run: RunId,
        plan: &ComponentPlan,
        stack: &mut Stack,
    ) -> Result<Created, SpawnFailure> {
        let (launch, identity) = self.launch_of_command(run, plan)?;
        let place = Place::with(None, None, None)
            .map_err(|error| io_failure(SpawnStage::ConnectingOutput, plan.id.to_string(), &error))?;
        let created = self.clone_child(
            &launch,
            &identity,
            (&place, (false, false), None),
            stack,
            plan,
            None,
        );
        place.give_back();
        created
    }

    /// What a command of a run is made of, which `plan` has in place of the program: nothing is carried on with it, and its
    /// output is no file.
    fn launch_of_command(
        &self,
        run: RunId,
        plan: &ComponentPlan,
    ) -> Result<(Launch, Identity), SpawnFailure> {
        let identity = self.identity(plan)?;
        let (start, tally) = ((run.run, plan.run.arguments.as_slice()), Tally::default());
        let launch = Launch::new(plan, start, &identity, &self.instance, &tally, (None, None))?;
        Ok((launch, identity))
    }

    fn clone_child(
        &self,
        launch: &Launch,
        identity: &Identity,
        (place, (has_lock, has_notify), journal): (&Place, (bool, bool), Option<&Journal>),
        stack: &mut Stack,
        component: &ComponentPlan,
        cgroup: Option<Tree>,
    ) -> Result<Created, SpawnFailure> {
        let (argv, envp) = (launch.argv(), launch.envp());
        let failure = Failure::default();
        let pidfd = AtomicI32::new(-1);
        // What is no run has no record.
        let lent = journal.map(|journal| journal.lend(launch.record.len()));
        let nobody = AtomicBool::new(false);
        let passage = self.door.enter().ok_or_else(|| too_late(component))?;
        let mut plan = Plan {
            program: launch.program.as_ptr(),
            argv: argv.as_ptr(),
            envp: envp.as_ptr(),
            directory: launch.directory.as_ptr(),
            output: place.output(),
            null: place.null(),
            lock: if has_lock { place.lock() } else { -1 },
            notify: place.notify(),
            notify_as: if has_notify { descriptor_of(component) } else { -1 },
            end: place.end(),
            journal: lent.as_ref().and_then(Lent::file).map_or(-1, AsRawFd::as_raw_fd),
            record: &launch.record,
            recorded: lent.as_ref().map_or(&nobody, |lent| &*lent.written),
            pidfd: &pidfd,
            door: passage.doorway(),
            has_identity: super::pidfd::has_identity(),
            limits: &launch.limits,
            identity: identity
                .differs
                .then_some((identity.groups.as_slice(), identity.gid, identity.uid)),
            umask: launch.umask,
            inherited: &self.inherited,
            failure: &failure,
            cgroup: -1,
        };
        failpoint::reach(Point::SpawnBeforeClone);
        let (pid, pidfd) = clone_into(&mut plan, stack, cgroup.as_ref())
            .map_err(|error| io_failure(SpawnStage::CreatingProcess, component.id.to_string(), &error))?;
        failpoint::reach(Point::SpawnAfterClone);
        let Some((stage, errno, limit)) = failure.get() else {
            let errno = failure.record_errno().map(io::Error::from_raw_os_error);
            let unrecorded = match errno {
                Some(error) => Some(error.to_string()),
                None if journal.is_some() && plan.journal < 0 => Some("there is no record".to_owned()),
                None => None,
            };
            let outside = failure.cgroup_errno();
            if let Some(errno) = outside {
                let error = io::Error::from_raw_os_error(errno);
                let id = &component.id;
                log::warn!("{id}: creating process {pid} in its cgroup: {error}; it runs outside of it");
            }
            return Ok(Created {
                pid,
                pidfd,
                record: launch.record.line(),
                unrecorded,
                unmade: None,
                cgroup: cgroup.filter(|_| outside.is_none()),
                channel: None,
                passage,
            });
        };
        // The child has ended or is about to; nobody else may be left with its remains, nor signal a number that is then free.
        drop(passage);
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {
        }
        Err(self.failed((stage, errno, limit), failure.is_about_notifying(), component))
    }
}

/// The daemon ends, and nothing comes into being any more.
fn too_late(component: &ComponentPlan) -> SpawnFailure {
    let error = io::Error::from_raw_os_error(libc::ECANCELED);
    io_failure(SpawnStage::CreatingProcess, component.id.to_string(), &error)
}

/// Creates the child in its cgroup: it is born there, or else goes there itself before it executes.
fn clone_into(plan: &mut Plan<'_>, stack: &mut Stack, cgroup: Option<&Tree>) -> io::Result<(u32, OwnedFd)> {
    let Some(cgroup) = cgroup else {
        return clone_vfork(plan, &mut stack.0, None);
    };
    let entrance = match cgroup.open() {
        Ok(folder) => match clone_vfork(plan, &mut stack.0, Some(folder.as_fd())) {
            // Not what the machine lacks, which another try would lack as well.
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM)) => {
                cgroup.entrance()
            }
            created => return created,
        },
        Err(error) => Err(error),
    };
    match &entrance {
        Ok(entrance) => plan.cgroup = entrance.as_raw_fd(),
        Err(error) => plan
            .failure
            .set_cgroup_errno(error.raw_os_error().unwrap_or(libc::EIO)),
    }
    clone_vfork(plan, &mut stack.0, None)
}
