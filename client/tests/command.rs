//! The command without a server: its help, and what it says when it is used wrongly.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and set an environment")]

use std::process::Command;

/// Exit code, standard output, standard error.
fn ran(line: &str) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pixedge-client"))
        .args(line.split_whitespace())
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn out(line: &str) -> String {
    let (code, out, err) = ran(line);
    assert_eq!((code, &*err), (0, ""), "{line}");
    out
}

#[test]
fn builds_what_is_asked_for() {
    let base = "--base http://127.0.0.1:8080";
    assert_eq!(
        out(&format!("url {base} k3Jd9s w_300,f_webp")),
        "http://127.0.0.1:8080/i/k3Jd9s/w_300,f_webp\n"
    );
    assert_eq!(out("url --base=http://a --source=samples a/b.jpg"), "http://a/r/samples/_/-/a/b.jpg\n");
    assert!(
        out(&format!("url {base} --source web https://x.example/a.jpg w_1")).contains("/r/web/w_1/-/~aHR0")
    );
    assert_eq!(out(&format!("srcset {base} a")).split(", ").count(), 5);
    assert!(out(&format!("srcset {base} --widths 10,20 a f_webp")).ends_with("/i/a/w_20,f_webp 20w\n"));
    assert!(out(&format!("srcset {base} --densities 1,2 a w_10")).ends_with("/i/a/dpr_2,w_10 2x\n"));
}

#[test]
fn says_what_is_wrong() {
    for (line, word) in [
        ("", "Usage:"),
        ("get", "'get'"),
        ("url a", "--base"),
        ("url --base", "a value is required"),
        ("url --base http://a", "<PICTURE>"),
        ("url --base http://a b c d", "'d'"),
        ("url --base http://a --base http://b c", "multiple times"),
        ("url --base a b", "`a`"),
        ("url --bsae a b", "'--bsae'"),
        ("url --base http://a --widths 1 b", "'--widths'"),
        ("srcset --base http://a --widths 1,x b", "'x'"),
        ("srcset --base http://a --widths 1 --densities 1 b", "cannot be used with"),
        ("srcset --base http://a b w_1", "already has `w`"),
        ("upload", "<PATH>"),
        ("upload --format xml a", "picgo"),
        ("upload --parallel 0 a", "1..=64"),
        ("upload --expires-in 1w a", "30d"),
        ("share a --max-views many", "invalid"),
        ("login https://a --admin", "--username"),
        ("list", "pixedge-client login"),
        ("--server ftp://a list", "`ftp://a`"),
    ] {
        let (code, out, err) = ran(line);
        assert_eq!((code, &*out), (2, ""), "{line}: {err}");
        assert!(err.contains(word), "{line}: {err}");
    }
}

#[test]
fn help_teaches() {
    let help = out("--help");
    for words in ["Examples:", "pixedge-client upload cat.png", "Exit codes:", "130", "PIXEDGE_KEY", "typora"]
    {
        assert!(help.contains(words), "{words}");
    }
    assert!(out("upload --help").contains("--clipboard"));
    assert!(out("--version").starts_with("pixedge-client 0."));
}

#[test]
fn a_server_that_is_away_is_said_so() {
    // Nobody listens on the port for nothing.
    let (code, out, err) = ran("--server http://127.0.0.1:9 list");
    assert_eq!((code, &*out), (4, ""), "{err}");
    assert!(err.contains("http://127.0.0.1:9 cannot be reached"), "{err}");
}
