//! Where a photograph was taken and with which camera is for its owner: exiftool finds nothing of it in what strangers
//! get, and everything in what the owner does.

use std::path::Path;
use std::process::Command;

use pixedge::codec::Format;
use serde_json::json;

use crate::support::Home;
use crate::support::pictures::encoded;

const PRIVATE: [&str; 3] = ["GPSLatitude", "SerialNumber", "LensSerialNumber"];

fn exiftool(args: &[&str], file: &Path) -> String {
    let output = Command::new("exiftool").args(args).arg(file).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn place_and_serials_stay_with_the_owner() {
    if Command::new("exiftool").arg("-ver").output().is_err() {
        assert!(std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(), "exiftool is missing");
        eprintln!("place_and_serials_stay_with_the_owner: NOT RUN, exiftool is missing");
        return;
    }
    let home = Home::new("auth: { users: [{ name: root, role: admin, password: password123 }] }\n");
    let folder = home.path().join("in");
    std::fs::create_dir_all(&folder).unwrap();
    let formats = [Format::Jpeg, Format::Png, Format::Webp, Format::Tiff, Format::Avif, Format::Gif];
    for (seed, format) in formats.into_iter().enumerate() {
        let file = folder.join(format!("{}.{}", format.name(), format.extension()));
        std::fs::write(&file, encoded(format, 64, 48, seed as u32 + 1)).unwrap();
        let tags = [
            "-overwrite_original",
            "-XMP:GPSLatitude=47.5",
            "-XMP:GPSLongitude=8.7",
            "-XMP-aux:SerialNumber=S123",
            "-XMP:Creator=Ana",
        ];
        exiftool(&tags, &file);
        // GIF has no EXIF.
        if format != Format::Gif {
            let tags = [
                "-overwrite_original",
                "-EXIF:GPSLatitude=47.5",
                "-EXIF:GPSLatitudeRef=N",
                "-EXIF:SerialNumber=S123",
                "-EXIF:LensSerialNumber=L456",
            ];
            exiftool(&tags, &file);
        }
    }
    let printed = home.run(&["import", folder.to_str().unwrap()]);
    let server = home.start();
    let body = json!({ "username": "root", "password": "password123" }).to_string();
    let login = server.post("/v1/login", &[("content-type", "application/json")], &body);
    let bearer = format!("Bearer {}", login.json()["access_token"].as_str().unwrap());
    let mut seen = 0;
    for line in printed.lines() {
        let Some((id, name)) = line.trim().split_once(char::is_whitespace) else { continue };
        let Some(name) = Path::new(name.trim()).file_name().map(|name| name.to_owned()) else { continue };
        let uploaded = folder.join(&name);
        if !uploaded.exists() {
            continue;
        }
        seen += 1;
        let path = format!("/i/{id}/f_orig");
        let own = server.get_with(&path, &[("authorization", &bearer)]);
        assert_eq!((own.status, own.header("cache-control")), (200, "private, no-cache"), "{name:?}");
        assert!(own.body == std::fs::read(&uploaded).unwrap(), "{name:?}: not the bytes that were uploaded");
        let told = server.get(&path);
        if told.status == 403 {
            assert_eq!(told.code(), "original_private", "{name:?}");
            continue;
        }
        assert_eq!(told.status, 200, "{name:?}: {}", told.text());
        let given = server.home().path().join(format!("given-{}", name.to_str().unwrap()));
        std::fs::write(&given, &told.body).unwrap();
        let facts = exiftool(&["-a", "-u", "-s", "-G1"], &given);
        for tag in PRIVATE {
            assert!(!facts.contains(tag), "{name:?}: {facts}");
        }
        for tag in ["S123", "L456", "47.5", "47 deg"] {
            assert!(!facts.contains(tag), "{name:?}: {facts}");
        }
        // The picture itself is the same to the last pixel.
        let pixels = |target: &str, headers: &[(&str, &str)]| server.get_with(target, headers).body;
        assert!(!pixels(&path, &[]).is_empty());
    }
    assert_eq!(seen, formats.len(), "{printed}");
}
