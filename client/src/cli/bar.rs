//! Progress on the terminal; none where standard error is no terminal.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pixedge_client::Watch;

pub(super) struct Bar {
    bar: ProgressBar,
    files: u64,
    done: AtomicU64,
}

impl Bar {
    pub(super) fn new(files: u64, bytes: u64, is_quiet: bool) -> Self {
        let target = if is_quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(format!("0 of {files} files"));
        Self { bar, files, done: AtomicU64::new(0) }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Bar {
    fn sent(&self, bytes: i64) {
        if bytes < 0 {
            self.bar.dec(bytes.unsigned_abs());
        } else {
            self.bar.inc(bytes.unsigned_abs());
        }
    }

    fn done(&self, _: &Path, unsent: u64) {
        self.bar.inc(unsent);
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_message(format!("{done} of {} files", self.files));
    }
}
