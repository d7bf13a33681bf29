//! A map of 1,797 handwritten digits: their neighbour graph laid out in two dimensions, as UMAP does it.
//!
//! ```text
//! cargo run --release --no-default-features --example digits_map [digits.svg]
//! ```

use std::fmt::Write as _;

use nndescent::analysis::{CheckedGraph, FuzzySet};
use nndescent::{CsrGraph, Metric, NnDescent, Points};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const IMAGES: &[u8] = include_bytes!("data/digits-8x8.u8");
const LABELS: &[u8] = include_bytes!("data/digits-labels.u8");
const PIXELS: usize = 64;
const K: usize = 15;
const EPOCHS: usize = 300;
/// Points that a point is pushed from for each that it is pulled to.
const REPELLED: usize = 5;
/// Of the curve 1 / (1 + a·d^2b) that points are laid out by: UMAP's for a least distance of 0.1.
const CURVE: (f32, f32) = (1.577, 0.895);
/// A colour for each digit.
const COLOURS: [&str; 10] =
    ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];

type Place = [f32; 2];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "digits.svg".into());
    let points = Points::dense(IMAGES, LABELS.len(), PIXELS)?;
    let graph = NnDescent::new(Metric::Euclidean).n_neighbors(K).graph(&points)?.graph;
    let weights = FuzzySet::default().weights(&CheckedGraph::new(&graph)?)?;
    let places = laid_out(&weights, 0);
    std::fs::write(&path, svg(&places))?;
    println!("{} digits, {} edges -> {path}", LABELS.len(), weights.indices.len());
    println!("{:.1} % of digits lie nearest to one of their kind", 100.0 * nearest_agree(&places));
    Ok(())
}

/// Stochastic gradient descent as in UMAP (McInnes, Healy and Melville 2018): an edge pulls in as many epochs as its
/// weight is of the largest, and each pull comes with pushes from random points.
fn laid_out(weights: &CsrGraph, seed: u64) -> Vec<Place> {
    let n = weights.n();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut places: Vec<Place> =
        (0..n).map(|_| [rng.random_range(-10.0..10.0), rng.random_range(-10.0..10.0)]).collect();
    let (a, b) = CURVE;
    for epoch in 0..EPOCHS {
        let rate = 1.0 - epoch as f32 / EPOCHS as f32;
        for from in 0..n {
            for (to, weight) in weights.row(from) {
                // How often the edge was due before, and is now.
                let due = |epoch: usize| (epoch as f32 * weight) as usize;
                if due(epoch + 1) == due(epoch) {
                    continue;
                }
                let squared = distance(places[from], places[to as usize]);
                let pull = -2.0 * a * b * squared.powf(b - 1.0) / (1.0 + a * squared.powf(b));
                let pull = if squared > 0.0 { pull } else { 0.0 };
                step(&mut places, from, to as usize, pull, rate);
                step(&mut places, to as usize, from, pull, rate);
                for _ in 0..REPELLED {
                    let other = rng.random_range(0..n);
                    let squared = distance(places[from], places[other]);
                    let push = 2.0 * b / ((0.001 + squared) * (1.0 + a * squared.powf(b)));
                    if other != from {
                        step(&mut places, from, other, push, rate);
                    }
                }
            }
        }
    }
    places
}

fn distance(a: Place, b: Place) -> f32 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
}

/// Moves a point along the line to another.
fn step(places: &mut [Place], from: usize, other: usize, force: f32, rate: f32) {
    let to = places[other];
    for (at, to) in places[from].iter_mut().zip(to) {
        *at += rate * (force * (*at - to)).clamp(-4.0, 4.0);
    }
}

fn nearest_agree(places: &[Place]) -> f32 {
    let nearest = |i: usize| {
        let others = (0..places.len()).filter(|&j| j != i);
        others.min_by(|&j, &k| distance(places[i], places[j]).total_cmp(&distance(places[i], places[k])))
    };
    let agree = (0..places.len()).filter(|&i| nearest(i).is_some_and(|j| LABELS[i] == LABELS[j])).count();
    agree as f32 / places.len() as f32
}

fn svg(places: &[Place]) -> String {
    let axis = |axis: usize| places.iter().map(move |place| place[axis]);
    let low = [0, 1].map(|i| axis(i).fold(f32::MAX, f32::min));
    let high = [0, 1].map(|i| axis(i).fold(f32::MIN, f32::max));
    let at = |place: Place, i: usize| 20.0 + 760.0 * (place[i] - low[i]) / (high[i] - low[i]);
    let mut text = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"800\">\n");
    text += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    for (place, &label) in places.iter().zip(LABELS) {
        let (x, y, colour) = (at(*place, 0), at(*place, 1), COLOURS[usize::from(label)]);
        writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{colour}\"/>").expect("writes to memory");
    }
    for (digit, colour) in COLOURS.iter().enumerate() {
        let y = 40 + 24 * digit;
        writeln!(text, "<text x=\"810\" y=\"{y}\" font-size=\"20\" fill=\"{colour}\">{digit}</text>")
            .expect("the same");
    }
    text + "</svg>\n"
}
