//! Our own documents as HTML: headings, paragraphs, tables, fenced code, and inline code, emphasis, links and anchors.
//! It reads the files of `docs/` that are built in, and would do no justice to anybody else's.

use std::fmt::Write;

use super::page::escape;

/// The HTML of a document.
pub(super) fn html(document: &str) -> String {
    let mut out = String::new();
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with("<!--") {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = if line.starts_with("```") {
            let code: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            writeln!(out, "<pre>{}</pre>", escape(&code.join("\n")))
        } else if let Some(title) = line.strip_prefix("# ") {
            writeln!(out, "<h1>{}</h1>", inline(title))
        } else if let Some(title) = line.strip_prefix("## ") {
            writeln!(out, "<h2>{}</h2>", inline(title))
        } else if line.starts_with('|') {
            let mut rows = String::new();
            row(&mut rows, line, "th");
            while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
                if !line.starts_with("|---") {
                    row(&mut rows, line, "td");
                }
            }
            writeln!(out, "<div class=\"wide\"><table>\n{rows}</table></div>")
        } else {
            let mut text = line.to_owned();
            while let Some(line) =
                lines.next_if(|line| !line.is_empty() && !line.starts_with(['|', '#', '`']))
            {
                text.extend(["\n", line]);
            }
            writeln!(out, "<p>{}</p>", inline(&text))
        };
    }
    out
}

fn row(out: &mut String, line: &str, cell: &str) {
    out.push_str("<tr>");
    for text in line.trim_matches('|').split('|') {
        let _ = write!(out, "<{cell}>{}</{cell}>", inline(text.trim()));
    }
    out.push_str("</tr>\n");
}

fn inline(mut text: &str) -> String {
    let mut out = String::new();
    while let Some(at) = text.find(['`', '*', '[', '!', '<']) {
        out.push_str(&escape(&text[..at]));
        text = &text[at..];
        let Some((html, rest)) = mark(text) else {
            out.push_str(&escape(&text[..1]));
            text = &text[1..];
            continue;
        };
        out.push_str(&html);
        text = rest;
    }
    out.push_str(&escape(text));
    out
}

/// The mark that a text begins with, and what follows it.
fn mark(text: &str) -> Option<(String, &str)> {
    let between = |mark: &str| text.strip_prefix(mark)?.split_once(mark);
    if let Some((code, rest)) = between("`") {
        return Some((format!("<code>{}</code>", escape(code)), rest));
    }
    if let Some((strong, rest)) = between("**") {
        return Some((format!("<strong>{}</strong>", inline(strong)), rest));
    }
    if let Some((stressed, rest)) = between("*").filter(|(stressed, _)| !stressed.is_empty()) {
        return Some((format!("<em>{}</em>", inline(stressed)), rest));
    }
    if let Some((id, rest)) = text.strip_prefix("<a id=\"").and_then(|rest| rest.split_once("\"></a>")) {
        return Some((format!("<a id=\"{}\"></a>", escape(id)), rest));
    }
    if let Some((label, rest)) = text.strip_prefix("![").and_then(|rest| rest.split_once("](")) {
        let (target, rest) = rest.split_once(')')?;
        return Some((
            format!("<img src=\"{}\" alt=\"{}\" loading=\"lazy\">", escape(target), escape(label)),
            rest,
        ));
    }
    let link = text.strip_prefix('[')?.split_once("](");
    let (label, rest) = link.filter(|(label, _)| !label.contains(']'))?;
    let (target, rest) = rest.split_once(')')?;
    // A document beside this one is a page beside this one.
    let target = target.strip_suffix(".md").unwrap_or(target);
    Some((format!("<a href=\"{}\">{}</a>", escape(target), inline(label)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_our_documents_use() {
        let html = html(
            "<!-- made -->\n# A & B\n\nOne `x<y` **two\nlines** *and* [more](transforms.md), [a]!\n![p](q/r.webp)\n```\n<b>\n*\n```\n\n\
             | h | i |\n|---|---|\n| <a id=\"k\"></a>`k` | 1 * 2 |\n",
        );
        assert_eq!(
            html,
            "<h1>A &amp; B</h1>\n<p>One <code>x&lt;y</code> <strong>two\nlines</strong> <em>and</em> \
             <a href=\"transforms\">more</a>, [a]!\n<img src=\"q/r.webp\" alt=\"p\" loading=\"lazy\"></p>\n<pre>&lt;b&gt;\n*</pre>\n<div class=\"wide\"><table>\n\
             <tr><th>h</th><th>i</th></tr>\n<tr><td><a id=\"k\"></a><code>k</code></td><td>1 * 2</td></tr>\n</table></div>\n"
        );
    }
}
