// Reads a workgroup's own row of the graph to workgroup memory, and writes it back.
fn keep_row(row: u32, lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        kept[r] = vec2<u32>(bitcast<u32>(row_distances[row * WIDTH + r]), row_ids[row * WIDTH + r]);
    }
    look_at_farthest();
}

fn write_row(row: u32, lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        let neighbor = unpacked(kept[r]);
        row_distances[row * WIDTH + r] = neighbor.d;
        row_ids[row * WIDTH + r] = neighbor.id;
    }
}
