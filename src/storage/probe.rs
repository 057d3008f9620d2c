//! Whether a storage works, tried for real, and what is wrong with it in the words of whoever set it up. What a server
//! answers is never repeated, only what it means: an endpoint may have been named to read somebody else's answers.

use std::fmt;
use std::io;

use bytes::Bytes;

use super::error::is_full;
use super::{ContentHash, ObjectKey, Storage, StorageError};
use crate::net::{NetError, Refusal};
use sha2::{Digest, Sha256};

/// Why a storage cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} failed: {problem}", step.name())]
pub struct Trouble {
    pub step: Step,
    pub problem: Problem,
}

/// What was being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Write,
    Read,
    Delete,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Its name is not known.
    Dns,
    /// Nobody listens there.
    Refused,
    Timeout,
    /// It is not on the public Internet, or not listed.
    NotAllowed,
    Tls,
    /// The keys or the password.
    Credentials,
    /// The keys are right, and may not do this.
    Forbidden,
    /// There is no such bucket, or no such folder.
    Bucket,
    Region,
    Clock,
    Full,
    /// It speaks something else.
    Protocol,
    /// It answered with an error of its own.
    Server,
    /// What was read is not what was written.
    Content,
    /// A file system that says no.
    Permission,
    Unknown,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "writing",
            Self::Read => "reading",
            Self::Delete => "deleting",
        }
    }
}

impl Problem {
    /// A stable word, for those who act on it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::NotAllowed => "not_allowed",
            Self::Tls => "tls",
            Self::Credentials => "credentials",
            Self::Forbidden => "forbidden",
            Self::Bucket => "bucket",
            Self::Region => "region",
            Self::Clock => "clock",
            Self::Full => "full",
            Self::Protocol => "protocol",
            Self::Server => "server",
            Self::Content => "content",
            Self::Permission => "permission",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the name of the endpoint is not known; look for a typing error in `endpoint`",
            Self::Refused => "nobody listens at the endpoint; look at its host and port, and whether the server runs",
            Self::Timeout => "the endpoint did not answer in time; look at its host and port, and at firewalls between",
            Self::NotAllowed => {
                "the endpoint may not be asked: it is not a public address, or its host or port is not listed here"
            }
            Self::Tls => {
                "no secure connection: the certificate is not valid for this host, has expired or is of nobody known"
            }
            Self::Credentials => "the keys or the password are wrong (403 or 401)",
            Self::Forbidden => "the keys are known and may not do this (403); allow put, get, list and delete of objects",
            Self::Bucket => "there is no such bucket or folder; make it, or look at `bucket` and `root`",
            Self::Region => "the bucket is in another region; set `region` to the bucket's own",
            Self::Clock => "the clocks of this server and of the storage differ by too much; set this server's clock",
            Self::Full => "no space is left there",
            Self::Protocol => "the server does not speak this protocol; look at `endpoint` and `scheme`",
            Self::Server => "the storage answered with an error of its own",
            Self::Content => "what was read is not what was written",
            Self::Permission => "this program may not read and write there; look at the owner of the folder",
            Self::Unknown => "it does not work; the log says more",
        })
    }
}

impl Storage {
    /// Writes, reads and deletes a small object. Writing comes first: only answers to that say why not.
    pub async fn probe(&self) -> Result<(), Trouble> {
        let trouble = |step, problem| Trouble { step, problem };
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| trouble(Step::Write, Problem::Unknown))?;
        let key = ObjectKey::for_content(&ContentHash(Sha256::digest(bytes).into()), "check");
        let content = Bytes::copy_from_slice(&bytes);
        let failed = |step| {
            move |error: opendal::Error| {
                let problem = problem(&error);
                tracing::debug!(storage = self.name(), ?step, code = problem.code(), %error, "a storage fails its test");
                trouble(step, problem)
            }
        };
        self.write_now(key.as_str(), content.clone()).await.map_err(failed(Step::Write))?;
        let read = self.dal.read(key.as_str()).await;
        // First away with it, whatever came of reading.
        let deleted = self.dal.delete(key.as_str()).await;
        let read = read.map_err(failed(Step::Read))?;
        deleted.map_err(failed(Step::Delete))?;
        if read.to_bytes() == content { Ok(()) } else { Err(trouble(Step::Read, Problem::Content)) }
    }
}

impl StorageError {
    /// What is wrong with the storage itself; `None` where that is not known to be to blame.
    pub fn problem(&self) -> Option<Problem> {
        match self {
            Self::Full { .. } => Some(Problem::Full),
            Self::Timeout { .. } => Some(Problem::Timeout),
            Self::Failed { source, .. } => source.downcast_ref::<opendal::Error>().map(problem),
            _ => None,
        }
    }
}

pub(super) fn problem(error: &opendal::Error) -> Problem {
    if let Some(net) = NetError::within(error) {
        return of_net(net);
    }
    let text = error.to_string();
    if is_full(error) || text.contains("status: 507") {
        return Problem::Full;
    }
    if text.contains("timeout reached") {
        return Problem::Timeout;
    }
    // What an S3 server calls it; OpenDAL keeps the answer as text.
    let named = text.split_once("S3Error { code: \"").and_then(|(_, rest)| rest.split_once('"'));
    if let Some(problem) = named.and_then(|(code, _)| of_s3(code)) {
        return problem;
    }
    match error.kind() {
        opendal::ErrorKind::PermissionDenied if io_kind(error).is_some() => Problem::Permission,
        opendal::ErrorKind::PermissionDenied => Problem::Credentials,
        opendal::ErrorKind::NotFound => Problem::Bucket,
        _ => of_status(&text),
    }
}

fn of_net(error: &NetError) -> Problem {
    match error {
        NetError::Refused { refusal: Refusal::Downgrade, .. } | NetError::Redirects { .. } => {
            Problem::Protocol
        }
        NetError::Refused { .. } | NetError::BadUrl(_) => Problem::NotAllowed,
        NetError::Timeout { .. } => Problem::Timeout,
        NetError::Unreachable { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => Problem::Dns,
            io::ErrorKind::TimedOut => Problem::Timeout,
            _ => Problem::Refused,
        },
        NetError::TooManyBytes { .. } => Problem::Protocol,
        broken @ NetError::Broken { .. } if broken.is_tls() => Problem::Tls,
        NetError::Broken { .. } => Problem::Protocol,
    }
}

fn of_s3(code: &str) -> Option<Problem> {
    Some(match code {
        "RequestTimeTooSkewed" | "RequestExpired" => Problem::Clock,
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "ExpiredToken"
        | "InvalidSecurity"
        // What versitygw calls an access key that it does not know.
        | "XAdminUserNotFound" => Problem::Credentials,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => Problem::Forbidden,
        "NoSuchBucket" | "InvalidBucketName" => Problem::Bucket,
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            Problem::Region
        }
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => Problem::Full,
        _ => return None,
    })
}

/// OpenDAL keeps the status of an answer as text.
fn of_status(text: &str) -> Problem {
    let status = text.split_once("status: ").and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    match status {
        Some(401 | 403) => Problem::Credentials,
        Some(301 | 302 | 307 | 308) => Problem::Region,
        // A parent folder that is not there, in WebDAV's words.
        Some(404 | 409) => Problem::Bucket,
        Some(429 | 500..) => Problem::Server,
        Some(_) => Problem::Protocol,
        None => Problem::Unknown,
    }
}

fn io_kind(error: &opendal::Error) -> Option<io::ErrorKind> {
    std::error::Error::source(error)?.downcast_ref::<io::Error>().map(io::Error::kind)
}
