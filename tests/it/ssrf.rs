//! Nobody makes the server connect to an address that he could not reach himself. Each row is a URL; a listener on every
//! address of this machine counts who comes, and the guard counts the sockets that it opened: both stay at nothing.
//! The same rows connect where the operator listed the addresses, so the counting can be seen to work.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use pixedge::net::{Client, NetError, Refusal, Resolve, Rules};
use pixedge::source::SourcePath;
use url::Url;

use crate::support::Home;
use crate::support::web::{self, Web};

/// Hosts that are this machine, however they are spelled; `http://HOST:PORT/`.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "127.0.0.1.",
    "127.000.000.001",
    "2130706433",
    "2130706433.",
    "0x7f000001",
    "0X7F.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "0x7f.0x0.0x0.0x1",
    "127.0x0.01",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ｌｏｃａｌｈｏｓｔ",
];

/// This machine by IPv6.
const LOOPBACK_V6: &[&str] =
    &["[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::0.0.0.1]"];

/// This machine behind an IPv6 spelling of an IPv4 address.
const MAPPED: &[&str] =
    &["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:FFFF:7F00:0001]", "[::FFFF:127.0.0.2]"];

/// «This network», which Linux takes for this machine.
const NOWHERE: &[&str] =
    &["0.0.0.0", "0", "0x0", "00", "0.0.0.1", "0.255.255.255", "[::]", "[::ffff:0.0.0.0]", "[::0.0.0.0]"];

const SPECIAL_V4: &[&str] = &[
    "10.0.0.0",
    "10.1.2.3",
    "10.255.255.255",
    "0xa000001",
    "012.0.0.1",
    "167772161",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.65535",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
];

const SPECIAL_V6: &[&str] = &[
    // Mapped, translated and compatible.
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:8.8.8.8]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:0:a00:1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::10.0.0.1]",
    "[::a9fe:a9fe]",
    "[::2]",
    // 6to4.
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2002:a00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[2002:c0a8:1::1]",
    "[2002:808:808::1]",
    // NAT64, the well-known prefix and the local one.
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::808:808]",
    "[64:ff9b:1::1]",
    "[64:ff9b:1:7f00:0:100::]",
    // Teredo, whose client's address is inverted.
    "[2001::1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[2001:0:7f00:1::1]",
    // ISATAP in a public and in a private network.
    "[2a00:1450::5efe:7f00:1]",
    "[2a00:1450::200:5efe:a00:1]",
    "[2600:1::5efe:169.254.169.254]",
    "[fe80::5efe:7f00:1]",
    "[fe80::200:5efe:c0a8:1]",
    // Others.
    "[100::1]",
    "[2001:2::1]",
    "[2001:3::1]",
    "[2001:4:112::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:30::1]",
    "[2001:1ff::1]",
    "[2001:db8::1]",
    "[2001:db8:ffff::1]",
    "[2620:4f:8000::1]",
    "[3ffe::1]",
    "[3fff::1]",
    "[3fff:fff::1]",
    "[5f00::1]",
    "[4000::1]",
    "[8000::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fdff::1]",
    "[fe80::1]",
    "[fe80::a9fe:a9fe]",
    "[febf::1]",
    "[fec0::1]",
    "[feff::1]",
    "[ff02::1]",
    "[ff05::1:3]",
    "[ff0e::1]",
];

/// Whole URLs that try to look like something else; PORT stands for the listener's.
const TRICKS: &[&str] = &[
    "http://user@127.0.0.1:PORT/",
    "http://user:pass@127.0.0.1:PORT/",
    "http://example.com@127.0.0.1:PORT/",
    "http://example.com:80@127.0.0.1:PORT/",
    "http://example.com%40127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@example.com/",
    "http://:@localhost:PORT/",
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT?@example.com/",
    "http://127.0.0.1:PORT\\@example.com/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:/127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    " http://127.0.0.1:PORT/",
    "ht\ntp://127.0.0.1:PORT/",
    "http://127.0.\t0.1:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/",
    "https://localhost:PORT/",
    "http://127.0.0.1:PORT/../..",
    "http://[::1]:PORT/%2e%2e",
    "http://[fe80::1%25lo]:PORT/",
    "http://[::1%lo]:PORT/",
    "http://[::ffff:127.0.0.1%25lo]:PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://127.0.0.1 :PORT/",
    "http://256.0.0.1:PORT/",
    "http://127.0.0.0x:PORT/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_GET",
    "dict://127.0.0.1:PORT/",
    "ws://127.0.0.1:PORT/",
    "unix:/var/run/docker.sock",
    "data:image/png;base64,AAAA",
    "javascript:1",
];

/// Public addresses by a port that is nobody's web server; the hosts are listed by the usual ones only.
const PORTS: &[&str] =
    &["http://1.1.1.1:22/", "http://1.1.1.1:6379/", "https://[2606:4700::1111]:25/", "http://1.1.1.1:0/"];

fn hosts() -> impl Iterator<Item = &'static str> {
    [LOOPBACK, LOOPBACK_V6, MAPPED, NOWHERE, SPECIAL_V4, SPECIAL_V6].into_iter().flatten().copied()
}

fn rows(port: u16) -> Vec<String> {
    let hosts = hosts().map(|host| format!("http://{host}:{port}/a.jpg"));
    let tricks = TRICKS.iter().chain(PORTS).map(|trick| trick.replace("PORT", &port.to_string()));
    hosts.chain(tricks).collect()
}

/// Listens on every address of this machine, IPv6 too where there is such a thing.
fn listener() -> Web {
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
    let photo = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/photo.jpg")).unwrap();
    Web::on(listener, move |request| web::file(request, &[("ETag", "\"1\"")], &photo))
}

/// Lets every name out, by the listener's port too, so that only addresses are left to stop a row.
fn rules(port: u16, allow: &[&str]) -> Rules {
    Rules {
        hosts: Some(vec!["*".parse().unwrap(), format!("*:{port}").parse().unwrap()]),
        allow_addresses: allow.iter().map(|block| block.parse().unwrap()).collect(),
        ..Rules::default()
    }
}

fn has_v6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

async fn get(client: &Client, url: &str) -> Result<u16, NetError> {
    let url = Url::parse(url).map_err(|_| NetError::BadUrl(url.to_owned()))?;
    Ok(client.ask(Method::GET, url, HeaderMap::new()).await?.status.as_u16())
}

/// Names and what they resolve to, in turn; the last answer stays.
struct Lying {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Lying {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect());
        Arc::new(Self { answers: Mutex::new(answers.collect()), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Lying {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        std::future::ready(Ok(answer)).boxed()
    }
}

#[test]
fn no_row_makes_the_guard_connect() {
    let listener = listener();
    let client = Client::new(rules(listener.port, &[]));
    let rows = rows(listener.port);
    assert!(rows.len() >= 170, "{}", rows.len());
    block_on(async {
        for row in &rows {
            let said = get(&client, row).await;
            assert!(
                matches!(
                    said,
                    Err(NetError::Refused { .. } | NetError::BadUrl(_) | NetError::Unreachable { .. })
                ),
                "{row}: {said:?}"
            );
            assert_eq!(client.connects(), 0, "{row}");
        }
    });
    assert_eq!(listener.connects(), Vec::<IpAddr>::new());
}

#[test]
fn the_same_rows_connect_where_their_addresses_are_listed() {
    let listener = listener();
    let client = Client::new(rules(listener.port, &["127.0.0.0/8", "::1"]));
    let rows: Vec<&str> =
        LOOPBACK.iter().chain(MAPPED).chain(if has_v6() { LOOPBACK_V6 } else { &[] }).copied().collect();
    block_on(async {
        for host in &rows {
            let said = get(&client, &format!("http://{host}:{}/a.jpg", listener.port)).await;
            assert_eq!(said.ok(), Some(200), "{host}");
        }
    });
    assert!(listener.connects().len() >= rows.len());
    assert!(client.connects() as usize >= rows.len());
}

#[test]
fn no_name_leads_to_a_special_address() {
    let listener = listener();
    let literal = |host: &&str| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    block_on(async {
        let mut rows = 0;
        for host in hosts().filter(literal) {
            let host = host.trim_matches(['[', ']']);
            let resolver = Lying::new(&[&[host]]);
            let client = Client::with_resolver(rules(listener.port, &[]), resolver);
            let said = get(&client, &format!("http://innocent.example:{}/a.jpg", listener.port)).await;
            let refused = matches!(said, Err(NetError::Refused { refusal: Refusal::Address { .. }, .. }));
            assert!(refused, "{host}: {said:?}");
            assert_eq!(client.connects(), 0, "{host}");
            rows += 1;
        }
        assert!(rows >= 90, "{rows}");
    });
    assert_eq!(listener.connects(), Vec::<IpAddr>::new());
}

/// `127.0.0.1` is listed and stands for a public address.
#[test]
fn a_resolver_that_changes_its_mind_changes_nothing() {
    let listener = listener();
    let url = format!("http://innocent.example:{}/a.jpg", listener.port);
    block_on(async {
        // The answer is looked at and used; a second one, which could be another, is not asked for.
        let resolver = Lying::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
        let client = Client::with_resolver(rules(listener.port, &["127.0.0.1"]), resolver.clone());
        assert_eq!(get(&client, &url).await.ok(), Some(200));
        assert_eq!((resolver.asked(), client.connects()), (1, 1));
        for _ in 0..5 {
            assert!(matches!(get(&client, &url).await, Err(NetError::Refused { .. })));
        }
        assert_eq!((resolver.asked(), client.connects()), (6, 1));

        // Of several addresses only those that passed are tried.
        let mixed: &[&str] = &["10.0.0.1", "127.0.0.2", "::1", "169.254.169.254", "127.0.0.1"];
        let client = Client::with_resolver(rules(listener.port, &["127.0.0.1"]), Lying::new(&[mixed]));
        assert_eq!(get(&client, &url).await.ok(), Some(200));
        assert_eq!(client.connects(), 1);
    });
    let one: IpAddr = "127.0.0.1".parse().unwrap();
    assert_eq!(listener.connects(), [one, one]);
}

#[test]
fn no_redirect_leads_to_a_special_address() {
    let listener = listener();
    let targets = rows(listener.port);
    let locations = Arc::new(Mutex::new(VecDeque::new()));
    let serving = Arc::clone(&locations);
    // The only address that is listed.
    let redirecting = Web::start(move |request| {
        let location: String = serving.lock().unwrap().pop_front().unwrap();
        web::answer(request, "302 Found", &[("Location", &location)], b"")
    });
    let mut rules = rules(listener.port, &["127.0.0.1"]);
    rules.hosts.as_mut().unwrap().push(format!("*:{}", redirecting.port).parse().unwrap());
    let client = Client::new(rules);
    let mut rows = 0;
    block_on(async {
        // Spellings of the listed address itself would rightly be followed.
        let own: IpAddr = "127.0.0.1".parse().unwrap();
        let elsewhere = |target: &&String| match Url::parse(target) {
            Ok(url) if matches!(url.host_str(), Some("localhost" | "localhost.")) => false,
            Ok(url) => {
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']', '.']).to_owned();
                host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()) != Some(own)
            }
            Err(_) => false,
        };
        for target in targets.iter().filter(elsewhere).filter(|target| !target.contains('\n')) {
            locations.lock().unwrap().push_back(target.clone());
            let before = client.connects();
            let said = get(&client, &redirecting.url()).await;
            assert!(said.is_err(), "{target}: {said:?}");
            assert_eq!(client.connects(), before + 1, "{target}");
            rows += 1;
        }
        // Any number of steps away from it.
        for steps in 1..=3 {
            let url = redirecting.url();
            let last = format!("http://127.0.0.2:{}/", listener.port);
            locations.lock().unwrap().extend((1..steps).map(|_| url.clone()).chain([last]));
            assert!(matches!(get(&client, &url).await, Err(NetError::Refused { .. })));
        }
        // More than three are too many, wherever they lead.
        locations.lock().unwrap().extend((0..4).map(|_| redirecting.url()));
        assert!(matches!(get(&client, &redirecting.url()).await, Err(NetError::Redirects { .. })));
        // The listener is what the rows would have met.
        locations.lock().unwrap().push_back(format!("http://127.0.0.1:{}/", listener.port));
        assert_eq!(get(&client, &redirecting.url()).await.ok(), Some(200));
    });
    assert!(rows >= 120, "{rows}");
    assert_eq!(listener.connects().len(), 1);
}

/// Through the whole server, with a source that takes URLs of every host.
#[test]
fn no_row_makes_the_server_connect() {
    let listener = listener();
    let port = listener.port;
    let any = format!("scheme: http, unsigned: open, timeout: 2s, hosts: ['*', '*:{port}']");
    let own = format!("scheme: http, endpoint: 'http://localhost:{port}/', unsigned: open");
    let server = Home::new(&format!(
        "sources:\n  \
         any: {{ {any} }}\n  \
         listed: {{ {any}, allow_addresses: [127.0.0.0/8] }}\n  \
         one: {{ scheme: http, hosts: [example.com], allow_addresses: [127.0.0.0/8] }}\n  \
         inside: {{ {own} }}\n  \
         disk: {{ scheme: fs, root: . }}\n"
    ))
    .start();
    let get = |source: &str, url: &str| {
        let url = BASE64_URL_SAFE_NO_PAD.encode(url);
        server.get(&format!("/r/{source}/w_100/~{url}"))
    };
    let mut rows_asked = 0;
    for row in rows(port) {
        for source in ["any", "one", "disk"] {
            let reply = get(source, &row);
            let told = (reply.status, reply.code());
            let unresolved = told == (502, "source_failed".to_owned());
            assert!(told == (404, "not_found".to_owned()) || unresolved, "{source} {row}: {}", reply.text());
            // What the address is, is nobody's business.
            assert!(!reply.text().contains("loopback"), "{}", reply.text());
            rows_asked += 1;
        }
    }
    assert!(rows_asked >= 500);
    // The operator's own words are held against the list too.
    assert_eq!(server.get("/r/inside/w_100/a.jpg").status, 502);
    assert_eq!(listener.connects(), Vec::<IpAddr>::new());

    assert_eq!(get("listed", &format!("http://localhost:{port}/a.jpg")).status, 200);
    assert_eq!(get("listed", &format!("http://0x7f.1:{port}/a.jpg")).status, 200);
    assert!(!listener.connects().is_empty());
    assert!(SourcePath::parse_url("http://example.com/").is_ok());
}

/// No proxy from the environment: it would be asked for everything, by a name that it resolves itself.
#[test]
fn the_environments_proxy_is_not_asked() {
    let (listener, proxy) = (listener(), listener());
    let home = Home::new(&format!(
        "sources: {{ any: {{ scheme: http, hosts: ['*:{}'], allow_addresses: [127.0.0.1] }} }}",
        listener.port
    ));
    let mut command = home.command(&["check"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        command.env(name, proxy.url());
    }
    assert!(command.output().unwrap().status.success());
    let server = home.start_with(|command| {
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
            command.env(name, proxy.url());
        }
    });
    let url = BASE64_URL_SAFE_NO_PAD.encode(format!("{}/a.jpg", listener.url()));
    assert_eq!(server.get(&format!("/r/any/w_100/~{url}")).status, 200);
    assert_eq!(proxy.connects(), Vec::<IpAddr>::new());
    assert!(!listener.connects().is_empty());
}
