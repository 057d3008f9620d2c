//! Forged, old and ended tokens and keys, over HTTP: the API says `401` with a stable code, and a private image is as
//! if it were not there. The forger of this table has even got hold of the signing key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use pixedge::codec::Format;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::{post, sql};

struct Forger {
    /// Of the server.
    key: [u8; 32],
    header: Value,
    payload: Value,
}

impl Forger {
    fn new(server: &Server, token: &str) -> Self {
        let secret = std::fs::read_to_string(server.home().path().join("data/secret.key")).unwrap();
        let key = blake3::derive_key("pixedge 2026-11 access tokens", secret.trim().as_bytes());
        let parts: Vec<&str> = token.split('.').collect();
        let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        Self { key, header: read(parts[0]), payload: read(parts[1]) }
    }

    fn signed(&self, header: &str, payload: &Value) -> String {
        signed_with(&self.key, header, payload)
    }

    /// Another payload, rightly signed.
    fn saying(&self, field: &str, value: Value) -> String {
        let mut payload = self.payload.clone();
        payload[field] = value;
        self.signed(HEADER, &payload)
    }
}

fn signed_with(key: &[u8], header: &str, payload: &Value) -> String {
    let parts = [header.to_owned(), payload.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = parts.join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

#[test]
fn nothing_but_a_token_of_ours_opens_anything() {
    let server = Home::new("auth: { registration: open }\n").start();
    let session = signed_in(&server, "POST", "/v1/register");
    let token = session["access_token"].as_str().unwrap();
    let refresh = session["refresh_token"].as_str().unwrap();
    let picture = encoded(Format::Png, 20, 20, 1);
    let made = post(&server, token, &[], &[("f", Some("a.png"), &picture), ("visibility", None, b"private")]);
    let id = made.json()["images"][0]["id"].as_str().unwrap().to_owned();
    let doors = Doors { server: &server, id: &id };
    doors.open(token);

    let forger = Forger::new(&server, token);
    let Value::Object(header) = &forger.header else { panic!("{}", forger.header) };
    assert_eq!(header.len(), 2);
    doors.open(&forger.signed(HEADER, &forger.payload));
    let (unsigned, mac) = token.rsplit_once('.').unwrap();
    let (head, payload) = unsigned.split_once('.').unwrap();
    let says = |header: &str| forger.signed(header, &forger.payload);
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let admin = URL_SAFE_NO_PAD.encode(forger.payload.to_string().replace("\"user\"", "\"admin\""));
    let now = jiff::Timestamp::now().as_second();
    for (what, forged) in [
        ("no algorithm, no signature", format!("{none}.{payload}.")),
        ("no algorithm, the old signature", format!("{none}.{payload}.{mac}")),
        ("no algorithm, two parts", format!("{none}.{payload}")),
        ("no algorithm in capitals", says(r#"{"alg":"NONE","typ":"JWT"}"#)),
        ("a public key's algorithm, signed by HMAC", says(r#"{"alg":"RS256","typ":"JWT"}"#)),
        ("another curve's", says(r#"{"alg":"ES256","typ":"JWT"}"#)),
        ("a longer hash", says(r#"{"alg":"HS512","typ":"JWT"}"#)),
        ("a key id that is a path", says(r#"{"alg":"HS256","typ":"JWT","kid":"../../../../dev/null"}"#)),
        (
            "a key id that names an empty key",
            signed_with(b"", r#"{"alg":"HS256","typ":"JWT","kid":"/dev/null"}"#, &forger.payload),
        ),
        ("a key id that is SQL", says(r#"{"alg":"HS256","typ":"JWT","kid":"x' UNION SELECT 'k' --"}"#)),
        ("a key of its own", says(r#"{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"AAAA"}}"#)),
        ("a key's address", says(r#"{"alg":"HS256","typ":"JWT","jku":"http://127.0.0.1:1/"}"#)),
        ("a certificate's", says(r#"{"alg":"HS256","typ":"JWT","x5u":"http://127.0.0.1:1/"}"#)),
        ("another type", says(r#"{"alg":"HS256","typ":"at+jwt"}"#)),
        ("no type", says(r#"{"alg":"HS256"}"#)),
        ("must be understood", says(r#"{"alg":"HS256","typ":"JWT","crit":["exp"]}"#)),
        ("an empty key", signed_with(b"", HEADER, &forger.payload)),
        ("an edited payload", format!("{head}.{admin}.{mac}")),
        ("half a signature", format!("{unsigned}.{}", &mac[..20])),
        ("no signature", format!("{unsigned}.")),
        ("padding", format!("{token}=")),
        ("another issuer", forger.saying("iss", json!("someone"))),
        ("an audience", forger.saying("aud", json!("someone"))),
        ("not yet valid", forger.saying("nbf", json!(now + 3600))),
        ("from the future", forger.saying("iat", json!(now + 3600))),
        ("another account", forger.saying("sub", json!("nobody"))),
        ("another account's number", forger.saying("user_id", json!(99))),
        ("another session", forger.saying("sid", json!("s1"))),
        ("an older generation", forger.saying("gen", json!(-1))),
        ("times that are text", forger.saying("exp", json!("2999-01-01"))),
        ("a refresh token", refresh.to_owned()),
        ("no token", "x".to_owned()),
        ("very long", "x.".repeat(2000)),
    ] {
        doors.closed(&forged, "bad_token", what);
    }
    doors.closed(&forger.saying("exp", json!(now - 1)), "token_expired", "expired");
    // Who says to be more than the account is gets what the account has.
    let more = server.json("GET", "/v1/admin/users", &forger.saying("role", json!("admin")), Value::Null);
    assert_eq!((more.status, &*more.code()), (403, "missing_scope"));

    assert_eq!(server.json("POST", "/v1/logout", token, Value::Null).status, 204);
    doors.closed(token, "bad_token", "signed out");
    doors.closed(&forger.saying("exp", json!(now + 7200)), "bad_token", "signed out, prolonged");
}

#[test]
fn nothing_but_a_key_of_ours_that_still_holds_opens_anything() {
    let server = Home::new("auth: { registration: open }\n").start();
    let session = signed_in(&server, "POST", "/v1/register");
    let token = session["access_token"].as_str().unwrap();
    let key = |wish: Value| {
        let made = server.json("POST", "/v1/keys", token, wish);
        assert_eq!(made.status, 201, "{}", made.text());
        (made.json()["key"].as_str().unwrap().to_owned(), made.json()["id"].as_str().unwrap().to_owned())
    };
    let scopes = json!(["read", "upload"]);
    let (good, id) = key(json!({"name": "a", "scopes": scopes}));
    let (ending, _) = key(json!({"name": "ending", "scopes": scopes, "expires_at": "2099-01-01T00:00:00Z"}));
    let picture = encoded(Format::Png, 20, 20, 1);
    let made = post(&server, &good, &[], &[("f", Some("a.png"), &picture), ("visibility", None, b"private")]);
    let image = made.json()["images"][0]["id"].as_str().unwrap().to_owned();
    let doors = Doors { server: &server, id: &image };
    doors.open(&good);
    doors.open(&ending);
    let last = if good.ends_with('A') { "B" } else { "A" };
    let (kind, rest) = good.split_at(4);
    for (what, forged) in [
        ("edited at its end", format!("{}{last}", &good[..good.len() - 1])),
        ("cut", good[..good.len() - 1].to_owned()),
        ("longer", format!("{good}A")),
        ("another secret", format!("{kind}{id}_{}", "A".repeat(43))),
        (
            "another key's name",
            format!("{kind}{}{}", if rest.starts_with('a') { 'b' } else { 'a' }, &rest[1..]),
        ),
        ("without its kind", rest.to_owned()),
        ("its name alone", format!("{kind}{id}")),
    ] {
        doors.closed(&forged, "bad_token", what);
    }
    let (revoked, id) = key(json!({"name": "r", "scopes": scopes}));
    doors.open(&revoked);
    assert_eq!(server.json("DELETE", &format!("/v1/keys/{id}"), token, Value::Null).status, 204);
    doors.closed(&revoked, "bad_token", "revoked");
    sql(server.home(), "UPDATE api_keys SET expires_at = 1 WHERE name = 'ending'");
    doors.closed(&ending, "token_expired", "expired");
    doors.open(&good);
}

/// The answer to who makes an account.
fn signed_in(server: &Server, method: &str, path: &str) -> Value {
    let made = server.json(method, path, "", json!({"username": "ana", "password": "password123"}));
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

/// What somebody's own credentials open.
struct Doors<'a> {
    server: &'a Server,
    id: &'a str,
}

impl Doors<'_> {
    fn open(&self, token: &str) {
        for reply in self.api(token) {
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert_eq!(self.image(self.id, token).status, 200);
    }

    fn closed(&self, token: &str, code: &str, what: &str) {
        for reply in self.api(token) {
            assert_eq!((reply.status, &*reply.code()), (401, code), "{what}: {}", reply.text());
            assert_eq!(reply.header("www-authenticate"), "Bearer", "{what}");
        }
        // No word of whether there is such an image.
        let (private, none) = (self.image(self.id, token), self.image("nothere1", token));
        assert_eq!((private.status, &*private.code()), (404, "not_found"), "{what}");
        assert_eq!((none.status, none.code()), (private.status, private.code()), "{what}");
    }

    fn api(&self, token: &str) -> [Reply; 3] {
        let one = format!("/v1/images/{}", self.id);
        ["/v1/me", "/v1/images", &one].map(|path| self.server.json("GET", path, token, Value::Null))
    }

    fn image(&self, id: &str, token: &str) -> Reply {
        self.server.get_with(&format!("/i/{id}"), &[("authorization", &format!("Bearer {token}"))])
    }
}
