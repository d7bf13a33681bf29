// 1 - x·y / (|x| |y|): the words are 1 / length, 0 for rows without length, which are at 0 from each other and at 1 from the rest.
fn distance_of(dot: Sums, x: u32, y: u32) -> f32 {
    let inverse_x = bitcast<f32>(x);
    let inverse_y = bitcast<f32>(y);
    if max(inverse_x, inverse_y) == 0.0 {
        return 0.0;
    }
    return 1.0 - f32(dot) * (inverse_x * inverse_y);
}
