//! A web server within the test, which answers as the test says: whole, cut off, redirected, with or without validators.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Listens until it is dropped; one request a connection.
pub struct Web {
    inner: Arc<Inner>,
    pub port: u16,
}

struct Inner {
    answer: Box<dyn Fn(&Request) -> Vec<u8> + Send + Sync>,
    /// The addresses that were connected to.
    connects: Mutex<Vec<IpAddr>>,
    requests: Mutex<Vec<Request>>,
    stopped: AtomicBool,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As long as `Content-Length` says.
    pub body: Vec<u8>,
}

impl Web {
    pub fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub fn on(listener: TcpListener, answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            answer: Box::new(answer),
            connects: Mutex::default(),
            requests: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let address = stream.local_addr().unwrap().ip().to_canonical();
                serving.connects.lock().unwrap().push(address);
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.serve(&stream));
            }
        });
        Self { inner, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn connects(&self) -> Vec<IpAddr> {
        self.inner.connects.lock().unwrap().clone()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.inner.requests.lock().unwrap().clone()
    }
}

impl Inner {
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut lines = reader.by_ref().lines().map_while(Result::ok);
        let first = lines.next()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers: BTreeMap<String, String> = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            })
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request = Request { method, target, headers, body };
        self.requests.lock().unwrap().push(request.clone());
        let answer = (self.answer)(&request);
        let mut stream = stream;
        stream.write_all(&answer).ok()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.inner.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which then gives the port back.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// An answer with its length; to `HEAD` without the body.
pub fn answer(request: &Request, status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut answer = format!("{head}\r\n").into_bytes();
    if request.method != "HEAD" {
        answer.extend_from_slice(body);
    }
    answer
}

/// A file, by ranges too.
pub fn file(request: &Request, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let range = request.headers.get("range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?.min(body.len() - 1)))
    });
    match range {
        Some((first, last)) if request.method == "GET" => {
            let content_range = format!("bytes {first}-{last}/{}", body.len());
            let headers = [headers, &[("Content-Range", content_range.as_str())]].concat();
            answer(request, "206 Partial Content", &headers, &body[first..=last])
        }
        _ => answer(request, "200 OK", headers, body),
    }
}
