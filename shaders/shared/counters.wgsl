// Counts: updates, distances as two words, and rows that are not full.
@group(0) @binding(1) var<storage, read_write> counters: array<atomic<u32>, 4>;

fn count_work(updates: u32, distances: u32) {
    atomicAdd(&counters[0], updates);
    let before = atomicAdd(&counters[1], distances);
    if before + distances < before {
        atomicAdd(&counters[2], 1u);
    }
}
