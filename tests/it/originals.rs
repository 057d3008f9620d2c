//! Where a photograph was taken and with which camera is for its owner: exiftool finds nothing of it in what strangers
//! get, and everything in what the owner does.

use std::path::Path;
use std::process::Command;

use pixedge::codec::Format;
use serde_json::json;

use crate::support::Home;
use crate::support::pictures::encoded;
use crate::support::shared::shared;

const PRIVATE: [&str; 8] =
    ["GPSLatitude", "GPSLongitude", "GPSPosition", "SerialNumber", "S123", "L456", "47.5", "47 deg"];

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
    let home = Home::new(
        "auth: { users: [{ name: root, role: admin, password: password123 }] }\nlibrary: { unsigned: open }\n",
    );
    let folder = home.path().join("in");
    std::fs::create_dir_all(&folder).unwrap();
    let files = furnished(&folder);
    let printed = home.run(&["import", folder.to_str().unwrap()]);
    let server = home.start();
    let body = json!({ "username": "root", "password": "password123" }).to_string();
    let login = server.post("/v1/login", &[("content-type", "application/json")], &body);
    let bearer = format!("Bearer {}", login.json()["access_token"].as_str().unwrap());
    let mut seen = 0;
    let given = server.home().path().join("given");
    std::fs::create_dir(&given).unwrap();
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
        let facts = exiftool(&["-a", "-u", "-s", "-G1"], &uploaded);
        assert!(facts.contains("GPSLatitude"), "{name:?}: nothing to find in {facts}");
        let name = name.to_str().unwrap();
        let look =
            |what: &str, body: &[u8]| std::fs::write(given.join(format!("{what}-{name}")), body).unwrap();
        let told = server.get(&path);
        if REFUSED.iter().any(|kind| name.ends_with(kind)) {
            assert_eq!((told.status, &*told.code()), (403, "original_private"), "{name}");
        } else {
            assert_eq!(told.status, 200, "{name}: {}", told.text());
            look("original", &told.body);
        }
        for format in ["jpg", "png", "webp", "avif", "gif", "jxl"] {
            let made = server.get(&format!("/i/{id}/w_40,f_{format}"));
            assert_eq!(made.status, 200, "{format} of {name}: {}", made.text());
            look(format, &made.body);
        }
        // What a browser gets that asks for nothing in particular.
        look("plain", &server.get(&format!("/i/{id}/w_40")).body);
    }
    assert_eq!(seen, files, "{printed}");
    let facts = exiftool(&["-a", "-u", "-s", "-G1"], &given);
    for of_one in facts.split("======== ").skip(1) {
        for tag in PRIVATE {
            assert!(!of_one.contains(tag), "{of_one}");
        }
    }
    assert!(facts.matches("======== ").count() >= 7 * files, "{facts}");
}

/// Originals that are refused and not stripped. Where metadata lies in these is said by offsets all over the file, and to
/// cut it out means to write the container anew, by which a mistake of ours could break somebody's original; so strangers
/// get other formats and sizes of the picture, and the owner the original.
const REFUSED: [&str; 4] = [".avif", ".heif", ".jxl", ".tiff"];

/// Puts a file of each format into the folder that says where and with what it was taken; returns how many.
fn furnished(folder: &Path) -> usize {
    let formats = [Format::Jpeg, Format::Png, Format::Webp, Format::Tiff, Format::Avif, Format::Gif];
    let mut files = Vec::new();
    for (seed, format) in formats.into_iter().enumerate() {
        let file = folder.join(format!("{}.{}", format.name(), format.extension()));
        std::fs::write(&file, encoded(format, 64, 48, seed as u32 + 1)).unwrap();
        files.push(file);
    }
    let jxl = folder.join("lossless.jxl");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/lossless.jxl"), &jxl).unwrap();
    files.push(jxl);
    // Nothing here writes HEIC.
    let corpus = shared("place_and_serials_stay_with_the_owner").map(|shared| shared.join("corpus"));
    if let Some(corpus) = &corpus {
        let heic = folder.join("heic.heif");
        std::fs::copy(corpus.join("heic/pillow_heif__LA_8__128x128.heif"), &heic).unwrap();
        files.push(heic);
    }
    for file in &files {
        let tags = [
            "-overwrite_original",
            "-m",
            "-XMP:GPSLatitude=47.5",
            "-XMP:GPSLongitude=8.7",
            "-XMP-aux:SerialNumber=S123",
            "-XMP:Creator=Ana",
        ];
        exiftool(&tags, file);
        // GIF has no EXIF.
        if file.extension().unwrap() != "gif" {
            let tags = [
                "-overwrite_original",
                "-m",
                "-EXIF:GPSLatitude=47.5",
                "-EXIF:GPSLatitudeRef=N",
                "-EXIF:SerialNumber=S123",
                "-EXIF:LensSerialNumber=L456",
            ];
            exiftool(&tags, file);
        }
    }
    let mut count = files.len();
    // As cameras write them.
    let cameras = corpus.into_iter().flat_map(|corpus| std::fs::read_dir(corpus.join("jpeg_gps")).unwrap());
    for photo in cameras.map(Result::unwrap) {
        std::fs::copy(photo.path(), folder.join(photo.file_name())).unwrap();
        count += 1;
    }
    count
}
