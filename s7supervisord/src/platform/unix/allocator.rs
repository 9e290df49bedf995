//! How the C library's allocator keeps memory that nothing uses at the moment.

/// From this many bytes on a piece of memory is mapped for itself, and goes back to the system when it is freed. It is the
/// default of mallopt(3), but as long as nobody sets it, it rises with each such piece: after the record was read once (some
/// 1 MiB), the next ones would lie among the small pieces, and hold their space.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: libc::c_int = 128 * 1024;

/// Has all threads take memory from one place, and large pieces be given back at once.
///
/// The C library would make up to eight arenas for each core and leave in each what has been its most: threads that come and go
/// (creating runs, reading files) find another one each time, so that what the daemon holds grew by 1 MiB each few minutes under
/// load, for hours, with 0.8 MiB in use (`tests/benches/soak`). Nothing here allocates so often that threads would wait for each
/// other. To be called before there is a second thread.
pub fn keep_little() {
    #[cfg(target_env = "gnu")]
    for (option, value) in [
        (libc::M_ARENA_MAX, 1),
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM),
        (libc::M_TRIM_THRESHOLD, MAPPED_FROM),
    ] {
        // SAFETY: mallopt takes two numbers and keeps them; no other thread allocates meanwhile, for there is none.
        // Where it refuses one, memory is kept as it would be without it.
        let _ = unsafe { libc::mallopt(option, value) };
    }
}
