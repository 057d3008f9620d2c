//! The rule that keeps an address out for a while.

use serde_json::{Value, json};

use crate::support::{Home, Reply, Server};

const CONFIG: &str = "auth: { users: [{ name: root, role: admin, password: password123 }] }\n";

fn from(server: &Server, address: &str, path: &str) -> Reply {
    server.get_with(path, &[("x-forwarded-for", address)])
}

#[test]
fn who_goes_on_misusing_is_kept_out_and_nobody_else() {
    let rule = "http: { ban: { requests: 5, within: 1m, for: 2s } }\n";
    let server = Home::demo_with(&format!("{CONFIG}{rule}")).start();
    let (bad, good) = ("203.0.113.7", "203.0.113.8");
    // What a page may bring on its visitors does not count, and what is right does not.
    for path in ["/i/none", "/nothing", "/i/demo/w_16,f_jpg", "/i/demo/w_16,md_all"].repeat(4) {
        assert!(matches!(from(&server, bad, path).status, 200 | 403 | 404), "{path}");
    }
    let misuse = [
        "/i/demo/w_x",
        "/i/demo/w_16?sig=x&kid=y",
        "/v1/me",
        "/i/demo?w=1&w=2",
        "/i/demo/wdth_3",
        "/v1/images",
    ];
    let told: Vec<u16> = misuse.iter().map(|path| from(&server, bad, path).status).collect();
    assert_eq!(told, [400, 403, 401, 400, 400, 401]);
    let refused = from(&server, bad, "/i/demo/w_16,f_jpg");
    assert_eq!((refused.status, &*refused.code()), (429, "banned"));
    assert_eq!(refused.header("cache-control"), "no-store");
    assert!(matches!(refused.header("retry-after"), "1" | "2"), "{}", refused.header("retry-after"));
    assert_eq!(from(&server, bad, "/healthz").status, 200);
    assert_eq!(from(&server, good, "/i/demo/w_16,f_jpg").status, 200);
    assert_eq!(server.metrics()["pixedge_refused_total{reason=\"banned\"}"], 1.0);
    // It ends by itself.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(from(&server, bad, "/i/demo/w_16,f_jpg").status, 200);
    // The proxy that all of it came through is not to blame for it.
    assert!((0..9).all(|_| server.get("/i/demo/w_x").status == 400));
}

#[test]
fn administrators_see_bans_and_lift_them() {
    let rule = "http: { ban: { requests: 3, within: 1m, for: 1h, count: all } }\n";
    let server = Home::demo_with(&format!("{CONFIG}{rule}")).start();
    let login =
        server.json("POST", "/v1/login", "", json!({"username": "root", "password": "password123"})).json();
    let root = login["access_token"].as_str().unwrap();
    let told: Vec<u16> =
        (0..5).map(|n| from(&server, &format!("2001:db8::{n}"), "/i/demo/w_16,f_jpg").status).collect();
    assert_eq!(told, [200, 200, 200, 200, 429]);
    let bans = || server.json("GET", "/v1/admin/bans", root, Value::Null).json()["bans"].clone();
    assert_eq!(bans()[0]["block"], "2001:db8::/64");
    assert!(bans()[0]["until"].is_string() && bans().as_array().unwrap().len() == 1);
    let wrong = server.json("DELETE", "/v1/admin/bans?block=here", root, Value::Null);
    assert_eq!((wrong.status, &*wrong.code()), (400, "invalid_fields"));
    assert_eq!(server.json("DELETE", "/v1/admin/bans?block=2001:db8::/32", root, Value::Null).status, 204);
    assert_eq!(bans(), json!([]));
    assert_eq!(from(&server, "2001:db8::1", "/i/demo/w_16,f_jpg").status, 200);
    let log = server.json("GET", "/v1/admin/audit?action=ban.lift", root, Value::Null).json();
    assert_eq!(log["entries"].as_array().unwrap().len(), 1, "{log}");
    assert_eq!(server.json("GET", "/v1/admin/bans", "", Value::Null).status, 401);
}
