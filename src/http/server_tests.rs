//! Over real sockets, spoken to byte by byte.

#[path = "http2_tests.rs"]
mod http2;

use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::http::context::Context;
use crate::telemetry::logging::ACCESS;

/// No test waits for a timeout on purpose longer than this; reaching it means that something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: Stop,
    ended: JoinHandle<()>,
}

/// What the handlers of these tests share.
#[derive(Default)]
struct State {
    entered: Notify,
    release: Notify,
    running: AtomicUsize,
}

fn quick() -> Config {
    Config { drain: Duration::ZERO, ..Config::default() }
}

async fn start(config: Config, state: Arc<State>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Stop::new();
    let server = Server::new(config, Access::All, stop.clone());
    let service = service_fn(move |request: Request<Body>| handle(request, state.clone()));
    let ended = tokio::spawn(async move { server.serve(listener, service).await });
    Running { address, stop, ended }
}

async fn handle(request: Request<Body>, state: Arc<State>) -> Result<Response<Body>, Infallible> {
    state.running.fetch_add(1, Relaxed);
    let context = request.extensions().get::<Context>().unwrap().clone();
    let body = match request.uri().path() {
        "/panic" => panic!("on purpose"),
        "/slow" => {
            state.entered.notify_one();
            state.release.notified().await;
            Body::full("slow but whole")
        }
        "/echo" => match request.into_body().collect().await {
            Ok(body) => Body::full(body.to_bytes()),
            Err(_) => Body::full("broken"),
        },
        "/stream" => {
            let chunks = (0..3).map(|n| Ok::<_, io::Error>(Bytes::from(format!("chunk{n} "))));
            Body::sized(stream::iter(chunks), 21)
        }
        "/endless" => {
            let chunk = Bytes::from(vec![7; 1 << 20]);
            Body::sized(
                stream::iter(std::iter::repeat_with(move || Ok::<_, io::Error>(chunk.clone()))),
                1 << 40,
            )
        }
        _ => Body::full(format!("hello {} {}", context.peer.ip(), context.id)),
    };
    Ok(Response::new(body))
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    async fn talk(&self, sent: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

/// Everything until the other side closes, be it gently or not.
async fn rest(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut got)).await;
    let _ = read.expect("the server keeps the connection");
    String::from_utf8_lossy(&got).into_owned()
}

/// One answer with a Content-Length, leaving the connection open.
async fn one(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Some(len) = header(head, "content-length")
            && body.len() >= len.parse::<usize>().unwrap()
        {
            return text;
        }
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {text:?}");
        got.extend(&buffer[..read]);
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

const CLOSE: &str = "host: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn serves_requests_one_after_another_on_one_connection() {
    let server = start(quick(), Arc::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let answer = one(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("hello 127.0.0.1 "), "{answer}");
        assert!(header(&answer, "date").is_some() && header(&answer, "x-request-id").is_none(), "{answer}");
    }
    // Two at once.
    stream
        .write_all(format!("GET /stream HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n{CLOSE}").as_bytes())
        .await
        .unwrap();
    let both = rest(&mut stream).await;
    assert_eq!(both.matches("HTTP/1.1 200 OK").count(), 2, "{both}");
    assert!(both.contains("chunk0 chunk1 chunk2 "), "{both}");
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let server = start(quick(), Arc::default()).await;
    let answer = server.talk(&format!("HEAD /stream HTTP/1.1\r\n{CLOSE}")).await;
    assert_eq!(header(&answer, "content-length"), Some("21"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn gives_a_callers_request_id_back() {
    let server = start(quick(), Arc::default()).await;
    let answer = server.talk(&format!("GET / HTTP/1.1\r\nx-request-id: abc-1\r\n{CLOSE}")).await;
    assert_eq!(header(&answer, "x-request-id"), Some("abc-1"), "{answer}");
    assert!(answer.ends_with("hello 127.0.0.1 abc-1"), "{answer}");
}

#[tokio::test]
async fn the_access_log_tells_of_a_request_but_not_its_secrets() {
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    // This runtime has one thread, so the server logs here too.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = start(quick(), Arc::default()).await;
    server.talk(&format!("GET /stream?w=1&sig=geheim HTTP/1.1\r\nx-request-id: abc-1\r\n{CLOSE}")).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value =
        serde_json::from_str(text.lines().find(|l| l.contains(ACCESS)).unwrap()).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["path"], "/stream?w=1&sig=***");
    assert_eq!((&fields["status"], &fields["bytes"]), (&200.into(), &21.into()));
    assert_eq!((&fields["method"], &fields["request_id"]), (&"GET".into(), &"abc-1".into()));
    assert!(!text.contains("geheim"));
}

#[tokio::test]
async fn a_panic_is_a_500_and_no_end() {
    let server = start(quick(), Arc::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = one(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("\"code\":\"internal\"") && !answer.contains("on purpose"), "{answer}");
    assert!(header(&answer, "x-request-id").is_some(), "{answer}");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(one(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn whoever_is_slow_with_a_head_is_cut_off() {
    let config = Config { head_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    assert_eq!(server.talk("").await, "");
    assert_eq!(server.talk("GET / HTTP/1.1\r\nhost:").await, "");
    // Also on the second request, and also by trickling.
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    one(&mut stream).await;
    let (mut reader, mut writer) = stream.into_split();
    let trickle = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nx-".iter().chain(std::iter::repeat(&b'a')) {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut got = Vec::new();
    let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut got)).await;
    let _ = read.expect("the server keeps the connection");
    assert!(got.is_empty());
    trickle.await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let short = Duration::from_millis(60);
    let state: Arc<State> = Arc::default();
    let config = Config {
        head_timeout: short,
        idle_timeout: short,
        body_timeout: short,
        write_timeout: short,
        ..quick()
    };
    let server = start(config, state.clone()).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    state.entered.notified().await;
    // This one is closed for its idleness after all timeouts have passed for the busy one, too.
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(rest(&mut idle).await.contains("hello"));
    state.release.notify_one();
    assert!(one(&mut busy).await.ends_with("slow but whole"));
}

#[tokio::test]
async fn whoever_is_slow_with_a_body_is_cut_off() {
    let config = Config { body_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    let answer = server.talk("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    assert!(!answer.contains("200 OK"), "{answer}");
    let answer =
        server.talk(&format!("POST /echo HTTP/1.1\r\ncontent-length: 10\r\n{CLOSE}0123456789")).await;
    assert!(answer.ends_with("0123456789"), "{answer}");
}

#[tokio::test]
async fn whoever_does_not_take_the_answer_is_cut_off() {
    let config = Config { write_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // The server's end is gone when what the kernel still holds is followed by an end or a reset.
    let closed = async {
        server.stop.ask();
        server.ended.await.unwrap();
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the server keeps the connection");
}

/// Without a limit on unsent bytes the kernel swallows megabytes and then shows no progress for several timeouts.
#[tokio::test]
async fn a_slow_but_steady_reader_gets_everything() {
    let config = Config { write_timeout: Duration::from_secs(1), ..quick() };
    let server = start(config, Arc::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // 800 KB/s, where 16 KiB are asked for.
    let mut buffer = vec![0; 16 * 1024];
    for _ in 0..150 {
        stream.read_exact(&mut buffer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // More than the kernel could still hold of a connection that was given up.
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..64 {
        stream.read_exact(&mut buffer).await.unwrap();
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let state: Arc<State> = Arc::default();
    let server = start(Config { max_connections: 1, ..quick() }, state.clone()).await;
    let mut first = server.connect().await;
    first.write_all(format!("GET /slow HTTP/1.1\r\n{CLOSE}").as_bytes()).await.unwrap();
    state.entered.notified().await;
    let mut second = server.connect().await;
    second.write_all(format!("GET / HTTP/1.1\r\n{CLOSE}").as_bytes()).await.unwrap();
    // The kernel has connected it, but nobody serves it.
    assert_eq!(state.running.load(Relaxed), 1);
    state.release.notify_one();
    assert!(rest(&mut first).await.ends_with("slow but whole"));
    assert!(rest(&mut second).await.contains("hello"));
    assert_eq!(state.running.load(Relaxed), 2);
}

#[tokio::test]
async fn one_address_gets_no_more_connections_than_it_may() {
    let config = Config { max_connections_per_address: Some(2), ..quick() };
    let server = start(config.clone(), Arc::default()).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    for stream in [&mut first, &mut second] {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        one(stream).await;
    }
    assert_eq!(rest(&mut server.connect().await).await, "");
    first.write_all(format!("GET / HTTP/1.1\r\n{CLOSE}").as_bytes()).await.unwrap();
    assert!(rest(&mut first).await.contains("hello"));
    // The seat is free a moment after the client has seen the end.
    let again = async {
        while !server.talk(&format!("GET / HTTP/1.1\r\n{CLOSE}")).await.contains("hello") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    // A proxy may have more.
    let server =
        start(Config { proxies: vec!["127.0.0.0/8".parse().unwrap()], ..config }, Arc::default()).await;
    let _held = [server.connect().await, server.connect().await, server.connect().await];
    assert!(server.talk(&format!("GET / HTTP/1.1\r\n{CLOSE}")).await.contains("hello"));
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_closes_what_idles() {
    let state: Arc<State> = Arc::default();
    let server = start(quick(), state.clone()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    one(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    state.entered.notified().await;
    server.stop.ask();
    assert_eq!(rest(&mut idle).await, "");
    assert!(!server.ended.is_finished());
    state.release.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.ends_with("slow but whole"), "{answer}");
    assert_eq!(header(&answer, "connection"), Some("close"));
    tokio::time::timeout(PATIENCE, server.ended).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_fails_no_request() {
    let server = start(Config::default(), Arc::default()).await;
    let address = server.address;
    let warm = Arc::new(tokio::sync::Barrier::new(17));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let warm = warm.clone();
            tokio::spawn(async move {
                let mut served = 0;
                // Until nobody listens any more.
                while let Ok(mut stream) = TcpStream::connect(address).await {
                    loop {
                        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
                        let answer = one(&mut stream).await;
                        served += 1;
                        if served == 10 {
                            warm.wait().await;
                        }
                        if header(&answer, "connection") == Some("close") {
                            break;
                        }
                    }
                }
                served
            })
        })
        .collect();
    warm.wait().await;
    server.stop.ask();
    for client in clients {
        assert!(client.await.expect("a request failed") > 10);
    }
    tokio::time::timeout(PATIENCE, server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace() {
    let state: Arc<State> = Arc::default();
    let server = start(Config { grace: Duration::from_millis(30), ..quick() }, state.clone()).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    state.entered.notified().await;
    server.stop.ask();
    tokio::time::timeout(PATIENCE, server.ended).await.unwrap().unwrap();
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn a_stop_before_the_start_is_not_missed() {
    let stop = Stop::new();
    stop.ask();
    tokio::time::timeout(PATIENCE, stop.asked()).await.unwrap();
    assert!(stop.is_asked());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = start(quick(), Arc::default()).await;
    let answer = server.talk(&format!("GET /{} HTTP/1.1\r\n{CLOSE}", "x".repeat(40_000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 "), "{answer:?}");
    // The answer survives what the client was still sending.
    let answer = server.talk(&format!("GET / HTTP/1.1\r\nx: {}\r\n{CLOSE}", "x".repeat(1 << 20))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    let answer = server.talk("nonsense\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn limits_of_nothing_are_refused() {
    assert_eq!(Config::default().validate(), Ok(()));
    let wrong = Config { idle_timeout: Duration::ZERO, ..Config::default() };
    assert!(wrong.validate().unwrap_err().contains("idle_timeout"));
    assert!(Config { max_connections: 0, ..Config::default() }.validate().is_err());
    assert!(Config { max_head: 1, ..Config::default() }.validate().is_err());
}
