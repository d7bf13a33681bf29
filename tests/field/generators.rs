//! Data of the kinds that people have, by name.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Rows of f32, of the same length.
pub type Rows = Vec<Vec<f32>>;

/// What data look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// Ten clusters that overlap a little.
    Gaussian,
    /// Uniform in a cube of eight dimensions.
    Uniform,
    /// Places in a square of 10 km, as vectors of length 1.
    CityUnit,
    /// The same, as latitudes and longitudes in radians.
    CityRadians,
    /// Directions that differ by a thousandth.
    NarrowEmbeddings,
    /// 1e6 + 0 to 100.
    FarOffset,
    /// Unix times, years, UTM coordinates, shares and amounts, a column each.
    UnevenColumns,
    /// One column in sixty is 1: twenty copies of each row.
    OneHot,
    /// Three columns of codes.
    Categories,
    /// Every second row is the same, the others are [`Generator::Gaussian`].
    HalfEqual,
    /// Nine rows in ten are the same.
    MostEqual,
    /// Groups of 5 to 40, far from each other.
    Islands,
    /// Groups of ten that differ by a thousandth of each value.
    NearDuplicates,
    /// Whole numbers from 0 to 3.
    FewValued,
    /// Many zeros, and one row in ten has nothing else.
    ZeroRows,
    /// Counts in sixteen bins, of five kinds.
    Histograms,
    /// Histograms that differ by a ten-thousandth.
    NarrowHistograms,
    /// A few of fifty bins, or none.
    SparseHistograms,
    /// Of the size of 1e19, whose squares are beyond f32.
    Huge,
    /// Of the size of 1e-23.
    Tiny,
    /// Of the size of 1e-40, below the normal numbers.
    Denormal,
    /// Lengths that differ by orders of magnitude.
    Lognormal,
    /// One row at 1e6, the others are [`Generator::Gaussian`].
    Outlier,
    /// All on one line.
    Collinear,
    /// Half of the columns are constant.
    ConstantColumns,
    /// One column.
    SingleColumn,
    /// More columns than rows.
    Wide,
    /// All rows are the same.
    AllEqual,
    /// Nothing but two rows.
    TwoRows,
    /// Series of one hundredth around a level of a thousand.
    HighSeries,
    /// Ten of two hundred columns, by topics.
    SparseTopics,
    /// Groups of sparse rows that differ by a thousandth.
    SparseNear,
    /// Unix times in five columns.
    SparseTimes,
    /// Years in five columns.
    SparseYears,
    /// [`Generator::SparseTopics`], and one column that every row has.
    FullColumn,
    /// Sets of 96 columns near one of twenty.
    BitPatterns,
    /// The same, but every second row is equal.
    HalfEqualBits,
    /// Nothing but empty sets.
    ZeroBits,
}

use Generator::*;

impl Generator {
    /// Rows of the base in a run of ordinary size.
    pub fn n(self) -> usize {
        match self {
            TwoRows => 2,
            AllEqual | Wide | ZeroBits => 300,
            OneHot | Islands => 1200,
            _ => 700,
        }
    }

    /// `n` rows in random order.
    pub fn rows(self, n: usize, seed: u64) -> Rows {
        let mut source = Source(StdRng::seed_from_u64(seed));
        let mut rows = source.rows(self, n);
        // A copy less at the end of a group is no matter.
        rows.truncate(n);
        rows.shuffle(&mut source.0);
        rows
    }
}

struct Source(StdRng);

impl Source {
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.0.random::<f32>()).sum::<f32>() - 6.0
    }

    fn normals(&mut self, dim: usize, size: f32) -> Vec<f32> {
        (0..dim).map(|_| size * self.normal()).collect()
    }

    fn uniform(&mut self, low: f64, high: f64) -> f32 {
        (low + (high - low) * self.0.random::<f64>()) as f32
    }

    fn around(&mut self, center: &[f32], spread: f32) -> Vec<f32> {
        center.iter().map(|c| c + spread * self.normal()).collect()
    }

    /// Each value times 1 + `spread` times a normal number.
    fn nearly(&mut self, row: &[f32], spread: f64) -> Vec<f32> {
        row.iter().map(|&v| (f64::from(v) * (1.0 + spread * f64::from(self.normal()))) as f32).collect()
    }

    fn each(&mut self, n: usize, mut one: impl FnMut(&mut Self) -> Vec<f32>) -> Rows {
        (0..n).map(|_| one(self)).collect()
    }

    /// Rows around one of `count` centers.
    fn clusters(&mut self, n: usize, dim: usize, count: usize, spread: f32) -> Rows {
        let centers = self.each(count, |s| s.normals(dim, 1.0));
        self.each(n, |s| {
            let at = s.0.random_range(0..count);
            s.around(&centers[at], spread)
        })
    }

    /// Groups of a size drawn from `sizes`, each made of one row by `member`.
    fn groups(
        &mut self,
        n: usize,
        sizes: std::ops::RangeInclusive<usize>,
        mut center: impl FnMut(&mut Self) -> Vec<f32>,
        member: impl Fn(&mut Self, &[f32]) -> Vec<f32>,
    ) -> Rows {
        let mut rows = Vec::new();
        while rows.len() < n {
            let center = center(self);
            let size = self.0.random_range(sizes.clone());
            rows.extend((0..size).map(|_| member(self, &center)));
        }
        rows
    }

    /// A share of the rows becomes one of them.
    fn heap(&mut self, mut rows: Rows, share: f64) -> Rows {
        let equal = (share * rows.len() as f64) as usize;
        let row = rows[0].clone();
        rows[..equal].fill(row);
        rows
    }

    fn rows(&mut self, generator: Generator, n: usize) -> Rows {
        match generator {
            Gaussian | Uniform | CityUnit | CityRadians | NarrowEmbeddings | FarOffset | UnevenColumns | HighSeries => {
                self.continuous(generator, n)
            }
            HalfEqual | MostEqual | Islands | NearDuplicates | OneHot | Categories | FewValued | AllEqual | TwoRows => {
                self.repeating(generator, n)
            }
            ZeroRows | Histograms | NarrowHistograms | SparseHistograms => self.counts(generator, n),
            Huge | Tiny | Denormal | Lognormal | Outlier | Collinear | ConstantColumns | SingleColumn | Wide => {
                self.extreme(generator, n)
            }
            SparseTopics | SparseNear | SparseTimes | SparseYears | FullColumn => self.sparse(generator, n),
            BitPatterns => self.patterns(n),
            HalfEqualBits => {
                let rows = self.patterns(n);
                self.heap(rows, 0.5)
            }
            ZeroBits => vec![vec![0.0; 96]; n],
        }
    }

    fn continuous(&mut self, generator: Generator, n: usize) -> Rows {
        match generator {
            Uniform => self.each(n, |s| (0..8).map(|_| s.uniform(0.0, 1.0)).collect()),
            CityUnit => self.each(n, |s| {
                let [latitude, longitude] = s.place();
                let (sin, cos) = latitude.sin_cos();
                [cos * longitude.cos(), cos * longitude.sin(), sin].map(|v| v as f32).to_vec()
            }),
            CityRadians => self.each(n, |s| s.place().map(|v| v as f32).to_vec()),
            NarrowEmbeddings => {
                let center = self.normals(32, 1.0);
                self.each(n, |s| s.around(&center, 1e-3))
            }
            FarOffset => self.each(n, |s| (0..8).map(|_| s.uniform(1e6, 1e6 + 100.0)).collect()),
            UnevenColumns => self.each(n, |s| {
                let amount = 100.0 * s.normal().exp();
                let ranges = [(1.6e9, 1.7e9), (1950.0, 2025.0), (4e5, 6e5), (5.2e6, 5.4e6), (0.0, 1.0), (-10.0, 35.0)];
                ranges.map(|(low, high)| s.uniform(low, high)).into_iter().chain([amount]).collect()
            }),
            HighSeries => self.each(n, |s| {
                let [phase, step] = [s.uniform(0.0, 6.3), s.uniform(0.1, 0.5)];
                (0..24).map(|t| 1000.0 + 0.01 * (phase + step * t as f32).sin() + 0.001 * s.normal()).collect()
            }),
            _ => self.clusters(n, 16, 10, 0.5),
        }
    }

    /// Latitude and longitude in radians, in a square of 10 km.
    fn place(&mut self) -> [f64; 2] {
        const RADIUS: f64 = 6371.0;
        [0.83, 0.2].map(|at| at + f64::from(self.uniform(0.0, 10.0)) / RADIUS)
    }

    fn repeating(&mut self, generator: Generator, n: usize) -> Rows {
        match generator {
            HalfEqual | MostEqual => {
                let rows = self.clusters(n, 16, 10, 0.5);
                self.heap(rows, if generator == HalfEqual { 0.5 } else { 0.9 })
            }
            Islands => self.groups(n, 5..=40, |s| s.normals(8, 1.0), |s, center| s.around(center, 0.01)),
            NearDuplicates => self.groups(n, 10..=10, |s| s.normals(16, 1.0), |s, center| s.nearly(center, 1e-3)),
            OneHot => {
                let mut level = 0;
                let next = move |_: &mut Self| {
                    level += 1;
                    (0..75).map(|c| f32::from(u8::from(c == level - 1))).collect()
                };
                self.groups(n, 20..=20, next, |_, center| center.to_vec())
            }
            Categories => self.each(n, |s| [12, 5, 3].map(|levels| s.0.random_range(0..levels) as f32).to_vec()),
            FewValued => self.each(n, |s| (0..8).map(|_| s.0.random_range(0..4) as f32).collect()),
            // All rows equal, or two.
            _ => {
                let row = self.normals(8, 1.0);
                let mut rows = vec![row; n];
                if generator == TwoRows {
                    rows.iter_mut().skip(1).for_each(|row| *row = self.normals(8, 1.0));
                }
                rows
            }
        }
    }

    fn counts(&mut self, generator: Generator, n: usize) -> Rows {
        match generator {
            ZeroRows => self.each(n, |s| {
                let zeros = if s.0.random_range(0..10) == 0 { 1.0 } else { 0.4 };
                (0..12).map(|_| if s.0.random::<f32>() < zeros { 0.0 } else { s.uniform(0.0, 1.0) }).collect()
            }),
            Histograms => {
                let kinds = self.each(5, |s| (0..16).map(|_| s.uniform(1.0, 40.0)).collect());
                self.each(n, |s| {
                    let at = s.0.random_range(0..kinds.len());
                    kinds[at].iter().map(|mean| (mean + mean.sqrt() * s.normal()).round().max(0.0)).collect()
                })
            }
            NarrowHistograms => {
                let kind: Vec<f32> = (0..16).map(|_| self.uniform(0.2, 1.0)).collect();
                self.each(n, |s| s.nearly(&kind, 1e-4))
            }
            // Sparse histograms.
            _ => self.each(n, |s| {
                let mut row = vec![0.0; 50];
                let topic = s.0.random_range(0..10) * 4;
                let entries = if s.0.random_range(0..10) == 0 { 0 } else { 8 };
                (0..entries).for_each(|_| row[topic + s.0.random_range(0..12)] += s.uniform(0.1, 1.0));
                row
            }),
        }
    }

    fn extreme(&mut self, generator: Generator, n: usize) -> Rows {
        let scaled = |rows: Rows, by: f32| rows.into_iter().map(|row| row.iter().map(|v| v * by).collect()).collect();
        match generator {
            Lognormal => self.each(n, |s| {
                let length = (1.5 * s.normal()).exp();
                s.normals(16, length)
            }),
            Collinear => {
                let (from, along) = (self.normals(8, 1.0), self.normals(8, 1.0));
                self.each(n, |s| {
                    let t = s.uniform(0.0, 10.0);
                    from.iter().zip(&along).map(|(a, b)| a + t * b).collect()
                })
            }
            SingleColumn => self.each(n, |s| s.normals(1, 1.0)),
            Wide => self.clusters(n, 400, 10, 0.5),
            _ => {
                let mut rows = self.clusters(n, 12, 10, 0.5);
                match generator {
                    Huge => scaled(rows, 1e19),
                    Tiny => scaled(rows, 1e-23),
                    Denormal => scaled(rows, 1e-40),
                    Outlier => {
                        rows[0].fill(1e6);
                        rows
                    }
                    // Constant columns.
                    _ => {
                        rows.iter_mut().for_each(|row| row[..6].fill(5.0));
                        rows
                    }
                }
            }
        }
    }

    fn sparse(&mut self, generator: Generator, n: usize) -> Rows {
        match generator {
            SparseNear => self.groups(n, 20..=20, Self::topical, |s, center| s.nearly(center, 1e-3)),
            SparseTimes => self.each(n, |s| (0..5).map(|_| s.uniform(1.7e9, 1.701e9)).collect()),
            SparseYears => self.each(n, |s| (0..5).map(|_| s.uniform(1950.0, 2025.0).round()).collect()),
            FullColumn => self.each(n, |s| {
                let mut row = s.topical();
                row[7] = 1000.0 + s.normal();
                row
            }),
            // Topics.
            _ => self.each(n, Self::topical),
        }
    }

    fn topical(&mut self) -> Vec<f32> {
        let mut row = vec![0.0; 200];
        let topic = self.0.random_range(0..10) * 18;
        (0..10).for_each(|_| row[topic + self.0.random_range(0..30)] = (0.5 * self.normal()).exp());
        row
    }

    fn patterns(&mut self, n: usize) -> Rows {
        let patterns = self.each(20, |s| (0..96).map(|_| f32::from(u8::from(s.0.random_range(0..4) == 0))).collect());
        self.each(n, |s| {
            let at = s.0.random_range(0..patterns.len());
            let flipped = |bit: &f32| if s.0.random_range(0..10) == 0 { 1.0 - bit } else { *bit };
            patterns[at].iter().map(flipped).collect()
        })
    }
}
