//! Accounts by the command line, with the binary and its database.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::support::Home;

/// Runs a command with something on its standard input.
fn piped(home: &Home, args: &[&str], input: &str) -> Output {
    let mut command = home.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn accounts_are_made_and_listed() {
    let home = Home::new("");
    let made = piped(
        &home,
        &["user", "create", "Ana", "--role", "admin", "--email", "Ana@Example.com"],
        "password123\n",
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let id = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert_eq!(home.run(&["user", "list"]).trim(), format!("{id} admin Ana ana@example.com"));

    for (args, input, words) in [
        (["user", "create", "ANA"], "password123\n", "taken"),
        (["user", "create", "bea"], "short\n", "8 to 128"),
        (["user", "create", "bea"], "", "standard input is empty"),
        (["user", "passwd", "bea"], "password123\n", "no such user"),
    ] {
        let refused = piped(&home, &args, input);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(words), "{args:?}: {text}");
    }
    let changed = piped(&home, &["user", "passwd", "ana@example.com"], "another password");
    assert_eq!(String::from_utf8(changed.stdout).unwrap().trim(), id);
    assert_eq!(home.run(&["user", "list"]).lines().count(), 1);
}
