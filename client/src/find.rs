//! Which pictures are in a folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;

/// What the server reads, by the names that such files have.
const EXTENSIONS: [&str; 16] = [
    "jpg", "jpeg", "jfif", "png", "apng", "webp", "gif", "avif", "heic", "heif", "jxl", "tif", "tiff", "bmp",
    "ico", "svg",
];

/// A file as it is; of a folder all pictures in and below it, by name. Hidden ones are left out, and symbolic links to
/// folders are not followed, so that there is always an end.
pub fn pictures(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let meta = fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    if !meta.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    below(path, &mut found)?;
    Ok(found)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error| Failure::file(folder, &error);
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            below(&path, found)?;
        } else if is_picture(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_pictures_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        for name in ["z.PNG", "a.jpg", "notes.txt", ".hidden.png", "b/c/x.webp", ".git/y.png", "b/noext"] {
            fs::write(root.join(name), "x").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
        let names = |found: Vec<PathBuf>| -> Vec<String> {
            let below = |path: &PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            found.iter().map(below).collect()
        };
        assert_eq!(names(pictures(root).unwrap()), ["a.jpg", "b/c/x.webp", "z.PNG"]);
        // What is named is what is meant.
        assert_eq!(names(pictures(&root.join("notes.txt")).unwrap()), ["notes.txt"]);
        assert!(matches!(pictures(&root.join("none")), Err(Failure::Missing { .. })));
    }
}
