// A workgroup's own row of the graph, brought to workgroup memory and back.
fn keep_row(row: u32, lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        kept_distances[r] = row_distances[row * WIDTH + r];
        kept_ids[r] = row_ids[row * WIDTH + r];
    }
    workgroupBarrier();
}

fn write_row(row: u32, lane: u32) {
    for (var r = lane; r < WIDTH; r += GROUP) {
        row_distances[row * WIDTH + r] = kept_distances[r];
        row_ids[row * WIDTH + r] = kept_ids[r];
    }
}
