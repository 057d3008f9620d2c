//! The API against its own description: thousands of requests made out of `/openapi.json`, right and wrong ones. No
//! answer may be our fault, and each must be described.

use std::process::Command;

use pixedge::codec::Format;
use serde_json::json;

use crate::support::daemons::installed;
use crate::support::{Home, pictures};

const CONFIG: &str = "
auth:
  registration: open
  users: [{ name: root, role: admin, password: password123 }]
limits: { per_address: { rate: 100000/s, burst: 200000 }, per_key: { rate: 100000/s, burst: 200000 } }
";

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance";

#[test]
fn every_answer_is_described_and_none_is_our_fault() {
    let Some(st) = installed("api_description", "venv/bin/st") else { return };
    let server = Home::new(CONFIG).start();
    let login = json!({"username": "root", "password": "password123"});
    let root = server.json("POST", "/v1/login", "", login).json();
    let wish = json!({"name": "st", "scopes": ["read", "upload", "manage", "admin"]});
    let made = server.json("POST", "/v1/keys", root["access_token"].as_str().unwrap(), wish).json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    // Something to be listed, changed and deleted.
    let jpeg = pictures::encoded(Format::Jpeg, 40, 30, 7);
    for name in ["cat", "dog"] {
        let body = json!({ "base64": base64(&jpeg), "name": name });
        let kept = server.json("POST", "/v1/images", made["key"].as_str().unwrap(), body);
        assert!(kept.status < 300, "{}", kept.text());
    }
    // The parts of an upload are bytes of a type that it does not know.
    let hooks = "import schemathesis\n\
                 schemathesis.serializer.alias('application/offset+octet-stream', 'application/octet-stream')\n";
    std::fs::write(server.home().path().join("hooks.py"), hooks).unwrap();
    let run = Command::new(st)
        .env("SCHEMATHESIS_HOOKS", "hooks.py")
        .arg("run")
        .arg(format!("{}/openapi.json", server.url))
        .args(["-H", &format!("Authorization: {bearer}")])
        // One worker: Python 3.11 counts the depth of its own parser for all threads together, and two of them fail
        // now and then with "AST constructor recursion depth mismatch" (CPython issue 106905).
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "60", "--workers", "1"])
        .args(["--checks", CHECKS, "--generation-deterministic", "--continue-on-failure"])
        // They would end what the others act with.
        .args(["--exclude-path-regex", "me/deletion|logout", "--no-color"])
        .current_dir(server.home().path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{}\n{said}\n{}", server.log(), String::from_utf8_lossy(&run.stderr));
    let cases = said.split(" generated, ").next().and_then(|before| before.split_whitespace().last());
    let cases: u32 = cases.and_then(|number| number.parse().ok()).unwrap_or(0);
    assert!(cases >= 5000, "only {cases} cases\n{said}");
    println!("{cases} requests made out of the description");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
