//! ARCHITECTURE.md's table of rooms against the imports of the code.
//!
//! A room is a file or folder of `src`, or a folder that has a row of its own in the table. Every `crate::` and
//! `super::` path outside of tests and comments counts as an import.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the table: a room, and the rooms that it may import.
struct Room {
    name: String,
    may_import: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in backticks of a cell.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(String::from).collect()
}

/// The table whose last column is "may import".
fn table() -> Vec<Room> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.ends_with("| may import |")).skip(2);
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(String::from).collect::<Vec<_>>();
    let room =
        |cells: Vec<String>| Room { name: names(&cells[0]).remove(0), may_import: names(&cells[cells.len() - 1]) };
    rows.take_while(|line| line.starts_with('|')).map(|line| room(cells(line))).collect()
}

/// All source files of the library under a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("src/bin") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("src/lib.rs") {
            found.push(path);
        }
    }
}

/// The module of a file, as a path from the crate.
fn module(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().into()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The text with comments and strings blanked; lines keep their numbers.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let code = line.find("//").filter(|&at| line[..at].matches('"').count() % 2 == 0);
        out.push_str(&line[..code.unwrap_or(line.len())]);
        out.push('\n');
    }
    out
}

/// The end of the item that begins at `from`: after its block, or after its semicolon.
fn end_of_item(text: &str, from: usize) -> usize {
    let mut depth = 0;
    for (at, c) in text[from..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return from + at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return from + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Blanks the items under `#[cfg(test)]` and returns the names of test modules in files of their own.
fn blank_tests(text: &mut String) -> Vec<String> {
    let mut files = Vec::new();
    while let Some(start) = text.find("#[cfg(test)]").or_else(|| text.find("#[cfg(all(test,")) {
        let item = start + text[start..].find(']').unwrap() + 1;
        let end = end_of_item(text, item);
        let declared = text[item..end].trim_end().strip_suffix(';').and_then(|item| item.split("mod ").nth(1));
        files.extend(declared.map(|name| name.trim().into()));
        let blank: String = text[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        text.replace_range(start..end, &blank);
    }
    files
}

/// What an import names: a path from the crate, of two segments at most.
fn imports(text: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        for (start, _) in line.match_indices("crate::").chain(line.match_indices("super::")) {
            let before = &line[..start];
            if before.ends_with(word) || before.ends_with("super::") {
                continue;
            }
            let mut path: Vec<String> = if line[start..].starts_with("crate") { Vec::new() } else { module.to_vec() };
            let mut rest = &line[start..];
            while let Some(after) = rest.strip_prefix("super::") {
                path.pop();
                rest = after;
            }
            rest = rest.strip_prefix("crate::").unwrap_or(rest);
            // A group at the root of the crate, `crate::{a::X, b}`, is not used here: rustfmt would break its lines.
            assert!(!rest.starts_with('{') || !path.is_empty(), "line {number}: import one room at a time");
            path.extend(rest.split("::").map(|part| part.chars().take_while(|&c| word(c)).collect()).take(2));
            // A module within a file has its file for `super`: nothing of another room.
            if !path.is_empty() && (line[start..].starts_with("crate") || path[0] != "*") {
                found.push((number, path));
            }
        }
    }
    found
}

/// The room that a path is in: the one with the longest name.
fn room_of<'a>(table: &'a [Room], path: &[String]) -> Option<&'a Room> {
    let inside = |room: &&Room| {
        let name: Vec<&str> = room.name.split('/').collect();
        path.len() >= name.len() && name.iter().zip(path).all(|(a, b)| a == b)
    };
    table.iter().filter(inside).max_by_key(|room| room.name.len())
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table = table();
    assert!(table.len() > 15, "the table of rooms is not found");
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut texts: BTreeMap<Vec<String>, (PathBuf, String)> = BTreeMap::new();
    let mut tests: Vec<Vec<String>> = Vec::new();
    for file in files {
        let mut text = without_comments(&fs::read_to_string(&file).unwrap());
        let module = module(&file);
        tests.extend(blank_tests(&mut text).into_iter().map(|name| [&module[..], &[name]].concat()));
        texts.insert(module, (file, text));
    }
    texts.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));

    let mut wrong = Vec::new();
    for (module, (file, text)) in &texts {
        let file = file.strip_prefix(root()).unwrap().display();
        let Some(from) = room_of(&table, module) else {
            wrong.push(format!("{file}: this room is not in the table"));
            continue;
        };
        for (line, path) in imports(text, module) {
            match room_of(&table, &path) {
                Some(to) if to.name == from.name || from.may_import.contains(&to.name) => {}
                Some(to) => wrong.push(format!("{file}:{line}: `{}` may not import `{}`", from.name, to.name)),
                None => wrong.push(format!("{file}:{line}: `{}` is in no room of the table", path.join("::"))),
            }
        }
    }
    assert!(wrong.is_empty(), "see ARCHITECTURE.md, \"Rooms\":\n{}", wrong.join("\n"));
}

#[test]
fn the_table_is_without_circles() {
    let table = table();
    for (at, room) in table.iter().enumerate() {
        for name in &room.may_import {
            let before = table[..at].iter().any(|other| other.name == *name);
            assert!(before, "`{}` may import `{name}`, which does not stand above it in the table", room.name);
        }
    }
}

#[test]
fn every_room_has_a_description() {
    for room in table() {
        let path = root().join("src").join(&room.name);
        let file = if path.is_dir() { path.join("mod.rs") } else { path.with_extension("rs") };
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(text.starts_with("//! "), "{} does not begin with a description", file.display());
    }
}
