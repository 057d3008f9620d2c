//! HTTP/2 by prior knowledge on the same listener: a real client for what works, frames by hand for what must not.

use h2::client::SendRequest;
use http::StatusCode;

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

async fn client(server: &Running) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(server.connect().await).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

async fn ask(client: &SendRequest<Bytes>, method: &str, path: &str) -> (http::response::Parts, String) {
    let request = Request::builder().method(method).uri(format!("http://x{path}")).body(()).unwrap();
    let mut client = client.clone().ready().await.unwrap();
    let (parts, mut body) = client.send_request(request, true).unwrap().0.await.unwrap().into_parts();
    let mut text = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        text.extend(chunk);
    }
    (parts, String::from_utf8(text).unwrap())
}

/// Frames by hand.
struct Raw(TcpStream);

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET` or `POST` of a path in HPACK without a table.
fn head(method: &str, path: &str) -> Vec<u8> {
    let method = if method == "GET" { 0x82 } else { 0x83 };
    let mut block = vec![method, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'x']);
    block
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", path))
}

impl Raw {
    /// Says the preface with settings.
    async fn connect(server: &Running, settings: &[u8]) -> Self {
        let mut raw = Self(server.connect().await);
        raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await;
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [high, middle, low, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the server keeps the connection")
    }

    /// Reads until a frame of the kind; `None` at the end.
    async fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    async fn end(&mut self) {
        while self.next().await.is_some() {}
    }
}

#[tokio::test]
async fn answers_many_requests_on_one_connection() {
    let state: Arc<State> = Arc::default();
    let server = start(quick(), state.clone()).await;
    let client = client(&server).await;
    let slow = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "GET", "/slow").await }
    });
    state.entered.notified().await;
    let (parts, body) = ask(&client, "GET", "/").await;
    assert_eq!((parts.status, parts.version), (StatusCode::OK, http::Version::HTTP_2));
    assert!(body.starts_with("hello 127.0.0.1"), "{body}");
    assert!(parts.headers.contains_key("date") && !parts.headers.contains_key("connection"));
    let (parts, body) = ask(&client, "HEAD", "/stream").await;
    assert_eq!((parts.headers["content-length"].to_str().unwrap(), &*body), ("21", ""));
    assert_eq!(ask(&client, "GET", "/stream").await.1, "chunk0 chunk1 chunk2 ");
    let (parts, body) = ask(&client, "GET", "/panic").await;
    assert_eq!(parts.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains("\"code\":\"internal\""), "{body}");
    state.release.notify_one();
    assert_eq!(slow.await.unwrap().1, "slow but whole");
}

#[tokio::test]
async fn a_large_body_comes_whole_and_an_echo_comes_back() {
    let server = start(quick(), Arc::default()).await;
    let mut client = client(&server).await;
    let request = Request::post("http://x/echo").body(()).unwrap();
    let (answer, mut upload) = client.send_request(request, false).unwrap();
    let sent: Vec<u8> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
    upload.send_data(Bytes::from(sent.clone()), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut got = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        got.extend(chunk);
    }
    assert!(got == sent);
}

#[tokio::test]
async fn whoever_says_no_more_than_the_preface_is_cut_off() {
    let config = Config { head_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    assert_eq!(server.talk("PRI * HTTP/2.0\r\n").await, "");
    Raw::connect(&server, &[]).await.end().await;
    // Pings are no request.
    let mut raw = Raw::connect(&server, &[]).await;
    let (mut reader, mut writer) = raw.0.into_split();
    let pings = tokio::spawn(async move {
        while writer.write_all(&frame(PING, 0, 0, &[1; 8])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut Vec::new())).await;
    let _ = read.expect("the server keeps the connection");
    pings.await.unwrap();
    raw = Raw::connect(&server, &[]).await;
    raw.send(&get(1, "/")).await;
    assert!(raw.until(HEADERS).await.is_some());
}

#[tokio::test]
async fn whoever_trickles_a_head_is_cut_off_also_beside_a_request_that_runs() {
    let config = Config { head_timeout: Duration::from_millis(60), ..quick() };
    let state: Arc<State> = Arc::default();
    let server = start(config, state.clone()).await;
    for first in ["/", "/slow"] {
        let mut raw = Raw::connect(&server, &[]).await;
        raw.send(&get(1, first)).await;
        if first == "/slow" {
            state.entered.notified().await;
        }
        raw.send(&frame(HEADERS, END_STREAM, 3, &head("GET", "/"))).await;
        let (mut reader, mut writer) = raw.0.into_split();
        let trickle = tokio::spawn(async move {
            // A header without a name in the table and with a value, again and again.
            let more = frame(CONTINUATION, 0, 3, &[0x00, 1, b'a', 1, b'b']);
            while writer.write_all(&more).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut Vec::new())).await;
        let _ = read.expect("the server keeps the connection");
        trickle.await.unwrap();
    }
}

#[tokio::test]
async fn pings_keep_no_idle_connection_open() {
    let config = Config { idle_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    let mut raw = Raw::connect(&server, &[]).await;
    raw.send(&get(1, "/")).await;
    assert!(raw.until(HEADERS).await.is_some());
    let (mut reader, mut writer) = raw.0.into_split();
    let pings = tokio::spawn(async move {
        while writer.write_all(&frame(PING, 0, 0, &[1; 8])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut Vec::new())).await;
    let _ = read.expect("the server keeps the connection");
    pings.await.unwrap();
}

#[tokio::test]
async fn a_slow_body_ends_its_stream_and_no_other() {
    let config = Config { body_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    let mut raw = Raw::connect(&server, &[]).await;
    raw.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/echo"))).await;
    raw.send(&frame(DATA, 0, 1, b"abc")).await;
    let reset = raw.until(RST_STREAM).await.unwrap();
    assert_eq!(reset.stream, 1);
    raw.send(&get(3, "/")).await;
    assert_eq!(raw.until(HEADERS).await.unwrap().stream, 3);
}

#[tokio::test]
async fn an_answer_that_is_not_taken_ends_its_stream_and_no_other() {
    let config = Config { write_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    // SETTINGS_INITIAL_WINDOW_SIZE 0: not a byte may be sent, be it of a small answer or of a large one.
    let mut raw = Raw::connect(&server, &[0, 4, 0, 0, 0, 0]).await;
    for (stream, path) in [(1, "/"), (3, "/endless")] {
        raw.send(&get(stream, path)).await;
        assert_eq!(raw.until(HEADERS).await.unwrap().stream, stream);
        assert_eq!(raw.until(RST_STREAM).await.unwrap().stream, stream);
    }
    raw.send(&frame(PING, 0, 0, &[1; 8])).await;
    assert_eq!(raw.until(PING).await.unwrap().flags, ACK);
}

#[tokio::test]
async fn whoever_does_not_read_at_all_is_cut_off() {
    let config = Config { write_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    // The largest windows there are.
    let mut raw = Raw::connect(&server, &[0, 4, 0x7f, 0xff, 0xff, 0xff]).await;
    raw.send(&frame(8, 0, 0, &0x7fff_0000_u32.to_be_bytes())).await;
    raw.send(&get(1, "/endless")).await;
    let closed = async {
        server.stop.ask();
        server.ended.await.unwrap();
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the server keeps the connection");
}

#[tokio::test]
async fn whoever_takes_back_what_he_asks_for_is_cut_off() {
    let config = Config { head_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    let mut raw = Raw::connect(&server, &[]).await;
    let mut bytes = Vec::new();
    for stream in (1..2000).step_by(2) {
        bytes.extend(get(stream, "/slow"));
        bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        if stream % 20 == 1 && raw.0.write_all(&std::mem::take(&mut bytes)).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    raw.end().await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused() {
    let server = start(quick(), Arc::default()).await;
    let mut raw = Raw::connect(&server, &[]).await;
    let settings = raw.until(SETTINGS).await.unwrap().payload;
    let most = settings.chunks(6).find(|entry| entry[..2] == [0, 3]).unwrap();
    assert_eq!(most[2..], 100_u32.to_be_bytes());
    for stream in (1..=201).step_by(2) {
        raw.send(&get(stream, "/slow")).await;
    }
    let refused = raw.until(RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.payload), (201, vec![0, 0, 0, 7]));
}

#[tokio::test]
async fn a_stop_says_goodbye_and_finishes_what_runs() {
    let state: Arc<State> = Arc::default();
    let server = start(quick(), state.clone()).await;
    let mut raw = Raw::connect(&server, &[]).await;
    raw.send(&get(1, "/slow")).await;
    state.entered.notified().await;
    server.stop.ask();
    let goodbye = raw.until(GOAWAY).await.unwrap();
    assert_eq!(goodbye.payload[4..8], [0; 4], "no error");
    state.release.notify_one();
    // The server learns by a ping that we have heard it.
    let mut answered = false;
    while let Some(frame_) = raw.next().await {
        match frame_.kind {
            PING if frame_.flags != ACK => raw.send(&frame(PING, ACK, 0, &frame_.payload)).await,
            DATA => answered |= frame_.payload == b"slow but whole",
            _ => {}
        }
    }
    assert!(answered);
    tokio::time::timeout(PATIENCE, server.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_idle_client_that_is_silent() {
    let config = Config { head_timeout: Duration::from_millis(60), ..quick() };
    let server = start(config, Arc::default()).await;
    let mut raw = Raw::connect(&server, &[]).await;
    raw.send(&get(1, "/")).await;
    assert!(raw.until(HEADERS).await.is_some());
    server.stop.ask();
    assert!(raw.until(GOAWAY).await.is_some());
    tokio::time::timeout(PATIENCE, server.ended).await.unwrap().unwrap();
}
