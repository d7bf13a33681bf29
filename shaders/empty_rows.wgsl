// Empties rows, one to an invocation. A workgroup writes the places of its rows in order.
// Twin: src/graph/rows.rs (`RowTable::new`)

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = min(number_of(group) * GROUP, params.rows);
    let end = min(first + GROUP, params.rows) * WIDTH;
    for (var at = first * WIDTH + lane; at < end; at += GROUP) {
        row_distances[at] = FAR;
        row_ids[at] = NO_NEIGHBOR;
    }
}
