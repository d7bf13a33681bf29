//! How values are stored, and the metrics between them.

use half::f16;
use nndescent::{CsrMatrix, Metric, MetricArgument, Points};

use super::generators::Rows;

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F32,
    F16,
    /// Whole numbers from 0 to 255.
    U8,
    /// Whole numbers from -127 to 127.
    I8,
    Sparse,
    /// Values that are zero or one, eight to a byte.
    Bits,
}

impl Kind {
    /// The rows as they come back from storage. Bytes hold what lies between the least and the largest of all values.
    pub fn fit(self, mut rows: Rows) -> Rows {
        let all = || rows.iter().flatten().copied();
        let (low, high) = (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
        let (least, most) = if self == Self::I8 { (-127.0, 127.0) } else { (0.0, 255.0) };
        let step = if high > low { (high - low) / (most - least) } else { 1.0 };
        let stored = |v: f32| match self {
            Self::F32 | Self::Sparse | Self::Bits => v,
            Self::F16 => f16::from_f32(v).to_f32(),
            Self::U8 | Self::I8 => (least + (v - low) / step).round(),
        };
        rows.iter_mut().flatten().for_each(|v| *v = stored(*v));
        rows
    }

    /// Runs `work` on the rows as they are stored.
    pub fn points<R>(self, rows: &[Vec<f32>], work: impl FnOnce(&Points) -> R) -> R {
        fn converted<T>(rows: &[Vec<f32>], of: impl Fn(f32) -> T) -> Vec<T> {
            rows.iter().flatten().map(|&v| of(v)).collect()
        }
        let (n, dim) = (rows.len(), rows[0].len());
        match self {
            Self::F32 => work(&Points::dense(&rows.concat(), n, dim).unwrap()),
            Self::F16 => work(&Points::dense(&converted(rows, f16::from_f32), n, dim).unwrap()),
            Self::U8 => work(&Points::dense(&converted(rows, |v| v as u8), n, dim).unwrap()),
            Self::I8 => work(&Points::dense(&converted(rows, |v| v as i8), n, dim).unwrap()),
            Self::Sparse => work(&CsrMatrix::from_dense(&rows.concat(), n, dim).unwrap().view().into()),
            Self::Bits => {
                let bytes: Vec<u8> = rows.iter().flat_map(|row| bytes_of(row)).map(|byte| byte as u8).collect();
                work(&Points::bits(&bytes, n, dim).unwrap())
            }
        }
    }

    /// The rows that `metric` is defined between.
    pub fn defined(self, metric: &Metric, rows: &[Vec<f32>]) -> Rows {
        if self == Self::Bits && matches!(metric, Metric::BitHamming | Metric::BitJaccard) {
            rows.iter().map(|row| bytes_of(row).collect()).collect()
        } else {
            rows.to_vec()
        }
    }
}

fn bytes_of(row: &[f32]) -> impl Iterator<Item = f32> {
    row.chunks(8).map(|bits| bits.iter().enumerate().map(|(i, v)| f32::from(u8::from(*v > 0.0) << i)).sum())
}

/// The metric of this name, such as `euclidean` or `minkowski:5`, with arguments that fit the rows.
pub fn metric_of(name: &str, rows: &Rows) -> Metric {
    let (name, p) = name.split_once(':').map_or((name, None), |(name, p)| (name, Some(p.parse::<f32>().unwrap())));
    let dim = rows[0].len();
    let variances: Vec<f32> = (0..dim).map(|column| variance(rows, column)).collect();
    let array = |values: Vec<f32>| MetricArgument::from(&values[..]);
    let matrix = |of: &dyn Fn(usize, usize) -> f32| array((0..dim * dim).map(|at| of(at / dim, at % dim)).collect());
    let mut arguments = match name {
        "seuclidean" => vec![("sigma", array(variances))],
        "wminkowski" => vec![("w", array((0..dim).map(|column| 0.5 + (column % 3) as f32).collect()))],
        "mahalanobis" => {
            let of = |a: usize, b: usize| match a.abs_diff(b) {
                0 => 1.0 / variances[a],
                1 => 0.3 / (variances[a].sqrt() * variances[b].sqrt()),
                _ => 0.0,
            };
            vec![("vinv", matrix(&of))]
        }
        "kantorovich" | "sinkhorn" => vec![("cost", matrix(&|a, b| a.abs_diff(b) as f32))],
        _ => Vec::new(),
    };
    arguments.extend(p.map(|p| ("p", p.into())));
    Metric::parse_with(name, &arguments).unwrap()
}

/// The variance of a column; 1 of a constant one.
fn variance(rows: &Rows, column: usize) -> f32 {
    let mean_of =
        |of: &dyn Fn(f64) -> f64| rows.iter().map(|row| of(f64::from(row[column]))).sum::<f64>() / rows.len() as f64;
    let mean = mean_of(&|v| v);
    let variance = mean_of(&|v| (v - mean) * (v - mean)) as f32;
    if variance > 0.0 { variance } else { 1.0 }
}
