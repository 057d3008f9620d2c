//! Requests to `/v1`: who one is, what is tried again and for how long, and what an answer that is no success means.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::request::Builder;
use ureq::http::{HeaderMap, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, SendBody};

use crate::answers::{Problem, Session};
use crate::body::{Body, Watched};
use crate::{Config, Credential, Failure, Silent, Stop, Watch};

/// One server, as one account.
pub(crate) struct Api {
    agent: Agent,
    pub(crate) server: String,
    credential: Credential,
    /// What a password was exchanged for.
    token: Mutex<Option<String>>,
    /// Until then the server wants to be left alone, by all threads.
    quiet_until: Mutex<Option<Instant>>,
    patience: Duration,
    pub(crate) stop: Stop,
}

/// A request.
pub(crate) struct Ask<'a> {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Body<'a>,
    watch: &'a dyn Watch,
    /// Whether it does no harm to ask again without knowing what became of the first time.
    repeatable: bool,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
}

/// Tries that the network itself failed.
const TRIES: u32 = 4;
const LONGEST_ANSWER: u64 = 64 << 20;

impl<'a> Ask<'a> {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        let repeatable = method != "POST";
        Self { method, path: path.into(), headers: Vec::new(), body: Body::None, watch: &Silent, repeatable }
    }

    pub(crate) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, content_type: impl Into<String>, body: Body<'a>) -> Self {
        self.headers.push(("content-type", content_type.into()));
        self.body = body;
        self
    }

    /// A failure of the network is told at once.
    pub(crate) fn once(self) -> Self {
        Self { repeatable: false, ..self }
    }

    pub(crate) fn watched(mut self, watch: &'a dyn Watch) -> Self {
        self.watch = watch;
        self
    }
}

impl Api {
    pub(crate) fn new(config: &Config, stop: &Stop) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = if config.server.starts_with("https:") { system_roots() } else { Vec::new() };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&roots))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .user_agent(concat!("pixedge-client/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // A form that is redirected arrives empty; whoever moved should be called by the new name.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(64)
            .max_idle_connections(64)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_secs(120)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .timeout_per_write(Some(Duration::from_secs(60)))
            .build();
        Self {
            agent: agent.into(),
            server: config.server.clone(),
            credential: config.credential.clone(),
            token: Mutex::default(),
            quiet_until: Mutex::default(),
            patience: config.patience,
            stop: stop.clone(),
        }
    }

    /// A success as JSON; everything else is a failure.
    pub(crate) fn json<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Failure> {
        let answer = self.call(ask)?;
        self.read(&answer)
    }

    pub(crate) fn send_json<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: impl Into<String>,
        body: &Value,
    ) -> Result<T, Failure> {
        let text = body.to_string();
        let body = Body::Bytes(text.as_bytes());
        self.json(&Ask::new(method, path).body("application/json", body))
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Failure> {
        serde_json::from_slice(&answer.body)
            .map_err(|error| Failure::Strange { server: self.server.clone(), reason: error.to_string() })
    }

    /// An answer that is a success.
    pub(crate) fn call(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let response = self.open(ask)?;
        self.collect(response)
    }

    /// One short try after the user wanted an end.
    pub(crate) fn last_words(&self, ask: &Ask<'_>) -> Result<(), Failure> {
        let token = match &self.credential {
            Credential::Key(key) => Some(key.clone()),
            _ => self.token.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        let request = self.head(ask, token.as_deref()).body(());
        let request = request.map_err(|error| Failure::Usage(error.to_string()))?;
        let request =
            self.agent.configure_request(request).timeout_global(Some(Duration::from_secs(3))).build();
        self.agent.run(request).map(drop).map_err(|error| self.network(&error))
    }

    /// A success whose body is still to be read.
    pub(crate) fn open(&self, ask: &Ask<'_>) -> Result<Response<ureq::Body>, Failure> {
        let token = self.token()?;
        let response = self.tried(ask, token.as_deref())?;
        let is_stale = response.status().as_u16() == 401
            && matches!(self.credential, Credential::Password { .. })
            && token.is_some();
        if is_stale {
            // It has ended while we were at work.
            let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
            if *kept == token {
                *kept = None;
            }
            drop(kept);
            let token = self.token()?;
            return self.checked(self.tried(ask, token.as_deref())?);
        }
        self.checked(response)
    }

    /// What is sent as `Authorization`. A password is exchanged once, however many threads ask.
    fn token(&self) -> Result<Option<String>, Failure> {
        let (username, password) = match &self.credential {
            Credential::None => return Ok(None),
            Credential::Key(key) => return Ok(Some(key.clone())),
            Credential::Password { username, password } => (username, password),
        };
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Some(self.login(username, password)?);
        }
        Ok(kept.clone())
    }

    pub(crate) fn login(&self, username: &str, password: &str) -> Result<String, Failure> {
        let text = json!({"username": username, "password": password}).to_string();
        let ask = Ask::new("POST", "/v1/login").body("application/json", Body::Bytes(text.as_bytes()));
        let response = self.checked(self.tried(&ask, None)?)?;
        let answer = self.collect(response)?;
        Ok(self.read::<Session>(&answer)?.access_token)
    }

    /// An answer to the request, whatever it says, unless it says to come back.
    fn tried(&self, ask: &Ask<'_>, token: Option<&str>) -> Result<Response<ureq::Body>, Failure> {
        let mut waited = Duration::ZERO;
        let mut failed = 0;
        loop {
            self.wait_for_quiet()?;
            let wait = match self.once(ask, token) {
                Ok(response) => match self.put_off(ask, response)? {
                    Ok(answer) => return Ok(answer),
                    Err((wait, detail)) => {
                        if waited + wait > self.patience {
                            let server = self.server.clone();
                            return Err(Failure::Busy { server, detail, seconds: wait.as_secs() });
                        }
                        self.be_quiet(wait);
                        wait
                    }
                },
                Err(failure) => {
                    self.stop.check()?;
                    failed += 1;
                    if failed == TRIES || !ask.repeatable || !failure.is_passing() {
                        return Err(failure);
                    }
                    let wait = Duration::from_millis(200) * 3_u32.pow(failed - 1);
                    self.stop.wait_until(Instant::now() + wait)?;
                    wait
                }
            };
            waited += wait;
        }
    }

    /// Tells an answer from one that says to come back later: then how much later, and why.
    fn put_off(
        &self,
        ask: &Ask<'_>,
        response: Response<ureq::Body>,
    ) -> Result<Result<Response<ureq::Body>, (Duration, String)>, Failure> {
        let status = response.status().as_u16();
        let told = response.headers().get("retry-after").and_then(|value| retry_after(value.to_str().ok()?));
        let wait = match (status, told) {
            (429 | 503, Some(wait)) => wait,
            (429 | 503, None) => Duration::from_secs(2),
            (502 | 504, _) if ask.repeatable => Duration::from_secs(2),
            _ => return Ok(Ok(response)),
        };
        let answer = self.collect(response)?;
        let problem = answer.problem();
        let detail = if problem.detail.is_empty() { format!("it answers {status}") } else { problem.detail };
        // At once is no time to come back at.
        Ok(Err((wait.max(Duration::from_millis(100)), detail)))
    }

    fn once(&self, ask: &Ask<'_>, token: Option<&str>) -> Result<Response<ureq::Body>, Failure> {
        self.stop.check()?;
        let mut request = self.head(ask, token);
        let wrong =
            |error: ureq::http::Error| Failure::Usage(format!("{} cannot be asked: {error}", ask.path));
        let ran = if ask.body.is_none() {
            self.agent.run(request.body(()).map_err(wrong)?)
        } else {
            request = request.header("content-length", ask.body.len());
            if ask.body.len() > EXPECT_FROM {
                // What is refused by its headers need not be sent.
                request = request.header("expect", "100-continue");
            }
            let opened = ask.body.open().map_err(|error| Failure::Usage(error.to_string()))?;
            let mut watched = Watched::new(opened, ask.watch, &self.stop);
            let ran = self.agent.run(request.body(SendBody::from_reader(&mut watched)).map_err(wrong)?);
            let taken = ran.as_ref().is_ok_and(|response| response.status().is_success());
            if !taken {
                ask.watch.sent(-i64::try_from(watched.sent).unwrap_or(0));
            }
            ran
        };
        ran.map_err(|error| self.network(&error))
    }

    fn head(&self, ask: &Ask<'_>, token: Option<&str>) -> Builder {
        let url = format!("{}{}", self.server, ask.path);
        let mut request = Request::builder().method(ask.method).uri(url);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn wait_for_quiet(&self) -> Result<(), Failure> {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        match until {
            Some(until) => self.stop.wait_until(until),
            None => self.stop.check(),
        }
    }

    fn be_quiet(&self, wait: Duration) {
        let mut until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        let then = Instant::now() + wait;
        *until = Some(until.map_or(then, |until| until.max(then)));
    }

    fn collect(&self, response: Response<ureq::Body>) -> Result<Answer, Failure> {
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        let read = body.into_with_config().limit(LONGEST_ANSWER).reader().read_to_end(&mut bytes);
        read.map_err(|error| Failure::Unreachable {
            server: self.server.clone(),
            reason: error.to_string(),
        })?;
        Ok(Answer { headers: parts.headers, body: bytes })
    }

    fn checked(&self, response: Response<ureq::Body>) -> Result<Response<ureq::Body>, Failure> {
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let server = self.server.clone();
        if response.status().is_redirection() {
            let target = response.headers().get("location").and_then(|value| value.to_str().ok());
            let reason = format!("it redirects to {}; log in there", target.unwrap_or("somewhere else"));
            return Err(Failure::Strange { server, reason });
        }
        let answer = self.collect(response)?;
        let Problem { mut code, mut detail } = answer.problem();
        if code.is_empty() {
            code = format!("http_{status}");
            detail = format!("the server answers {status}");
        }
        Err(match status {
            403 if code == "quota_exceeded" => Failure::Refused { status, code, detail },
            401 | 403 => Failure::Denied { server, status, code, detail },
            502 | 504 => Failure::Unreachable { server, reason: detail },
            404 | 410 => Failure::NotFound { what: code, detail },
            _ => Failure::Refused { status, code, detail },
        })
    }

    fn network(&self, error: &ureq::Error) -> Failure {
        let server = self.server.clone();
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
                Failure::Usage(format!("{server}: {error}"))
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
                Failure::Strange { server, reason: format!("no secure connection: {error}") }
            }
            ureq::Error::Io(error) => Failure::Unreachable { server, reason: error.to_string() },
            error => Failure::Unreachable { server, reason: error.to_string() },
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Bodies above this wait for the server's word, which costs a round trip.
const EXPECT_FROM: u64 = 1 << 20;

/// Seconds, or a moment.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = httpdate::parse_http_date(text).ok()?;
    Some(moment.duration_since(SystemTime::now()).unwrap_or_default())
}

fn system_roots() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after() {
        assert_eq!(retry_after("3"), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let then = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(retry_after(&then).unwrap() > Duration::from_secs(90));
        assert_eq!(retry_after("soon"), None);
    }
}
