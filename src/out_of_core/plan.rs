//! The plan of a build: what its pieces have to agree on, and where its files are.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::error::OutOfCoreError;
use super::file::{Kind, Reader, Writer};
use super::loss;
use crate::atomic_file;
use crate::builder::NnDescent;
use crate::io::{MatrixFile, PrecisionLoss};
use crate::metric::{Metric, MetricArgument};
use crate::params::{Algorithm, Params};
use crate::rng::stratified_sample;

/// Neighbours in a row of the graph unless the builder says otherwise.
const N_NEIGHBORS: usize = 15;
/// Rows of parts hold at least this many neighbours, so that refining finds what is between parts.
const LEAST_WIDTH: usize = 15;
/// Rows of the input whose bytes tell it from others.
const HASHED_ROWS: usize = 256;

/// How a matrix in a file is divided, written by [`partition`](super::partition) into a folder, for the pieces of the
/// build: whoever has the folder can build a part. All settings that decide what a part is are in it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) folder: PathBuf,
    pub(super) input: PathBuf,
    /// What the files of all pieces hold, in this order.
    pub(super) identity: Identity,
    /// Rows of every part.
    pub(super) sizes: Vec<u64>,
    /// Centres, parts x columns.
    pub(super) centers: Vec<f32>,
    /// What values of the input lost, if they are of another type than points.
    pub(super) loss: Option<PrecisionLoss>,
    pub(super) metric: Metric,
    pub(super) params: Params,
}

/// What pieces of a build must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub n: usize,
    pub dim: usize,
    pub dtype: String,
    /// Length and hash of the input.
    pub data: String,
    pub seed: u64,
    pub k: usize,
    /// Neighbours in rows of parts.
    pub width: usize,
    /// Name and arguments of the metric.
    pub metric: String,
    /// Settings of the builder that are not its defaults.
    pub settings: String,
    pub overlap: usize,
    /// Most rows of a part.
    pub part_rows: usize,
    pub parts: usize,
}

impl Identity {
    pub(super) fn entries(&self) -> [(&'static str, String); 12] {
        [
            ("rows", self.n.to_string()),
            ("columns", self.dim.to_string()),
            ("dtype", self.dtype.clone()),
            ("data", self.data.clone()),
            ("seed", self.seed.to_string()),
            ("k", self.k.to_string()),
            ("width", self.width.to_string()),
            ("metric", self.metric.clone()),
            ("settings", self.settings.clone()),
            ("overlap", self.overlap.to_string()),
            ("part_rows", self.part_rows.to_string()),
            ("parts", self.parts.to_string()),
        ]
    }

    /// Lines for a file of this plan.
    pub(super) fn lines(&self, more: &[(&str, String)]) -> String {
        let entries = self.entries();
        let all = entries.iter().map(|(k, v)| (*k, v)).chain(more.iter().map(|(k, v)| (*k, v)));
        all.fold(String::new(), |mut text, (key, value)| {
            let _ = writeln!(text, "{key} {value}");
            text
        })
    }

    /// Checks that a file is one of this plan.
    pub(super) fn check(&self, file: &Reader, more: &[(&str, String)]) -> Result<(), OutOfCoreError> {
        for (name, expected) in self.entries().iter().map(|(k, v)| (*k, v)).chain(more.iter().map(|(k, v)| (*k, v))) {
            let found = file.meta().get(name).map_or("", String::as_str);
            if found != expected {
                let (name, expected) = (name.into(), expected.clone());
                return Err(OutOfCoreError::Disagrees { path: file.path.clone(), name, found: found.into(), expected });
            }
        }
        Ok(())
    }
}

impl Plan {
    /// What is known of a build before its rows are divided.
    pub(super) fn new(
        input: &MatrixFile,
        folder: &Path,
        builder: &NnDescent,
        overlap: usize,
    ) -> Result<Self, OutOfCoreError> {
        let (metric, params, starts_from_graph) = builder.parts();
        check_settings(params, starts_from_graph)?;
        let k = params.n_neighbors.unwrap_or(N_NEIGHBORS);
        if k == 0 || k >= input.n {
            return Err(OutOfCoreError::parameter("n_neighbors", k, format!("1 to {}", input.n.saturating_sub(1))));
        }
        let metric = metric.clone().checked().map_err(crate::error::BuildError::from)?;
        let identity = Identity {
            n: input.n,
            dim: input.dim,
            dtype: input.dtype().into(),
            data: data_hash(input)?,
            seed: params.seed,
            k,
            width: k.max(LEAST_WIDTH).min(input.n - 1),
            metric: metric_text(&metric),
            settings: settings_text(params),
            overlap,
            part_rows: 0,
            parts: 0,
        };
        let input = std::path::absolute(&input.path).unwrap_or_else(|_| input.path.clone());
        let (metric, params) = (metric, params.clone());
        let (sizes, centers, loss) = (Vec::new(), Vec::new(), None);
        Ok(Self { folder: folder.into(), input, identity, sizes, centers, loss, metric, params })
    }

    /// Opens the plan in a folder.
    ///
    /// # Errors
    /// There is none, or it is damaged or of another version.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, OutOfCoreError> {
        let folder = folder.as_ref();
        let file = Reader::open(&plan_path(folder), Kind::Plan)?;
        let (sizes, centers) = file.read_all::<u64, f32>()?;
        let text = |key: &str| {
            file.meta().get(key).cloned().ok_or_else(|| file.damaged(format!("its line `{key}` is missing")))
        };
        let number = |key: &str| -> Result<usize, OutOfCoreError> {
            let value = text(key)?;
            value.parse().map_err(|_| file.damaged(format!("its line `{key}` is `{value}`")))
        };
        let identity = Identity {
            n: number("rows")?,
            dim: number("columns")?,
            dtype: text("dtype")?,
            data: text("data")?,
            seed: number("seed")? as u64,
            k: number("k")?,
            width: number("width")?,
            metric: text("metric")?,
            settings: text("settings")?,
            overlap: number("overlap")?,
            part_rows: number("part_rows")?,
            parts: number("parts")?,
        };
        let metric = parse_metric(&identity.metric).ok_or_else(|| file.damaged("its metric is not known"))?;
        let params = parse_settings(&identity).ok_or_else(|| file.damaged("its settings are not known"))?;
        if sizes.len() != identity.parts {
            return Err(file.damaged(format!("{} sizes of {} parts", sizes.len(), identity.parts)));
        }
        let input = PathBuf::from(text("input")?);
        let loss = loss::read(&file)?;
        Ok(Self { folder: folder.into(), input, identity, sizes, centers, loss, metric, params })
    }

    /// Writes the plan, which makes the folder's other files valid.
    pub(super) fn save(&self) -> Result<(), OutOfCoreError> {
        let path = plan_path(&self.folder);
        let mut more = vec![("input", self.input.display().to_string())];
        more.extend(self.loss.iter().flat_map(loss::lines));
        let lines = self.identity.lines(&more);
        let written = atomic_file::replace(&path, |out| {
            let mut file = Writer::new(out, Kind::Plan, &lines)?;
            file.write(&self.sizes)?;
            file.second_section()?;
            file.write(&self.centers)?;
            file.finish()
        });
        written.map_err(|e| OutOfCoreError::os(&path, e))
    }

    /// The same plan, whose input was moved to another place.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<PathBuf>) -> Self {
        self.input = input.into();
        self
    }

    /// The folder of the plan and of the files of its pieces.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of the matrix.
    #[must_use]
    pub fn input(&self) -> &Path {
        &self.input
    }

    /// Rows of the input.
    #[must_use]
    pub fn n(&self) -> usize {
        self.identity.n
    }

    /// Columns of the input.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.identity.dim
    }

    /// Neighbours of every row.
    #[must_use]
    pub fn k(&self) -> usize {
        self.identity.k
    }

    /// Number of parts.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.identity.parts
    }

    /// Parts that every row is in.
    #[must_use]
    pub fn overlap(&self) -> usize {
        self.identity.overlap
    }

    /// Rows of every part.
    #[must_use]
    pub fn part_sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The centre of every part, parts x columns: a query is answered by the parts whose centres are nearest.
    #[must_use]
    pub fn centers(&self) -> &[f32] {
        &self.centers
    }

    /// What the values of the input lost when they became f32; none if they are of a type that points have.
    #[must_use]
    pub fn precision_loss(&self) -> Option<&PrecisionLoss> {
        self.loss.as_ref()
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> &Metric {
        &self.metric
    }

    /// A builder of the plan's settings. Device and progress, which do not belong to the plan, may be set.
    #[must_use]
    pub fn builder(&self) -> NnDescent<'static> {
        NnDescent::of(self.metric.clone(), self.params.clone())
    }

    /// Checks that a builder has the settings of the plan.
    pub(super) fn check_builder(&self, builder: &NnDescent) -> Result<(), OutOfCoreError> {
        let (metric, params, starts_from_graph) = builder.parts();
        check_settings(params, starts_from_graph)?;
        let found = [
            ("seed", params.seed.to_string(), self.identity.seed.to_string()),
            ("k", params.n_neighbors.unwrap_or(N_NEIGHBORS).to_string(), self.identity.k.to_string()),
            ("metric", metric_text(metric), self.identity.metric.clone()),
            ("settings", settings_text(params), self.identity.settings.clone()),
        ];
        match found.into_iter().find(|(_, found, expected)| found != expected) {
            // The builder is what does not fit, so the plan's value is what is found there.
            Some((name, asked, planned)) => Err(OutOfCoreError::Disagrees {
                path: plan_path(&self.folder),
                name: name.into(),
                found: planned,
                expected: asked,
            }),
            None => Ok(()),
        }
    }

    /// Opens the input, which must be the one that was divided.
    pub(super) fn open_input(&self) -> Result<MatrixFile, OutOfCoreError> {
        let input = MatrixFile::open(&self.input)?;
        let expected = &self.identity;
        let found = [
            ("rows", input.n.to_string(), expected.n.to_string()),
            ("columns", input.dim.to_string(), expected.dim.to_string()),
            ("dtype", input.dtype().to_string(), expected.dtype.clone()),
            ("data", data_hash(&input)?, expected.data.clone()),
        ];
        match found.into_iter().find(|(_, found, expected)| found != expected) {
            Some((name, found, expected)) => {
                Err(OutOfCoreError::Disagrees { path: self.input.clone(), name: name.into(), found, expected })
            }
            None => Ok(input),
        }
    }

    /// The file of the rows of a part.
    pub(super) fn rows_path(&self, part: usize) -> PathBuf {
        self.folder.join(format!("part-{part:04}.rows"))
    }

    /// The file of the graph of a part.
    pub(super) fn graph_path(&self, part: usize) -> PathBuf {
        self.folder.join(format!("part-{part:04}.graph"))
    }

    /// The file of what a round of refining found for a part.
    pub(super) fn refined_path(&self, round: usize, part: usize) -> PathBuf {
        self.folder.join(format!("refined-{round}-{part:04}.graph"))
    }

    /// The file of the graph after so many rounds of refining.
    pub(super) fn merged_path(&self, round: usize) -> PathBuf {
        self.folder.join(format!("merged-{round}.graph"))
    }

    pub(super) fn membership_path(&self) -> PathBuf {
        self.folder.join("membership")
    }

    pub(super) fn check_part(&self, part: usize) -> Result<(), OutOfCoreError> {
        if part < self.parts() {
            return Ok(());
        }
        Err(OutOfCoreError::parameter("part", part, format!("below {}, the number of parts", self.parts())))
    }
}

/// The file of a folder's plan.
pub(super) fn plan_path(folder: &Path) -> PathBuf {
    folder.join("plan")
}

fn check_settings(params: &Params, starts_from_graph: bool) -> Result<(), OutOfCoreError> {
    let refused = |name, value: String| Err(OutOfCoreError::parameter(name, value, "left out in builds beyond memory"));
    if params.include_self {
        return refused("include_self", "true".into());
    }
    if let Some(recall) = params.target_recall {
        return refused("target_recall", recall.to_string());
    }
    if let Some(rows) = params.part_rows {
        return refused("part_rows", rows.to_string());
    }
    if starts_from_graph {
        return refused("init_graph", "a graph".into());
    }
    Ok(())
}

/// Length of the input's rows, and the hash of some of them.
fn data_hash(input: &MatrixFile) -> Result<String, OutOfCoreError> {
    let count = HASHED_ROWS.min(input.n);
    let mut bytes = Vec::with_capacity(count * input.row_bytes());
    for row in stratified_sample(0, 0, input.n, count).chain(input.n.checked_sub(1)) {
        bytes.extend(input.raw_row(row)?);
    }
    Ok(format!("{}x{}:{:016x}", input.n, input.row_bytes(), xxh3_64(&bytes)))
}

fn metric_text(metric: &Metric) -> String {
    let mut text = metric.name().to_string();
    for (name, argument) in metric.arguments() {
        let value = match argument {
            MetricArgument::Number(value) => value.to_string(),
            MetricArgument::Values(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!("[{}]", values.join(","))
            }
        };
        let _ = write!(text, " {name}={value}");
    }
    text
}

fn parse_metric(text: &str) -> Option<Metric> {
    let mut words = text.split(' ');
    let name = words.next()?;
    let arguments: Option<Vec<(&str, MetricArgument)>> = words
        .map(|word| {
            let (name, value) = word.split_once('=')?;
            let argument = match value.strip_prefix('[').and_then(|values| values.strip_suffix(']')) {
                Some(values) => {
                    let values: Result<Vec<f32>, _> = values.split(',').map(str::parse).collect();
                    MetricArgument::Values(values.ok()?.into())
                }
                None => MetricArgument::Number(value.parse().ok()?),
            };
            Some((name, argument))
        })
        .collect();
    Metric::parse_with(name, &arguments?).ok()
}

fn settings_text(params: &Params) -> String {
    let number = |name: &str, value: Option<usize>| value.map(|value| format!("{name}={value}"));
    let set = [
        (params.algorithm != Algorithm::Auto).then(|| format!("algorithm={}", params.algorithm)),
        number("n_trees", params.n_trees),
        number("leaf_size", params.leaf_size),
        number("max_candidates", params.max_candidates),
        number("n_iters", params.n_iters),
        params.delta.map(|delta| format!("delta={delta}")),
    ];
    set.into_iter().flatten().collect::<Vec<String>>().join(" ")
}

fn parse_settings(identity: &Identity) -> Option<Params> {
    let mut params = Params { n_neighbors: Some(identity.k), seed: identity.seed, ..Params::default() };
    for word in identity.settings.split_whitespace() {
        let (name, value) = word.split_once('=')?;
        match name {
            "algorithm" => params.algorithm = value.parse().ok()?,
            "n_trees" => params.n_trees = Some(value.parse().ok()?),
            "leaf_size" => params.leaf_size = Some(value.parse().ok()?),
            "max_candidates" => params.max_candidates = Some(value.parse().ok()?),
            "n_iters" => params.n_iters = Some(value.parse().ok()?),
            "delta" => params.delta = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_settings_are_read_as_they_were_written() {
        let weighted = Metric::WeightedMinkowski { p: 2.5, weights: [0.1f32, 3e-7, 2.0][..].into() };
        for metric in [Metric::Euclidean, Metric::Minkowski { p: 1.3 }, weighted] {
            assert_eq!(parse_metric(&metric_text(&metric)), Some(metric));
        }
        let params =
            Params { n_trees: Some(3), delta: Some(0.01), algorithm: Algorithm::NnDescent, ..Params::default() };
        let text = settings_text(&params);
        assert_eq!(text, "algorithm=nndescent n_trees=3 delta=0.01");
    }
}
