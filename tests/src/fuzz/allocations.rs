//! How much memory something takes: an allocator that counts what each thread holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constants without a destructor, so that reaching them allocates nothing itself.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting. To be made the `#[global_allocator]` of a program that asks [`most`].
pub struct Counting;

fn taken(bytes: usize) {
    HELD.with(|held| {
        held.set(held.get().saturating_add(bytes));
        MOST.with(|most| most.set(most.get().max(held.get())));
    });
}

fn given_back(bytes: usize) {
    // What another thread has taken is given back here too.
    HELD.with(|held| held.set(held.get().saturating_sub(bytes)));
}

// SAFETY: every call is handed to the system's allocator with the arguments it came with; the counters are plain cells of
// the calling thread and never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        taken(size);
        given_back(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `act` gives, and the most bytes that this thread held at once beyond what it held before. Where [`Counting`] is
/// not the program's allocator that is always 0.
pub fn most<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = act();
    (result, MOST.get().saturating_sub(before))
}
