//! A text written anew from what is listed of it: names are resolved and entities replaced before anything is judged,
//! so that no spelling hides what a browser would see.

use resvg::usvg::roxmltree::{Attribute, Document, Node, NodeType, ParsingOptions};

use super::{css, names};

const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// More elements and texts than this are no picture for a page.
const MOST_NODES: u32 = 2_000_000;

/// The text as a tree. Entities of its own are replaced within narrow bounds; one from outside is an error.
pub(super) fn document(text: &str) -> Result<Document<'_>, String> {
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| error.to_string())
}

pub(super) fn clean(text: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(text).map_err(|_| "its text is not UTF-8".to_owned())?;
    let document = document(text.trim_start_matches('\u{FEFF}'))?;
    let root = document.root_element();
    if kept(&root) != Some("svg") {
        return Err("its root element is not one of SVG".to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut at = root;
    // Not by recursion: the depth is the text's to choose.
    loop {
        let open = open(&at, root, &mut out);
        if let Some(child) = at.first_child().filter(|_| open) {
            at = child;
            continue;
        }
        if open {
            close(&at, &mut out);
        }
        loop {
            if at == root {
                return Ok(out);
            }
            if let Some(next) = at.next_sibling() {
                at = next;
                break;
            }
            let Some(parent) = at.parent() else { return Ok(out) };
            at = parent;
            close(&at, &mut out);
        }
    }
}

/// The name of an element that may stay.
fn kept<'a>(node: &Node<'a, '_>) -> Option<&'a str> {
    let name = node.tag_name();
    (name.namespace() == Some(SVG) && names::is_element(name.name())).then(|| name.name())
}

/// Writes what a node begins with; whether its children follow.
fn open(node: &Node<'_, '_>, root: Node<'_, '_>, out: &mut String) -> bool {
    match node.node_type() {
        NodeType::Text => {
            escape(node.text().unwrap_or_default(), out);
            return false;
        }
        NodeType::Element => {}
        NodeType::Root | NodeType::PI | NodeType::Comment => return false,
    }
    let Some(name) = kept(node).filter(|name| !moves_what_it_must_not(node, name)) else { return false };
    out.push('<');
    out.push_str(name);
    if *node == root {
        attribute("xmlns", SVG, out);
        attribute("xmlns:xlink", XLINK, out);
    }
    for one in node.attributes() {
        if let Some((name, value)) = judged(&one, name) {
            attribute(name, &value, out);
        }
    }
    out.push('>');
    if name == "style" {
        let sheet: String = node.children().filter_map(|child| child.text()).collect();
        escape(&css::sheet(&sheet), out);
        close(node, out);
        return false;
    }
    true
}

fn close(node: &Node<'_, '_>, out: &mut String) {
    out.push_str("</");
    out.push_str(node.tag_name().name());
    out.push('>');
}

/// An animation can write any attribute, so it is held to those that may be there and name nothing.
fn moves_what_it_must_not(node: &Node<'_, '_>, name: &str) -> bool {
    if !matches!(name, "animate" | "animateTransform" | "set") {
        return false;
    }
    match node.attribute("attributeName").map(str::trim) {
        Some(target) => !names::is_attribute(target) || target == "style",
        None => true,
    }
}

/// The name and value under which an attribute may stay.
fn judged<'a>(one: &Attribute<'a, '_>, element: &str) -> Option<(&'a str, String)> {
    let (name, value) = (one.name(), one.value());
    match (one.namespace(), name) {
        (Some(XML), "space") => Some(("xml:space", value.to_owned())),
        (Some(XML), "lang") => Some(("xml:lang", value.to_owned())),
        (Some(XLINK), "href") => reference(value, element).map(|value| ("xlink:href", value)),
        (None, "href") => reference(value, element).map(|value| ("href", value)),
        (None, "style") => Some(("style", css::declarations(value))).filter(|(_, value)| !value.is_empty()),
        (None, _) if names::is_attribute(name) && css::is_harmless(value) => Some((name, value.to_owned())),
        _ => None,
    }
}

/// What is named lies within the picture, or is a picture of points that the text itself holds.
fn reference(value: &str, element: &str) -> Option<String> {
    const HELD: [&str; 5] = ["image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp"];
    let value = value.trim();
    if value.starts_with('#') {
        return Some(value.to_owned());
    }
    let (kind, data) = value.strip_prefix("data:")?.split_once(";base64,")?;
    let is_data = |byte: u8| byte.is_ascii_alphanumeric() || b"+/= \n\r\t".contains(&byte);
    (matches!(element, "image" | "feImage") && HELD.contains(&kind) && data.bytes().all(is_data))
        .then(|| value.to_owned())
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape_value(value, out);
    out.push('"');
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}

/// Within an attribute a line end or a tab that is not written as a number is read as a space.
fn escape_value(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\t']) {
        escape(&rest[..at], out);
        out.push_str(if rest[at..].starts_with('\n') { "&#10;" } else { "&#9;" });
        rest = &rest[at + 1..];
    }
    escape(rest, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of something inside an `<svg>`, without the `<svg>`.
    fn inner(text: &str) -> Result<String, String> {
        let text = format!(
            "<svg xmlns='{SVG}' xmlns:xlink='{XLINK}' xmlns:h='http://www.w3.org/1999/xhtml'>{text}</svg>"
        );
        let cleaned = clean(text.as_bytes())?;
        let begin = format!("<svg xmlns=\"{SVG}\" xmlns:xlink=\"{XLINK}\">");
        Ok(cleaned.strip_prefix(&begin).unwrap().strip_suffix("</svg>").unwrap().to_owned())
    }

    #[test]
    fn a_drawing_stays_what_it_is() {
        for text in [
            "<g id=\"a\" transform=\"translate(1 2)\"><path d=\"M0 0L1 1\" fill=\"url(#b)\"></path></g>",
            "<linearGradient id=\"b\"><stop offset=\"0\" stop-color=\"red\"></stop></linearGradient>",
            "<use xlink:href=\"#a\"></use><use href=\"#a\" x=\"3\"></use>",
            "<image href=\"data:image/png;base64,AAAA\" width=\"1\" height=\"1\"></image>",
            "<text xml:space=\"preserve\" x=\"1\"> a &lt; b &amp; c </text>",
            "<style>.a&gt;.b{fill:red}</style><rect class=\"a\" style=\"fill:blue\"></rect>",
            "<animate attributeName=\"x\" from=\"0\" to=\"9\" dur=\"1s\"></animate>",
            "<title>A &quot;title&quot;</title>",
        ] {
            assert_eq!(inner(text).unwrap(), text);
        }
    }

    #[test]
    fn what_could_do_harm_goes() {
        for (attack, left) in [
            ("<script>alert(1)</script>", ""),
            ("<SCRIPT>alert(1)</SCRIPT>", ""),
            ("<h:script>alert(1)</h:script>", ""),
            ("<s:script xmlns:s='http://www.w3.org/2000/svg'>alert(1)</s:script>", ""),
            ("<script href='http://x/a.js'/>", ""),
            ("<script><![CDATA[alert(1)]]></script>", ""),
            ("<g onload='alert(1)'/>", "<g></g>"),
            ("<g ONCLICK='alert(1)'/>", "<g></g>"),
            ("<rect onmouseover='alert(1)' x='1'/>", "<rect x=\"1\"></rect>"),
            ("<set attributeName='onclick' to='alert(1)'/>", ""),
            ("<set attributeName='href' to='javascript:alert(1)'/>", ""),
            ("<animate attributeName='xlink:href' values='javascript:alert(1)'/>", ""),
            (
                "<animate attributeName='x' values='javascript:alert(1)' dur='1'/>",
                "<animate attributeName=\"x\" dur=\"1\"></animate>",
            ),
            (
                "<animate attributeName='fill' to='url(http://x)'/>",
                "<animate attributeName=\"fill\"></animate>",
            ),
            ("<animate href='http://x' attributeName='x'/>", "<animate attributeName=\"x\"></animate>"),
            ("<a href='javascript:alert(1)'><g/></a>", "<a><g></g></a>"),
            ("<a xlink:href='&#106;avascript:alert(1)'><g/></a>", "<a><g></g></a>"),
            ("<a href='java\nscript:alert(1)'/>", "<a></a>"),
            ("<a href='http://x' target='_top'/>", "<a></a>"),
            ("<a href='data:text/html,x'/>", "<a></a>"),
            ("<foreignObject><h:body onload='alert(1)'/></foreignObject>", ""),
            ("<h:iframe src='http://x'/>", ""),
            ("<h:style>*{fill:red}</h:style>", ""),
            (
                "<iframe src='http://x'/><object data='x'/><embed src='x'/><video src='x'/><audio src='x'/>",
                "",
            ),
            ("<image href='http://x/a.png'/>", "<image></image>"),
            ("<image xlink:href='//x/a.png'/>", "<image></image>"),
            ("<image href='/i/secret'/>", "<image></image>"),
            ("<image href='file:///etc/passwd'/>", "<image></image>"),
            ("<image href='data:image/svg+xml;base64,AAAA'/>", "<image></image>"),
            ("<image href='data:image/png,&lt;svg'/>", "<image></image>"),
            ("<image href='data:text/html;base64,AAAA'/>", "<image></image>"),
            ("<use href='data:image/png;base64,AAAA'/>", "<use></use>"),
            ("<use href='http://x/a.svg#b'/>", "<use></use>"),
            ("<use xlink:href='a.svg#b'/>", "<use></use>"),
            ("<feImage href='http://x'/>", "<feImage></feImage>"),
            ("<rect fill='url(http://x#a)'/>", "<rect></rect>"),
            ("<rect filter='url(a.svg#b)'/>", "<rect></rect>"),
            ("<rect style='fill:url(//x)'/>", "<rect></rect>"),
            ("<rect style='fill:u\\72l(x);x:1'/>", "<rect style=\"x:1\"></rect>"),
            ("<style>@import 'http://x';</style>", "<style></style>"),
            ("<style>*{fill:url(\"http://x\")}</style>", "<style>*{}</style>"),
            ("<style>@font-face{font-family:a;src:url(x)}</style>", "<style></style>"),
            ("<style>&lt;/style>&lt;script></style>", "<style></style>"),
            ("<handler>alert(1)</handler><listener/>", ""),
            ("<metadata><h:a>GPS</h:a></metadata>", ""),
            ("<!-- <script> --><?xml-stylesheet href='http://x'?>", ""),
            ("<g data-x='1' tabindex='1' xml:base='http://x' h:onload='1'/>", "<g></g>"),
            ("<text>&lt;script></text>", "<text>&lt;script&gt;</text>"),
            (
                "<font-face-uri xlink:href='http://x'/><color-profile xlink:href='x'/><cursor xlink:href='x'/>",
                "",
            ),
        ] {
            assert_eq!(inner(attack).as_deref(), Ok(left), "{attack}");
        }
    }

    #[test]
    fn entities_are_replaced_within_bounds_and_never_fetched() {
        let with = |declared: &str, body: &str| {
            clean(format!("<!DOCTYPE svg [{declared}]><svg xmlns='{SVG}'>{body}</svg>").as_bytes())
        };
        let cleaned = with("<!ENTITY a 'b'>", "<text>&a;</text>").unwrap();
        assert!(cleaned.ends_with("<text>b</text></svg>") && !cleaned.contains("ENTITY"), "{cleaned}");
        let hidden = with("<!ENTITY a '<script>alert(1)</script>'>", "<g>&a;</g>").unwrap();
        assert!(hidden.ends_with("<g></g></svg>"), "{hidden}");
        assert!(with("<!ENTITY a SYSTEM 'file:///etc/hostname'>", "<text>&a;</text>").is_err());
        let laughs: String =
            (1..12).map(|n| format!("<!ENTITY a{n} '{}'>", format!("&a{};", n - 1).repeat(10))).collect();
        assert!(with(&format!("<!ENTITY a0 'ha'>{laughs}"), "<text>&a11;</text>").is_err());
    }

    #[test]
    fn what_is_no_svg_is_none() {
        for text in
            ["<svg/>", "<html xmlns='http://www.w3.org/1999/xhtml'/>", "<svg xmlns='x'/>", "", "\u{FEFF}"]
        {
            clean(text.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn it_is_the_same_again() {
        let text = format!(
            "\u{FEFF}<?xml version='1.0'?><s:svg xmlns:s='{SVG}' width='5'><s:g id='&quot;\n&#x0A;&#9;'/>x</s:svg>"
        );
        let once = clean(text.as_bytes()).unwrap();
        assert_eq!(clean(once.as_bytes()).unwrap(), once);
        assert!(once.starts_with("<svg ") && once.contains("width=\"5\""));
    }
}
