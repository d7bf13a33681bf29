//! The neighbours of 1,797 handwritten digits: `cargo run --release --no-default-features --example quickstart`.

use nndescent::{Algorithm, KnnGraph, Metric, NnDescent, Points, exact, recall};

const IMAGES: &[u8] = include_bytes!("data/digits-8x8.u8");
const LABELS: &[u8] = include_bytes!("data/digits-labels.u8");
const PIXELS: usize = 64;
const K: usize = 15;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n = LABELS.len();
    let points = Points::dense(IMAGES, n, PIXELS)?;
    // The default, `Algorithm::Auto`, would search so few points exactly.
    let built = NnDescent::new(Metric::Euclidean).n_neighbors(K).algorithm(Algorithm::NnDescent).graph(&points)?;
    let (graph, report) = (&built.graph, &built.report);

    let times = report.times;
    println!("{n} images of {PIXELS} pixels, {K} nearest neighbours each");
    println!("  ran on       {}", report.executor);
    println!(
        "  took         {:.2?} (init {:.2?}, {} rounds of descent {:.2?}, finish {:.2?})",
        times.build(),
        times.init,
        report.rounds.len(),
        times.descent,
        times.finish
    );
    println!("  distances    {} of the {} that all pairs would take", report.distances_evaluated, n * (n - 1) / 2);
    if let Some(e) = report.recall {
        println!("  recall       {:.4} estimated ({:.4} to {:.4}) from {} rows", e.estimate, e.low, e.high, e.sample);
    }
    let truth = exact::graph(&points, &Metric::Euclidean, K, false)?;
    println!("               {:.4} against exact search of all rows", recall::recall(graph, &truth, K)?);
    println!("  same label   {:.1} % of all neighbours\n", 100.0 * same_label(graph));

    for image in [0, 1047, 1390, 1796] {
        draw(image, &graph.ids(image)[..6], &graph.distances(image)[..6]);
    }
    Ok(())
}

/// The share of neighbours that show the same digit as their row.
fn same_label(graph: &KnnGraph) -> f64 {
    let same = |i: usize| graph.ids(i).iter().filter(|&&j| LABELS[j as usize] == LABELS[i]).count();
    (0..graph.n()).map(same).sum::<usize>() as f64 / graph.all_ids().len() as f64
}

/// An image and its neighbours, side by side.
fn draw(image: usize, neighbors: &[u32], distances: &[f32]) {
    print!("a {} {:13}", LABELS[image], "");
    neighbors.iter().zip(distances).for_each(|(&j, d)| print!("a {} at {d:<10.1}", LABELS[j as usize]));
    println!();
    for y in 0..8 {
        print!("{}", line(image, y));
        neighbors.iter().for_each(|&j| print!(" {}", line(j as usize, y)));
        println!();
    }
    println!();
}

fn line(image: usize, y: usize) -> String {
    let shades = [" ", "░", "▒", "▓", "█"];
    let pixels = &IMAGES[image * PIXELS + 8 * y..][..8];
    pixels.iter().map(|&p| shades[usize::from(p).div_ceil(4)].repeat(2)).collect()
}
