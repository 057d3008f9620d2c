//! Uploads by a script of another origin, in a real browser: what a signed URL takes, and that the script is told why
//! when it does not. The page reports to the server it came from.

use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pixedge::codec::Format;
use serde_json::{Value, json};

use crate::support::chromium::Chromium;
use crate::support::pictures::encoded;
use crate::support::web::{Web, answer};
use crate::support::{Home, Server};
use crate::uploads::{account, sql};

/// The page; `CASES` is JSON. Each case is what `fetch` is to do, and what became of it is reported.
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>elsewhere</title><script src=/tus.js></script><script>
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0))
const one = async ({ url, method, body, how, tus: token }) => {
  const content = typeof body === 'number' ? new Uint8Array(body) : bytes(body)
  if (token) return new Promise((resolve, reject) => new tus.Upload(new Blob([content]), {
    endpoint: url, chunkSize: 1000, headers: { authorization: 'Bearer ' + token }, metadata: { filename: 'page.png' },
    onError: reject, onSuccess: ({ lastResponse }) => resolve({ status: lastResponse.getStatus(), image: lastResponse.getHeader('Pixedge-Image') }),
  }).start())
  const form = new FormData()
  form.append('file', new Blob([content]), 'page.png')
  const response = await fetch(url, { method, body: how === 'form' ? form : content })
  return { status: response.status, type: response.headers.get('content-type'), body: await response.json() }
}
(async () => {
  const told = []
  for (const test of CASES) told.push(await one(test).catch(error => ({ error: String(error) })))
  await fetch('/told', { method: 'POST', headers: { 'x-told': btoa(unescape(encodeURIComponent(JSON.stringify(told)))) } })
})()
</script>";

/// What the page told of each case; `None` after saying so where there is no browser.
fn in_browser(test: &str, cases: &Value) -> Option<Vec<Value>> {
    let chromium = Chromium::find(test)?;
    let script = crate::support::daemons::installed(test, "tus/node_modules/tus-js-client/dist/tus.min.js")?;
    let script = std::fs::read(script).unwrap();
    let page = PAGE.replace("CASES", &cases.to_string());
    let (tell, told) = mpsc::channel();
    let web = Web::start(move |request| match request.target.as_str() {
        "/" => answer(request, "200 OK", &[("Content-Type", "text/html")], page.as_bytes()),
        "/tus.js" => answer(request, "200 OK", &[("Content-Type", "text/javascript")], &script),
        "/told" => {
            let _ = tell.send(request.headers.get("x-told").cloned().unwrap_or_default());
            answer(request, "204 No Content", &[], b"")
        }
        _ => answer(request, "404 Not Found", &[], b""),
    });
    let browser = chromium.open(&web.url(), &[]);
    let told = told.recv_timeout(Duration::from_secs(60));
    drop(browser);
    let text = STANDARD.decode(told.expect("the page told nothing within a minute")).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

fn sign(server: &Server, token: &str, wish: Value) -> String {
    let signed = server.json("POST", "/v1/uploads/sign", token, wish);
    assert_eq!(signed.status, 201, "{}", signed.text());
    signed.json()["url"].as_str().unwrap().to_owned()
}

#[test]
fn a_page_of_another_origin_uploads_by_a_signed_url_and_reads_every_refusal() {
    let server = Home::new("auth: { registration: open }\nhttp: { api_cors: [\"*\"] }\n").start();
    let ana = account(&server, "ana");
    let png = |seed| STANDARD.encode(encoded(Format::Png, 60, 50, seed));
    let expired = sign(&server, &ana, json!({}));
    sql(server.home(), "UPDATE upload_tickets SET expires_at = 1");
    let (form, raw) = (sign(&server, &ana, json!({})), sign(&server, &ana, json!({})));
    let small = sign(&server, &ana, json!({"max_bytes": 100, "once": false}));
    let jpegs = sign(&server, &ana, json!({"types": ["image/jpeg"]}));
    let cases = json!([
        {"url": form, "method": "POST", "how": "form", "body": png(1)},
        {"url": raw, "method": "PUT", "body": png(2)},
        {"url": form, "method": "POST", "how": "form", "body": png(3)},
        {"url": raw, "method": "PUT", "body": png(4)},
        {"url": format!("{form}x"), "method": "POST", "how": "form", "body": png(5)},
        {"url": format!("{raw}x"), "method": "PUT", "body": png(6)},
        {"url": expired, "method": "POST", "how": "form", "body": png(7)},
        {"url": expired, "method": "PUT", "body": png(8)},
        {"url": small, "method": "POST", "how": "form", "body": png(9)},
        {"url": small, "method": "PUT", "body": png(10)},
        // So much that it is refused long before the browser has sent it.
        {"url": small, "method": "POST", "how": "form", "body": 20_000_000},
        {"url": small, "method": "PUT", "body": 20_000_000},
        {"url": jpegs, "method": "POST", "how": "form", "body": png(11)},
        {"url": jpegs, "method": "PUT", "body": png(12)},
        {"url": format!("{}/v1/uploads", server.url), "tus": ana, "body": png(13)},
    ]);
    let Some(told) = in_browser("browser", &cases) else { return };
    let seen: Vec<_> = told
        .iter()
        .map(|told| {
            let code = told["body"]["code"].as_str().or(told["error"].as_str()).unwrap_or("ok");
            format!("{} {code}", told["status"])
        })
        .collect();
    let expected = [
        "201 ok",
        "201 ok",
        "409 ticket_used",
        "409 ticket_used",
        "403 bad_ticket",
        "403 bad_ticket",
        "410 expired",
        "410 expired",
        "413 too_many_bytes",
        "413 too_many_bytes",
        "413 too_many_bytes",
        "413 too_many_bytes",
        "415 type_not_allowed",
        "415 type_not_allowed",
        "204 ok",
    ];
    assert_eq!(seen, expected, "{told:#?}");
    for told in &told[2..14] {
        assert_eq!(told["type"], "application/problem+json");
    }
    for told in &told[..2] {
        let image = told["body"]["images"][0]["id"].as_str().unwrap();
        assert_eq!(server.get(&format!("/i/{image}")).status, 200);
    }
    assert_eq!(server.get(&format!("/i/{}", told[14]["image"].as_str().unwrap())).status, 200);
}
