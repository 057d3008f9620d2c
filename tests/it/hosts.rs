//! Programs that were made for other image hosts: what each of their systems answers, to the letter, and the programs
//! themselves.

mod chevereto;
mod clients;
mod lsky;
mod picgo;
mod removal;
mod table;

use serde_json::{Value, json};

use crate::support::{Reply, Server};
use crate::uploads::form;

const OPEN: &str = "auth: { registration: open }\n";

/// An API key of an account.
fn key(server: &Server, token: &str, scopes: &[&str]) -> String {
    let made = server.json("POST", "/v1/keys", token, json!({ "name": "test", "scopes": scopes }));
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

/// A form sent to some path, with one header more.
fn send_form(
    server: &Server,
    path: &str,
    (name, value): (&str, &str),
    parts: &[(&str, Option<&str>, &[u8])],
) -> Reply {
    let headers = [("content-type", "multipart/form-data; boundary=XyZ"), (name, value)];
    server.send("POST", path, &headers, &form(parts))
}

/// What the API itself says of the one picture in an account.
fn only_picture(server: &Server, token: &str) -> Value {
    let list = server.json("GET", "/v1/images", token, Value::Null).json();
    assert_eq!(list["meta"]["total"], 1, "{list}");
    list["images"][0].clone()
}

/// The path of an address of the server.
fn path_of<'a>(server: &Server, url: &'a str) -> &'a str {
    url.strip_prefix(server.url.as_str()).unwrap_or_else(|| panic!("{url} is not of {}", server.url))
}
