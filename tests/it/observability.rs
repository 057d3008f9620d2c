//! What an operator sees: metrics under the names that dashboards read, traces at a collector, timings only where he
//! wants them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::Home;

/// Takes traces as a collector does, and keeps them.
struct Collector {
    port: u16,
    spans: Arc<Mutex<Vec<Span>>>,
    logins: Arc<Mutex<BTreeSet<String>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (spans, logins) = (Arc::<Mutex<Vec<Span>>>::default(), Arc::<Mutex<BTreeSet<String>>>::default());
        let (kept, shown) = (Arc::clone(&spans), Arc::clone(&logins));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, shown) = (Arc::clone(&kept), Arc::clone(&shown));
                std::thread::spawn(move || while take(&stream, &kept, &shown).is_some() {});
            }
        });
        Self { port, spans, logins }
    }

    /// The spans of one trace, once a request of this path has been told.
    fn trace_of(&self, path: &str) -> Vec<Span> {
        let since = Instant::now();
        loop {
            let spans = self.spans.lock().unwrap().clone();
            if let Some(found) = spans.iter().find(|span| text(span, "url.path") == path) {
                return spans.iter().filter(|span| span.trace_id == found.trace_id).cloned().collect();
            }
            assert!(since.elapsed() < Duration::from_secs(15), "{path} is not among {}", spans.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn take(stream: &TcpStream, kept: &Mutex<Vec<Span>>, shown: &Mutex<BTreeSet<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "content-type" => assert_eq!(value, "application/x-protobuf"),
            "authorization" => drop(shown.lock().unwrap().insert(value.to_owned())),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let batch = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let spans = batch.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
    kept.lock().unwrap().extend(spans);
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()
}

fn text(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[test]
fn a_trace_says_what_was_asked_how_it_ended_and_where_its_time_went() {
    let collector = Collector::start();
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", collector.port);
    let config = format!("traces: {{ otlp: '{endpoint}', sample: 1, token: hush, service: edge }}");
    let server = Home::demo_with(&config).start();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(server.get_with("/i/demo/w_300", &[("traceparent", parent)]).status, 200);
    assert_eq!(server.get("/i/demo/w_300").status, 200);
    assert_eq!(server.get("/i/none/w_300").status, 404);
    assert_eq!(server.get("/share/a-token-of-somebody/w_10?token=abc").status, 404);
    // What its own proxy does not want traced is not.
    let unwanted = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203332-00";
    assert_eq!(server.get_with("/i/demo/w_310", &[("traceparent", unwanted)]).status, 200);
    // The last ones are sent before it ends.
    server.stop();

    let miss = collector.trace_of("/i/demo/w_300");
    let request = miss.iter().find(|span| span.name == "GET i").unwrap();
    assert_eq!(request.trace_id, 0x0af7651916cd43dd8448eb211c80319c_u128.to_be_bytes());
    assert_eq!(request.parent_span_id, 0xb7ad6b7169203331_u64.to_be_bytes());
    assert_eq!(text(request, "http.response.status_code"), "200");
    assert_eq!(text(request, "pixedge.cache"), "pixedge; fwd=miss; stored");
    for stage in ["queue", "fetch", "decode", "transform", "encode"] {
        let span = miss.iter().find(|span| span.name == stage).unwrap_or_else(|| panic!("{stage}"));
        assert_eq!(span.parent_span_id, request.span_id, "{stage}");
        assert!(span.start_time_unix_nano >= request.start_time_unix_nano, "{stage}");
        assert!(span.end_time_unix_nano <= request.end_time_unix_nano, "{stage}");
    }
    assert_eq!(text(&collector.trace_of("/i/none/w_300")[0], "http.response.status_code"), "404");
    assert_eq!(collector.trace_of("/share/***/w_10").len(), 1);
    let spans = collector.spans.lock().unwrap();
    assert!(spans.iter().all(|span| text(span, "url.path") != "/i/demo/w_310"));
    assert!(!format!("{spans:?}").contains("a-token-of-somebody"));
    assert_eq!(*collector.logins.lock().unwrap(), BTreeSet::from(["Bearer hush".to_owned()]));
}

#[test]
fn a_part_of_the_requests_is_traced_and_a_collector_that_is_away_is_no_trouble() {
    let collector = Collector::start();
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", collector.port);
    let server = Home::demo_with(&format!("traces: {{ otlp: '{endpoint}', sample: 0.1 }}")).start();
    for _ in 0..50 {
        assert_eq!(server.get("/i/demo/w_300").status, 200);
    }
    server.stop();
    let spans = collector.spans.lock().unwrap();
    let traced = spans.iter().filter(|span| text(span, "url.path") == "/i/demo/w_300").count();
    assert!((4..=6).contains(&traced), "{traced}");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Home::demo_with(&format!("traces: {{ otlp: 'http://{nobody}', sample: 1 }}")).start();
    assert_eq!(server.get("/i/demo/w_300").status, 200);
    let since = Instant::now();
    server.stop();
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
}

#[test]
fn timings_are_for_whom_the_operator_tells_them() {
    let told = Home::demo().start().get("/i/demo/w_300");
    assert!(told.header("server-timing").contains("encode"), "{}", told.header("server-timing"));
    let hidden = Home::demo_with("http: { server_timing: false }").start().get("/i/demo/w_300");
    assert_eq!((hidden.status, hidden.header("server-timing")), (200, ""));
}

#[test]
fn the_process_is_told_of_as_everywhere() {
    let server = Home::demo().start();
    server.get("/i/demo/w_300");
    let metrics = server.metrics();
    assert!(metrics["process_resident_memory_bytes"] > 1e7 && metrics["process_open_fds"] > 5.0);
    assert!(metrics["pixedge_cache_memory_bytes"] > 1000.0);
}
