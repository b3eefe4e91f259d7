//! Gives memory that was freed back to the system. Knows nothing of who needed it.
//!
//! glibc gives back by itself only what lies above the last piece in use, and a crowd that leaves always leaves
//! something there: of 8,000 tunnels all 8 MB stayed. jemalloc and mimalloc keep it as well.

/// Gives back every free page. Takes a few milliseconds for 10 MB: for quiet moments.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "there is no safe name for it")]
    // SAFETY: malloc_trim(3) may be called at any time, and from any thread; it touches no memory in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
