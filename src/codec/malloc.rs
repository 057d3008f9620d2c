//! Settings of the C library's allocator, which serves the C codecs too (a Rust `#[global_allocator]` would not).
#![allow(unsafe_code)]

/// Keeps the process small under many concurrent pictures; call once at start, before threads exist.
///
/// Bitmaps come and go in megabytes. Above a fixed threshold they are mapped and given back at once (glibc would
/// raise its threshold with the first large free), and two arenas bound what per-thread caches hold. 32 concurrent
/// 12-megapixel jobs peaked lower with these two settings than with jemalloc or mimalloc.
pub fn tune() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MMAP_THRESHOLD: libc::c_int = 128 * 1024;
        const ARENAS: libc::c_int = 2;
        // SAFETY: mallopt takes plain integers, is thread-safe in glibc and leaves a refused setting unchanged.
        let accepted = unsafe {
            [libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD), libc::mallopt(libc::M_ARENA_MAX, ARENAS)]
        };
        if accepted.contains(&0) {
            tracing::debug!(?accepted, "the allocator refused a setting");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn may_be_called_at_any_time() {
        super::tune();
        super::tune();
        assert_eq!(vec![1_u8; 1 << 20].len(), 1 << 20);
    }
}
