//! The fenced `arrows` block: a line `a b -> c d` lets a and b import c and d; `*` is every room on a later line;
//! `a b <- *` lets everyone import a and b. Rooms of one line that is open to all may import those on its right
//! (above) or on its left (below). `planned: a` marks rooms that are not built yet.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Arrows {
    to: BTreeMap<String, BTreeSet<String>>,
    base: BTreeSet<String>,
    pub(super) planned: BTreeSet<String>,
}

struct Line<'d> {
    rooms: Vec<&'d str>,
    to: Vec<&'d str>,
    base: bool,
}

impl Arrows {
    /// The arrows and what is wrong with them; an error where there is nothing to read.
    pub(super) fn read(document: &str) -> Result<(Self, Vec<String>), String> {
        let block = document
            .split_once("\n```arrows\n")
            .and_then(|(_, rest)| rest.split_once("\n```"))
            .map(|(block, _)| block)
            .ok_or("the document has no fenced `arrows` block")?;
        let (mut lines, mut planned, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for text in block.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            if text.is_empty() {
                continue;
            }
            if let Some(rooms) = text.strip_prefix("planned:") {
                planned.extend(rooms.split_whitespace());
            } else if let Some((rooms, "*")) = text.split_once("<-").map(|(rooms, to)| (rooms, to.trim())) {
                lines.push(Line { rooms: rooms.split_whitespace().collect(), to: Vec::new(), base: true });
            } else if let Some((rooms, to)) = text.split_once("->") {
                let (rooms, to) = (rooms.split_whitespace().collect(), to.split_whitespace().collect());
                lines.push(Line { rooms, to, base: false });
            } else {
                return Err(format!("there is no arrow in the line `{text}` of the arrows block"));
            }
        }

        let mut arrows = Self::default();
        for room in lines.iter().flat_map(|line| &line.rooms) {
            if arrows.to.insert((*room).to_owned(), BTreeSet::new()).is_some() {
                wrong.push(format!("the arrows block has `{room}` twice on the left"));
            }
        }
        for (index, line) in lines.iter().enumerate() {
            arrows.add(line, &lines[index + 1..], &mut wrong);
        }
        for room in planned {
            if !arrows.knows(room) {
                wrong.push(format!("`{room}` is planned, but the arrows block has no such room"));
            }
            arrows.planned.insert(room.to_owned());
        }
        Ok((arrows, wrong))
    }

    fn add(&mut self, line: &Line<'_>, later: &[Line<'_>], wrong: &mut Vec<String>) {
        for (position, room) in line.rooms.iter().enumerate() {
            let mut to: BTreeSet<&str> = BTreeSet::new();
            if line.base {
                self.base.insert((*room).to_owned());
                to.extend(&line.rooms[..position]);
            }
            for target in &line.to {
                if *target == "*" {
                    to.extend(&line.rooms[position + 1..]);
                    to.extend(later.iter().flat_map(|line| &line.rooms));
                } else if target == room {
                    wrong.push(format!("the arrows block lets {room} import itself"));
                } else if self.knows(target) {
                    to.insert(target);
                } else {
                    wrong.push(format!("the arrows block lets {room} import `{target}`, which is no room"));
                }
            }
            self.to.entry((*room).to_owned()).or_default().extend(to.into_iter().map(str::to_owned));
        }
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = &str> {
        self.to.keys().map(String::as_str)
    }

    pub(super) fn knows(&self, room: &str) -> bool {
        self.to.contains_key(room)
    }

    pub(super) fn allow(&self, from: &str, to: &str) -> bool {
        let to_base = self.base.contains(to) && !self.base.contains(from);
        to_base || self.to.get(from).is_some_and(|rooms| rooms.contains(to))
    }

    /// A way from a room back to itself, if there is one.
    pub(super) fn cycle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.rooms().find_map(|room| self.walk(room, &mut Vec::new(), &mut done))
    }

    fn walk<'a>(
        &'a self,
        room: &'a str,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|earlier| *earlier == room) {
            return Some(way[start..].iter().chain([&room]).map(|room| (*room).to_owned()).collect());
        }
        if !done.insert(room) {
            return None;
        }
        way.push(room);
        let found = self.to.get(room).into_iter().flatten().find_map(|next| self.walk(next, way, done));
        way.pop();
        found
    }
}
