//! The words of a mail, in each language: built in, or the operator's own files of the same names.

use std::path::Path;

use super::MailError;
use crate::units::Language;

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A link to choose another password.
    Recovery,
    /// A link to delete the account.
    Deletion,
}

/// The four pairs of files.
#[derive(Debug, Clone)]
pub(super) struct Templates(Vec<Template>);

#[derive(Debug, Clone)]
struct Template {
    subject: Subject,
    language: Language,
    text: String,
    html: String,
}

/// What stands in the places of a template.
pub(super) type Words<'a> = [(&'static str, &'a str); 4];

/// A mail's parts, filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

macro_rules! built_in {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("templates/", $name, ".txt")),
            include_str!(concat!("templates/", $name, ".html")),
        )
    };
}

const BUILT_IN: [(Subject, Language, (&str, &str, &str)); 4] = [
    (Subject::Recovery, Language::English, built_in!("recovery.en")),
    (Subject::Recovery, Language::Chinese, built_in!("recovery.zh-CN")),
    (Subject::Deletion, Language::English, built_in!("deletion.en")),
    (Subject::Deletion, Language::Chinese, built_in!("deletion.zh-CN")),
];

/// The places that a template may have.
const PLACES: [&str; 4] = ["name", "link", "site", "minutes"];

impl Subject {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Deletion => "deletion",
        }
    }

    pub fn of(word: &str) -> Option<Self> {
        [Self::Recovery, Self::Deletion].into_iter().find(|subject| subject.as_str() == word)
    }
}

impl Templates {
    /// `folder` may hold some of the files, or all.
    pub(super) fn load(folder: Option<&Path>) -> Result<Self, MailError> {
        let mut all = Vec::new();
        for (subject, language, (name, text, html)) in BUILT_IN {
            let text = read(folder, &format!("{name}.txt"), text)?;
            let html = read(folder, &format!("{name}.html"), html)?;
            all.push(Template { subject, language, text, html });
        }
        Ok(Self(all))
    }

    pub(super) fn fill(&self, subject: Subject, language: Language, words: &Words<'_>) -> Option<Filled> {
        let found = self.0.iter().find(|one| one.subject == subject && one.language == language)?;
        let (head, text) = found.text.split_once('\n')?;
        let title = fill(head.strip_prefix("Subject:")?.trim(), words, str::to_owned);
        Some(Filled {
            // A name must not begin another header.
            subject: title.replace(['\r', '\n'], " "),
            text: fill(text.trim_start(), words, str::to_owned),
            html: fill(&found.html, words, escaped),
        })
    }
}

/// The file's text, or the built-in one; an unknown place in it is an error now and not in somebody's mail.
fn read(folder: Option<&Path>, name: &str, built_in: &str) -> Result<String, MailError> {
    let Some(path) = folder.map(|folder| folder.join(name)) else { return Ok(built_in.to_owned()) };
    let failed = |why: String| MailError::Template { path: path.clone(), why };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(built_in.to_owned()),
        Err(error) => return Err(failed(error.to_string())),
    };
    if name.ends_with(".txt") && !text.starts_with("Subject:") {
        return Err(failed("the first line must be `Subject: …`".to_owned()));
    }
    for piece in text.split("{{").skip(1) {
        let place = piece.split_once("}}").map_or("", |(place, _)| place);
        if !PLACES.contains(&place) {
            return Err(failed(format!("`{{{{{place}}}}}` is not one of the places {PLACES:?}")));
        }
    }
    if !text.contains("{{link}}") {
        return Err(failed("it lacks {{link}}".to_owned()));
    }
    Ok(text)
}

/// One pass, so that a word that looks like a place stays a word.
fn fill(template: &str, words: &Words<'_>, escape: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((place, behind)) = after.split_once("}}") else { break };
        if let Some((_, word)) = words.iter().find(|(known, _)| *known == place) {
            out.push_str(&escape(word));
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words<'_> =
        [("name", "Ana <b>\r\nBcc: x@y"), ("link", "https://h/r/{{name}}"), ("site", "h"), ("minutes", "60")];

    #[test]
    fn every_built_in_template_has_its_link_and_no_open_place() {
        let templates = Templates::load(None).unwrap();
        for (subject, language, _) in BUILT_IN {
            let filled = templates.fill(subject, language, &WORDS).unwrap();
            assert!(filled.text.contains("https://h/r/{{name}}\n"), "{}", filled.text);
            assert!(filled.html.contains("href=\"https://h/r/{{name}}\""), "{}", filled.html);
            assert!(filled.html.contains("Ana &lt;b&gt;") && !filled.html.contains("<b>"), "{}", filled.html);
            assert!(!filled.subject.contains('\n') && filled.subject.contains('h'), "{}", filled.subject);
            assert!(!filled.text.replace("{{name}}", "").contains("{{"), "{}", filled.text);
        }
    }

    #[test]
    fn the_operators_file_wins_and_a_wrong_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("recovery.en.txt");
        std::fs::write(&file, "Subject: Yours\n\n{{link}} {{name}}").unwrap();
        let templates = Templates::load(Some(dir.path())).unwrap();
        let words = [("name", "ana"), ("link", "L"), ("site", "h"), ("minutes", "60")];
        let filled = templates.fill(Subject::Recovery, Language::English, &words).unwrap();
        assert_eq!((filled.subject.as_str(), filled.text.as_str()), ("Yours", "L ana"));
        assert!(filled.html.contains("ana"));
        for (wrong, why) in [
            ("no subject {{link}}", "Subject"),
            ("Subject: x\n\n{{link}} {{nam}}", "{{nam}}"),
            ("Subject: x\n", "lacks"),
        ] {
            std::fs::write(&file, wrong).unwrap();
            let error = Templates::load(Some(dir.path())).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("recovery.en.txt"), "{error}");
        }
    }
}
