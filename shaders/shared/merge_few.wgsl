// The same as merge.wgsl for at most FEW offers, where a workgroup is one subgroup of 32: offers go round, and the
// votes of the invocations that hold the kept tell an offer's rank. Work grows with the offers alone, not with the kept.
// `merge_group`, which is merge.wgsl for one offer to an invocation, precedes this text.
const FEW: u32 = 16u;

fn merge_few(lane: u32, first: u32, end: u32, may_be_kept: bool) {
    var own: array<Neighbor, KEPT>;
    var own_ranks: array<u32, KEPT>;
    for (var k = 0u; k < KEPT; k++) {
        let r = lane + k * GROUP;
        own[k] = Neighbor(FAR, NO_NEIGHBOR);
        if r < WIDTH {
            own[k] = unpacked(kept[r]);
        }
        own_ranks[k] = r;
    }
    if may_be_kept {
        for (var o = first; o < end; o++) {
            let id = offered[o].y >> 1u;
            var is_kept = false;
            for (var k = 0u; k < KEPT; k++) {
                is_kept = is_kept || own[k].id >> 1u == id;
            }
            if subgroupAny(is_kept) && lane == 0u {
                offered[o] = vec2<u32>(bitcast<u32>(FAR), NO_NEIGHBOR);
            }
        }
        workgroupBarrier();
    }
    // Offers that were dropped are nearer than nothing.
    let is_mine = first + lane < end;
    let mine = unpacked(offered[select(first, first + lane, is_mine)]);
    var rank = select(WIDTH, 0u, is_mine && mine.id != NO_NEIGHBOR);
    for (var o = first; o < end; o++) {
        let other = unpacked(offered[o]);
        var before = 0u;
        for (var k = 0u; k < KEPT; k++) {
            before += countOneBits(subgroupBallot(is_nearer(own[k], other)).x);
            own_ranks[k] += u32(is_nearer(other, own[k]));
        }
        rank += u32(is_nearer(other, mine)) + select(0u, before, o == first + lane);
    }
    workgroupBarrier();
    for (var k = 0u; k < KEPT; k++) {
        put_at(own_ranks[k], own[k]);
    }
    put_at(rank, mine);
    entered += u32(rank < WIDTH);
    workgroupBarrier();
}

fn merge_one(lane: u32, first: u32, end: u32, may_be_kept: bool) {
    if end - first <= FEW {
        merge_few(lane, first, end, may_be_kept);
    } else {
        merge_group(lane, first, end, may_be_kept);
    }
}
