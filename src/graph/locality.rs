//! An order of rows in which neighbours are close in memory.

/// Rows collected from one start. Together with the rows read beside them they fill about the second-level cache of a
/// core.
const GROUP: usize = 1024;

/// The row for each place: breadth-first groups over the neighbours given by `near`, each started at the first
/// remaining row.
pub(crate) fn breadth_first_groups<I: Iterator<Item = u32>>(n: usize, near: impl Fn(u32) -> I) -> Vec<u32> {
    let mut order: Vec<u32> = Vec::with_capacity(n);
    let mut placed = vec![false; n];
    for start in 0..n {
        if placed[start] {
            continue;
        }
        placed[start] = true;
        let mut at = order.len();
        let end = at + GROUP;
        order.push(start as u32);
        while at < order.len() && order.len() < end {
            for row in near(order[at]) {
                if !placed[row as usize] {
                    placed[row as usize] = true;
                    order.push(row);
                }
            }
            at += 1;
        }
    }
    order
}

/// The place of each row in an order: its inverse.
pub(crate) fn places(order: &[u32]) -> Vec<u32> {
    let mut places = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, &row)| places[row as usize] = at as u32);
    places
}
