//! A neighbour graph in petgraph: the shortest way from one handwritten digit to another, through digits that are
//! alike.
//!
//! ```text
//! cargo run --release --no-default-features --example petgraph
//! ```

use nndescent::analysis::{CheckedGraph, Symmetry, components};
use nndescent::{Metric, NnDescent, Points};
use petgraph::algo::astar;
use petgraph::graph::{NodeIndex, UnGraph};

const IMAGES: &[u8] = include_bytes!("data/digits-8x8.u8");
const LABELS: &[u8] = include_bytes!("data/digits-labels.u8");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let points = Points::dense(IMAGES, LABELS.len(), 64)?;
    let knn = NnDescent::new(Metric::Euclidean).n_neighbors(8).graph(&points)?.graph;
    let knn = CheckedGraph::new(&knn)?;
    let (rows, columns, distances) = knn.to_csr().symmetrized(Symmetry::Union).to_coo();
    // Each edge once.
    let edges = rows.into_iter().zip(columns).zip(distances).filter(|((row, column), _)| row < column);
    let graph = UnGraph::<(), f32>::from_edges(edges.map(|((row, column), distance)| (row, column, distance)));
    println!("{} digits, {} edges, {} components", graph.node_count(), graph.edge_count(), components(&knn).count);

    let first_of = |digit: u8| LABELS.iter().position(|&label| label == digit).map(NodeIndex::new);
    for (from, to) in [(0, 6), (1, 7), (3, 8), (4, 9)] {
        let (Some(start), Some(goal)) = (first_of(from), first_of(to)) else { continue };
        match astar(&graph, start, |node| node == goal, |edge| *edge.weight(), |_| 0.0) {
            Some((length, way)) => {
                let labels: Vec<String> = way.iter().map(|node| LABELS[node.index()].to_string()).collect();
                println!("from {from} to {to}: {}, length {length:.1}", labels.join(" "));
            }
            None => println!("no way from {from} to {to}"),
        }
    }
    Ok(())
}
