//! Settings of the C library's allocator, which serves the C codecs too (a Rust `#[global_allocator]` would not).
#![allow(unsafe_code)]

/// Keeps the process small under many concurrent pictures; call once at start, before threads exist.
///
/// Bitmaps come and go in megabytes. Above a fixed threshold they are mapped and given back at once (glibc would
/// raise its threshold with the first large free), and two arenas bound what per-thread caches hold. 32 concurrent
/// 12-megapixel jobs peaked lower with these settings than with jemalloc or mimalloc. Below 4 MiB the bands and planes of
/// one picture are kept for the next: at 128 KiB a twelfth to a fifth of the CPU went into mapping and clearing pages.
pub fn tune() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MMAP_THRESHOLD: libc::c_int = 4 << 20;
        /// What may lie free at the end of an arena before it is given back.
        const TRIM_THRESHOLD: libc::c_int = 16 << 20;
        const ARENAS: libc::c_int = 2;
        // SAFETY: mallopt takes plain integers, is thread-safe in glibc and leaves a refused setting unchanged.
        let accepted = unsafe {
            [
                libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD),
                libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD),
                libc::mallopt(libc::M_ARENA_MAX, ARENAS),
            ]
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
