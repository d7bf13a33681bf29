// Triangle area times sector area, of the squared distance and the squared lengths; 0.17453293 is 10 degrees.
struct Acc { squared: vec4<f32>, xx: vec4<f32>, yy: vec4<f32> }
fn start() -> Acc { return Acc(vec4<f32>(), vec4<f32>(), vec4<f32>()); }
fn step(acc: Acc, x: vec4<f32>, y: vec4<f32>) -> Acc {
    let d = x - y;
    return Acc(fma(d, d, acc.squared), fma(x, x, acc.xx), fma(y, y, acc.yy));
}
// Squared distance and squared lengths.
alias Sums = vec3<f32>;
fn folded(acc: Acc) -> Sums {
    let ones = vec4<f32>(1.0);
    return Sums(dot(acc.squared, ones), dot(acc.xx, ones), dot(acc.yy, ones));
}
fn joined(a: Sums, b: Sums) -> Sums { return a + b; }
fn finish(sums: Sums) -> f32 {
    let squared = sums.x;
    let xx = sums.y;
    let yy = sums.z;
    let lengths = sqrt(xx) * sqrt(yy);
    var cosine = 0.0;
    if lengths > 0.0 {
        cosine = clamp((xx + yy - squared) / (2.0 * lengths), -1.0, 1.0);
    }
    let theta = acos(cosine) + 0.17453293;
    let apart = sqrt(squared) + abs(sqrt(xx) - sqrt(yy));
    return (lengths * sin(theta) / 2.0) * (apart * apart * theta / 2.0);
}
