//! Derivatives: made of every new picture before anybody asks, by the server or by a worker beside it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pixedge::codec::Format;
use serde_json::Value;

use crate::support::pictures::encoded;
use crate::support::{Home, Server};
use crate::uploads::{account, post};

const BROWSER: (&str, &str) = ("accept", "image/avif,image/webp,image/*,*/*;q=0.8");

/// As a person starts it; ended with the test.
struct Worker(Child);

impl Worker {
    fn beside(home: &Home) -> Self {
        let mut command = home.command(&["worker"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config(jobs: &str) -> String {
    format!(
        "auth:\n  registration: open\n  users: [{{ name: root, role: admin, password: password123 }}]\n\
         jobs: {{ {jobs} poll: 200ms }}\n\
         presets: {{ tiny: \"w_33,f_webp\" }}\n\
         uploads:\n  derivatives: {{ thumbnail: \"w_201,h_201,c_fill\", small: t_tiny }}\n"
    )
}

fn path_of<'a>(server: &Server, image: &'a Value, name: &str) -> &'a str {
    let url = image["derivatives"][name].as_str().unwrap_or_else(|| panic!("{name}: {image}"));
    url.strip_prefix(&server.url).unwrap()
}

/// Waits until so many jobs of the kind have ended well.
fn until_made(server: &Server, jobs: usize) -> Value {
    let root = "{\"username\": \"root\", \"password\": \"password123\"}";
    let login = server.post("/v1/login", &[("content-type", "application/json")], root);
    let token = login.json()["access_token"].as_str().unwrap().to_owned();
    let since = Instant::now();
    loop {
        let list =
            server.json("GET", "/v1/admin/jobs?kind=derive&state=completed", &token, Value::Null).json();
        if list["jobs"].as_array().is_some_and(|list| list.len() >= jobs) {
            return list["jobs"][0].clone();
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{list}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The first request of each is a hit, whoever asks, and nothing is decoded for it.
fn first_is_a_hit(server: &Server, image: &Value) {
    let decoded = server.count("pixedge_decodes_total");
    for (name, headers, mime, width) in [
        ("thumbnail", &[][..], "image/jpeg", 201),
        ("thumbnail", &[BROWSER][..], "image/avif", 201),
        ("small", &[][..], "image/webp", 33),
        ("small", &[BROWSER][..], "image/webp", 33),
    ] {
        let path = path_of(server, image, name);
        let reply = server.get_with(path, headers);
        assert_eq!((reply.status, reply.header("content-type")), (200, mime), "{path}: {}", reply.text());
        let status = reply.header("cache-status");
        assert!(status.contains("; hit"), "{path} {headers:?}: {status}");
        assert_eq!(crate::support::pictures::header(&reply.body).width, width, "{path}");
    }
    assert_eq!(server.count("pixedge_decodes_total"), decoded);
}

#[test]
fn are_there_before_anybody_asks() {
    let server = Home::new(&config("")).start();
    let ana = account(&server, "ana");
    let jpeg = encoded(Format::Jpeg, 400, 300, 7);
    let made = post(&server, &ana, &[], &[("file", Some("a.jpg"), &jpeg)]).json();
    let image = &made["images"][0];
    let job = until_made(&server, 1);
    // The thumbnail for two kinds of clients, and the one that names its format.
    assert_eq!(job["result"]["made"], 3, "{job}");
    first_is_a_hit(&server, image);
    let known =
        server.json("GET", &format!("/v1/images/{}", image["id"].as_str().unwrap()), &ana, Value::Null);
    assert_eq!(known.json()["derivatives"], image["derivatives"]);

    // The rules for strangers do not change what the operator named, and hold for everything else.
    let other = path_of(&server, image, "thumbnail").replace("201", "202");
    let link = server.get(&other);
    assert!(link.header("link").contains("w_240,h_240"), "{}", link.header("link"));

    // The same once more is no new picture; another content under the same id is made anew.
    post(&server, &ana, &[], &[("file", Some("a.jpg"), &jpeg)]);
    let (bearer, png) = (format!("Bearer {ana}"), encoded(Format::Jpeg, 300, 300, 8));
    let path = format!("/v1/images/{}/content", image["id"].as_str().unwrap());
    let replaced =
        server.send("PUT", &path, &[("authorization", &bearer), ("content-type", "image/jpeg")], &png);
    assert_eq!(replaced.status, 200, "{}", replaced.text());
    until_made(&server, 2);
    first_is_a_hit(&server, image);
    assert_eq!(server.json("GET", "/v1/admin/jobs?kind=derive", "", Value::Null).status, 401);
}

#[test]
fn a_worker_makes_them_for_the_server() {
    let server = Home::new(&config("concurrency: 0,")).start();
    let _worker = Worker::beside(server.home());
    let ana = account(&server, "ana");
    let jpeg = encoded(Format::Jpeg, 400, 300, 9);
    let private: (&str, Option<&str>, &[u8]) = ("visibility", None, b"private");
    let made = post(&server, &ana, &[], &[("file", Some("a.jpg"), &jpeg), private]).json();
    until_made(&server, 1);
    // Links to what is private are signed, and open what was made just the same.
    first_is_a_hit(&server, &made["images"][0]);
    let handed = server.home().path().join("data/cache/handed");
    assert_eq!(std::fs::read_dir(handed).unwrap().count(), 0);
}

#[test]
fn links_work_where_everything_has_to_be_signed() {
    let server = Home::new(&format!("{}library: {{ unsigned: signed }}\n", config(""))).start();
    let ana = account(&server, "ana");
    let jpeg = encoded(Format::Jpeg, 400, 300, 10);
    let made = post(&server, &ana, &[], &[("file", Some("a.jpg"), &jpeg)]).json();
    let path = path_of(&server, &made["images"][0], "small");
    assert_eq!(server.get(path).status, 200);
    assert_eq!(server.get(path.split('?').next().unwrap()).status, 403);
}

#[test]
fn a_bad_spec_is_an_error_at_the_start_that_names_its_field() {
    let home = Home::new("uploads: { derivatives: { thumb: \"w_200,wobble_3\" } }\n");
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["worker"], &["check"]] {
        let output = home.command(command).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success(), "{command:?}");
        assert!(said.contains("uploads.derivatives.thumb") && said.contains("wobble"), "{command:?}: {said}");
    }
}
