//! What can go wrong, whose fault it is, and how to say so to people and to programs.

use std::io;
use std::path::{Path, PathBuf};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("{path}: {reason}")]
    Config { path: PathBuf, reason: String },
    /// The server does not allow it with these credentials.
    #[error("{server} does not allow this: {detail} ({code})")]
    Denied { server: String, status: u16, code: String, detail: String },
    #[error("{server} cannot be reached: {reason}")]
    Unreachable { server: String, reason: String },
    /// The server asks to come back later than anybody waits.
    #[error("{server} is too busy: {detail}; it asks to wait {seconds} s")]
    Busy { server: String, detail: String, seconds: u64 },
    #[error("{path}: there is no such file")]
    Missing { path: PathBuf },
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("{what} is not there: {detail}")]
    NotFound { what: String, detail: String },
    /// The server understood and will not.
    #[error("{detail} ({code})")]
    Refused { status: u16, code: String, detail: String },
    /// An answer that no pixedge server gives.
    #[error("{server} does not answer like a pixedge server: {reason}")]
    Strange { server: String, reason: String },
    #[error("interrupted")]
    Interrupted,
    /// An upload, and how far it came.
    #[error("{failure}")]
    During { step: Step, failure: Box<Failure> },
}

/// What was tried for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Asking whether the server has it.
    Lookup,
    /// Sending it.
    Upload,
}

/// The languages that failures are told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    #[default]
    En,
    Zh,
}

impl Failure {
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            _ => Self::File { path: path.to_owned(), reason: error.to_string() },
        }
    }

    /// What happened, without what was being done.
    pub fn cause(&self) -> &Self {
        match self {
            Self::During { failure, .. } => failure.cause(),
            other => other,
        }
    }

    /// A word that stays the same, for programs.
    pub fn code(&self) -> &str {
        match self.cause() {
            Self::Usage(_) => "usage",
            Self::Config { .. } => "config",
            Self::Denied { code, .. } | Self::Refused { code, .. } => code,
            Self::Unreachable { .. } => "unreachable",
            Self::Busy { .. } => "busy",
            Self::Missing { .. } => "no_such_file",
            Self::File { .. } => "file",
            Self::NotFound { .. } => "not_found",
            Self::Strange { .. } => "strange_answer",
            Self::Interrupted => "interrupted",
            Self::During { .. } => "failed",
        }
    }

    /// What the program ends with; `pixedge-client --help` lists them.
    pub fn exit_code(&self) -> u8 {
        match self.cause() {
            Self::Refused { .. } | Self::Strange { .. } | Self::During { .. } => 1,
            Self::Usage(_) => 2,
            Self::Config { .. } | Self::Denied { .. } => 3,
            Self::Unreachable { .. } | Self::Busy { .. } => 4,
            Self::Missing { .. } | Self::File { .. } | Self::NotFound { .. } => 5,
            Self::Interrupted => 130,
        }
    }

    /// Whether another try may go better without anything being changed.
    pub fn is_passing(&self) -> bool {
        matches!(self.cause(), Self::Unreachable { .. } | Self::Busy { .. })
    }

    /// For people. In Chinese the words are those of the project that this client replaces, whose users look for them.
    pub fn text(&self, lang: Lang) -> String {
        if lang == Lang::En {
            return self.to_string();
        }
        match self.cause() {
            Self::Denied { .. } => "该用户权限不足，请联系管理员".to_owned(),
            Self::Missing { path } => format!("文件不存在: {}", path.display()),
            Self::Interrupted => "已中断".to_owned(),
            cause => match self {
                Self::During { step: Step::Lookup, .. } => format!("查询图片信息失败: {cause}"),
                Self::During { step: Step::Upload, .. } => format!("上传失败: {cause}"),
                _ => cause.to_string(),
            },
        }
    }
}

impl Lang {
    /// By the name of a locale: `zh_CN.UTF-8`, `zh`, `en`.
    pub fn of_locale(locale: &str) -> Self {
        if locale.to_ascii_lowercase().starts_with("zh") { Self::Zh } else { Self::En }
    }
}

/// Says during what something failed.
pub(crate) trait During<T> {
    fn during(self, step: Step) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Failure> {
    fn during(self, step: Step) -> Self {
        self.map_err(|failure| match failure {
            told @ Failure::During { .. } => told,
            failure => Failure::During { step, failure: Box::new(failure) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Failure {
        Failure::Denied {
            server: "http://a".to_owned(),
            status: 403,
            code: "missing_scope".to_owned(),
            detail: "`upload` is needed".to_owned(),
        }
    }

    #[test]
    fn the_words_that_users_of_the_old_client_know() {
        let away = || Failure::Unreachable { server: "http://a".to_owned(), reason: "refused".to_owned() };
        for (failure, text) in [
            (Err::<(), _>(denied()).during(Step::Upload), "该用户权限不足，请联系管理员"),
            (Err(denied()).during(Step::Lookup), "该用户权限不足，请联系管理员"),
            (Err(away()).during(Step::Lookup), "查询图片信息失败: http://a cannot be reached: refused"),
            (Err(away()).during(Step::Upload), "上传失败: http://a cannot be reached: refused"),
            (Err(Failure::Missing { path: "x.png".into() }), "文件不存在: x.png"),
        ] {
            assert_eq!(failure.unwrap_err().text(Lang::Zh), text);
        }
    }

    #[test]
    fn a_failure_keeps_its_code_whatever_was_being_done() {
        let failure = Err::<(), _>(denied()).during(Step::Lookup).during(Step::Upload).unwrap_err();
        assert!(matches!(failure, Failure::During { step: Step::Lookup, .. }));
        assert_eq!((failure.code(), failure.exit_code()), ("missing_scope", 3));
        assert_eq!(
            failure.text(Lang::En),
            "http://a does not allow this: `upload` is needed (missing_scope)"
        );
        assert_eq!(Lang::of_locale("zh_CN.UTF-8"), Lang::Zh);
        assert_eq!(Lang::of_locale("C"), Lang::En);
    }
}
