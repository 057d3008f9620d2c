//! Large files, by the protocol tus: what is cut goes on where it was, in this run or the next.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::answers::Image;
use crate::api::{Answer, Ask};
use crate::body::Body;
use crate::local::Local;
use crate::{Client, Failure, Watch, Wish};

/// So much goes in one request: proxies in between limit bodies.
const PART: u64 = 8 << 20;
/// Parts that may fail in a row before it is given up.
const SETBACKS: u32 = 5;
const VERSION: (&str, &str) = ("tus-resumable", "1.0.0");

impl Client {
    pub(crate) fn send_in_parts(
        &self,
        file: &Local,
        wish: &Wish,
        watch: &dyn Watch,
    ) -> Result<Image, Failure> {
        let kind = serde_json::to_string(wish).unwrap_or_default();
        let begun = self.go_on_with(file, &kind);
        let (location, offset) = match begun {
            Some(begun) => begun,
            None => (self.begin(file, wish, &kind)?, 0),
        };
        // What an earlier run sent needs not be sent again.
        watch.sent(i64::try_from(offset).unwrap_or(0));
        let sent = self.send_parts(file, &location, offset, watch);
        match &sent {
            // The rest is for the next run.
            Err(failure) if failure.is_passing() => {}
            Err(failure) => {
                let is_interrupted = matches!(failure, Failure::Interrupted);
                self.end(&location, is_interrupted);
                self.cached(|cache| cache.ended(&file.sha256, &kind));
            }
            Ok(_) => self.cached(|cache| cache.ended(&file.sha256, &kind)),
        }
        self.api.json(&Ask::new("GET", format!("/v1/images/{}", sent?)))
    }

    /// An upload that was cut off in an earlier run, and how far it came.
    fn go_on_with(&self, file: &Local, kind: &str) -> Option<(String, u64)> {
        let location = self.cached_value(|cache| cache.unfinished(&file.sha256, kind))?;
        let answer = self.api.call(&tus("HEAD", &location)).ok()?;
        let is_same = number(&answer, "upload-length") == Some(file.bytes);
        number(&answer, "upload-offset")
            .filter(|offset| is_same && *offset < file.bytes)
            .map(|at| (location, at))
    }

    fn begin(&self, file: &Local, wish: &Wish, kind: &str) -> Result<String, Failure> {
        let mut metadata = vec![format!("filename {}", STANDARD.encode(&file.name))];
        metadata.extend(wish.texts().iter().map(|(name, text)| format!("{name} {}", STANDARD.encode(text))));
        let ask = tus("POST", "/v1/uploads")
            .header("upload-length", file.bytes.to_string())
            .header("upload-metadata", metadata.join(","))
            .repeatable();
        let answer = self.api.call(&ask)?;
        let location = answer.header("location").unwrap_or_default();
        // Below the address we know, whatever a proxy in between calls the server.
        let Some(at) = location.find("/v1/uploads/") else {
            let reason = "it began an upload and did not say where".to_owned();
            return Err(Failure::Strange { server: self.api.server.clone(), reason });
        };
        let location = location[at..].to_owned();
        self.cached(|cache| cache.begun(&file.sha256, kind, &location));
        Ok(location)
    }

    /// Sends from `offset` to the end; gives the picture's id.
    fn send_parts(
        &self,
        file: &Local,
        location: &str,
        mut offset: u64,
        watch: &dyn Watch,
    ) -> Result<String, Failure> {
        let mut setbacks = 0;
        loop {
            let body = Body::Part { path: &file.path, from: offset, len: PART.min(file.bytes - offset) };
            let ask = tus("PATCH", location)
                .header("upload-offset", offset.to_string())
                .body("application/offset+octet-stream", body)
                .watched(watch)
                .once();
            let failure = match self.api.call(&ask) {
                Ok(answer) => match (answer.header("pixedge-image"), number(&answer, "upload-offset")) {
                    (Some(id), _) => return Ok(id.to_owned()),
                    (None, Some(next)) if next > offset && next < file.bytes => {
                        (offset, setbacks) = (next, 0);
                        continue;
                    }
                    _ => {
                        let reason = "it took a part and did not say how far it is".to_owned();
                        return Err(Failure::Strange { server: self.api.server.clone(), reason });
                    }
                },
                Err(failure) => failure,
            };
            let is_elsewhere = matches!(&failure, Failure::Refused { code, .. } if code == "upload_offset");
            setbacks += 1;
            if setbacks == SETBACKS || !(failure.is_passing() || is_elsewhere) {
                return Err(failure);
            }
            self.api.stop.wait_until(Instant::now() + Duration::from_millis(300) * setbacks)?;
            let answer = self.api.call(&tus("HEAD", location))?;
            if let Some(id) = answer.header("pixedge-image") {
                // The last part arrived and its answer did not.
                return Ok(id.to_owned());
            }
            let stands_at = number(&answer, "upload-offset").filter(|at| *at < file.bytes).ok_or(failure)?;
            watch.sent(i64::try_from(stands_at).unwrap_or(0) - i64::try_from(offset).unwrap_or(0));
            if stands_at > offset {
                setbacks = 0;
            }
            offset = stands_at;
        }
    }

    /// Takes back what was sent of it, as well as that can be done now.
    fn end(&self, location: &str, is_interrupted: bool) {
        let ask = tus("DELETE", location);
        let _ = if is_interrupted { self.api.last_words(&ask) } else { self.api.call(&ask).map(drop) };
    }
}

fn tus(method: &'static str, path: &str) -> Ask<'static> {
    Ask::new(method, path).header(VERSION.0, VERSION.1)
}

fn number(answer: &Answer, name: &str) -> Option<u64> {
    answer.header(name)?.parse().ok()
}
