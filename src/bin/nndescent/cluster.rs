//! `nndescent cluster`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nndescent::analysis::cluster::{ClusterSelection, Clustering, Hdbscan, dbscan, jarvis_patrick, snn_dbscan};
use nndescent::analysis::{CheckedGraph, ConnectError, Overlap, SharedNeighbors};
use nndescent::{Index, IndexOptions};
use serde_json::json;

use crate::failure::Failure;
use crate::graph::{BuildArguments, extend};
use crate::input::Data;
use crate::neighbors::Neighbors;
use crate::output;
use crate::plot;

/// Clusters that are listed, the largest first.
const LISTED: usize = 10;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    build: BuildArguments,
    /// How rows are clustered.
    #[arg(long, value_enum, default_value_t = Method::Hdbscan)]
    method: Method,
    /// dbscan: distance up to which rows are neighbours. snn-dbscan, jarvis-patrick: shared neighbours from which they
    /// are [default: half of what can be shared].
    #[arg(long, allow_negative_numbers = true)]
    eps: Option<f32>,
    /// Neighbours that make a core row, itself included, for dbscan and snn-dbscan; for hdbscan, the one whose distance
    /// is the core distance [default: 5; for hdbscan, the minimum cluster size].
    #[arg(long)]
    min_samples: Option<usize>,
    /// Rows of the smallest cluster, for hdbscan.
    #[arg(long, default_value_t = 5)]
    min_cluster_size: usize,
    /// Which clusters of the tree are taken, for hdbscan.
    #[arg(long, value_enum, default_value_t = Selection::Eom)]
    selection: Selection,
    /// Distance below which clusters are not split, for hdbscan.
    #[arg(long, default_value_t = 0.0)]
    cluster_selection_epsilon: f64,
    /// Let all rows be one cluster, for hdbscan.
    #[arg(long)]
    allow_single_cluster: bool,
    /// Keep to the edges of the graph, for hdbscan of a matrix. Without this, edges between clusters, and between parts
    /// of the graph, are searched for; of a GRAPH they cannot be.
    #[arg(long)]
    no_connect: bool,
    /// How shared neighbours are counted, for snn-dbscan and jarvis-patrick.
    #[arg(long, value_enum, default_value_t = OverlapName::Count)]
    overlap: OverlapName,
    /// Rows have an edge if each is among so many nearest of the other, for snn-dbscan and jarvis-patrick [default: k].
    #[arg(long)]
    k_mutual: Option<usize>,
    /// How firmly every row is in its cluster, for hdbscan: .npy of n numbers (float32), 0 to 1.
    #[arg(long)]
    probabilities: Option<PathBuf>,
    /// Sizes of the clusters, as .svg.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long)]
    json: bool,
    /// Output: .npy of n labels (int32), -1 for noise.
    #[arg(short, long)]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Method {
    /// Density clusters of any density.
    Hdbscan,
    /// Density clusters of one density.
    Dbscan,
    /// Density clusters by shared neighbours.
    SnnDbscan,
    /// Rows joined by shared neighbours.
    JarvisPatrick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Selection {
    /// Those that last longest (excess of mass).
    Eom,
    /// The smallest.
    Leaf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OverlapName {
    /// Their number.
    Count,
    /// By rank in both lists.
    Rank,
    /// Number in common by number in either list.
    Jaccard,
    /// Number in common by k.
    Dice,
}

impl From<OverlapName> for Overlap {
    fn from(name: OverlapName) -> Self {
        match name {
            OverlapName::Count => Self::Count,
            OverlapName::Rank => Self::Rank,
            OverlapName::Jaccard => Self::Jaccard,
            OverlapName::Dice => Self::Dice,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Analysis(error) => error.into(),
            ConnectError::Search(error) => error.into(),
            _ => Self::Other(error.to_string()),
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let inputs = arguments.build.inputs();
    output::check_all(&arguments.outputs(), &inputs)?;
    if arguments.probabilities.is_some() && arguments.method != Method::Hdbscan {
        return Err(Failure::Argument("--probabilities is for hdbscan".into()));
    }
    let neighbors = Neighbors::of(&arguments.build, !arguments.json)?;
    let by_ids = matches!(arguments.method, Method::SnnDbscan | Method::JarvisPatrick);
    let graph = neighbors.checked(!by_ids)?;

    let start = Instant::now();
    let (found, probabilities) = arguments.clusters(&graph, &neighbors)?;
    let seconds = start.elapsed().as_secs_f64();

    output::write_values(&arguments.output, found.labels())?;
    if let (Some(path), Some(probabilities)) = (&arguments.probabilities, &probabilities) {
        output::write_values(path, probabilities)?;
    }
    if let Some(path) = &arguments.plot {
        let sizes: Vec<f64> = found.sizes().iter().map(|&size| size as f64).collect();
        plot::ranked(path, &sizes, &format!("{} clusters", sizes.len()), "rows")?;
    }
    if arguments.json {
        let mut report = neighbors.report();
        let more = json!({
            "method": output::name_of(&arguments.method), "clusters": found.n_clusters(), "sizes": found.sizes(),
            "noise": found.n_noise(), "cluster_seconds": seconds, "output": arguments.output.display().to_string(),
        });
        extend(&mut report, more);
        say!("{report}");
        return Ok(());
    }
    neighbors.summarize();
    summarize(&found, seconds, arguments);
    Ok(())
}

fn summarize(found: &Clustering, seconds: f64, arguments: &Arguments) {
    let (n, noise) = (found.labels().len(), found.n_noise());
    let share = 100.0 * noise as f64 / n.max(1) as f64;
    let name = output::name_of(&arguments.method);
    say!("{name}: {} clusters of {n} rows in {seconds:.3} s, {}", found.n_clusters(), arguments.output.display());
    say!("{noise} rows of noise ({share:.1} %)");
    let mut by_size: Vec<(usize, usize)> = found.sizes().iter().copied().enumerate().collect();
    by_size.sort_by_key(|&(cluster, size)| (std::cmp::Reverse(size), cluster));
    by_size.iter().take(LISTED).for_each(|(cluster, size)| say!("{cluster:>10}  {size} rows"));
    if by_size.len() > LISTED {
        let rest: usize = by_size[LISTED..].iter().map(|cluster| cluster.1).sum();
        say!("{rest} rows in {} smaller clusters", by_size.len() - LISTED);
    }
}

impl Arguments {
    fn outputs(&self) -> Vec<(&Path, &'static str)> {
        let npy = [&self.output].into_iter().chain(&self.probabilities).map(|path| (path.as_path(), "npy"));
        npy.chain(self.plot.iter().map(|path| (path.as_path(), "svg"))).collect()
    }

    /// Labels, and the probabilities of HDBSCAN.
    fn clusters(&self, graph: &CheckedGraph, neighbors: &Neighbors) -> Result<(Clustering, Option<Vec<f32>>), Failure> {
        let min_samples = self.min_samples.unwrap_or(5);
        match self.method {
            Method::Dbscan => {
                let eps = self.eps.ok_or_else(|| Failure::Argument("dbscan needs --eps, a distance".into()))?;
                Ok((dbscan(graph, eps, min_samples)?, None))
            }
            Method::SnnDbscan | Method::JarvisPatrick => {
                let (k, overlap) = (graph.k(), Overlap::from(self.overlap));
                let shared = SharedNeighbors::new(k).k_mutual(self.k_mutual.unwrap_or(k)).overlap(overlap);
                let similarity = shared.similarity(graph)?;
                let least = self.eps.unwrap_or(overlap.most(k) / 2.0);
                let found = match self.method {
                    Method::JarvisPatrick => jarvis_patrick(&similarity, least)?,
                    _ => snn_dbscan(&similarity, least, min_samples)?,
                };
                Ok((found, None))
            }
            Method::Hdbscan => {
                let found = match &neighbors.data {
                    Some(data) if !self.no_connect => {
                        self.hdbscan().run_with_index(graph, &self.index(data, neighbors)?)?
                    }
                    _ => self.hdbscan().run(graph, &[])?,
                };
                Ok((found.clustering, Some(found.probabilities)))
            }
        }
    }

    fn hdbscan(&self) -> Hdbscan {
        let selection = match self.selection {
            Selection::Eom => ClusterSelection::ExcessOfMass,
            Selection::Leaf => ClusterSelection::Leaf,
        };
        Hdbscan::new(self.min_cluster_size)
            .min_samples(self.min_samples.unwrap_or(self.min_cluster_size))
            .selection(selection)
            .cluster_selection_epsilon(self.cluster_selection_epsilon)
            .allow_single_cluster(self.allow_single_cluster)
    }

    /// An index of the points, to search for edges.
    fn index(&self, data: &Data, neighbors: &Neighbors) -> Result<Index, Failure> {
        let points = data.points().map_err(|e| Failure::points(&self.build.input, &e))?;
        Ok(IndexOptions::new().index(&points, &self.build.metric()?, &neighbors.graph)?)
    }
}
