//! Uploads that go straight into an S3 storage, by a URL that the API signs, and everything that is refused there or when
//! the upload is completed. The S3 server is a real one.

use pixedge::codec::Format;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::daemons::{Daemons, S3_KEY, S3_SECRET};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::{account, sql};

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn presign(server: &Server, token: &str, kind: &str, len: usize) -> Value {
    let wish = json!({"bytes": len, "type": kind, "name": "given.png", "tags": ["sea"], "expires_in": 600});
    let made = server.json("POST", "/v1/uploads/presign", token, wish);
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

/// As whoever has the URL would, without any credentials of ours.
fn put(request: &Value, bytes: &[u8]) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = request["url"].as_str().unwrap();
    let sent = agent
        .put(url)
        .header("content-type", request["headers"]["content-type"].as_str().unwrap())
        .send(bytes);
    sent.map_or(0, |answer| answer.status().as_u16())
}

fn complete(server: &Server, token: &str, request: &Value) -> Reply {
    let path = format!("/v1/uploads/{}/complete", request["id"].as_str().unwrap());
    server.json("POST", &path, token, Value::Null)
}

#[test]
fn what_is_put_into_s3_by_a_presigned_url_is_looked_at_and_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    let logs = tempfile::tempdir().unwrap();
    let Some(daemons) = Daemons::start("direct", folder.path(), logs.path()) else { return };
    let config = format!(
        "auth: {{ registration: open }}\nuploads: {{ max_bytes: 1MB, types: [image/png, image/webp] }}\n\
         storage_default: s3\nstorages:\n  s3: {{ scheme: s3, root: host, endpoint: \"{}\", bucket: pictures, \
         region: us-east-1, access_key_id: {S3_KEY}, secret_access_key: {S3_SECRET} }}\n",
        daemons.s3.url()
    );
    let server = Home::new(&config).start();
    let (ana, bea) = (account(&server, "ana"), account(&server, "bea"));
    let png = encoded(Format::Png, 200, 150, 1);
    let staged = || {
        let folder = folder.path().join("pictures/host/.temporary");
        std::fs::read_dir(folder)
            .map_or(0, |files| files.filter(|f| f.as_ref().unwrap().path().is_file()).count())
    };
    let refused = |reply: Reply, status: u16, code: &str| {
        assert_eq!((reply.status, &*reply.code()), (status, code), "{}", reply.text());
    };

    let request = presign(&server, &ana, "image/png", png.len());
    assert_eq!(
        (&request["method"], &request["headers"]["content-type"]),
        (&json!("PUT"), &json!("image/png"))
    );
    refused(complete(&server, &ana, &request), 409, "upload_missing");
    // S3 itself refuses what was not announced.
    assert_eq!(put(&request, &[&png[..], b"x"].concat()), 403);
    assert_eq!(put(&request, &png), 200);
    refused(complete(&server, &bea, &request), 404, "not_found");
    let done = complete(&server, &ana, &request);
    assert_eq!(done.status, 201, "{}", done.text());
    let image = done.json();
    assert_eq!((image["sha256"].as_str(), &image["name"]), (Some(&*hash(&png)), &json!("given.png")));
    assert_eq!((&image["tags"], &image["width"]), (&json!(["sea"]), &json!(200)));
    let served = server.get(&format!("/i/{}", image["id"].as_str().unwrap()));
    assert_eq!(hash(&served.body), hash(&png));
    refused(complete(&server, &ana, &request), 409, "upload_completed");
    let state =
        server.json("GET", &format!("/v1/uploads/{}", request["id"].as_str().unwrap()), &ana, Value::Null);
    assert_eq!(state.json()["image"]["id"], image["id"]);
    assert_eq!(staged(), 0);

    // The same content again is the same picture.
    let again = presign(&server, &ana, "image/png", png.len());
    assert_eq!((put(&again, &png), complete(&server, &ana, &again).status), (200, 200));

    // Not what was announced, seen only when it is looked at.
    let jpeg = encoded(Format::Jpeg, 100, 100, 2);
    for (bytes, kind, status, code) in [
        (&jpeg[..], "image/png", 415, "type_not_allowed"),
        (b"<script>alert(1)</script>", "image/png", 415, "not_an_image"),
        (&png[..], "image/webp", 415, "type_not_allowed"),
    ] {
        let request = presign(&server, &ana, kind, bytes.len());
        assert_eq!(put(&request, bytes), 200);
        refused(complete(&server, &ana, &request), status, code);
        // That was the end of it.
        refused(complete(&server, &ana, &request), 404, "not_found");
    }
    assert_eq!(staged(), 0);
    for (wish, status, code) in [
        (json!({"bytes": 1_000_001, "type": "image/png"}), 413, "too_many_bytes"),
        (json!({"bytes": 1_000_000_000_000_000_000u64, "type": "image/png"}), 413, "too_many_bytes"),
        (json!({"bytes": 0, "type": "image/png"}), 400, "invalid_fields"),
        (json!({"bytes": 10, "type": "image/*"}), 400, "bad_value"),
        (json!({"bytes": 10, "type": "image/jpeg"}), 400, "bad_value"),
        (json!({"bytes": 10, "type": "text/html"}), 400, "bad_value"),
        (json!({"bytes": 10, "type": "image/png", "album": "nothere"}), 404, "not_found"),
    ] {
        refused(server.json("POST", "/v1/uploads/presign", &ana, wish), status, code);
    }
    // A part of tus has no business here, and the other way round.
    let request = presign(&server, &ana, "image/png", 10);
    let part = [
        ("tus-resumable", "1.0.0"),
        ("authorization", &*format!("Bearer {ana}")),
        ("upload-offset", "0"),
        ("content-type", "application/offset+octet-stream"),
    ];
    let path = format!("/v1/uploads/{}", request["id"].as_str().unwrap());
    refused(server.send("PATCH", &path, &part, b"0123456789"), 404, "not_found");

    // Abandoned ones go when their time is over, with what was put there, before and after.
    let late = presign(&server, &ana, "image/png", png.len());
    assert_eq!(put(&late, &png), 200);
    assert_eq!(put(&again, &png), 200);
    assert_eq!(staged(), 2);
    sql(server.home(), "UPDATE pending_uploads SET expires_at = 1");
    refused(complete(&server, &ana, &late), 410, "expired");
    server.home().run(&["sweep", "--grace", "1h"]);
    assert_eq!(staged(), 0);
    refused(complete(&server, &ana, &late), 404, "not_found");

    // tus into the same storage: parts are objects there until the picture is whole.
    let webp = encoded(Format::Webp, 300, 300, 4);
    let length = webp.len().to_string();
    let bearer = format!("Bearer {ana}");
    let head = [("tus-resumable", "1.0.0"), ("authorization", &*bearer)];
    let begun = server.send("POST", "/v1/uploads", &[&head[..], &[("upload-length", &length)]].concat(), b"");
    let path = begun.header("location").to_owned();
    for part in webp.chunks(webp.len() / 3) {
        let at = server.send("HEAD", &path, &head, b"").header("upload-offset").to_owned();
        let more = [("upload-offset", &*at), ("content-type", "application/offset+octet-stream")];
        let sent = server.send("PATCH", &path, &[&head[..], &more].concat(), part);
        assert_eq!(sent.status, 204, "{}", sent.text());
    }
    let upload = server.json("GET", &path, &ana, Value::Null).json();
    assert_eq!((upload["image"]["sha256"].as_str(), staged()), (Some(&*hash(&webp)), 0));
}

#[test]
fn without_s3_nothing_is_presigned() {
    let server = Home::new("auth: { registration: open }\n").start();
    let ana = account(&server, "ana");
    let made = server.json("POST", "/v1/uploads/presign", &ana, json!({"bytes": 10, "type": "image/png"}));
    assert_eq!((made.status, &*made.code()), (422, "no_presigning"), "{}", made.text());
}
