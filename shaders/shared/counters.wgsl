// Counts: updates, distances as two words, rows that are not full, and the complement of the first row with a distance
// that is not finite, or 0.
@group(0) @binding(1) var<storage, read_write> counters: array<atomic<u32>, 5>;

fn note_not_finite(row: u32) {
    atomicMax(&counters[4], ~row);
}

fn count_work(updates: u32, distances: u32) {
    atomicAdd(&counters[0], updates);
    let before = atomicAdd(&counters[1], distances);
    if before + distances < before {
        atomicAdd(&counters[2], 1u);
    }
}
