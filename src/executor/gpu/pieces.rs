//! Texts of kernels whose tables lie in several bindings: every access becomes a call that selects the piece.

use std::fmt::Write;

use super::kernels::{Slot, binding_of_piece};
use super::layout::Layout;

/// The tables, and their names in shaders/.
const TABLES: [(Slot, &str); 7] = [
    (Slot::RowDistances, "row_distances"),
    (Slot::RowIds, "row_ids"),
    (Slot::Near, "near"),
    (Slot::EdgeDistances, "edge_distances"),
    (Slot::EdgeIds, "edge_ids"),
    (Slot::FinalDistances, "final_distances"),
    (Slot::FinalPoints, "final_points"),
];

/// The text for the pieces of a layout; the same text where every table is in one.
pub(super) fn in_pieces(mut text: String, layout: &Layout) -> String {
    for (slot, name) in TABLES {
        let pieces = layout.pieces(slot);
        if pieces > 1
            && let Some(declared) = declaration(&text, name)
        {
            let accessors = accessors(&declared, name, pieces);
            text = with_calls(&text, name).replacen(&declared, &accessors, 1);
        }
    }
    text
}

/// The line `@group(0) @binding(3) var<storage, read_write> row_ids: array<u32>;`.
fn declaration(text: &str, name: &str) -> Option<String> {
    let wanted = format!("> {name}: array<");
    text.lines().find(|line| line.starts_with("@group(0)") && line.contains(&wanted)).map(str::to_owned)
}

/// The declarations of a table's pieces, `read_name(at)`, and `write_name(at, value)` if it is written.
fn accessors(declared: &str, name: &str, pieces: usize) -> String {
    let between = |from: &str, to: char| declared.split(from).nth(1).and_then(|rest| rest.split(to).next());
    let binding = between("@binding(", ')').and_then(|binding| binding.parse().ok()).expect("a declaration");
    let (access, value) = (between("var<", '>').expect("a declaration"), between("array<", '>').expect("an array"));
    let mut text = String::new();
    for piece in 0..pieces {
        let binding = binding_of_piece(binding, piece);
        writeln!(text, "@group(0) @binding({binding}) var<{access}> {name}{piece}: array<{value}>;").expect("a string");
    }
    let mut function = |head: String, of_piece: &dyn Fn(usize, &str) -> String| {
        writeln!(text, "fn {head} {{\n    switch at / PIECE {{").expect("a string");
        for piece in 1..pieces {
            writeln!(text, "        case {piece}u: {{ {} }}", of_piece(piece, "at % PIECE")).expect("a string");
        }
        writeln!(text, "        default: {{ {} }}\n    }}\n}}", of_piece(0, "at")).expect("a string");
    };
    let read = |piece: usize, at: &str| format!("return {name}{piece}[{at}];");
    function(format!("read_{name}(at: u32) -> {value}"), &read);
    if access.ends_with("read_write") {
        let write = |piece: usize, at: &str| format!("{name}{piece}[{at}] = value;");
        function(format!("write_{name}(at: u32, value: {value})"), &write);
    }
    text
}

/// The text with `name[at]` as `read_name(at)`, and `name[at] = value;` as `write_name(at, value);`.
fn with_calls(text: &str, name: &str) -> String {
    let (mut done, mut rest) = (String::new(), text);
    let wanted = format!("{name}[");
    while let Some(found) = rest.find(&wanted) {
        let (before, from) = (&rest[..found], found + wanted.len());
        done.push_str(before);
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            done.push_str(&wanted);
            rest = &rest[from..];
            continue;
        }
        let end = from + closing(&rest[from..]);
        let at = with_calls(&rest[from..end], name);
        rest = &rest[end + 1..];
        match rest.strip_prefix(" = ").and_then(|rest| rest.split_once(';')) {
            Some((value, after)) => {
                write!(done, "write_{name}({at}, {});", with_calls(value, name)).expect("a string");
                rest = after;
            }
            None => write!(done, "read_{name}({at})").expect("a string"),
        }
    }
    done + rest
}

/// The place of the bracket that closes one before the text.
fn closing(text: &str) -> usize {
    let mut open = 1;
    let closes = |c: char| {
        open += i32::from(c == '[') - i32::from(c == ']');
        open == 0
    };
    text.find(closes).expect("brackets are closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_become_calls() {
        for (text, calls) in [
            ("near[base] = all | fresh << 16u;", "write_near(base, all | fresh << 16u);"),
            ("near[near[row * STRIDE + 1u + m] * STRIDE];", "read_near(read_near(row * STRIDE + 1u + m) * STRIDE);"),
            ("near[1u] = near[ends[m]];", "write_near(1u, read_near(ends[m]));"),
            (
                "near[0] == x && clear_near[0] != near[a[b[0]]]",
                "read_near(0) == x && clear_near[0] != read_near(a[b[0]])",
            ),
            ("put_near(list); nearer(d)", "put_near(list); nearer(d)"),
        ] {
            assert_eq!(with_calls(text, "near"), calls);
        }
    }
}
