//! The one order of neighbours: by distance, ties by id. A neighbour is a `u64` whose natural order is that order.

/// Rows being built keep `distance bits << 32 | id << 1 | new`: the flag is below the id, so that it never decides
/// between two different ids.
pub(crate) type Neighbor = u64;

/// An empty slot; sorts after every neighbour.
pub(crate) const EMPTY: Neighbor = u64::MAX;

/// A float as an unsigned integer of the same order, negative values included (dot products are).
#[inline(always)]
pub(crate) fn order_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    bits ^ (((bits.cast_signed() >> 31).cast_unsigned()) | 0x8000_0000)
}

/// The float of [`order_bits`].
#[inline(always)]
pub(crate) fn from_order_bits(bits: u32) -> f32 {
    f32::from_bits(if bits & 0x8000_0000 != 0 { bits ^ 0x8000_0000 } else { !bits })
}

/// The order of (true distance, id).
pub(crate) fn nearest_first(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// Writes a row of (distance, id) into the arrays of a graph.
pub(crate) fn put(row: &[(f32, u32)], ids: &mut [u32], distances: &mut [f32]) {
    for ((id, distance), found) in ids.iter_mut().zip(distances).zip(row) {
        (*distance, *id) = *found;
    }
}

/// Keeps the `width` nearest neighbours, ascending.
pub(crate) fn keep_nearest(neighbors: &mut Vec<Neighbor>, width: usize) {
    if width < neighbors.len() {
        neighbors.select_nth_unstable(width);
        neighbors.truncate(width);
    }
    neighbors.sort_unstable();
}

/// A neighbour not yet joined (its flag says new).
#[inline(always)]
pub(crate) fn fresh(distance: f32, id: u32) -> Neighbor {
    u64::from(order_bits(distance)) << 32 | u64::from(id) << 1 | 1
}

/// Its id.
#[inline(always)]
pub(crate) fn id(neighbor: Neighbor) -> u32 {
    (neighbor as u32) >> 1
}

/// Its distance.
#[inline(always)]
pub(crate) fn distance(neighbor: Neighbor) -> f32 {
    from_order_bits((neighbor >> 32) as u32)
}

/// Whether it has not been joined yet.
#[inline(always)]
pub(crate) fn is_new(neighbor: Neighbor) -> bool {
    neighbor & 1 == 1
}

/// The same neighbour, joined.
#[inline(always)]
pub(crate) fn joined(neighbor: Neighbor) -> Neighbor {
    neighbor & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_distance_then_id() {
        let ascending = [(-2.0, 9), (-1.0, 3), (0.0, 1), (0.0, 2), (f32::MIN_POSITIVE, 0), (1.0, 7), (1e30, 4)];
        for pair in ascending.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|(d, i)| fresh(d, i));
            assert!(a < b && joined(a) < b && a < joined(b), "{pair:?}");
        }
        for (d, i) in ascending {
            let x = fresh(d, i);
            assert_eq!((distance(x), id(x), is_new(x), is_new(joined(x))), (d, i, true, false));
            assert!(x < EMPTY);
        }
    }
}
