// Triangle area times sector area, of the squared distance and the squared lengths; 0.17453293 is 10 degrees.
struct Acc { squared: vec4<f32>, xx: vec4<f32>, yy: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>(), vec4<f32>(), vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc {
    let d = x - y;
    return Acc(fma(d, d, acc.squared), fma(x, x, acc.xx), fma(y, y, acc.yy));
}
fn finish(acc: Acc) -> f32 {
    let ones = vec4<f32>(1.0);
    let squared = dot(acc.squared, ones);
    let xx = dot(acc.xx, ones);
    let yy = dot(acc.yy, ones);
    let lengths = sqrt(xx) * sqrt(yy);
    var cosine = 0.0;
    if lengths > 0.0 {
        cosine = clamp((xx + yy - squared) / (2.0 * lengths), -1.0, 1.0);
    }
    let theta = acos(cosine) + 0.17453293;
    let apart = sqrt(squared) + abs(sqrt(xx) - sqrt(yy));
    return (lengths * sin(theta) / 2.0) * (apart * apart * theta / 2.0);
}
