//! Which rooms a source text names, found in its tokens: comments, strings and characters are passed over, groups
//! and `super` are followed, and modules for tests count like all others.

pub(super) struct Import {
    /// The first word behind the crate's root; `*` where it is all of it.
    pub(super) room: String,
    pub(super) line: usize,
    /// Named as `pixedge::…`, not as `crate::…`.
    pub(super) from_outside: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'s> {
    Word(&'s str),
    /// `::`
    Separator,
    Other(char),
}

/// Every room that is named; `depth` is the number of modules that the file is below the root.
pub(super) fn of(source: &str, depth: usize) -> Vec<Import> {
    let tokens = tokens(source);
    let mut imports = Vec::new();
    let mut modules = Modules { depth, open: Vec::new(), braces: 0 };
    for (index, (token, line)) in tokens.iter().enumerate() {
        modules.step(&tokens[..=index]);
        let next = tokens.get(index + 1).map(|(token, _)| *token);
        let begins = index == 0 || tokens[index - 1].0 != Token::Separator;
        let from_outside = *token == Token::Word("pixedge");
        let mut rooms = Vec::new();
        match (token, next) {
            (Token::Word("crate"), Some(Token::Word("as" | "self"))) => rooms.push("*".to_owned()),
            (Token::Word("crate" | "pixedge"), Some(Token::Separator)) => {
                tree(&tokens, index + 2, 0, &mut rooms);
            }
            (Token::Word("super"), Some(Token::Separator)) if begins && modules.depth > 0 => {
                tree(&tokens, index, modules.depth, &mut rooms);
            }
            _ => {}
        }
        imports.extend(rooms.into_iter().map(|room| Import { room, line: *line, from_outside }));
    }
    imports
}

/// Whether there is a `use` at all.
pub(super) fn has_use(source: &str) -> bool {
    tokens(source).iter().any(|(token, _)| *token == Token::Word("use"))
}

/// Follows a path or a group of paths that begins at `index`, `level` modules below the root. Returns what is behind it.
fn tree(tokens: &[(Token<'_>, usize)], mut index: usize, mut level: usize, rooms: &mut Vec<String>) -> usize {
    loop {
        let separated = matches!(tokens.get(index + 1), Some((Token::Separator, _)));
        match tokens.get(index).map(|(token, _)| *token) {
            Some(Token::Word("super")) if level > 0 => {
                level -= 1;
                index += 1;
            }
            Some(Token::Word("self")) if separated => index += 1,
            Some(Token::Separator) => index += 1,
            Some(Token::Other('{')) => return group(tokens, index + 1, level, rooms),
            Some(Token::Other('*')) if level == 0 => {
                rooms.push("*".to_owned());
                return index + 1;
            }
            Some(Token::Word(word)) if level == 0 => {
                rooms.push(word.to_owned());
                return index + 1;
            }
            _ => return index,
        }
    }
}

/// The paths of a group; those inside of a path that has left the root are passed over.
fn group(tokens: &[(Token<'_>, usize)], mut index: usize, level: usize, rooms: &mut Vec<String>) -> usize {
    loop {
        index = tree(tokens, index, level, rooms);
        let mut inner = 0;
        loop {
            match tokens.get(index).map(|(token, _)| *token) {
                None => return index,
                Some(Token::Other('{')) => inner += 1,
                Some(Token::Other('}')) if inner == 0 => return index + 1,
                Some(Token::Other('}')) => inner -= 1,
                Some(Token::Other(',')) if inner == 0 => break,
                _ => {}
            }
            index += 1;
        }
        index += 1;
    }
}

/// The modules written inside a file, `mod tests { … }`, each of which `super` leaves first.
struct Modules {
    depth: usize,
    /// The number of open braces when each began.
    open: Vec<usize>,
    braces: usize,
}

impl Modules {
    fn step(&mut self, seen: &[(Token<'_>, usize)]) {
        match seen {
            [.., (Token::Word("mod"), _), (Token::Word(_), _), (Token::Other('{'), _)] => {
                self.open.push(self.braces);
                self.braces += 1;
                self.depth += 1;
            }
            [.., (Token::Other('{'), _)] => self.braces += 1,
            [.., (Token::Other('}'), _)] => {
                self.braces = self.braces.saturating_sub(1);
                if self.open.last() == Some(&self.braces) {
                    self.open.pop();
                    self.depth -= 1;
                }
            }
            _ => {}
        }
    }
}

/// The words and signs of a source with their lines, without comments and literals.
fn tokens(source: &str) -> Vec<(Token<'_>, usize)> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            _ if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            'b' | 'c' if rest[1..].starts_with('"') => 1 + quoted(&rest[1..], '"'),
            'b' if rest[1..].starts_with('\'') => 1 + quoted(&rest[1..], '\''),
            '"' => quoted(rest, '"'),
            '\'' => character_or_lifetime(rest),
            _ if rest.starts_with("::") => {
                tokens.push((Token::Separator, line));
                2
            }
            _ if word > 0 => {
                tokens.push((Token::Word(&rest[..word]), line));
                word
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push((Token::Other(first), line));
                }
                first.len_utf8()
            }
        };
        let (passed, after) = rest.split_at(length);
        line += passed.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Length of `/* … */`, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Length of `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`; `None` for anything else, such as `r#type`.
fn raw_string(text: &str) -> Option<usize> {
    let start = ["r", "br", "cr"].into_iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let inside = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let opening = text.len() - inside.len();
    Some(inside.find(&end).map_or(text.len(), |at| opening + at + end.len()))
}

/// Length of a literal in `quote`s with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// `'a'` and `'\n'` are characters, `'a` alone is a lifetime.
fn character_or_lifetime(text: &str) -> usize {
    let mut after = text.chars().skip(1);
    match (after.next(), after.next()) {
        (Some('\\'), _) => quoted(text, '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 1,
    }
}
