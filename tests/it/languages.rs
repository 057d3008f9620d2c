//! What goes to people is in their language: mails by what their browser preferred when they asked, pages by what it
//! prefers now.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::daemons::{Daemon, free_port, installed};
use crate::support::{Home, Server};

/// A mail server with what it was given.
struct Mailbox {
    python: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    _sink: Daemon,
}

impl Mailbox {
    fn start(test: &str) -> Option<Self> {
        let (Some(_), Some(python)) =
            (installed(test, "venv/bin/aiosmtpd"), installed(test, "venv/bin/python"))
        else {
            return None;
        };
        let sink = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/smtp_sink.py");
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let arguments = [sink.to_str().unwrap(), &port.to_string()];
        let sink = Daemon::in_folder(python.clone(), &arguments, folder.path(), port);
        Some(Self { python, folder, port, _sink: sink })
    }

    /// Subject and both texts of a mail, once it has come.
    fn mail(&self, number: usize, server: &Server) -> String {
        let file = self.folder.path().join(format!("{number}.eml"));
        let since = Instant::now();
        while !file.exists() {
            assert!(since.elapsed() < Duration::from_secs(30), "{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let script = "import email, email.policy, sys\n\
            mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)\n\
            sys.stdout.reconfigure(encoding='utf-8')\n\
            print(mail['subject'], *[mail.get_body((kind,)).get_content() for kind in ('plain', 'html')], sep='\\n')";
        let output = Command::new(&self.python).args(["-c", script]).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn server(&self, language: &str) -> Server {
        let home = Home::new(&format!(
            "auth: {{ registration: open }}\n\
             jobs: {{ concurrency: 1, poll: 100ms, backoff: 50ms }}\n\
             mail: {{ smtp: 'smtp://127.0.0.1:{}', from: 'pixedge <noreply@example.com>', language: {language} }}\n",
            self.port
        ));
        home.start()
    }
}

/// An account, by its access token.
fn register(server: &Server) -> String {
    let ana = json!({"username": "ana", "password": "password123", "email": "ana@example.org"});
    let registered = server.json("POST", "/v1/register", "", ana);
    assert_eq!(registered.status, 201, "{}", registered.text());
    registered.json()["access_token"].as_str().unwrap().to_owned()
}

fn ask_recovery(server: &Server, accept_language: &str) {
    let mut headers = vec![("content-type", "application/json")];
    if !accept_language.is_empty() {
        headers.push(("accept-language", accept_language));
    }
    let body = json!({"email": "ana@example.org"}).to_string();
    assert_eq!(server.post("/v1/recovery", &headers, &body).status, 202);
}

/// The path of the link in a mail.
fn link(server: &Server, mail: &str) -> String {
    let (_, path) = mail.split_once(&*server.url).unwrap();
    path.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn mails_are_in_the_language_of_whoever_asked_and_pages_in_that_of_the_reader() {
    let Some(mailbox) = Mailbox::start("mails_are_in_the_language_of_whoever_asked") else { return };
    let server = mailbox.server("auto");
    register(&server);

    ask_recovery(&server, "de-DE, zh-CN;q=0.9, en;q=0.5");
    let mail = mailbox.mail(1, &server);
    assert!(mail.starts_with(&format!("重设 {} 的密码\n", server.address())), "{mail}");
    assert!(mail.contains("请在") && mail.contains("lang=\"zh-CN\"") && !mail.contains("Hello"), "{mail}");
    // It is the reader's browser that says what the page is in.
    let path = link(&server, &mail);
    let page = |accept: &str| server.get_with(&path, &[("accept-language", accept)]);
    let chinese = page("zh-TW,zh;q=0.9");
    assert_eq!((chinese.status, chinese.header("content-language")), (200, "zh-CN"));
    assert!(chinese.text().contains("<html lang=\"zh-CN\">") && chinese.text().contains("设置新密码"));
    let english = page("en");
    assert_eq!(english.header("content-language"), "en");
    assert!(english.text().contains("Another password for"), "{}", english.text());
    // Also what is wrong with a form, and what became of it.
    let form = |password: &str, accept: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept-language", accept)];
        server.post(&path, &headers, &format!("password={password}"))
    };
    let short = form("short", "zh");
    assert!(short.status == 400 && short.text().contains("密码长度须为"), "{}", short.text());
    assert!(form("short", "en").text().contains("8 to 128"));
    let done = form("another-password", "zh-CN");
    assert!(done.status == 200 && done.text().contains("密码已修改"), "{}", done.text());
    let used = page("zh-CN");
    assert!(used.status == 410 && used.text().contains("链接无效"), "{} {}", used.status, used.text());

    // English for all who name nothing that there is; what is refused is not taken.
    let mut number = 1;
    for accept in ["", "zh;q=0, fr"] {
        ask_recovery(&server, accept);
        number += 1;
        let mail = mailbox.mail(number, &server);
        assert!(
            mail.starts_with(&format!("Another password for {}\n", server.address())),
            "{accept}: {mail}"
        );
        assert!(mail.contains("Hello ana") && mail.contains("lang=\"en\""), "{mail}");
    }
}

#[test]
fn the_operator_may_choose_one_language_for_all_mails() {
    let Some(mailbox) = Mailbox::start("the_operator_may_choose_one_language_for_all_mails") else { return };
    let server = mailbox.server("zh-CN");
    let token = register(&server);
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", &*authorization), ("accept-language", "en")];
    assert_eq!(server.post("/v1/me/deletion", &headers, "").status, 202);
    let mail = mailbox.mail(1, &server);
    assert!(
        mail.starts_with(&format!("删除 {} 的账户\n", server.address())) && mail.contains("ana"),
        "{mail}"
    );
    let page = server.get_with(&link(&server, &mail), &[("accept-language", "en-GB")]);
    assert!(page.status == 200 && page.text().contains("End the account?"), "{}", page.text());

    let wrong = Home::new("mail: { language: de }\n").command(&["check"]).output().unwrap();
    let said = String::from_utf8_lossy(&[wrong.stdout, wrong.stderr].concat()).into_owned();
    assert!(!wrong.status.success() && said.contains("mail.language") && said.contains("zh-CN"), "{said}");
}
