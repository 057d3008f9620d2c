//! The binary on each engine: start, accounts, a backup under way and its way to another engine.

use crate::support::Home;
use crate::support::engines;

#[test]
fn a_backup_moves_to_every_engine() {
    let mut file = None;
    for (engine, config) in engines::each("a_backup_moves_to_every_engine") {
        let home = Home::demo_with(&config);
        let fails = |args: &[&str], words: &str| {
            let output = home.command(args).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains(words), "{engine} {args:?}: {said}");
        };
        if let Some(file) = &file {
            let file: &std::path::PathBuf = file;
            home.run(&["restore", file.to_str().unwrap()]);
            fails(&["restore", file.to_str().unwrap()], "--replace");
            home.run(&["restore", "--replace", file.to_str().unwrap()]);
        }
        let server = home.start();
        assert_eq!(server.get("/readyz").status, 200, "{engine}: {}", server.log());
        assert_eq!(server.get("/i/demo/w_32").status, 200, "{engine}: {}", server.log());
        let home = server.home();
        // While it serves.
        let kept = home.path().join("copy.db");
        let said = home.run(&["backup", kept.to_str().unwrap()]);
        assert_eq!(said.trim(), kept.to_str().unwrap(), "{engine}");
        let again = home.command(&["backup", kept.to_str().unwrap()]).output().unwrap();
        assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"), "{engine}");
        home.run(&["backup", "--without-secrets", home.path().join("bare.db").to_str().unwrap()]);
        let next = std::env::temp_dir().join(format!("pixedge-copy-{}-{engine}.db", std::process::id()));
        std::fs::copy(&kept, &next).unwrap();
        if let Some(old) = file.replace(next) {
            std::fs::remove_file(old).unwrap();
        }
    }
    std::fs::remove_file(file.unwrap()).unwrap();
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let home = Home::new("database: { url: 'postgres://u:hidden-word@127.0.0.1/d?sslmode=nonsense' }\n");
    let output = home.command(&["user", "list"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("database"), "{said}");
    assert!(!said.contains("hidden-word"), "{said}");
}
