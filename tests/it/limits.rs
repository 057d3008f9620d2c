//! How much one caller may ask, and who counts as one: addresses behind trusted and untrusted proxies, work that is
//! dearer than a request, and what is answered to operators only.

use std::time::{Duration, Instant};

use crate::support::{Home, Reply, Server};

const PATH: &str = "/i/demo/w_40,f_jpg";
/// Always worth one token.
const CHEAP: &str = "/explain/i/demo/w_100";

fn limited(per_address: &str, more: &str) -> Server {
    Home::demo_with(&format!("limits: {{ per_address: {per_address} }}\n{more}")).start()
}

fn from(server: &Server, address: &str, path: &str) -> Reply {
    server.get_with(path, &[("x-forwarded-for", address)])
}

/// Asks until it is refused; how often it was served, and the refusal.
fn until_refused(server: &Server, address: &str, path: &str) -> (usize, Reply) {
    for served in 0..1000 {
        let reply = from(server, address, path);
        if reply.status != 200 {
            return (served, reply);
        }
    }
    panic!("{address} is never refused");
}

#[test]
fn over_the_rate_is_a_429_that_says_when_to_come_back_and_others_are_served() {
    let server = limited("{ rate: 2/s, burst: 20 }", "");
    // Whoever makes the picture pays for it; after that everybody has it for one token.
    assert_eq!(from(&server, "203.0.113.1", PATH).status, 200);
    let begun = Instant::now();
    let (served, refusal) = until_refused(&server, "203.0.113.7", PATH);
    let came_in = begun.elapsed().as_secs() as usize * 2 + 2;
    assert!((20..=20 + came_in).contains(&served), "{served}");
    assert_eq!((refusal.status, refusal.code().as_str()), (429, "rate_limited"));
    assert_eq!(refusal.header("content-type"), "application/problem+json");
    assert_eq!(refusal.header("cache-control"), "no-store");
    assert_eq!(refusal.header("ratelimit-policy"), "\"address\";q=20;w=10");
    let wait: u64 = refusal.header("retry-after").parse().unwrap();
    assert_eq!(wait, 1);
    assert_eq!(refusal.header("ratelimit"), format!("\"address\";r=0;t={wait}"));
    assert_eq!(from(&server, "203.0.113.8", PATH).status, 200);
    assert_eq!(from(&server, "2001:db8::1", PATH).status, 200);
    // What is not limited.
    for path in ["/healthz", "/"] {
        assert_eq!(from(&server, "203.0.113.7", path).status, 200, "{path}");
    }
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(from(&server, "203.0.113.7", PATH).status, 200);
    assert!(server.metrics()["pixedge_refused_total{reason=\"rate_address\"}"] >= 1.0);
}

#[test]
fn info_and_explain_count_too() {
    let server = limited("{ rate: 1/h, burst: 3 }", "");
    // Whoever asks first pays for looking at the picture.
    assert_eq!(from(&server, "203.0.113.9", "/info/demo").status, 200);
    for (address, path) in [("203.0.113.1", "/info/demo"), ("203.0.113.2", CHEAP)] {
        let (served, refusal) = until_refused(&server, address, path);
        assert_eq!((served, refusal.status), (3, 429), "{path}");
        assert_eq!(refusal.header("ratelimit-policy"), "\"address\";q=3;w=10800");
        assert_eq!(from(&server, address, PATH).status, 429, "one bucket for all routes");
    }
}

#[test]
fn an_address_that_a_stranger_claims_is_not_believed() {
    let server = limited("{ rate: 1/h, burst: 5 }", "http: { trusted_proxies: [10.0.0.0/8] }\n");
    let statuses: Vec<u16> = (0..8).map(|n| from(&server, &format!("203.0.113.{n}"), CHEAP).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
}

#[test]
fn an_ipv6_customer_has_one_bucket_for_all_his_addresses() {
    let server = limited("{ rate: 1/h, burst: 5 }", "");
    let statuses: Vec<u16> =
        (0..6).map(|n| from(&server, &format!("2001:db8:0:1::{n}"), CHEAP).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert_eq!(from(&server, "2001:db8:0:2::1", CHEAP).status, 200);
}

#[test]
fn work_costs_more_than_a_request_and_only_who_causes_it() {
    let server = limited("{ rate: 1/h, burst: 12 }", "");
    // Its cost is told beforehand.
    let path = "/i/demo/w_800,f_webp";
    let cost = from(&server, "203.0.113.1", &format!("/explain{path}")).json()["cost"].as_u64().unwrap();
    assert!((2..=4).contains(&cost), "{cost}");
    let made = from(&server, "203.0.113.7", path);
    assert_eq!(made.header("ratelimit"), format!("\"address\";r={};t={}", 11 - cost, (1 + cost) * 3600));
    let hit = from(&server, "203.0.113.7", path);
    assert_eq!((hit.status, hit.header("ratelimit")), (200, ""), "a hit is for everybody's cache");
    let left = from(&server, "203.0.113.7", "/i/demo/w_16,f_jpg");
    assert!(left.header("ratelimit").starts_with("\"address\";r="), "{}", left.header("ratelimit"));
    // Dearer than the rest of the bucket: refused, while what is there already is still served.
    let dear = "/i/demo/f_webp";
    let refused = from(&server, "203.0.113.7", dear);
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 3600);
    assert_eq!(from(&server, "203.0.113.7", path).status, 200);
    assert_eq!(server.count("pixedge_encodes_total"), 2.0);
    assert_eq!(from(&server, "203.0.113.9", dear).status, 200);
}

#[test]
fn who_waits_with_one_that_cannot_pay_is_served_himself() {
    let server = limited("{ rate: 1/h, burst: 20 }", "");
    let (poor, rich) = ("203.0.113.7", "203.0.113.8");
    for _ in 0..14 {
        assert_eq!(from(&server, poor, "/info/demo").status, 200);
    }
    // Costs more than the rest, which is enough for the requests themselves.
    let path = "/i/demo/f_webp";
    let cost = from(&server, "203.0.113.1", &format!("/explain{path}")).json()["cost"].as_u64().unwrap();
    assert!((6..=10).contains(&cost), "{cost}");
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..20)
            .map(|n| {
                let server = &server;
                scope.spawn(move || (n, from(server, if n % 2 == 0 { poor } else { rich }, path).status))
            })
            .collect();
        for asked in asked {
            let (n, status) = asked.join().unwrap();
            assert!(if n % 2 == 0 { matches!(status, 200 | 429) } else { status == 200 }, "{n}: {status}");
        }
    });
}

#[test]
fn readiness_and_metrics_are_for_this_machine_and_no_one_whom_it_serves() {
    for trusted in ["[127.0.0.0/8]", "[]"] {
        let server = Home::new(&format!("http: {{ trusted_proxies: {trusted} }}\n")).start();
        for path in ["/readyz", "/metrics"] {
            assert_eq!(server.get(path).status, 200, "{trusted} {path}");
            for header in ["x-forwarded-for", "x-real-ip", "forwarded", "via"] {
                let reply = server.get_with(path, &[(header, "203.0.113.7")]);
                assert_eq!(reply.status, 404, "{trusted} {path} {header}");
            }
        }
    }
}

#[test]
fn http2_is_spoken_on_the_same_port_and_its_callers_are_limited_alike() {
    let server = limited("{ rate: 1/h, burst: 5 }", "");
    let statuses: Vec<u16> = crate::http2::get(&server, CHEAP, 7);
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
}

/// A server that knows two keys, and a signed URL of each.
fn with_keys(per_key: &str) -> (Server, [String; 2]) {
    let config = format!(
        "limits: {{ per_address: {{ rate: 1/h, burst: 30 }}, per_key: {per_key} }}\n\
         keys:\n  - {{ kid: a, secret_file: a.txt }}\n  - {{ kid: b, secret_file: b.txt }}\n"
    );
    let home = Home::demo_with(&config);
    for key in ["a", "b"] {
        let secret = format!("the secret of key {key}, long enough");
        std::fs::write(home.path().join(format!("{key}.txt")), secret).unwrap();
    }
    let signed = ["a", "b"].map(|key| {
        let printed = home.run(&["sign", "/i/demo/w_44,f_jpg", "--kid", key]);
        let url = printed.lines().last().unwrap();
        url[url.find("/i/").or(url.find("/s/")).unwrap()..].to_owned()
    });
    (home.start(), signed)
}

#[test]
fn a_key_over_its_rate_is_refused_while_another_is_served() {
    let (server, [a, b]) = with_keys("{ rate: 1/h, burst: 8 }");
    // Its users are everywhere, each at an address of his own.
    let asked = |n: u32, path: &str| from(&server, &format!("203.0.113.{n}"), path);
    assert_eq!(asked(1, &b).status, 200);
    let statuses: Vec<u16> = (10..20).map(|n| asked(n, &a).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 429, 429]);
    let refusal = asked(20, &a);
    assert_eq!(refusal.code(), "rate_limited");
    assert_eq!(refusal.header("ratelimit-policy"), "\"key\";q=8;w=28800");
    assert!(refusal.header("retry-after").parse::<u64>().unwrap() > 3000);
    assert_eq!(asked(20, &b).status, 200);
    // The picture itself is as free as before for whoever needs no key.
    assert_eq!(asked(20, "/i/demo/w_44,f_jpg").status, 200);
}

#[test]
fn who_forges_a_signature_pays_for_it_and_the_customer_does_not() {
    let (server, [a, _]) = with_keys("{ rate: 1/h, burst: 8 }");
    let forged =
        if a.ends_with('A') { format!("{}B", &a[..a.len() - 1]) } else { format!("{}A", &a[..a.len() - 1]) };
    let mut forger: Vec<u16> = (0..40).map(|_| from(&server, "203.0.113.66", &forged).status).collect();
    assert!(forger[..30].iter().all(|status| *status == 403), "{forged}: {forger:?}");
    assert_eq!(forger.split_off(30), [429; 10]);
    assert_eq!(from(&server, "203.0.113.66", "/i/demo/w_44,f_jpg").status, 429);
    let customers: Vec<u16> = (1..=7).map(|n| from(&server, &format!("203.0.113.{n}"), &a).status).collect();
    assert_eq!(customers, [200; 7]);
}
