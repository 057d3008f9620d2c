//! The image and the services around it, where no containers run: by linters, and by starting the real servers with what
//! `compose.yaml` tells them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::root::{TREE, stripped};
use crate::support::Home;
use crate::support::daemons::{Daemons, S3_KEY, S3_SECRET, installed};
use crate::support::engines;
use crate::support::redis::Redis;

fn docker() -> std::path::PathBuf {
    Path::new(TREE).join("deploy/docker")
}

#[test]
fn the_image_is_linted_and_has_what_the_program_needs() {
    const TEST: &str = "the_image_is_linted_and_has_what_the_program_needs";
    let Some(hadolint) = installed(TEST, "venv/bin/hadolint") else { return };
    let output = Command::new(hadolint).arg(docker().join("Dockerfile")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    // The base image has these libraries of C and C++ and no others.
    let output = Command::new("ldd").arg(stripped()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let there = [
        "linux-vdso.so",
        "libc.so",
        "libm.so",
        "libgcc_s.so",
        "libstdc++.so",
        "ld-linux",
        "libpthread.so",
        "libdl.so",
    ];
    for line in said.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or(name);
        assert!(there.iter().any(|known| name.starts_with(known)), "the image lacks {name}");
    }

    // What it is built by is what this is built by, and every file that the source takes in is sent there.
    let file = std::fs::read_to_string(docker().join("Dockerfile")).unwrap();
    let toolchain = std::fs::read_to_string(Path::new(TREE).join("rust-toolchain.toml")).unwrap();
    let version = toolchain.split('"').nth(1).unwrap();
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    assert!(file.contains(&format!("FROM rust:{minor}-")), "the toolchain is {version}");
    let ignored = std::fs::read_to_string(docker().join("Dockerfile.dockerignore")).unwrap();
    for needed in
        ["docs", "src", "fixtures", "fixtures/demo", "deploy/grafana", "client", "fuzz", "benches", "tests"]
    {
        assert!(!ignored.lines().any(|line| line == needed), "the build needs {needed}");
    }
}

/// The file as `docker compose` understands it, with these variables.
fn composed(test: &str, variables: &[(&str, &str)]) -> Option<Result<Value, String>> {
    let program = installed(test, "go/bin/compose-spec")?;
    let output =
        Command::new(program).current_dir(docker()).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(text(&output.stdout) + &text(&output.stderr)),
    })
}

const VARIABLES: [(&str, &str); 3] = [
    ("POSTGRES_PASSWORD", "of-the-database"),
    ("S3_SECRET", S3_SECRET),
    ("PIXEDGE_SECRET", "0123456789abcdef0123456789abcdef"),
];

#[test]
fn the_services_fit_each_other_and_need_their_secrets() {
    const TEST: &str = "the_services_fit_each_other_and_need_their_secrets";
    let Some(whole) = composed(TEST, &VARIABLES) else { return };
    let whole = whole.unwrap();
    for (index, (name, _)) in VARIABLES.iter().enumerate() {
        let mut fewer = VARIABLES.to_vec();
        fewer.remove(index);
        let error = composed(TEST, &fewer).unwrap().unwrap_err();
        assert!(error.contains(name), "{name}: {error}");
        let example = std::fs::read_to_string(docker().join(".env.example")).unwrap();
        assert!(example.lines().any(|line| line == format!("{name}=")), "{name} is not in .env.example");
    }

    let services = whole["services"].as_object().unwrap();
    let pixedge = &services["pixedge"];
    assert_eq!(pixedge["read_only"], true);
    assert_eq!(pixedge["cap_drop"][0], "ALL");
    let environment = pixedge["environment"].as_object().unwrap();
    // Every host that it is told of is a service on its network.
    for key in ["PIXEDGE__DATABASE__URL", "PIXEDGE__REDIS__URL", "PIXEDGE__STORAGES__BUCKET__ENDPOINT"] {
        let url = url::Url::parse(environment[key].as_str().unwrap()).unwrap();
        let host = url.host_str().unwrap();
        assert!(services[host]["networks"].get("inside").is_some(), "{key} names {host}");
    }
    let subnet = whole["networks"]["inside"]["ipam"]["config"][0]["subnet"].as_str().unwrap();
    assert!(environment["PIXEDGE__HTTP__TRUSTED_PROXIES"].as_str().unwrap().contains(subnet));
    // Nothing but nginx is reached from outside.
    let open: Vec<&String> =
        services.iter().filter(|(_, service)| service.get("ports").is_some()).map(|(name, _)| name).collect();
    assert_eq!(open, ["nginx"]);
    // Every file that a service is given is there.
    for volume in services["nginx"]["volumes"].as_array().unwrap() {
        if volume["type"] == "bind" {
            let source = volume["source"].as_str().unwrap();
            assert!(Path::new(source).is_file(), "{source} does not exist");
        }
    }
}

/// The same variables, only that the servers are on this machine.
#[test]
fn a_server_runs_by_what_the_services_are_told() {
    const TEST: &str = "a_server_runs_by_what_the_services_are_told";
    let Some(whole) = composed(TEST, &VARIABLES) else { return };
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let environment = whole.unwrap()["services"]["pixedge"]["environment"].clone();
    let bucket = environment["PIXEDGE__STORAGES__BUCKET__BUCKET"].as_str().unwrap().to_owned();
    std::fs::create_dir(folder.path().join(&bucket)).unwrap();
    let Some(daemons) = Daemons::start(TEST, folder.path(), logs.path()) else { return };
    let Some(redis) = Redis::start(TEST) else { return };
    let Some(postgres) = engines::Server::shared(TEST, engines::Kind::Postgres) else { return };
    let (database, port) = (postgres.database(), format!("{}/0", redis.url()));
    let here = |key: &str, value: &str| match key {
        "PIXEDGE__DATABASE__URL" => database.clone(),
        "PIXEDGE__REDIS__URL" => port.clone(),
        "PIXEDGE__STORAGES__BUCKET__ENDPOINT" => daemons.s3.url(),
        "PIXEDGE__STORAGES__BUCKET__ACCESS_KEY_ID" => S3_KEY.to_owned(),
        _ => value.to_owned(),
    };
    let environment: Vec<(String, String)> = environment
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), here(key, value.as_str().unwrap())))
        .collect();

    let home = Home::new("");
    std::fs::create_dir(home.path().join("pictures")).unwrap();
    let demo = Path::new(TREE).join("fixtures/demo/demo.jpg");
    std::fs::copy(demo, home.path().join("pictures/a.jpg")).unwrap();
    let checked = home.command(&["check"]).envs(environment.clone()).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}");
    for part in ["database: empty", "redis: ", "storage bucket: takes", "public_url: http://localhost:8000"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let imported = home.command(&["import", "pictures"]).envs(environment.clone()).output().unwrap();
    let said = String::from_utf8_lossy(&imported.stdout).into_owned();
    let id = said.split(' ').next().unwrap().to_owned();
    let server = home.start_with(|command| {
        command.envs(environment);
    });
    assert_eq!(server.get(&format!("/i/{id}/w_64,f_webp")).status, 200, "{}", server.log());
    assert_eq!(server.get("/readyz").status, 200);
    assert!(std::fs::read_dir(folder.path().join(bucket)).unwrap().count() > 0, "nothing is in the bucket");
}
