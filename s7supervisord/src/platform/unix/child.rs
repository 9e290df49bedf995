//! Between the creation of the process and its program: only system calls, no allocation, no locks, no panic.
//!
//! The child shares the memory of the daemon until it executes (CLONE_VM | CLONE_VFORK), and the thread that created it
//! stands still meanwhile. So everything is prepared before, and what goes wrong is written straight into [`Plan`]. It
//! shares the daemon's descriptors as well (CLONE_FILES), until it takes a copy of those that it needs.

use super::door::Doorway;
use super::inherited::Inherited;
use crate::failpoint::{self, Point};
use crate::state::known::{DIGITS, Holes};
use crate::state::line::{SEAL, seal_of};
use s7proto::status::SpawnStage;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};

/// Everything that the child needs, and the place where it says what went wrong.
pub struct Plan<'a> {
    pub program: *const c_char,
    pub argv: *const *const c_char,
    pub envp: *const *const c_char,
    pub directory: *const c_char,
    /// Becomes stdout and stderr; like the next two a low descriptor, below [`Plan::end`].
    pub output: c_int,
    /// Becomes stdin.
    pub null: c_int,
    /// Stays open in the component; -1 for none.
    pub lock: c_int,
    /// Where it tells that it is ready, and as which descriptor; -1 for none.
    pub notify: c_int,
    pub notify_as: c_int,
    /// Of the daemon's descriptors only those below this one are copied.
    pub end: u32,
    /// Where the run's record is appended; -1 for none.
    pub journal: c_int,
    pub record: &'a Record,
    /// Set when the record is written, or can't be.
    pub recorded: &'a AtomicBool,
    /// The descriptor of the new process, which the kernel puts down here before it begins.
    pub pidfd: &'a AtomicI32,
    /// Where it announces itself, and finds out whether it may execute.
    pub door: Doorway<'a>,
    /// The inode of that descriptor tells who it is.
    pub has_identity: bool,
    pub limits: &'a [(c_int, libc::rlimit64)],
    /// Supplementary groups, group and user; `None` to stay who the daemon is.
    pub identity: Option<(&'a [libc::gid_t], libc::gid_t, libc::uid_t)>,
    pub umask: libc::mode_t,
    pub inherited: &'a Inherited,
    pub failure: &'a Failure,
    /// Where "0" is written to move into the run's cgroup; -1 for nowhere. In the daemon's table: it is used before the
    /// child takes its own.
    pub cgroup: c_int,
}

/// What went wrong, written by the child.
#[derive(Default)]
pub struct Failure {
    /// 0 for nothing, else one more than the position in [`STAGES`].
    stage: AtomicU8,
    errno: AtomicI32,
    /// Which of the limits could not be set.
    limit: AtomicU8,
    /// Why the record could not be written, or 0. That keeps nothing from running.
    record: AtomicI32,
    /// Why it isn't in its cgroup, or 0. That keeps nothing from running.
    cgroup: AtomicI32,
}

const STAGES: [SpawnStage; 8] = [
    SpawnStage::CreatingSession,
    SpawnStage::SettingLimits,
    SpawnStage::SettingGroup,
    SpawnStage::SettingUser,
    SpawnStage::ChangingDirectory,
    SpawnStage::ConnectingOutput,
    SpawnStage::Executing,
    SpawnStage::ConnectingOutput,
];

/// The position of the last one, that of the program itself.
const EXECUTING: usize = 6;
/// The position of that which is about the descriptor where a component tells that it is ready.
const NOTIFYING: usize = 7;

impl Failure {
    /// The stage that failed, its error number, and the index of the limit if that was the stage.
    pub fn get(&self) -> Option<(SpawnStage, i32, usize)> {
        let stage = STAGES.get(usize::from(self.stage.load(Ordering::Acquire)).checked_sub(1)?)?;
        Some((
            *stage,
            self.errno.load(Ordering::Relaxed),
            usize::from(self.limit.load(Ordering::Relaxed)),
        ))
    }

    /// Whether it was the descriptor where the component tells that it is ready which it could not be given.
    pub fn is_about_notifying(&self) -> bool {
        usize::from(self.stage.load(Ordering::Acquire)) == NOTIFYING + 1
    }

    /// Why the record of the run could not be written.
    pub fn record_errno(&self) -> Option<i32> {
        Some(self.record.load(Ordering::Relaxed)).filter(|errno| *errno != 0)
    }

    /// Why the run isn't in its cgroup.
    pub fn cgroup_errno(&self) -> Option<i32> {
        Some(self.cgroup.load(Ordering::Relaxed)).filter(|errno| *errno != 0)
    }

    /// The way into the cgroup can't even be opened.
    pub fn set_cgroup_errno(&self, errno: i32) {
        self.cgroup.store(errno, Ordering::Relaxed);
    }

    fn set(&self, stage: usize, errno: i32) {
        self.errno.store(errno, Ordering::Relaxed);
        self.stage
            .store(u8::try_from(stage + 1).unwrap_or(u8::MAX), Ordering::Release);
    }
}

/// The record of a run: text with holes that the child fills in.
pub struct Record {
    pub text: std::cell::UnsafeCell<Vec<u8>>,
    pub holes: Holes,
}

impl Record {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        // SAFETY: only the child changes it, and not its length.
        unsafe { (*self.text.get()).len() }
    }

    /// The line. Called when the child is done with it.
    pub fn line(&self) -> Vec<u8> {
        // SAFETY: the child has executed or ended.
        unsafe { (*self.text.get()).clone() }
    }
}

/// Runs in the child. Returns only if something failed.
///
/// # Safety
/// `plan` points to a [`Plan`] whose pointers are all valid, and the creating thread stands still (CLONE_VFORK).
pub unsafe extern "C" fn child_main(plan: *mut c_void) -> c_int {
    // SAFETY: the caller's promise; the shared reference ends before the parent goes on.
    let plan = unsafe { &*plan.cast::<Plan<'_>>() };
    // SAFETY: the caller's promise.
    let stage = unsafe { become_component(plan) };
    plan.failure.set(stage, errno());
    127
}

fn errno() -> i32 {
    // SAFETY: the location is that of the creating thread, which stands still.
    unsafe { *libc::__errno_location() }
}

/// Returns the index in [`STAGES`] of what failed.
///
/// # Safety
/// As for [`child_main`].
unsafe fn become_component(plan: &Plan<'_>) -> usize {
    // SAFETY: plain system calls on values that the plan owns. `libc::syscall` is used where glibc's own function would
    // speak to the other threads of the daemon (setuid and its kin).
    unsafe {
        fail_point(Point::ChildBegins);
        plan.door.announce(libc::getpid());
        if libc::setsid() < 0 {
            return 0;
        }
        // Before the record: from then on the next daemon looks for the run there.
        if plan.cgroup >= 0 && libc::write(plan.cgroup, c"0".as_ptr().cast(), 1) != 1 {
            plan.failure.set_cgroup_errno(errno());
        }
        fail_point(Point::ChildBeforeRecord);
        append_record(plan);
        fail_point(Point::ChildAfterRecord);
        plan.recorded.store(true, Ordering::Release);
        // From here on the descriptors are its own, and only the low ones are copied (see `places`). What knows no
        // close_range(2) (before Linux 5.9, some sandboxes) copies all of them. Nothing that may hang comes before: a daemon
        // that is killed meanwhile leaves its lock in the hands of this process until the others are closed, and no longer.
        if libc::syscall(
            libc::SYS_close_range,
            plan.end,
            u32::MAX,
            libc::CLOSE_RANGE_UNSHARE,
        ) != 0
            && libc::unshare(libc::CLONE_FILES) != 0
        {
            return 5;
        }
        close_others(plan);
        plan.inherited.restore_limits();
        plan.inherited.drop_protection();
        for (index, (resource, limit)) in plan.limits.iter().enumerate() {
            if libc::syscall(
                libc::SYS_prlimit64,
                0,
                *resource,
                limit,
                std::ptr::null::<c_void>(),
            ) != 0
            {
                plan.failure
                    .limit
                    .store(u8::try_from(index).unwrap_or(u8::MAX), Ordering::Relaxed);
                return 1;
            }
        }
        if let Some((groups, gid, uid)) = plan.identity {
            if libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) != 0
                || libc::syscall(libc::SYS_setresgid, gid, gid, gid) != 0
            {
                return 2;
            }
            if libc::syscall(libc::SYS_setresuid, uid, uid, uid) != 0 {
                return 3;
            }
        }
        libc::umask(plan.umask);
        if libc::chdir(plan.directory) != 0 {
            return 4;
        }
        if libc::dup2(plan.null, 0) < 0 || libc::dup2(plan.output, 1) < 0 || libc::dup2(plan.output, 2) < 0 {
            return 5;
        }
        // Everything is close-on-exec already; this catches what a library may have opened otherwise. It is absent
        // before Linux 5.11, and then the first guard has to do.
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if !keep_open(plan) {
            return NOTIFYING;
        }
        for signal in Inherited::signals() {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = if plan.inherited.ignored(signal) {
                libc::SIG_IGN
            } else {
                libc::SIG_DFL
            };
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
        libc::sigprocmask(libc::SIG_SETMASK, plan.inherited.mask(), std::ptr::null_mut());
        fail_point(Point::ChildBeforeExec);
        // Last of all: the daemon may have ended meanwhile, and then nobody would look after it.
        if !plan.door.is_open() {
            *libc::__errno_location() = libc::ECANCELED;
            return EXECUTING;
        }
        libc::execve(plan.program, plan.argv, plan.envp);
        EXECUTING
    }
}

/// Closes what has been copied with the places of the component and isn't one of them: the daemon's lock and sockets.
///
/// # Safety
/// As for [`child_main`], in a process that has descriptors of its own.
unsafe fn close_others(plan: &Plan<'_>) {
    let mut kept = [2, plan.null, plan.output, plan.lock, plan.notify];
    kept.sort_unstable();
    for between in kept.windows(2) {
        if between[0] >= 2 && between[1] > between[0] + 1 {
            // SAFETY: a plain system call on descriptors of this process that nothing uses any more. Where there is none such,
            // they are closed when it executes.
            unsafe { libc::syscall(libc::SYS_close_range, between[0] + 1, between[1] - 1, 0) };
        }
    }
}

/// Leaves open what the component is to have: its lock, and where it tells that it is ready.
///
/// # Safety
/// As for [`child_main`].
unsafe fn keep_open(plan: &Plan<'_>) -> bool {
    let mut lock = plan.lock;
    // SAFETY: plain system calls on descriptors of this process.
    unsafe {
        if plan.notify_as >= 0 {
            if lock == plan.notify_as {
                // The component wants that number for something else.
                lock = libc::fcntl(lock, libc::F_DUPFD, plan.notify_as + 1);
                if lock < 0 {
                    return false;
                }
            }
            let given = if plan.notify == plan.notify_as {
                libc::fcntl(plan.notify, libc::F_SETFD, 0)
            } else {
                libc::dup2(plan.notify, plan.notify_as)
            };
            if given < 0 {
                return false;
            }
            // A second one, which nobody knows of: as long as it is open a next daemon finds what was written. Beyond the other
            // where the limit leaves room there.
            if libc::fcntl(plan.notify_as, libc::F_DUPFD, plan.notify_as + 1) < 0
                && libc::fcntl(plan.notify_as, libc::F_DUPFD, 3) < 0
            {
                return false;
            }
        }
        lock < 0 || libc::fcntl(lock, libc::F_SETFD, 0) >= 0
    }
}

/// Where a test has the daemon die: this process goes on, as it would if somebody else had killed its parent. Or it hangs as
/// long as the daemon lives.
fn fail_point(point: Point) {
    if !failpoint::is_due(point) {
        return;
    }
    // SAFETY: plain system calls; the parent stands still, so its number is its own.
    unsafe {
        let parent = libc::getppid();
        if !failpoint::hangs() {
            libc::kill(parent, libc::SIGKILL);
            return;
        }
        while libc::getppid() == parent {
            libc::poll(std::ptr::null_mut(), 0, 10);
        }
    }
}

/// One write, so that the record is whole or absent. It comes before the program can do anything at all.
///
/// # Safety
/// As for [`child_main`].
unsafe fn append_record(plan: &Plan<'_>) {
    if plan.journal < 0 {
        return;
    }
    // SAFETY: nobody else looks at the text while the creating thread stands still.
    let text = unsafe { &mut *plan.record.text.get() };
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: plain system calls; `now` is ours.
    let pid = unsafe {
        libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now);
        libc::getpid()
    };
    let nanos = u64::try_from(now.tv_sec)
        .unwrap_or(0)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::try_from(now.tv_nsec).unwrap_or(0));
    let holes = &plan.record.holes;
    fill(text, holes.pid, u64::try_from(pid).unwrap_or(0));
    fill(text, holes.time, nanos);
    fill(text, holes.inode, own_inode(plan));
    if let Some(words) = text.get(holes.from..holes.to) {
        let mut seal = seal_of(words);
        if let Some(hole) = text.get_mut(holes.seal..holes.seal + SEAL) {
            for digit in hole.iter_mut().rev() {
                *digit = b"0123456789abcdef"[(seal & 0xf) as usize];
                seal >>= 4;
            }
        }
    }
    // SAFETY: the text is valid for its length.
    let written = unsafe { libc::write(plan.journal, text.as_ptr().cast(), text.len()) };
    if written < 0 {
        plan.failure.record.store(errno(), Ordering::Relaxed);
    } else if usize::try_from(written).ok() != Some(text.len()) {
        plan.failure.record.store(libc::ENOSPC, Ordering::Relaxed);
    }
}

/// The number that the kernel gives to this process alone; 0 where it gives none.
fn own_inode(plan: &Plan<'_>) -> u64 {
    if !plan.has_identity {
        return 0;
    }
    // SAFETY: a zeroed stat is a valid place for the answer, and the descriptor is in the table that is shared with the daemon.
    unsafe {
        let mut stat: libc::stat64 = std::mem::zeroed();
        match libc::fstat64(plan.pidfd.load(Ordering::Relaxed), &raw mut stat) {
            0 => stat.st_ino,
            _ => 0,
        }
    }
}

fn fill(text: &mut [u8], at: usize, mut number: u64) {
    if let Some(hole) = text.get_mut(at..at + DIGITS) {
        for digit in hole.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
    }
}
