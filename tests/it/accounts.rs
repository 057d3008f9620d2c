//! Accounts by the command line, with the binary and its database.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

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

#[test]
fn a_life_of_an_account_by_the_api() {
    let server = Home::new("auth: { registration: open }").start();
    let hello =
        server.json("POST", "/v1/register", "", json!({"username": "ana", "password": "password123"}));
    assert_eq!(hello.status, 201, "{}", hello.text());
    let session = hello.json();
    assert_eq!(
        (session["token_type"].as_str(), session["expires_in"].as_u64()),
        (Some("Bearer"), Some(3600))
    );
    let access = session["access_token"].as_str().unwrap();
    let me = server.json("GET", "/v1/me", access, Value::Null);
    assert_eq!((me.status, me.json()["username"].as_str()), (200, Some("ana")));
    assert_eq!(me.header("cache-control"), "no-store");

    let made = server.json("POST", "/v1/keys", access, json!({"name": "cli", "scopes": ["read"]}));
    assert_eq!(made.status, 201, "{}", made.text());
    let (key, id) = (made.json()["key"].as_str().unwrap().to_owned(), made.json()["id"].clone());
    assert_eq!(server.json("GET", "/v1/me", &key, Value::Null).json()["scopes"], json!(["read"]));
    let refused = server.json("POST", "/v1/keys", &key, json!({"name": "more"}));
    assert_eq!((refused.status, &*refused.code()), (403, "missing_scope"));
    let listed = server.json("GET", "/v1/keys", access, Value::Null).text();
    assert!(listed.contains("cli") && !listed.contains(&key), "{listed}");
    let path = format!("/v1/keys/{}", id.as_str().unwrap());
    assert_eq!(server.json("DELETE", &path, access, Value::Null).status, 204);
    assert_eq!(server.json("GET", "/v1/me", &key, Value::Null).status, 401);
    assert_eq!(server.json("DELETE", &path, access, Value::Null).status, 404);

    let token = session["refresh_token"].clone();
    let next = server.json("POST", "/v1/refresh", "", json!({"refresh_token": token}));
    assert_eq!(next.status, 200, "{}", next.text());
    // The old one is used up, and who uses it again ends the session for both.
    let again = server.json("POST", "/v1/refresh", "", json!({"refresh_token": token}));
    assert_eq!((again.status, &*again.code()), (401, "bad_token"));
    let stolen = next.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.json("GET", "/v1/me", &stolen, Value::Null).status, 401);

    let back = server.json("POST", "/v1/login", "", json!({"username": "ANA", "password": "password123"}));
    let access = back.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.json("POST", "/v1/logout", &access, Value::Null).status, 204);
    assert_eq!(server.json("GET", "/v1/me", &access, Value::Null).status, 401);
    let wrong = server.json("POST", "/v1/login", "", json!({"username": "ana", "password": "wrong"}));
    let nobody = server.json("POST", "/v1/login", "", json!({"username": "bob", "password": "wrong"}));
    assert_eq!((wrong.status, wrong.code()), (401, "wrong_password".to_owned()));
    assert_eq!((nobody.status, nobody.code()), (401, "wrong_password".to_owned()));
    assert_eq!(wrong.json()["detail"], nobody.json()["detail"]);
    assert!(!server.log().contains("password123"));
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let server = Home::new("auth: { registration: open }").start();
    let body = json!({"username": 7, "pasword": "password123", "password": "short"});
    let refused = server.json("POST", "/v1/register", "", body);
    assert_eq!((refused.status, &*refused.code()), (400, "invalid_fields"));
    let errors = refused.json()["errors"].clone();
    let about = |field: &str| errors.as_array().unwrap().iter().find(|e| e["field"] == field).cloned();
    assert_eq!(about("username").unwrap()["reason"], "must be string");
    assert_eq!(about("password").unwrap()["reason"], "must be at least 8 characters long");
    assert_eq!(about("pasword").unwrap()["did_you_mean"], "password");
    assert!(!refused.text().contains("short"), "{}", refused.text());

    let unknown = server.json("GET", "/v1/mee", "", Value::Null);
    assert_eq!((unknown.status, &*unknown.code()), (404, "not_found"));
    let method = server.json("PUT", "/v1/keys", "", json!({}));
    assert_eq!((method.status, method.header("allow")), (405, "GET, HEAD, OPTIONS, POST"));
    let stranger = server.json("GET", "/v1/keys", "", Value::Null);
    assert_eq!((stranger.status, stranger.header("www-authenticate")), (401, "Bearer"));
}

#[test]
fn the_first_account_comes_by_a_link_and_only_once() {
    let server = Home::new("").start();
    let shown = server.greeting();
    let token = shown.split("/setup/").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let wish = json!({"token": token, "username": "root", "password": "password123"});
    let made = server.json("POST", "/v1/setup", "", wish.clone());
    assert_eq!((made.status, made.json()["user"]["role"].as_str()), (201, Some("admin")), "{}", made.text());
    assert_eq!(server.json("POST", "/v1/setup", "", wish).status, 410);
    let server = server.stop().start();
    assert!(!server.greeting().contains("/setup/"));
    let refused =
        server.json("POST", "/v1/register", "", json!({"username": "eve", "password": "password123"}));
    assert_eq!((refused.status, &*refused.code()), (403, "bad_invite"));
}

#[test]
fn without_accounts_everybody_is_the_same_one() {
    let server = Home::new("auth: { required: false }").start();
    let me = server.json("GET", "/v1/me", "", Value::Null);
    assert_eq!((me.status, me.json()["username"].as_str()), (200, Some("anyone")));
    assert_eq!(me.json()["scopes"], json!(["read", "upload", "manage"]));
    assert_eq!(server.json("GET", "/v1/me", "wrong", Value::Null).status, 401);
}

#[test]
fn the_page_behind_the_first_link_asks_and_then_acts() {
    let server = Home::new("").start();
    let path = format!(
        "/setup/{}",
        server.greeting().split("/setup/").nth(1).unwrap().split_whitespace().next().unwrap()
    );
    let asked = server.get(&path);
    assert_eq!((asked.status, asked.header("referrer-policy")), (200, "no-referrer"));
    assert!(
        asked.text().contains("<form method=\"post\">")
            && asked.header("content-security-policy").contains("'none'")
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let short = server.post(&path, &form, "username=%3Cb%3E&password=short");
    assert_eq!(short.status, 400);
    assert!(
        short.text().contains("8 to 128 characters") && short.text().contains("&lt;b&gt;"),
        "{}",
        short.text()
    );
    assert_eq!(server.post(&path, &form, "username=root&password=password123").status, 201);
    assert_eq!(server.get(&path).status, 410);
    assert_eq!(server.get("/recover/made-up").status, 410);
    assert!(!server.log().contains(path.trim_start_matches("/setup/")), "the secret is in the log");
}
