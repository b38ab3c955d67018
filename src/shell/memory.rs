//! Memory back to the system.

/// Gives back what the allocator has freed but keeps. glibc returns only what lies at the end of a
/// heap: after a burst of slow readers that is nothing, since whatever was allocated last and lives
/// on holds all before it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    #[expect(
        unsafe_code,
        reason = "no library offers it; without it 376 of 390 MiB stayed after a burst of slow readers (measured)"
    )]
    // SAFETY: malloc_trim has no preconditions, and may be called by any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators give back on their own.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}
