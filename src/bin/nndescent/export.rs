//! `nndescent export`.

use std::path::{Path, PathBuf};

use nndescent::analysis::{FuzzySet, SharedNeighbors, Symmetry, components, hubness, in_degrees};
use nndescent::io::MatrixFormat;
use serde_json::json;

use crate::failure::Failure;
use crate::graph::{BuildArguments, extend};
use crate::neighbors::Neighbors;
use crate::output;
use crate::plot;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    build: BuildArguments,
    /// What is written: csr and coo as .npz of scipy.sparse, edgelist as text (.tsv: row, column, value); umap is csr
    /// with the weights of UMAP.
    #[arg(long, value_enum, default_value_t = To::Csr)]
    to: To,
    /// Weights of the edges.
    #[arg(long, value_enum, default_value_t = Weights::Distance)]
    weights: Weights,
    /// Make edges undirected.
    #[arg(long, value_enum)]
    symmetry: Option<SymmetryName>,
    /// k-occurrences (which points are neighbours of how many), as .svg.
    #[arg(long)]
    plot_occurrences: Option<PathBuf>,
    /// Distances from the k-th neighbour, as .svg: its bend suggests the eps of DBSCAN.
    #[arg(long)]
    plot_distances: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
    /// Output: .npz, or .tsv of an edge list.
    #[arg(short, long)]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    Csr,
    Coo,
    Edgelist,
    Umap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Weights {
    /// Distances, zeros stored.
    Distance,
    /// Ones.
    Connectivity,
    /// Shared nearest neighbours of points among each other's k nearest.
    Snn,
    /// UMAP's fuzzy simplicial set, both directions made one.
    Umap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SymmetryName {
    /// Edges that either point has; the smaller value.
    Union,
    /// Edges that both points have; the smaller value.
    Mutual,
    /// The larger value.
    Max,
    /// The mean, zero where there is no edge.
    Mean,
}

impl From<SymmetryName> for Symmetry {
    fn from(name: SymmetryName) -> Self {
        match name {
            SymmetryName::Union => Self::Union,
            SymmetryName::Mutual => Self::Mutual,
            SymmetryName::Max => Self::Max,
            SymmetryName::Mean => Self::Mean,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (ending, format) = match arguments.to {
        To::Csr | To::Umap => ("npz", MatrixFormat::Csr),
        To::Coo => ("npz", MatrixFormat::Coo),
        To::Edgelist => ("tsv", MatrixFormat::EdgeList),
    };
    let inputs = arguments.build.inputs();
    let plots = arguments.plot_occurrences.iter().chain(&arguments.plot_distances).map(|plot| (plot.as_path(), "svg"));
    let outputs: Vec<(&Path, &str)> = [(arguments.output.as_path(), ending)].into_iter().chain(plots).collect();
    output::check_all(&outputs, &inputs)?;
    let neighbors = Neighbors::of(&arguments.build, !arguments.json)?;
    let by_ids = matches!(arguments.weights, Weights::Connectivity | Weights::Snn);
    let graph = neighbors.checked(!by_ids || arguments.plot_distances.is_some())?;
    let weights = if arguments.to == To::Umap { Weights::Umap } else { arguments.weights };
    let mut matrix = match weights {
        Weights::Distance => graph.to_csr(),
        Weights::Connectivity => {
            let mut matrix = graph.to_csr();
            matrix.values.fill(1.0);
            matrix
        }
        Weights::Umap => FuzzySet::default().weights(&graph)?,
        Weights::Snn => SharedNeighbors::new(graph.k()).similarity(&graph)?,
    };
    if let Some(symmetry) = arguments.symmetry {
        matrix = matrix.symmetrized(symmetry.into());
    }
    output::write_matrix(&arguments.output, &matrix, format)?;

    let degrees = in_degrees(&graph, None);
    let (parts, hubness) = (components(&graph).count, hubness(&degrees));
    if let Some(path) = &arguments.plot_occurrences {
        let values: Vec<f64> = degrees.iter().copied().map(f64::from).collect();
        plot::ranked(path, &values, &format!("k-occurrence, hubness {hubness:.2}"), "rows that it is a neighbour of")?;
    }
    if let Some(path) = &arguments.plot_distances {
        let farthest = (0..graph.n()).filter_map(|i| graph.distances(i).last().copied());
        let values: Vec<f64> = farthest.map(f64::from).collect();
        plot::ranked(path, &values, &format!("distance from neighbour {}", graph.k()), "distance")?;
    }
    if arguments.json {
        let mut report = neighbors.report();
        let more = json!({
            "edges": matrix.indices.len(), "components": parts, "hubness": hubness,
            "output": arguments.output.display().to_string(),
        });
        extend(&mut report, more);
        say!("{report}");
        return Ok(());
    }
    neighbors.summarize();
    say!("{} edges of {} rows, {}", matrix.indices.len(), matrix.n(), arguments.output.display());
    say!("{parts} connected components, hubness (skewness of k-occurrences) {hubness:.3}");
    Ok(())
}
