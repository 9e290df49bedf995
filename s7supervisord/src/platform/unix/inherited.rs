//! What the daemon found at its own start, so that components get it unchanged.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bit n-1 is set if signal n was ignored when the process began.
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// The highest signal of the classic set; the real-time signals above it are never changed by this daemon.
const LAST_SIGNAL: i32 = 31;

/// Runs before `main`: the Rust runtime ignores SIGPIPE before any code of ours, and what was ignored before that
/// can't be told afterwards.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    let mut ignored = 0u64;
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: an all-zero sigaction is a valid value to be written to, and a null new action only reads.
        let handler = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut action) != 0 {
                continue;
            }
            action.sa_sigaction
        };
        if handler == libc::SIG_IGN {
            ignored |= 1 << (signal - 1);
        }
    }
    IGNORED.store(ignored, Ordering::Relaxed);
}

/// The variable of [`Inherited::hand_over`].
const MASK: &str = "S7_SIGNAL_MASK";
/// The highest signal that a mask can hold on Linux.
const LAST_HELD: i32 = 64;

fn present_mask() -> libc::sigset_t {
    // SAFETY: an all-zero set is a valid value to be written to; a null new set only reads the present mask.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut mask);
        mask
    }
}

/// What the image before this one has found, where this one has taken its place.
fn handed_over_mask() -> Option<libc::sigset_t> {
    let text = std::env::var(MASK).ok()?;
    // SAFETY: called first thing in `main`, before there is a second thread.
    unsafe { std::env::remove_var(MASK) };
    mask_of(&text)
}

fn mask_of(text: &str) -> Option<libc::sigset_t> {
    let bits = u64::from_str_radix(text, 16).ok()?;
    // SAFETY: an all-zero set is an empty one, and the numbers are those of signals.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        for signal in (1..=LAST_HELD).filter(|signal| bits & 1 << (signal - 1) != 0) {
            libc::sigaddset(&raw mut mask, signal);
        }
        Some(mask)
    }
}

/// Whether the kernel is told to spare this process (proc_pid_oom_score_adj(5)).
fn is_protected() -> bool {
    let score = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    score.trim().parse::<i32>().is_ok_and(|score| score < 0)
}

/// What a component inherits from the world that the daemon was started in.
#[derive(Clone, Copy)]
pub struct Inherited {
    ignored: u64,
    mask: libc::sigset_t,
    descriptors: Option<libc::rlimit64>,
    /// The kernel spares this process when memory runs out.
    protected: bool,
    /// When this image began, in nanoseconds since boot.
    began_ns: u64,
    /// When the first image of the daemon in this process did, where that was another one.
    first_ns: Option<u64>,
}

impl Inherited {
    /// To be called from `main` before any thread changes its signal mask.
    #[must_use]
    pub fn take() -> Self {
        let mask = handed_over_mask().unwrap_or_else(present_mask);
        let mut descriptors = libc::rlimit64 {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `descriptors` is a valid place for the answer.
        let known = unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &raw mut descriptors) } == 0;
        Self {
            ignored: IGNORED.load(Ordering::Relaxed),
            mask,
            descriptors: known.then_some(descriptors),
            protected: is_protected(),
            began_ns: super::process::since_boot_ns(),
            first_ns: super::handed::first_image_ns(),
        }
    }

    /// When the first image of the daemon in this process began, in nanoseconds since boot; `None` where this is the first.
    #[must_use]
    pub fn first_image_ns(&self) -> Option<u64> {
        self.first_ns
    }

    /// The same, for the next image: this one is the first where there is no other.
    #[must_use]
    pub fn since_ns(&self) -> u64 {
        self.first_ns.unwrap_or(self.began_ns)
    }

    /// The signal mask.
    #[must_use]
    pub fn mask(&self) -> &libc::sigset_t {
        &self.mask
    }

    /// Whether `signal` was ignored.
    #[must_use]
    pub fn ignored(&self, signal: i32) -> bool {
        (1..=LAST_SIGNAL).contains(&signal) && self.ignored & (1 << (signal - 1)) != 0
    }

    /// Puts the limit of open files back, which the daemon raises for itself alone. Only a system call.
    pub fn restore_limits(&self) {
        if let Some(descriptors) = &self.descriptors {
            // It can't fail: the soft limit goes down, the hard one stays.
            // SAFETY: a plain system call; it concerns this process only, even where it shares the daemon's memory.
            unsafe {
                libc::syscall(
                    libc::SYS_prlimit64,
                    0,
                    libc::RLIMIT_NOFILE,
                    std::ptr::from_ref(descriptors),
                    std::ptr::null::<libc::c_void>(),
                )
            };
        }
    }

    /// How many descriptors a component may have; `None` for any number.
    #[must_use]
    pub fn most_descriptors(&self) -> Option<u64> {
        let limit = self.descriptors.map(|limit| limit.rlim_cur);
        limit.filter(|limit| *limit != libc::RLIM64_INFINITY)
    }

    /// Gives up the daemon's protection from the kernel's choice of what to end when memory runs out (a negative score): it
    /// is for the daemon alone. Only system calls; to be called in the child, of which `/proc/self` speaks there.
    pub fn drop_protection(&self) {
        if !self.protected {
            return;
        }
        // A component that keeps the protection is no reason not to start it.
        // SAFETY: plain system calls with a string that ends with a NUL and a buffer that is as long as said. The kernel
        // changes the score of this process alone, although it shares the daemon's memory, because it was created by
        // CLONE_VFORK.
        unsafe {
            let file = libc::open(
                c"/proc/self/oom_score_adj".as_ptr(),
                libc::O_WRONLY | libc::O_CLOEXEC,
            );
            if file >= 0 {
                libc::write(file, c"0".as_ptr().cast(), 1);
                libc::close(file);
            }
        }
    }

    /// What tells the next image of this program the mask that it is to give to components: the daemon's own signals stay
    /// held back all the while it begins anew, so that none of them is lost or ends it.
    #[must_use]
    pub fn hand_over(&self) -> (&'static str, String) {
        let held = (1..=LAST_HELD).filter(|signal| {
            // SAFETY: the mask is a valid one, read at the start, and the number is one of a signal.
            unsafe { libc::sigismember(&raw const self.mask, *signal) == 1 }
        });
        (
            MASK,
            format!("{:x}", held.fold(0u64, |bits, signal| bits | 1 << (signal - 1))),
        )
    }

    /// Puts dispositions and limits back, for a program that takes this one's place. Only system calls.
    pub fn restore(&self) {
        self.restore_limits();
        for signal in Self::signals() {
            // SAFETY: as in the child: a zeroed action with a valid handler.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = if self.ignored(signal) {
                    libc::SIG_IGN
                } else {
                    libc::SIG_DFL
                };
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
            }
        }
    }

    /// Every signal whose disposition can be set.
    pub fn signals() -> impl Iterator<Item = i32> {
        (1..=LAST_SIGNAL).filter(|signal| *signal != libc::SIGKILL && *signal != libc::SIGSTOP)
    }
}

/// What this program has made of every signal.
pub(super) struct Dispositions(Vec<(i32, libc::sigaction)>);

impl Dispositions {
    /// As they are now.
    pub fn present() -> Self {
        let present = Inherited::signals().filter_map(|signal| {
            // SAFETY: an all-zero sigaction is a valid value to be written to, and a null new action only reads.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let read = libc::sigaction(signal, std::ptr::null(), &raw mut action);
                (read == 0).then_some((signal, action))
            }
        });
        Self(present.collect())
    }

    /// Makes them so again.
    pub fn restore(&self) {
        for (signal, action) in &self.0 {
            // SAFETY: the action is one that was in force in this very program.
            unsafe { libc::sigaction(*signal, std::ptr::from_ref(action), std::ptr::null_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_that_is_handed_over_is_the_same_on_the_other_side() {
        for text in ["0", "1", "4201", "8000000000000001"] {
            let inherited = Inherited {
                ignored: 0,
                mask: mask_of(text).unwrap(),
                descriptors: None,
                protected: false,
                began_ns: 7,
                first_ns: None,
            };
            assert_eq!(inherited.hand_over(), (MASK, text.to_owned()));
        }
        assert!(mask_of("").is_none() && mask_of("x").is_none() && mask_of("10000000000000000").is_none());
    }
}
