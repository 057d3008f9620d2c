//! Small disks of a test's own, which can be filled, emptied and made read-only. They are mounted in a mount namespace
//! of the test's own process, so that nothing of them is left whatever becomes of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const INSIDE: &str = "PIXEDGE_TEST_OWN_DISKS";

/// Whether this process can mount disks. Otherwise the test has been run in one that can, or it is said why not.
/// `test` is its name as the command line of tests has it.
pub fn own(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]);
    let possible = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    if !possible.as_ref().is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(), "{test}: no small disks: {possible:?}");
        eprintln!("{test}: NOT RUN, there is no namespace to mount small disks in");
        return false;
    }
    let inside = command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[inside.stdout, inside.stderr].concat()).into_owned();
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Unmounted at the end of the test.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// 8 MB at a folder that is made for it.
    pub fn at(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=8m", "none"], path);
        Self { path: path.to_owned() }
    }

    /// To the last byte.
    pub fn fill(&self) {
        let mut ballast = std::fs::File::options().create(true).append(true).open(self.ballast()).unwrap();
        for piece in [vec![1; 1 << 16], vec![1; 1 << 12], vec![1]] {
            while ballast.write_all(&piece).is_ok() {}
        }
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    pub fn read_only(&self) {
        mount(&["-o", "remount,ro"], &self.path);
    }

    pub fn writable(&self) {
        mount(&["-o", "remount,rw"], &self.path);
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}

fn mount(options: &[&str], at: &Path) {
    let output = Command::new("mount").args(options).arg(at).output().unwrap();
    assert!(output.status.success(), "mount {options:?}: {}", String::from_utf8_lossy(&output.stderr));
}
