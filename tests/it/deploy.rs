//! What `deploy/` installs, in folders that are thrown away: it runs as the unit says, is upgraded, reset and removed, and
//! is judged by the tools that know such files.

mod containers;
mod judged;
mod root;

use std::process::Stdio;

use crate::support::daemons::free_port;
use root::{Root, is_root, stripped, without_system_files};

/// The installed binary with the installed configuration, as the unit starts it.
#[test]
fn an_installation_runs_and_goes_without_a_trace() {
    let root = Root::new();
    let before = root.files();
    let said = root.done("install.sh", &["--binary", stripped()]);
    assert!(said.contains("is installed."), "{said}");
    assert_eq!(root.mode("usr/local/bin/pixedge"), 0o755);
    assert_eq!((root.mode("etc/pixedge/config.yaml"), root.mode("etc/pixedge")), (0o640, 0o750));
    assert_eq!(root.mode("var/lib/pixedge"), 0o750);

    // Again: nothing is done, and what the operator wrote stays.
    let port = free_port();
    root.append("etc/pixedge/environment", &format!("PIXEDGE__HTTP__LISTEN=127.0.0.1:{port}\n"));
    let installed = root.files();
    let said = root.done("install.sh", &["--binary", stripped()]);
    assert!(!said.contains("installing") && said.contains("as before"), "{said}");
    assert_eq!(root.files(), installed);

    // Commands as the service's user: a picture, and a check that finds nothing wrong.
    root.add_picture("srv/pictures/a.jpg");
    let imported = root.as_service(&["import", root.seen("srv/pictures").as_str()]).output().unwrap();
    let said = String::from_utf8_lossy(&imported.stdout).into_owned();
    let id = said.split(' ').next().unwrap_or_default();
    assert!(imported.status.success() && !id.is_empty(), "{}", String::from_utf8_lossy(&imported.stderr));
    let checked = root.as_service(&["check"]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}");
    for part in ["data_dir", "cache", "database", "storage local", "secrets", "listen"] {
        assert!(said.lines().any(|line| line.starts_with("ok    ") && line.contains(part)), "{part}: {said}");
    }
    if is_root() {
        // Root would make files that the service cannot write.
        let checked = root.as_root(&["check"]).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(!checked.status.success() && said.contains("FAIL  user: this is root"), "{said}");
    }

    let mut service = root.start();
    let url = format!("http://127.0.0.1:{port}");
    let health = |url: &str| {
        let mut command = std::process::Command::new(root.path("usr/local/bin/pixedge"));
        command.args(["check", "--health", url]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().unwrap().success()
    };
    assert!(health(&url) && health(&format!("{url}/healthz")), "{}", service.log());
    assert!(!health(&format!("{url}/nothing")) && !health(&format!("http://127.0.0.1:{}", free_port())));
    let picture = ureq::get(format!("{url}/i/{id}/w_64,f_webp")).call().unwrap();
    assert_eq!(picture.headers()["content-type"], "image/webp");
    // Beside a running server it says that this one has the port.
    let checked = root.as_service(&["check"]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains("answers at 127.0.0.1"), "{said}");
    let cleaned = root.as_service(&["cleanup", "--if-due"]).output().unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    service.stop();

    // Nothing is deleted that was not said: without an answer nothing, without --purge no data.
    let running = root.files();
    let refused = root.script("uninstall.sh", &[]).output().unwrap();
    assert!(!refused.status.success());
    let dry = root.script("uninstall.sh", &["--purge", "--dry-run"]).output().unwrap();
    assert!(dry.status.success() && String::from_utf8_lossy(&dry.stdout).contains("would run: rm"));
    assert_eq!(root.files(), running);
    let said = root.done("uninstall.sh", &[]);
    assert!(said.contains("left as it is"), "{said}");
    for left in without_system_files(root.files()).keys().filter(|path| !before.contains_key(*path)) {
        let ours = ["etc/pixedge", "var/lib/pixedge", "var/log/pixedge"];
        assert!(ours.iter().any(|ours| left.starts_with(ours)), "{left} is left");
    }
    assert!(
        root.path("var/lib/pixedge/pixedge.db").exists() && root.path("etc/pixedge/environment").exists()
    );
    assert!(root.done("uninstall.sh", &[]).contains("is not installed"));

    // All of it.
    root.done("install.sh", &["--binary", stripped()]);
    let refused = root.script("uninstall.sh", &["--purge"]).output().unwrap();
    assert!(!refused.status.success() && root.path("var/lib/pixedge/pixedge.db").exists());
    root.done("uninstall.sh", &["--purge"]);
    assert_eq!(without_system_files(root.files()), without_system_files(before));
    assert!(!root.text("etc/passwd").contains("pixedge"), "{}", root.text("etc/passwd"));
}

/// The copy of the database is made by the old program before anything is exchanged.
#[test]
fn an_upgrade_keeps_what_is_there_and_can_be_undone() {
    let root = Root::new();
    let prefix = ["--prefix", "/opt/pixedge"];
    let install = |binary: &str, more: &[&str]| {
        let arguments = [&["--binary", binary, "--nginx"], &prefix[..], more].concat();
        root.script("install.sh", &[&arguments[..], &["--yes"]].concat()).output().unwrap()
    };
    assert!(install(stripped(), &[]).status.success());
    let unit = root.text("opt/pixedge/lib/systemd/system/pixedge.service");
    assert!(unit.contains("ExecStart=/opt/pixedge/bin/pixedge serve"), "{unit}");
    assert!(root.text("etc/pixedge/config.yaml").contains("/opt/pixedge/share/doc/pixedge/config.yaml"));
    root.append("etc/nginx/pixedge/site/server.conf", "# mine\n");
    root.append("etc/pixedge/config.yaml", "# mine too\n");
    root.write("opt/pixedge/share/pixedge/old", "of an older version");
    root.append("opt/pixedge/share/pixedge/installed", "f /opt/pixedge/share/pixedge/old\n");

    // Another binary, which is the same with a tail.
    let newer = root.path("srv/newer");
    let mut bytes = std::fs::read(stripped()).unwrap();
    bytes.extend_from_slice(b"newer");
    std::fs::write(&newer, bytes).unwrap();
    std::fs::set_permissions(&newer, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let upgraded = install(newer.to_str().unwrap(), &[]);
    let said = String::from_utf8_lossy(&upgraded.stdout).into_owned();
    assert!(upgraded.status.success(), "{said}{}", String::from_utf8_lossy(&upgraded.stderr));
    assert_eq!(root.entries("var/lib/pixedge/backups").len(), 1, "{said}");
    assert!(std::fs::read(root.path("opt/pixedge/bin/pixedge")).unwrap().ends_with(b"newer"));
    assert!(root.text("etc/nginx/pixedge/site/server.conf").ends_with("# mine\n"));
    assert!(root.text("etc/pixedge/config.yaml").ends_with("# mine too\n"));
    assert!(!root.path("opt/pixedge/share/pixedge/old").exists(), "{said}");

    // A copy that cannot be made stops it before anything is exchanged.
    root.append("etc/pixedge/environment", "PIXEDGE__NO__SUCH__KEY=1\n");
    let refused = install(stripped(), &[]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--no-backup"));
    assert!(std::fs::read(root.path("opt/pixedge/bin/pixedge")).unwrap().ends_with(b"newer"));
    assert!(install(stripped(), &["--no-backup"]).status.success());

    // The installed scripts know where they were installed to.
    let uninstall = root.path("opt/pixedge/share/pixedge/uninstall.sh");
    let mut command = std::process::Command::new("sh");
    command.arg(uninstall).args(["--yes", "--root"]).arg(root.path("")).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!root.path("opt").exists() && root.path("etc/nginx/pixedge/site/server.conf").exists());
}

#[test]
fn a_reset_takes_what_it_was_told_to_and_leaves_a_copy() {
    let root = Root::new();
    root.done("install.sh", &["--binary", stripped()]);
    root.append("etc/pixedge/environment", &format!("PIXEDGE__HTTP__LISTEN=127.0.0.1:{}\n", free_port()));
    root.add_picture("srv/pictures/a.jpg");
    let mut import = root.as_service(&["import", root.seen("srv/pictures").as_str()]);
    assert!(import.stdout(Stdio::null()).status().unwrap().success());
    root.write("var/cache/pixedge/large/x", "a result");

    assert!(!root.script("reset.sh", &["--yes"]).output().unwrap().status.success());
    assert!(!root.script("reset.sh", &["--data"]).output().unwrap().status.success());
    root.done("reset.sh", &["--cache"]);
    assert_eq!(root.entries("var/cache/pixedge"), Vec::<String>::new());
    assert!(root.path("var/lib/pixedge/pixedge.db").exists());

    root.done("reset.sh", &["--data"]);
    assert_eq!(root.entries("var/lib/pixedge"), ["backups", "secret.key"]);
    assert_eq!(root.entries("var/lib/pixedge/backups").len(), 1);
    assert!(root.path("etc/pixedge/config.yaml").exists());
    let mut service = root.start();
    service.stop();

    // What is not in the usual place is not touched.
    root.append("etc/pixedge/environment", "PIXEDGE__DATABASE__URL=postgres://pixedge:x@127.0.0.1/pixedge\n");
    let refused = root.script("reset.sh", &["--data", "--yes"]).output().unwrap();
    assert!(!refused.status.success() && root.path("var/lib/pixedge/pixedge.db").exists());
    let config =
        root.text("etc/pixedge/config.yaml").replace("data_dir: /var/lib/pixedge", "data_dir: /srv/pixedge");
    root.write("etc/pixedge/config.yaml", &config);
    let refused = root.script("reset.sh", &["--data", "--yes"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("/srv/pixedge"), "{said}");
}

#[test]
fn every_version_has_its_notes_for_upgrading() {
    let notes = include_str!("../../docs/upgrading.md");
    let heading = concat!("\n## ", env!("CARGO_PKG_VERSION"), "\n");
    assert!(notes.contains(heading), "docs/upgrading.md says nothing about {}", env!("CARGO_PKG_VERSION"));
}
