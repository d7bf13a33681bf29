// Puts every neighbour at its rank among the kept and the offers from `first` to `end`, at most HELD * GROUP. An
// invocation holds HELD offers and KEPT kept neighbours in registers, so that what they are compared with is loaded
// once. Places of the kept that are empty are passed over. This text is used three times: `merge_one` and `merge_two` are
// the same for one and for two offers to an invocation.
fn merge(lane: u32, first: u32, end: u32, may_be_kept: bool) {
    var mine: array<Neighbor, HELD>;
    var ranks: array<u32, HELD>;
    for (var h = 0u; h < HELD; h++) {
        let o = first + lane + h * GROUP;
        mine[h] = unpacked(offered[min(o, CHUNK - 1u)]);
        ranks[h] = select(WIDTH, 0u, o < end);
    }
    for (var r = 0u; r < filled; r++) {
        let other = unpacked(kept[r]);
        for (var h = 0u; h < HELD; h++) {
            let is_kept = may_be_kept && mine[h].id >> 1u == other.id >> 1u;
            ranks[h] += select(u32(is_nearer(other, mine[h])), WIDTH, is_kept);
        }
    }
    if may_be_kept {
        for (var h = 0u; h < HELD; h++) {
            let o = first + lane + h * GROUP;
            if o < end && ranks[h] >= WIDTH {
                offered[o] = vec2<u32>(bitcast<u32>(FAR), NO_NEIGHBOR);
            }
        }
        workgroupBarrier();
    }
    var own: array<Neighbor, KEPT>;
    var own_ranks: array<u32, KEPT>;
    for (var k = 0u; k < KEPT; k++) {
        let r = lane + k * GROUP;
        own[k] = unpacked(kept[min(r, WIDTH - 1u)]);
        own_ranks[k] = r;
    }
    for (var o = first; o < end; o++) {
        let other = unpacked(offered[o]);
        for (var h = 0u; h < HELD; h++) {
            ranks[h] += u32(is_nearer(other, mine[h]));
        }
        for (var k = 0u; k < KEPT; k++) {
            own_ranks[k] += u32(is_nearer(other, own[k]));
        }
    }
    workgroupBarrier();
    for (var k = 0u; k < KEPT; k++) {
        put_at(own_ranks[k], own[k]);
    }
    for (var h = 0u; h < HELD; h++) {
        put_at(ranks[h], mine[h]);
        entered += u32(ranks[h] < WIDTH);
    }
    workgroupBarrier();
}
