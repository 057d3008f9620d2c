//! The paths in the clipboard: of files that were copied in a file manager, or as text. The desktop's own programs read it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use pixedge_client::Failure;

/// Each program, with what it must be told; the first that answers counts.
const READERS: &[&[&str]] = if cfg!(target_os = "macos") {
    &[&["osascript", "-e", "POSIX path of (the clipboard as «class furl»)"], &["pbpaste"]]
} else if cfg!(windows) {
    &[
        &["powershell", "-NoProfile", "-Command", "(Get-Clipboard -Format FileDropList).FullName"],
        &["powershell", "-NoProfile", "-Command", "Get-Clipboard"],
    ]
} else {
    &[
        &["wl-paste", "--no-newline", "--type", "text/uri-list"],
        &["xclip", "-selection", "clipboard", "-out", "-target", "text/uri-list"],
        &["wl-paste", "--no-newline"],
        &["xclip", "-selection", "clipboard", "-out"],
        &["xsel", "--clipboard", "--output"],
    ]
};

pub(super) fn paths() -> Result<Vec<PathBuf>, Failure> {
    let read = READERS.iter().find_map(|reader| {
        let output =
            Command::new(reader[0]).args(&reader[1..]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned()).filter(|text| !text.trim().is_empty())
    });
    let text = read.ok_or_else(|| {
        let programs =
            "the clipboard is empty or cannot be read; on Linux this needs wl-clipboard, xclip or xsel";
        Failure::Usage(programs.to_owned())
    })?;
    Ok(in_text(&text))
}

/// A path or a `file:` URL a line; lines that begin with `#` are remarks.
fn in_text(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| path_of(line).into()).collect()
}

fn path_of(line: &str) -> String {
    let Some(rest) = line.strip_prefix("file://") else { return line.to_owned() };
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let bytes = path.as_bytes();
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_file_managers_and_people_copy() {
        let text = "# a remark\r\nfile:///home/ana/Gr%C3%BC%C3%9Fe%20100%25.png\r\n/tmp/plain name.jpg\n\nfile://localhost/x\n";
        let paths: Vec<PathBuf> =
            ["/home/ana/Grüße 100%.png", "/tmp/plain name.jpg", "/x"].map(PathBuf::from).into();
        assert_eq!(in_text(text), paths);
    }
}
