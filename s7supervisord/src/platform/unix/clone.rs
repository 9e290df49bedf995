//! The one system call that makes a process.

use super::child::{Plan, child_main};
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Creates the child and waits until it has executed or failed. With a `cgroup` it is born there.
///
/// # Errors
/// There is no child. `ENOSYS` where this system can't create a process in a cgroup (before Linux 5.7; some sandboxes).
pub fn clone_vfork(
    plan: &Plan<'_>,
    stack: &mut [u8],
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<(u32, OwnedFd)> {
    // The child looks at it as well.
    let pidfd = plan.pidfd;
    let plan = std::ptr::from_ref(plan).cast_mut().cast::<c_void>();
    // SAFETY: all signals are blocked while parent and child share their memory, so that no handler of the daemon runs
    // in the child; the stack is ours, as large as said, and in use by nobody until the call returns, which CLONE_VFORK
    // delays until the child has executed or ended; `plan` lives until then.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let pid = match cgroup {
            None => plain(plan, stack, pidfd),
            Some(cgroup) => in_cgroup(plan, stack, cgroup, pidfd),
        };
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        Ok((pid?, OwnedFd::from_raw_fd(pidfd.load(Ordering::Relaxed))))
    }
}

const FLAGS: libc::c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::CLONE_PIDFD;

/// # Safety
/// As in [`clone_vfork`].
unsafe fn plain(plan: *mut c_void, stack: &mut [u8], pidfd: &AtomicI32) -> io::Result<u32> {
    let top = stack.as_mut_ptr_range().end.map_addr(|address| address & !0xf);
    // SAFETY: the caller's promise.
    let pid = unsafe {
        libc::clone(
            child_entry,
            top.cast::<c_void>(),
            FLAGS | libc::SIGCHLD,
            plan,
            pidfd.as_ptr(),
        )
    };
    u32::try_from(pid).map_err(|_| io::Error::last_os_error())
}

/// By the raw call: the C library has no function for clone3(2).
///
/// Measured beside writing to `cgroup.procs` in the child: that waits for a grace period of the kernel, 5 ms for a start that
/// comes alone, where this takes about 0.1 to 1 ms; one start right after the other they cost the same.
///
/// # Safety
/// As in [`clone_vfork`].
#[cfg(target_arch = "x86_64")]
unsafe fn in_cgroup(
    plan: *mut c_void,
    stack: &mut [u8],
    cgroup: BorrowedFd<'_>,
    pidfd: &AtomicI32,
) -> io::Result<u32> {
    let bottom = stack.as_mut_ptr().addr();
    let top = (bottom + stack.len()) & !0xf;
    // SAFETY: every field is a number, for which 0 means "none".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(FLAGS.unsigned_abs()) | CLONE_INTO_CGROUP;
    arguments.pidfd = pidfd.as_ptr().addr() as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    arguments.stack = bottom as u64;
    arguments.stack_size = (top - bottom) as u64;
    arguments.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    let size = size_of::<libc::clone_args>();
    let result: i64;
    // SAFETY: the caller's promise. The child begins behind `syscall` with the same registers and an empty stack of its
    // own, aligned as a call wants it; it never comes back, because what it calls is followed by its end.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "mov edi, eax",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            exit = const libc::SYS_exit,
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw mut arguments,
            in("rsi") size,
            in("r12") plan,
            in("r13") child_entry as extern "C" fn(*mut c_void) -> libc::c_int,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    u32::try_from(result).map_err(|_| {
        let errno = i32::try_from(result.unsigned_abs()).unwrap_or(libc::EINVAL);
        // A kernel that doesn't know the flag, or a structure as long as this one, says so in its own way.
        let unknown = matches!(errno, libc::EINVAL | libc::E2BIG);
        io::Error::from_raw_os_error(if unknown { libc::ENOSYS } else { errno })
    })
}

/// `CLONE_INTO_CGROUP` of linux/sched.h; the constant in `libc` has a type that is too narrow for it.
#[cfg(target_arch = "x86_64")]
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// # Safety
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn in_cgroup(
    _plan: *mut c_void,
    _stack: &mut [u8],
    _cgroup: BorrowedFd<'_>,
    _pidfd: &AtomicI32,
) -> io::Result<u32> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

extern "C" fn child_entry(plan: *mut c_void) -> libc::c_int {
    // SAFETY: `clone_vfork` passes a valid plan and stands still meanwhile.
    unsafe { child_main(plan) }
}
