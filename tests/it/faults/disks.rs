//! Disks that are full, read-only or not to be read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pixedge::codec::Format;

use super::{HEALED, IMAGES, OPEN, SET_ASIDE};
use super::{
    fails, heals, id_of, is_hit, is_ready, is_whole, number, objects, picture, unfinished, until_unready,
    upload,
};
use crate::support::disk::{self, Disk};
use crate::support::pictures::encoded;
use crate::support::{Home, Server};
use crate::uploads::account;

const NO_BITMAPS: &str = "images: { bitmap_cache: 0 }\nlibrary: { unsigned: open }\n";

fn disk_up(server: &Server) -> f64 {
    server.metrics()["pixedge_cache_disk_up"]
}

fn until_up(server: &Server, up: bool, about: &str) {
    heals(about, Duration::from_secs(30), || {
        if (disk_up(server) == 1.0) == up { Ok(()) } else { Err(server.log()) }
    });
}

fn cached_on(disk: &Path) -> String {
    format!("{NO_BITMAPS}cache: {{ memory: 32MiB, disk: 64MiB, path: '{}' }}\n", disk.display())
}

#[test]
fn a_full_cache_disk_is_nobodys_error_and_heals() {
    if !disk::own("faults::disks::a_full_cache_disk_is_nobodys_error_and_heals") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::at(folder.path());
    let server = Home::demo_with(&cached_on(&folder.path().join("cache"))).start();
    assert_eq!(disk_up(&server), 1.0, "{}", server.log());
    let path = |width: u32| format!("/i/demo/w_{width},f_png");
    assert_eq!(server.get(&path(300)).status, 200);
    disk.fill();
    // Everything is served while it is found out, and afterwards.
    for width in 301..310 {
        let made = server.get(&path(width));
        assert_eq!(made.status, 200, "{}", made.text());
        is_hit(&server, &path(300), "a full cache disk");
        is_hit(&server, &path(width), "a full cache disk");
    }
    until_up(&server, false, "a full cache disk is not noticed");
    assert_eq!(server.get(&path(320)).status, 200);
    assert!(is_ready(&server).is_ok());
    assert!(server.count("pixedge_cache_skipped_total") > 0.0);
    assert!(server.log().contains("the disk cache takes no writes"), "{}", server.log());
    disk.make_room();
    until_up(&server, true, "the cache disk");
    assert_eq!(server.get(&path(330)).status, 200);
    let server = server.stop().start();
    let kept = server.get(&path(330));
    assert_eq!(kept.header("cache-status"), "pixedge; hit; detail=disk", "{}", server.log());
}

#[test]
fn a_read_only_cache_disk_is_used_once_it_can_be_written() {
    if !disk::own("faults::disks::a_read_only_cache_disk_is_used_once_it_can_be_written") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::at(folder.path());
    disk.read_only();
    let server = Home::demo_with(&cached_on(&folder.path().join("cache"))).start();
    assert_eq!(disk_up(&server), 0.0);
    assert_eq!(server.get("/i/demo/w_300").status, 200);
    is_hit(&server, "/i/demo/w_300", "a read-only cache disk");
    assert!(is_ready(&server).is_ok());
    disk.writable();
    until_up(&server, true, "the cache disk");
    is_hit(&server, "/i/demo/w_300", "a cache disk that is back");
}

#[test]
fn a_full_or_read_only_disk_of_originals_takes_nothing_and_loses_nothing() {
    if !disk::own("faults::disks::a_full_or_read_only_disk_of_originals_takes_nothing_and_loses_nothing") {
        return;
    }
    let home = Home::new(&format!("{OPEN}{NO_BITMAPS}"));
    let folder = home.path().join("data/objects");
    let disk = Disk::at(&folder);
    let server = home.start();
    let ana = account(&server, "ana");
    let first = picture(1);
    let id = id_of(&upload(&server, &ana, &first));
    let known = format!("/i/{id}/w_50,f_webp");
    assert_eq!(server.get(&known).status, 200);
    // Longer than what fits into a page that is there already.
    let next = encoded(Format::Png, 300, 300, 2);
    let refused = |about: &str, expected: &[(u16, &str)]| {
        for _ in 0..3 {
            fails(&upload(&server, &ana, &next), expected, about);
        }
        assert_eq!((objects(&folder), unfinished(&folder.join(".temporary"))), (1, 0), "{about}");
        assert_eq!(number(None, server.home(), IMAGES), 1, "{about}");
        heals(&format!("{about}: what was set aside"), HEALED, || {
            let left = number(None, server.home(), SET_ASIDE);
            if left == 0 { Ok(()) } else { Err(format!("{left} accounts")) }
        });
        is_hit(&server, &known, about);
        is_whole(&server, &id, &first);
        until_unready(&server, about);
    };
    disk.fill();
    refused("a full disk", &[(507, "out_of_space")]);
    assert_eq!(server.get(&format!("/i/{id}/w_51,f_png")).status, 200, "what is there can be made into more");
    disk.make_room();
    heals("a disk with room", HEALED, || is_ready(&server));

    disk.read_only();
    refused("a read-only disk", &[(502, "source_failed")]);
    assert_eq!(server.get(&format!("/i/{id}/w_52,f_png")).status, 200);
    disk.writable();
    heals("a disk that can be written", HEALED, || is_ready(&server));
    is_whole(&server, &id_of(&upload(&server, &ana, &next)), &next);
}

#[test]
fn a_database_on_a_full_disk_is_read_and_written_again_with_room() {
    if !disk::own("faults::disks::a_database_on_a_full_disk_is_read_and_written_again_with_room") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::at(folder.path());
    let config = format!(
        "{OPEN}{NO_BITMAPS}database: {{ url: 'sqlite:{}' }}\n",
        folder.path().join("pixedge.db").display()
    );
    let server = Home::new(&config).start();
    let ana = account(&server, "ana");
    let id = id_of(&upload(&server, &ana, &picture(1)));
    let unseen = id_of(&upload(&server, &ana, &picture(2)));
    let known = format!("/i/{id}/w_50,f_webp");
    assert_eq!(server.get(&known).status, 200);
    let objects_of = |server: &Server| objects(&server.home().path().join("data/objects"));
    disk.fill();
    // The log may have some pages left.
    let mut taken = 2;
    let mut refused = 0;
    for seed in 10..60 {
        let reply = upload(&server, &ana, &picture(seed));
        if reply.status == 201 {
            taken += 1;
            continue;
        }
        fails(&reply, &[(507, "out_of_space")], "a database on a full disk");
        refused += 1;
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "{taken} were taken");
    assert_eq!(objects_of(&server), taken, "an object without a row");
    is_hit(&server, &known, "a database on a full disk");
    assert_eq!(server.get(&format!("/i/{unseen}/w_40,f_png")).status, 200, "look-ups go on");
    let list = server.json("GET", "/v1/images", &ana, serde_json::Value::Null);
    assert_eq!((list.status, list.json()["meta"]["total"].as_u64()), (200, Some(taken as u64)));
    disk.make_room();
    let next = picture(100);
    heals("a database with room", HEALED, || match upload(&server, &ana, &next) {
        reply if reply.status == 201 => Ok(()),
        reply => Err(reply.text()),
    });
    let server = server.stop().start();
    is_whole(&server, &id, &picture(1));
    assert!(is_ready(&server).is_ok());
}

#[test]
fn files_that_cannot_be_read_are_missed_and_found_again() {
    let home = Home::new(&format!("{OPEN}{NO_BITMAPS}"));
    let data = home.path().join("data");
    let server = home.start_with(bound_by_permissions);
    let ana = account(&server, "ana");
    let (one, other) = (picture(1), picture(2));
    let id = id_of(&upload(&server, &ana, &one));
    let known = format!("/i/{id}/w_50,f_webp");
    assert_eq!(server.get(&known).status, 200);
    let object = only_file(&data.join("objects")).unwrap();
    let second = id_of(&upload(&server, &ana, &other));

    let failed = [(502, "source_failed")];
    allow(&object, 0o000);
    fails(&server.get(&format!("/i/{id}/w_51,f_png")), &failed, "an original that cannot be read");
    fails(&server.get(&format!("/i/{id}/f_orig")), &failed, "an original that cannot be read");
    is_hit(&server, &known, "an original that cannot be read");
    is_whole(&server, &second, &other);
    allow(&object, 0o600);
    assert_eq!(server.get(&format!("/i/{id}/w_51,f_png")).status, 200);

    allow(&data, 0o000);
    is_hit(&server, &known, "a data_dir that cannot be entered");
    fails(&server.get(&format!("/i/{id}/w_52,f_png")), &failed, "a data_dir that cannot be entered");
    let refused = upload(&server, &ana, &picture(3));
    fails(&refused, &[(502, "source_failed"), (503, "overloaded")], "a data_dir that cannot be entered");
    until_unready(&server, "a data_dir that cannot be entered");
    allow(&data, 0o700);
    heals("data_dir", HEALED, || is_ready(&server));
    assert_eq!(server.get(&format!("/i/{id}/w_52,f_png")).status, 200);
    id_of(&upload(&server, &ana, &picture(3)));

    // And what does not even start says why.
    let home = server.stop();
    allow(&data.join("pixedge.db"), 0o000);
    let mut command = home.command(&["user", "list"]);
    bound_by_permissions(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("pixedge.db"), "{said}");
    allow(&data.join("pixedge.db"), 0o600);
    is_whole(&home.start(), &id, &one);
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The one file below a folder.
fn only_file(folder: &Path) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        if entry.file_type().unwrap().is_dir() { only_file(&entry.path()) } else { Some(entry.path()) }
    })
}

/// Root may read everything, unless that right is taken from it.
fn bound_by_permissions(command: &mut Command) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    bound.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        bound.current_dir(folder);
    }
    *command = bound;
}
