//! What is tried, and the bounds it must hold.
//!
//! Exact search must find everything, and an index after changes what one made at once finds, within 0.01: so the table
//! has neither.

use super::generators::Generator::{self, *};
use super::kinds::Kind::{self, *};

/// Rows of one kind under some metrics, each in all four ways.
pub struct Case {
    pub generator: Generator,
    pub kind: Kind,
    pub bounds: Bounds,
    /// By name, and with its exponent where it takes one.
    pub metrics: &'static str,
}

/// Least recalls, of 0 to 1.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Of a graph by NN-Descent with its default settings.
    pub descent: f64,
    /// Of an index's own rows as queries, at the default epsilon.
    pub own: f64,
    /// Of queries that are not in the index.
    pub held_out: f64,
}

const fn case(generator: Generator, kind: Kind, bounds: [f64; 3], metrics: &'static str) -> Case {
    let [descent, own, held_out] = bounds;
    Case { generator, kind, bounds: Bounds { descent, own, held_out }, metrics }
}

const TRANSLATED: &str = "euclidean sqeuclidean manhattan chebyshev minkowski:3 seuclidean mahalanobis";
const ANGULAR: &str = "cosine correlation dot true_angular";
const OF_SETS: &str =
    "jaccard matching dice kulsinski rogerstanimoto sokalmichener russellrao sokalsneath yule hamming";

/// How much more than [`super::BEHIND`] an index may be behind after changes.
///
/// Rows of very different lengths: what was added is found less well than it should be. Products in a city: chance.
pub fn allowance(generator: Generator, metric: &str) -> f64 {
    match (generator, metric) {
        (Lognormal, "euclidean") => 0.015,
        (CityUnit, "dot") => 0.01,
        _ => 0.0,
    }
}

/// How far the distances that an index finds may be from true ones, as a part of these. Dense rows that the metric
/// transforms are kept in f32, as roots, places on a sphere, or multiples; sums of TS-SS are f32.
pub fn tolerance(metric: &str, kind: Kind) -> f64 {
    match metric {
        _ if kind == Sparse => 1e-6,
        "hellinger" => 1e-2,
        "haversine" | "seuclidean" | "wminkowski" => 1e-4,
        "tsss" => 3e-3,
        _ => 1e-6,
    }
}

/// [NN-Descent, own rows, held out].
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case(Gaussian, F32, [0.95, 0.99, 0.95], TRANSLATED),
    case(Gaussian, F32, [0.95, 0.99, 0.95], "cosine correlation true_angular spearmanr wminkowski:1.5 minkowski:8 \
        minkowski:30 canberra"),
    case(Gaussian, F32, [0.95, 0.95, 0.95], "dot inner_product braycurtis tsss"),
    case(Gaussian, F16, [0.95, 0.99, 0.95], "euclidean cosine manhattan correlation"),
    case(Gaussian, U8, [0.95, 0.99, 0.95], "euclidean cosine manhattan bit_hamming bit_jaccard hellinger"),
    case(Gaussian, I8, [0.95, 0.99, 0.95], "euclidean cosine manhattan canberra"),
    case(Uniform, F32, [0.95, 0.99, 0.95], TRANSLATED),
    case(Uniform, F32, [0.95, 0.99, 0.95], "cosine hellinger braycurtis canberra wasserstein_1d circular_kantorovich \
        jensen_shannon symmetric_kl"),
    case(Uniform, F32, [0.95, 0.99, 0.95], "kantorovich sinkhorn"),
    case(Uniform, F16, [0.95, 0.99, 0.95], "euclidean chebyshev"),
    case(CityUnit, F32, [0.95, 0.99, 0.95], "cosine true_angular euclidean"),
    // The largest products are those of the rows whose lengths were rounded up most: differences of 1e-8, which sums
    // in f32 do not hold. The estimate says so.
    case(CityUnit, F32, [0.50, 0.30, 0.30], "dot"),
    case(CityRadians, F32, [0.95, 0.99, 0.95], "haversine euclidean"),
    case(NarrowEmbeddings, F32, [0.95, 0.99, 0.95], "cosine correlation dot true_angular euclidean spearmanr"),
    case(NarrowEmbeddings, F16, [0.95, 0.99, 0.95], "cosine euclidean"),
    case(FarOffset, F32, [0.95, 0.99, 0.95], TRANSLATED),
    case(FarOffset, F32, [0.95, 0.99, 0.95], "cosine correlation true_angular hellinger canberra braycurtis \
        minkowski:5"),
    case(UnevenColumns, F32, [0.95, 0.99, 0.95], TRANSLATED),
    case(UnevenColumns, F32, [0.95, 0.99, 0.95], "canberra wminkowski:3 cosine"),
    case(OneHot, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan jaccard dice correlation hamming"),
    case(OneHot, U8, [0.95, 0.99, 0.95], "euclidean cosine"),
    case(OneHot, Sparse, [0.95, 0.99, 0.95], "euclidean cosine jaccard hellinger"),
    case(Categories, F32, [0.95, 0.99, 0.95], "hamming euclidean manhattan"),
    case(Categories, U8, [0.95, 0.99, 0.95], "hamming euclidean"),
    case(HalfEqual, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan chebyshev correlation canberra"),
    case(HalfEqual, F16, [0.95, 0.99, 0.95], "euclidean cosine"),
    case(HalfEqual, I8, [0.95, 0.99, 0.95], "euclidean cosine"),
    case(MostEqual, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan minkowski:3 mahalanobis"),
    case(Islands, F32, [0.99, 0.99, 0.99], "euclidean manhattan cosine chebyshev seuclidean"),
    case(Islands, F16, [0.99, 0.99, 0.99], "euclidean cosine"),
    case(Islands, I8, [0.99, 0.99, 0.99], "euclidean manhattan"),
    case(NearDuplicates, F32, [0.95, 0.99, 0.99], "euclidean cosine correlation manhattan canberra"),
    case(NearDuplicates, F16, [0.95, 0.99, 0.99], "euclidean cosine"),
    case(FewValued, F32, [0.95, 0.99, 0.95], "euclidean manhattan hamming chebyshev canberra braycurtis cosine"),
    case(FewValued, U8, [0.95, 0.99, 0.95], "euclidean cosine hamming"),
    case(ZeroRows, F32, [0.95, 0.99, 0.95], "cosine correlation hellinger jensen_shannon braycurtis canberra \
        euclidean tsss true_angular"),
    case(ZeroRows, F32, [0.95, 0.99, 0.95], OF_SETS),
    case(ZeroRows, F32, [0.95, 0.98, 0.95], "symmetric_kl"),
    case(ZeroRows, Sparse, [0.95, 0.98, 0.95], "symmetric_kl"),
    case(ZeroRows, F16, [0.95, 0.99, 0.95], "cosine jensen_shannon"),
    case(ZeroRows, Sparse, [0.95, 0.99, 0.95], "cosine correlation hellinger jensen_shannon braycurtis canberra"),
    case(Histograms, F32, [0.95, 0.99, 0.95], "hellinger jensen_shannon symmetric_kl wasserstein_1d:1 \
        wasserstein_1d:2 circular_kantorovich:1"),
    case(Histograms, F32, [0.95, 0.99, 0.95], "kantorovich"),
    case(Histograms, U8, [0.95, 0.99, 0.95], "hellinger jensen_shannon wasserstein_1d euclidean cosine"),
    case(NarrowHistograms, F32, [0.95, 0.99, 0.95], "hellinger jensen_shannon symmetric_kl wasserstein_1d \
        circular_kantorovich cosine"),
    case(SparseHistograms, Sparse, [0.95, 0.99, 0.95], "hellinger jensen_shannon symmetric_kl wasserstein_1d \
        circular_kantorovich cosine"),
    case(SparseHistograms, F32, [0.95, 0.99, 0.95], "hellinger jensen_shannon"),
    case(Huge, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan chebyshev minkowski:3 correlation canberra \
        braycurtis seuclidean"),
    case(Tiny, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan chebyshev minkowski:3 correlation canberra \
        braycurtis"),
    case(Denormal, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan chebyshev"),
    case(Lognormal, F32, [0.95, 0.95, 0.95], "inner_product dot euclidean cosine tsss"),
    case(Lognormal, F16, [0.95, 0.95, 0.95], "inner_product euclidean"),
    case(Outlier, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan canberra correlation"),
    case(Collinear, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan chebyshev"),
    case(ConstantColumns, F32, [0.95, 0.99, 0.95], TRANSLATED),
    case(ConstantColumns, F32, [0.95, 0.99, 0.95], ANGULAR),
    case(SingleColumn, F32, [0.95, 0.99, 0.95], "euclidean manhattan canberra"),
    case(SingleColumn, I8, [0.95, 0.99, 0.95], "euclidean manhattan"),
    case(Wide, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan correlation"),
    case(Wide, U8, [0.95, 0.99, 0.95], "euclidean cosine"),
    case(AllEqual, F32, [0.95, 0.99, 0.95], "euclidean cosine manhattan hamming"),
    case(AllEqual, U8, [0.95, 0.99, 0.95], "euclidean cosine"),
    case(TwoRows, F32, [0.95, 0.99, 0.95], "euclidean cosine"),
    case(HighSeries, F32, [0.95, 0.99, 0.95], "correlation euclidean cosine"),
    case(SparseTopics, Sparse, [0.95, 0.95, 0.95], "euclidean cosine manhattan jaccard hellinger braycurtis canberra"),
    case(SparseTopics, Sparse, [0.95, 0.95, 0.95], "inner_product dot correlation jensen_shannon"),
    case(SparseNear, Sparse, [0.99, 0.99, 0.99], "euclidean cosine manhattan hellinger correlation minkowski:3"),
    case(SparseTimes, Sparse, [0.95, 0.99, 0.95], "euclidean manhattan cosine canberra seuclidean"),
    case(SparseYears, Sparse, [0.95, 0.99, 0.95], "euclidean minkowski:5 manhattan"),
    case(FullColumn, Sparse, [0.95, 0.95, 0.95], "euclidean cosine manhattan hellinger"),
    case(BitPatterns, Bits, [0.95, 0.95, 0.95], OF_SETS),
    case(BitPatterns, Bits, [0.95, 0.95, 0.95], "bit_hamming bit_jaccard"),
    case(HalfEqualBits, Bits, [0.95, 0.95, 0.95], "bit_hamming bit_jaccard jaccard dice yule"),
    case(ZeroBits, Bits, [0.95, 0.99, 0.95], "bit_hamming bit_jaccard jaccard"),
];
