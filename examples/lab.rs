fn main() {
    let a: Vec<String> = std::env::args().collect();
    let g = |i: usize| a[i].parse::<usize>().unwrap();
    let data: Vec<f32> = bytemuck::allocation::pod_collect_to_vec(&std::fs::read(&a[1]).unwrap()[128..]);
    let dim = g(2); let n = data.len() / dim;
    let truth: Vec<u32> = bytemuck::allocation::pod_collect_to_vec(&std::fs::read(&a[3]).unwrap());
    let sample: Vec<u32> = bytemuck::allocation::pod_collect_to_vec(&std::fs::read(&a[4]).unwrap());
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    nndescent::lab::run(&data, n, dim, g(5), g(6) as u64, g(7), (g(8), g(9)), g(10), a[11] == "u8", &truth, &sample);
}
