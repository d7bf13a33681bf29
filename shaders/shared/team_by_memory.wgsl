// Exchange within a team of four invocations, through workgroup memory: the same as team_by_shuffles.wgsl.
var<workgroup> team_values: array<u32, GROUP>;
var<workgroup> team_sums: array<array<Sums, 4>, GROUP>;

fn members(value: u32, lane: u32) -> vec4<u32> {
    team_values[lane] = value;
    workgroupBarrier();
    let first = lane & ~3u;
    return vec4<u32>(team_values[first], team_values[first + 1u], team_values[first + 2u], team_values[first + 3u]);
}

// What `members` reads was read before the first barrier, and is written again after the second.
fn joined_by_team(lane: u32, a: Sums, b: Sums, c: Sums, d: Sums) -> Sums {
    team_sums[lane] = array<Sums, 4>(a, b, c, d);
    workgroupBarrier();
    let own = lane & 3u;
    let near = joined(team_sums[lane][own], team_sums[lane ^ 1u][own]);
    let sums = joined(near, joined(team_sums[lane ^ 2u][own], team_sums[lane ^ 3u][own]));
    workgroupBarrier();
    return sums;
}
