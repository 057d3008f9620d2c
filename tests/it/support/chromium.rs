//! A real browser without a window, with a profile of its own.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Chromium as the system has it.
pub struct Chromium {
    program: &'static str,
}

/// One that runs; ended on drop.
pub struct Browser {
    child: Child,
    _profile: TempDir,
}

impl Chromium {
    /// `None` after saying so if it is not installed.
    pub fn find(test: &str) -> Option<Self> {
        let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists());
        let Some(program) = found else {
            assert!(
                std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(),
                "{test}: no Chromium; run scripts/test"
            );
            eprintln!("{test}: NOT RUN, there is no Chromium; scripts/test installs it");
            return None;
        };
        Some(Self { program })
    }

    pub fn open(&self, url: &str, more: &[&str]) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(self.program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(more)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("--remote-debugging-port=0")
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Browser { child, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
