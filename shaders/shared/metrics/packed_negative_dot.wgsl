// -x·y.
fn distance_of(dot: Sums, x: u32, y: u32) -> f32 { return -f32(dot); }
