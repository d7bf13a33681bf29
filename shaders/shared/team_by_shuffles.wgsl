// Exchange within a team of four invocations, a quad of their subgroup.

// The values of the invocations of the team.
fn members(value: u32, lane: u32) -> vec4<u32> {
    return vec4<u32>(
        quadBroadcast(value, 0u), quadBroadcast(value, 1u), quadBroadcast(value, 2u), quadBroadcast(value, 3u)
    );
}

fn pick(k: u32, a: Sums, b: Sums, c: Sums, d: Sums) -> Sums {
    let is_odd = (k & 1u) == 1u;
    return select(select(a, b, is_odd), select(c, d, is_odd), (k & 2u) == 2u);
}

// The sums of an invocation's own row, of which every invocation of the team holds a part; `a` to `d` are its parts of
// the rows of all four. They are added in the same pairs in every invocation, so that the result does not depend on
// which of them has the row.
fn joined_by_team(lane: u32, a: Sums, b: Sums, c: Sums, d: Sums) -> Sums {
    let near = joined(pick(lane, a, b, c, d), quadSwapX(pick(lane ^ 1u, a, b, c, d)));
    return joined(near, joined(quadSwapY(pick(lane ^ 2u, a, b, c, d)), quadSwapDiagonal(pick(lane ^ 3u, a, b, c, d))));
}
