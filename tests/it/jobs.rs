//! Jobs with the binary: who works on them, what a killed process leaves, and how mail goes out.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pixedge::db::queue::{self, Job, NewJob, State};
use pixedge::db::{Config, Db, now_ms};
use serde_json::{Value, json};

use crate::support::Home;
use crate::support::daemons::{Daemon, free_port, installed};

/// The database of a home, looked at from outside.
struct Outside {
    runtime: tokio::runtime::Runtime,
    db: Db,
}

impl Outside {
    fn of(home: &Home) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let data = home.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        let db = runtime.block_on(Db::open(&Config::default(), &data)).unwrap();
        Self { runtime, db }
    }

    /// Leaves a mail in the queue, as asking for a recovery link does.
    fn order_mail(&self, language: &str) -> String {
        let payload = json!({
            "subject": "recovery", "to": "ana@example.org", "name": "Ana", "token": TOKEN,
            "language": language, "expires_at": now_ms() + 3_600_000,
        });
        self.order("mail", payload)
    }

    fn order(&self, kind: &'static str, payload: Value) -> String {
        let job = NewJob { kind, payload, owner: None, unique: None, run_at: now_ms(), max_attempts: 4 };
        self.runtime.block_on(async {
            let mut tx = self.db.write().await.unwrap();
            let id = queue::enqueue(&mut tx, &job).await.unwrap();
            tx.commit().await.unwrap();
            id.to_string()
        })
    }

    fn job(&self, id: &str) -> Job {
        self.runtime.block_on(queue::find(&self.db, id)).unwrap().unwrap()
    }

    fn until(&self, id: &str, state: State) -> Job {
        let since = Instant::now();
        loop {
            let job = self.job(id);
            if job.state == state {
                return job;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "{job:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

const TOKEN: &str = "the-secret-of-the-link";

fn config(port: u16) -> String {
    format!(
        "jobs: {{ concurrency: 1, poll: 100ms, lease: 1s, backoff: 50ms }}\n\
         mail: {{ smtp: \"smtp://127.0.0.1:{port}\", from: \"pixedge <noreply@example.com>\" }}\n\
         http: {{ public_url: \"https://img.example.com\" }}\n"
    )
}

fn worker(home: &Home) -> Child {
    home.command(&["worker"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until somebody connects, as a worker does in the middle of a mail; the server then says nothing.
fn silent(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

#[test]
fn another_worker_takes_over_what_a_killed_one_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new(&config(listener.local_addr().unwrap().port()));
    let outside = Outside::of(&home);
    let id = outside.order_mail("en");
    let mut first = worker(&home);
    let _stalled = silent(&listener);
    assert_eq!((outside.job(&id).state, outside.job(&id).attempts), (State::Processing, 1));
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = worker(&home);
    let mut stalled = silent(&listener);
    let job = outside.job(&id);
    assert_eq!((job.state, job.attempts), (State::Processing, 2));
    assert!(job.worker.unwrap().contains(&second.id().to_string()));

    // Cancelled while it works: it ends at a heartbeat, and lets the server go.
    outside.runtime.block_on(queue::cancel(&outside.db, &id, now_ms())).unwrap();
    let job = outside.until(&id, State::Cancelled);
    assert_eq!(job.payload, None);
    stalled.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(stalled.read(&mut [0; 16]).unwrap(), 0);

    // What it works on when it is told to stop it gives back, and it ends well.
    let id = outside.order_mail("en");
    let _stalled = silent(&listener);
    let pid = rustix::process::Pid::from_child(&second);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(second.wait().unwrap().success());
    let job = outside.job(&id);
    assert_eq!((job.state, job.attempts), (State::Pending, 0));
}

#[test]
fn mail_goes_out_by_the_server_and_is_tried_again_when_put_off() {
    const TEST: &str = "mail_goes_out_by_the_server_and_is_tried_again_when_put_off";
    let (Some(_), Some(python)) = (installed(TEST, "venv/bin/aiosmtpd"), installed(TEST, "venv/bin/python"))
    else {
        return;
    };
    let sink = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/smtp_sink.py");
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let arguments = [sink.to_str().unwrap(), &port.to_string()];
    let _sink = Daemon::in_folder(python, &arguments, folder.path(), port);
    let server = Home::new(&format!("auth: {{ registration: open }}\n{}", config(port))).start();
    let outside = Outside::of(server.home());
    let id = outside.order_mail("zh-CN");
    let job = outside.until(&id, State::Completed);
    // The first attempt was put off; the secret does not stay in the table.
    assert_eq!((job.attempts, job.payload), (2, None));
    let mail = std::fs::read(folder.path().join("1.eml")).unwrap();
    let mail = String::from_utf8(mail).unwrap();
    for header in
        ["From: pixedge <noreply@example.com>", "To: ana@example.org", "Auto-Submitted: auto-generated"]
    {
        assert!(mail.lines().any(|line| line.trim_end() == header), "{header}\n{mail}");
    }
    let since = Instant::now();
    while server.metrics().get("pixedge_jobs_total{kind=\"mail\",state=\"completed\"}") != Some(&1.0) {
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", server.metrics());
    }
    assert_eq!(server.metrics().get("pixedge_jobs_total{kind=\"mail\",state=\"retried\"}"), Some(&1.0));
    assert!(!server.log().contains(TOKEN));

    // The whole way: who lost a password asks for a link, and it opens the page.
    let register = json!({"username": "ana", "password": "password123", "email": "ana@example.org"});
    let registered = server.json("POST", "/v1/register", "", register);
    assert_eq!(registered.status, 201, "{}", registered.text());
    let ask = |email: &str| server.json("POST", "/v1/recovery", "", json!({"email": email})).status;
    assert_eq!((ask("nobody@example.org"), ask("ana@example.org")), (202, 202));
    let second = folder.path().join("2.eml");
    let since = Instant::now();
    while !second.exists() {
        assert!(since.elapsed() < Duration::from_secs(30), "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Quoted-printable breaks lines.
    let mail = std::fs::read_to_string(second).unwrap().replace("=\r\n", "").replace("=\n", "");
    let Some((_, link)) = mail.split_once("/recover/") else { panic!("no link in\n{mail}") };
    let token: String = link.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    let page = server.get(&format!("/recover/{token}"));
    assert!(page.status == 200 && page.text().contains("ana"), "{}", page.text());
    assert!(!folder.path().join("3.eml").exists());
}

#[test]
fn administrators_see_retry_and_cancel_jobs_and_nobody_else_does() {
    // Nobody listens there.
    let server = Home::new(&format!("auth: {{ registration: open }}\n{}", config(free_port()))).start();
    let password = "password123";
    let outside = Outside::of(server.home());
    let id = outside.order_mail("en");
    outside.until(&id, State::Failed);

    let register = json!({"username": "bea", "password": password});
    let bea = server.json("POST", "/v1/register", "", register).json();
    let bea = bea["access_token"].as_str().unwrap();
    let path = format!("/v1/tasks/{id}");
    assert_eq!(server.json("GET", &path, bea, Value::Null).status, 404);
    assert_eq!(server.json("GET", "/v1/admin/jobs", bea, Value::Null).status, 403);

    let mut made = server.home().command(&["user", "create", "ana", "--role", "admin"]);
    let mut made = made.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut made.stdin.take().unwrap(), b"password123\n").unwrap();
    assert!(made.wait().unwrap().success());
    let login = json!({"username": "ana", "password": password});
    let ana = server.json("POST", "/v1/login", "", login).json();
    let ana = ana["access_token"].as_str().unwrap();

    let page = server.json("GET", "/v1/admin/jobs?state=failed&kind=mail", ana, Value::Null).json();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1, "{page}");
    let job = &page["jobs"][0];
    assert_eq!((job["task_id"].as_str(), job["attempts"].as_u64()), (Some(&*id), Some(4)));
    assert!(job["error"].as_str().unwrap().contains("cannot be reached"), "{job}");
    assert!(!page.to_string().contains(TOKEN));
    assert_eq!(server.json("GET", "/v1/admin/jobs?state=lost", ana, Value::Null).status, 400);

    // The secret of a mail that could not be sent is gone with it; other jobs can be tried again.
    assert_eq!(outside.job(&id).payload, None);
    assert_ne!(server.json("POST", &format!("/v1/admin/jobs/{id}/retry"), ana, Value::Null).status, 200);
    let other = outside.order("storage_migrate", json!({"from": "none", "to": "local", "owner": null}));
    outside.until(&other, State::Failed);
    let again = server.json("POST", &format!("/v1/admin/jobs/{other}/retry"), ana, Value::Null);
    assert_eq!((again.status, again.json()["status"].as_str()), (200, Some("pending")), "{}", again.text());
    outside.until(&other, State::Failed);
    let seen = server.json("GET", &path, ana, Value::Null).json();
    assert_eq!((seen["status"].as_str(), seen["kind"].as_str()), (Some("failed"), Some("mail")));
    // What has ended stays as it is, and cannot be tried again unless it failed.
    let ended = server.json("DELETE", &path, ana, Value::Null).json();
    assert_eq!(ended["status"].as_str(), Some("failed"));
    assert_eq!(server.json("DELETE", "/v1/tasks/none", ana, Value::Null).status, 404);
}

#[test]
fn the_clean_up_runs_by_hand_and_counts_first() {
    let home = Home::new("");
    let outside = Outside::of(&home);
    let id = outside.order_mail("en");
    outside.runtime.block_on(async {
        let long_ago = now_ms() - 8 * 86_400_000;
        queue::cancel(&outside.db, &id, long_ago).await.unwrap();
    });
    let dry = home.run(&["cleanup", "--dry-run"]);
    assert!(dry.contains("jobs: 1 would be removed"), "{dry}");
    assert!(home.run(&["cleanup"]).contains("jobs: 1 removed"));
    assert!(home.run(&["cleanup"]).contains("jobs: 0 removed"));
}
