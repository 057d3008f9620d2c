//! The judgement of the tools that know such files: shellcheck, systemd, nginx, logrotate, mandoc and bash.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::root::{Root, TREE, stripped};
use crate::support::daemons::free_port;

/// A program of the system; `None` after saying so where it is not installed.
fn tool(test: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        assert!(
            std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(),
            "{test}: {name} is missing; run scripts/test"
        );
        eprintln!("{test}: NOT RUN, {name} is missing; scripts/test installs it");
    }
    found
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

#[test]
fn shellcheck_has_nothing_to_say_about_any_script() {
    let Some(shellcheck) = tool("shellcheck_has_nothing_to_say_about_any_script", "shellcheck") else {
        return;
    };
    let mut scripts = Vec::new();
    for folder in ["deploy", "scripts", "fuzz"] {
        for entry in std::fs::read_dir(Path::new(TREE).join(folder)).unwrap().flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            if text.starts_with("#!/bin/sh")
                || text.starts_with("#!/usr/bin/env bash")
                || text.starts_with("# shellcheck")
            {
                scripts.push(entry.path());
            }
        }
    }
    assert!(scripts.len() >= 8, "{scripts:?}");
    let output =
        Command::new(shellcheck).args(["-x", "-P", TREE]).args(&scripts).current_dir(TREE).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn systemd_takes_the_units_and_finds_them_shut_in() {
    let Some(analyze) = tool("systemd_takes_the_units_and_finds_them_shut_in", "systemd-analyze") else {
        return;
    };
    let root = Root::new();
    root.done("install.sh", &["--binary", stripped()]);
    // What the units stand among.
    let own =
        ["/usr/lib/systemd/system", "/lib/systemd/system"].into_iter().find(|path| Path::new(path).exists());
    let Some(own) = own else { panic!("systemd-analyze without systemd's own units") };
    let copied = Command::new("cp").arg("-r").arg(own).arg(root.path("usr/lib-systemd")).status().unwrap();
    assert!(copied.success());
    std::fs::create_dir_all(root.path("usr/lib/systemd")).unwrap();
    std::fs::rename(root.path("usr/lib-systemd"), root.path("usr/lib/systemd/system")).unwrap();

    let units = ["pixedge.service", "pixedge-cleanup.service", "pixedge-cleanup.timer"];
    let run = |arguments: &[&str], units: &[&str]| {
        let mut command = Command::new(&analyze);
        command.args(arguments).arg(format!("--root={}", root.path("").display())).args(units);
        command.env("SYSTEMD_COLORS", "0").output().unwrap()
    };
    let verified = run(&["verify", "--man=no"], &units);
    assert!(verified.status.success() && said(&verified).is_empty(), "{}", said(&verified));

    // 0 is no exposure and 10 all; the figure stands in the documents.
    let documents = std::fs::read_to_string(Path::new(TREE).join("docs/operations.md")).unwrap();
    for unit in &units[..2] {
        let judged = run(&["security", "--offline=yes", "--no-pager", "--threshold=15"], &[unit]);
        let text = said(&judged);
        let figure = text.split("exposure level for").nth(1).and_then(|rest| rest.split(": ").nth(1));
        let figure = figure.and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{text}"));
        assert!(judged.status.success(), "{text}");
        assert!(
            documents.contains(&format!("exposure level {figure}")),
            "docs/operations.md does not say {figure}"
        );
    }
}

#[test]
fn logrotate_and_nginx_take_what_was_installed() {
    const TEST: &str = "logrotate_and_nginx_take_what_was_installed";
    let (Some(logrotate), Some(nginx)) = (tool(TEST, "logrotate"), tool(TEST, "nginx")) else { return };
    let root = Root::new();
    root.done("install.sh", &["--binary", stripped(), "--nginx"]);

    // As the operator would change it: another port, TLS switched on, and another folder for the cache.
    let (http, https) = (free_port(), free_port());
    crate::support::certificate::make(&root.path("etc/nginx"));
    let server = root.text("etc/nginx/pixedge/site/server.conf");
    let server = server
        .replace("listen 80;", &format!("listen 127.0.0.1:{http};"))
        .replace("# listen 443", &format!("listen 127.0.0.1:{https}"))
        .replace("# ssl_certificate     /etc/ssl/img.example.com.pem", "ssl_certificate cert.pem")
        .replace("# ssl_certificate_key /etc/ssl/img.example.com.key", "ssl_certificate_key key.pem")
        .replace("# include", "include");
    root.write("etc/nginx/pixedge/site/server.conf", &server);
    let cache = root.text("etc/nginx/pixedge/site/cache.conf");
    let folder = root.path("var/cache/nginx/pixedge");
    let cache = cache.replace("/var/cache/nginx/pixedge", folder.to_str().unwrap());
    root.write("etc/nginx/pixedge/site/cache.conf", &cache);
    root.write(
        "etc/nginx/nginx.conf",
        "pid nginx.pid;\nerror_log error.log;\nevents {}\nhttp {\naccess_log off;\nproxy_temp_path p;\n\
         client_body_temp_path c;\nfastcgi_temp_path f;\nuwsgi_temp_path u;\nscgi_temp_path s;\n\
         include conf.d/*.conf;\n}\n",
    );
    let etc = root.path("etc/nginx");
    let mut command = Command::new(nginx);
    command
        .arg("-t")
        .arg("-p")
        .arg(&etc)
        .arg("-c")
        .arg(etc.join("nginx.conf"))
        .arg("-e")
        .arg(etc.join("error.log"));
    let tested = command.output().unwrap();
    let text = said(&tested);
    assert!(tested.status.success() && !text.contains("[warn]"), "{text}");

    // The log is emptied in place, so that the server goes on writing to it.
    let log = root.path("var/log/pixedge/pixedge.log");
    std::fs::write(&log, "a line\n".repeat(100)).unwrap();
    let id = |option: &str| said(&Command::new("id").arg(option).output().unwrap()).trim().to_owned();
    let config = root.text("etc/logrotate.d/pixedge");
    let config = config
        .replace("/var/log/pixedge", log.parent().unwrap().to_str().unwrap())
        .replace("su pixedge pixedge", &format!("su {} {}", id("-un"), id("-gn")));
    let installed = root.path("srv/logrotate");
    std::fs::write(&installed, config).unwrap();
    std::fs::set_permissions(&installed, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut command = Command::new(logrotate);
    command.arg("--force").arg("--state").arg(root.path("srv/state")).arg(&installed);
    let rotated = command.output().unwrap();
    assert!(rotated.status.success(), "{}", said(&rotated));
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    assert_eq!(root.entries("var/log/pixedge"), ["pixedge.log", "pixedge.log.1"]);
}

#[test]
fn every_command_has_a_manual_page_without_faults() {
    let Some(mandoc) = tool("every_command_has_a_manual_page_without_faults", "mandoc") else { return };
    let folder = tempfile::tempdir().unwrap();
    let written = Command::new(stripped()).arg("man").arg("--into").arg(folder.path()).output().unwrap();
    assert!(written.status.success(), "{}", said(&written));
    let pages: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let names: Vec<&str> = pages.iter().filter_map(|page| page.file_name()?.to_str()).collect();
    for wanted in ["pixedge.1", "pixedge-serve.1", "pixedge-cache-purge.1", "pixedge-check.1"] {
        assert!(names.contains(&wanted), "{wanted} is not among {names:?}");
    }
    assert!(
        !names.iter().any(|name| name.contains("dev") || name.contains("svg") || name.contains("help")),
        "{names:?}"
    );
    let judged = Command::new(&mandoc).args(["-Tlint", "-W", "warning"]).args(&pages).output().unwrap();
    // There is no date that would be the same for who builds it tomorrow.
    let text = said(&judged);
    let faults: Vec<&str> = text.lines().filter(|line| !line.contains("missing date")).collect();
    assert!(faults.is_empty(), "{faults:#?}");

    let shown = Command::new(&mandoc).args(["-Tutf8"]).arg(folder.path().join("pixedge.1")).output().unwrap();
    // Bold is a letter, a step back and the letter again.
    let text: String = said(&shown)
        .split('\u{8}')
        .map(|part| &part[..part.len() - part.chars().next_back().map_or(0, char::len_utf8)])
        .collect();
    for wanted in ["NAME", "SYNOPSIS", "FILES", "ENVIRONMENT"] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    // The page that goes to standard output is the first one.
    let printed = Command::new(stripped()).arg("man").output().unwrap();
    assert_eq!(printed.stdout, std::fs::read(folder.path().join("pixedge.1")).unwrap());
}

/// bash itself, with what was made for it: what would it offer?
#[test]
fn bash_completes_commands_options_and_their_values() {
    let script = |shell: &str| {
        let output = Command::new(stripped()).args(["completions", shell]).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{shell}");
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pixedge.bash");
    std::fs::write(&file, script("bash")).unwrap();
    let offered = |words: &[&str]| {
        // As bash calls it: the function that `complete -p` names, with the words and where among them one is.
        let ask = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                   [[ $(complete -p pixedge) =~ -F\\ ([^ ]+) ]] && \"${BASH_REMATCH[1]}\" pixedge \"${!#}\" \"${@: -2:1}\"; \
                   printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", ask, "bash"]).arg(&file).args(words).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let commands = offered(&["pixedge", ""]);
    for wanted in ["serve", "check", "completions"] {
        assert!(commands.iter().any(|word| word == wanted), "{wanted} is not among {commands:?}");
    }
    assert!(!commands.iter().any(|word| word == "dev" || word.contains("svg")), "{commands:?}");
    assert_eq!(offered(&["pixedge", "check", "--he"]).first().map(String::as_str), Some("--health"));
    assert!(offered(&["pixedge", "completions", "z"]).contains(&"zsh".to_owned()));
    assert!(offered(&["pixedge", "cache", "pu"]).contains(&"purge".to_owned()));
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(script(shell).contains("if-due"), "{shell}");
    }
}
