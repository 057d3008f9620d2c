//! What is printed: results alone on standard output, everything else on standard error.

use std::path::Path;

use pixedge_client::{Failure, Image, Lang, Uploaded};
use serde_json::{Value, json};

use super::args::Format;

/// What became of a file.
pub(super) type Result = std::result::Result<Uploaded, Failure>;

/// The text for standard output, in the order of the files.
pub(super) fn uploads(format: Format, done: &[(String, Result)], lang: Lang) -> String {
    let images = || done.iter().filter_map(|(_, result)| Some(&result.as_ref().ok()?.image));
    let lines = |of: fn(&Image) -> &str| -> String { images().flat_map(|image| [of(image), "\n"]).collect() };
    match format {
        Format::Plain => lines(|image| &image.url),
        Format::Markdown => lines(|image| &image.links.markdown),
        Format::Html => lines(|image| &image.links.html),
        Format::Bbcode => lines(|image| &image.links.bbcode),
        Format::Typora if images().next().is_none() => String::new(),
        Format::Typora => format!("Upload Success:\n{}", lines(|image| &image.url)),
        Format::Json => {
            pretty(&done.iter().map(|(file, result)| entry(file, result, lang)).collect::<Value>())
        }
        Format::Picgo => {
            let failed = done.iter().find_map(|(_, result)| result.as_ref().err());
            let mut answer = json!({
                "success": failed.is_none(),
                "result": images().map(|image| &image.url).collect::<Vec<_>>(),
                "fullResult": images().map(picgo).collect::<Vec<_>>(),
            });
            if let Some(failure) = failed {
                answer["message"] = failure.text(lang).into();
            }
            format!("{answer}\n")
        }
    }
}

fn entry(file: &str, result: &Result, lang: Lang) -> Value {
    match result {
        Ok(done) => {
            let mut entry =
                json!({"file": file, "status": done.status, "sent": done.sent, "stale": done.stale});
            if let (Some(entry), Ok(Value::Object(image))) =
                (entry.as_object_mut(), serde_json::to_value(&done.image))
            {
                entry.extend(image);
            }
            entry
        }
        Err(failure) => {
            json!({"file": file, "error": {"code": failure.code(), "message": failure.text(lang)}})
        }
    }
}

fn picgo(image: &Image) -> Value {
    json!({
        "imgUrl": image.url,
        "fileName": image.name,
        "extname": format!(".{}", image.format),
        "width": image.width,
        "height": image.height,
        "id": image.id,
        "type": "pixedge",
    })
}

/// A picture a line: id, bytes, size, date, URL, name. The name is last, since anything may be in it but a line's end.
pub(super) fn list(images: &[Image]) -> String {
    let line = |image: &Image| {
        let name: String = image.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let Image { id, bytes, width, height, created_at, url, .. } = image;
        format!("{id}\t{bytes}\t{width}x{height}\t{created_at}\t{url}\t{name}\n")
    };
    images.iter().map(line).collect()
}

pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// What the program ends with: the failures' own code where they agree.
pub(super) fn exit_code<'a>(failures: impl Iterator<Item = &'a Failure>) -> u8 {
    let mut codes: Vec<u8> = failures.map(Failure::exit_code).collect();
    codes.sort_unstable();
    codes.dedup();
    match codes[..] {
        [] => 0,
        [one] => one,
        [.., 130] => 130,
        _ => 1,
    }
}

/// A failure for people, with the file it is about unless it names it itself.
pub(super) fn complain(file: &str, failure: &Failure, lang: Lang) -> String {
    let text = failure.text(lang);
    let names_it = text.contains(file) || Path::new(file).file_name().is_none();
    if names_it { format!("pixedge-client: {text}") } else { format!("pixedge-client: {file}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_differ_are_one_failure() {
        let missing = || Failure::Missing { path: "a".into() };
        let usage = || Failure::Usage("b".to_owned());
        assert_eq!(exit_code([].iter()), 0);
        assert_eq!(exit_code([missing(), missing()].iter()), 5);
        assert_eq!(exit_code([missing(), usage()].iter()), 1);
        assert_eq!(exit_code([missing(), Failure::Interrupted].iter()), 130);
        assert_eq!(complain("a", &missing(), Lang::En), "pixedge-client: a: there is no such file");
        assert_eq!(complain("a", &Failure::Interrupted, Lang::En), "pixedge-client: a: interrupted");
    }
}
