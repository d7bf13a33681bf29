// -x·y.
fn distance_of(acc: Acc, x: u32, y: u32) -> f32 { return -f32(acc.dot); }
