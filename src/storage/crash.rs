//! Named places where a test can make the process die as if the power had gone, to see that nothing acknowledged is
//! lost. Release builds have no such places.

#[cfg(debug_assertions)]
use std::sync::Arc;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicI64, Ordering};

/// Where to die, if anywhere; clones count together.
#[derive(Clone, Default)]
pub struct CrashPoint {
    #[cfg(debug_assertions)]
    at: Option<Arc<(String, AtomicI64)>>,
}

impl CrashPoint {
    /// `name` or `name:N`: at the Nth time that the process comes by.
    pub fn parse(text: &str) -> Self {
        #[cfg(debug_assertions)]
        {
            let (name, count) = text.split_once(':').unwrap_or((text, "1"));
            let count = AtomicI64::new(count.parse().unwrap_or(1));
            Self { at: Some(Arc::new((name.to_owned(), count))) }
        }
        #[cfg(not(debug_assertions))]
        {
            let _ = text;
            Self::default()
        }
    }

    /// Dies here, if this is the place and the time.
    #[cfg(debug_assertions)]
    pub fn hit(&self, name: &str) {
        if let Some(at) = &self.at
            && at.0 == name
            && at.1.fetch_sub(1, Ordering::Relaxed) == 1
        {
            // SIGKILL, because an abort would still write what is buffered of a core dump's kind.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }

    #[cfg(not(debug_assertions))]
    #[expect(clippy::unused_self, reason = "the same call in every build")]
    pub fn hit(&self, _: &str) {}
}
