//! Style sheets and values of attributes that may name something: what leads outside goes. Whatever is written in a way
//! that a browser might read differently from us goes too, so no grammar of CSS is needed.

/// Whether a value of an attribute or a declaration loads nothing and runs nothing.
pub(super) fn is_harmless(value: &str) -> bool {
    // An escape can write any of the words below; a comment can part one; the rest is never part of a value.
    const ODD: [&str; 3] = ["\\", "/*", "<"];
    const WORDS: [&str; 9] = [
        "image(",
        "image-set(",
        "src(",
        "cross-fade(",
        "expression(",
        "javascript:",
        "vbscript:",
        "-moz-binding",
        "behavior",
    ];
    let value = value.to_ascii_lowercase();
    let value = value.as_str();
    !value.contains('\0')
        && !ODD.iter().any(|odd| value.contains(odd))
        && !WORDS.iter().any(|word| value.contains(word))
        && value.split("url").skip(1).all(|rest| match rest.trim_start().strip_prefix('(') {
            Some(inner) => is_fragment(inner),
            None => true,
        })
}

/// `url(#name)` behind its bracket.
fn is_fragment(inner: &str) -> bool {
    let inner = inner.trim_start().trim_start_matches(['"', '\'']).trim_start();
    inner.starts_with('#')
}

/// A `style` attribute: its harmless declarations.
pub(super) fn declarations(style: &str) -> String {
    let mut kept = style.split(';').filter(|one| is_harmless(one) && !one.contains(['@', '{', '}']));
    let mut out = kept.next().unwrap_or_default().to_owned();
    for one in kept {
        out.push(';');
        out.push_str(one);
    }
    out
}

/// A style sheet without comments, without rules that load or nest, and with harmless declarations only. Rules for
/// media are kept with what they hold.
pub(super) fn sheet(text: &str) -> String {
    let Some(text) = without_comments(text) else { return String::new() };
    let mut out = String::new();
    rules(&text, 0, &mut out);
    out
}

/// `None` where the sheet cannot be read safely.
fn without_comments(text: &str) -> Option<String> {
    // What hides a sheet from old browsers, and means nothing.
    let text = text.replace("<!--", " ").replace("-->", " ");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once("/*") {
        out.push_str(before);
        rest = behind.split_once("*/")?.1;
    }
    out.push_str(rest);
    (!out.contains(['\\', '<', '\0'])).then_some(out)
}

fn rules(mut text: &str, depth: u8, out: &mut String) {
    const DEEPEST: u8 = 4;
    loop {
        text = text.trim_start().trim_start_matches(['}', ';']).trim_start();
        let Some(at) = text.find(['{', ';']) else { return };
        let (prelude, rest) = (text[..at].trim(), &text[at + 1..]);
        if text.as_bytes()[at] == b';' {
            // `@import`, `@charset`, `@namespace`, or nonsense.
            text = rest;
            continue;
        }
        let Some(end) = closing(rest) else { return };
        let (inside, behind) = (&rest[..end], &rest[end + 1..]);
        text = behind;
        if !is_harmless(prelude) || prelude.trim_start_matches('@').contains('@') {
            continue;
        }
        let word = prelude.split([' ', '(']).next().unwrap_or_default().to_ascii_lowercase();
        match word.as_str() {
            "@media" | "@supports" | "@keyframes" | "@-webkit-keyframes" if depth < DEEPEST => {
                out.push_str(prelude);
                out.push('{');
                rules(inside, depth + 1, out);
                out.push('}');
            }
            _ if word.starts_with('@') => {}
            _ => {
                out.push_str(prelude);
                out.push('{');
                out.push_str(&declarations(inside));
                out.push('}');
            }
        }
    }
}

/// Where the block ends that begins before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return true,
            b'}' => depth -= 1,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_within_the_picture_is_harmless() {
        for value in ["url(#a)", "url( '#a' ) none", "URL(\"#a\")", "red", "curly", "blur(3px)", "url"] {
            assert!(is_harmless(value), "{value}");
        }
        for value in [
            "url(a)",
            "url(#a) url(http://x)",
            "URL('//x')",
            "url(data:image/png;base64,AA)",
            "u\\72l(x)",
            "url (x)",
            "ur/**/l(x)",
            "image-set('x' 1x)",
            "expression(1)",
            "JavaScript:1",
            "-moz-binding:url(#a)",
            "src('x')",
        ] {
            assert!(!is_harmless(value), "{value}");
        }
    }

    #[test]
    fn a_sheet_keeps_its_harmless_rules() {
        for (sheet, kept) in [
            (".a{fill:red;stroke:url(#b)}", ".a{fill:red;stroke:url(#b)}"),
            ("@import 'x'; .a{fill:red}", ".a{fill:red}"),
            ("@import url(x);.a{fill:url(http://x);stroke:red}", ".a{stroke:red}"),
            ("@font-face{font-family:x;src:url(x)} .a{fill:red}", ".a{fill:red}"),
            ("@media (min-width:1px){.a{fill:red;fill:url(x)}}", "@media (min-width:1px){.a{fill:red}}"),
            ("/* .b{} */.a{fill:/*x*/red}", ".a{fill:red}"),
            (".a{fill:r\\65 d}", ""),
            (".a{fill:red} /* unclosed", ""),
            (".a{fill:red", ""),
            ("<!-- .a{fill:red} -->", ".a{fill:red}"),
            ("</style><script>", ""),
            (".a:hover > path, #b{fill:red}", ".a:hover > path, #b{fill:red}"),
        ] {
            assert_eq!(super::sheet(sheet), kept, "{sheet}");
        }
        assert_eq!(declarations("fill:red;background:url(//x);stroke:blue"), "fill:red;stroke:blue");
    }
}
