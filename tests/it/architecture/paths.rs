//! The paths that a Markdown document names: in backticks, and as targets of links. Fenced blocks are passed over.

/// The folders at the top; a name with a `/` in it is a path only below one of them (`image/webp` is none).
const FOLDERS: &[&str] = &[
    "src", "client", "tests", "benches", "fixtures", "nginx", "docs", "deploy", "fuzz", "scripts", ".ci",
    ".cargo",
];
/// A name without a `/` is a file at the top if it ends like one.
const ENDINGS: &[&str] = &[".md", ".toml", ".yaml", ".lock"];

/// Every path, without a `/` at its end.
pub(super) fn of(document: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in prose(document) {
        paths.extend(line.split('`').skip(1).step_by(2).filter(|code| is_path(code)));
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let targets = targets.map(|target| target.split('#').next().unwrap_or_default());
        paths.extend(targets.filter(|target| !target.is_empty() && !target.contains(':')));
    }
    let mut paths: Vec<_> = paths.into_iter().map(|path| path.trim_end_matches('/').to_owned()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Whether the document says something of a room as a whole: `src/cache`, `src/cache/` or `src/cache.rs`.
pub(super) fn mentions_room(document: &str, room: &str) -> bool {
    let paths = of(document);
    let names = [format!("src/{room}"), format!("src/{room}.rs")];
    names.iter().any(|name| paths.contains(name))
}

fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    document.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn is_path(code: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let placed = match code.split_once('/') {
        Some((folder, _)) => FOLDERS.contains(&folder),
        None => ENDINGS.iter().any(|ending| code.len() > ending.len() && code.ends_with(ending)),
    };
    placed && code.chars().all(plain)
}
