// |x|² + |y|² - 2 x·y: the words are squared lengths. What wraps on the way is right in the end, for the whole fits.
fn distance_of(dot: Sums, x: u32, y: u32) -> f32 { return f32(i32(x) + i32(y) - 2 * dot); }
