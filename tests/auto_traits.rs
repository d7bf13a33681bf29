//! All public types can be sent to and shared by threads, and printed.

use std::fmt::Debug;

use nndescent as nn;

fn owned<T: Send + Sync + Debug + 'static>() {}
fn borrowing<'a, T: Send + Sync + Debug + 'a>() {}

#[test]
fn types_are_send_sync_and_debug() {
    // The index.
    owned::<nn::Index>();
    owned::<nn::IndexOptions>();
    owned::<nn::index::IndexMemory>();
    owned::<nn::IndexError>();
    owned::<nn::errors::IndexFileError>();
    owned::<nn::Indexed>();
    owned::<nn::Hits>();
    owned::<nn::RadiusHits>();
    owned::<nn::index::QueryStats>();
    owned::<nn::Quantization>();
    owned::<nn::index::DiversifyMethod>();
    owned::<nn::SearchError>();
    owned::<nn::index::SearchScratch>();
    owned::<nn::index::Tuning>();
    borrowing::<nn::SearchOptions>();
    // Graphs.
    owned::<nn::KnnGraph>();
    owned::<nn::CsrGraph>();
    borrowing::<nn::InitGraph>();
    owned::<nn::errors::GraphShapeError>();
    owned::<nn::recall::RecallEstimate>();
    owned::<nn::report::ExecutorInfo>();
    owned::<nn::report::Reason>();
    owned::<nn::Algorithm>();
    owned::<nn::Device>();
    owned::<nn::errors::GpuError>();
    owned::<nn::Neighbor>();
    borrowing::<nn::NnDescent>();
    owned::<nn::Built>();
    owned::<nn::BuildError>();
    owned::<nn::BuildReport>();
    owned::<nn::Progress>();
    // Points.
    borrowing::<nn::Points>();
    borrowing::<nn::Csr>();
    owned::<nn::CsrMatrix>();
    owned::<nn::custom::Custom<Vec<String>, fn(&String, &String) -> f32>>();
    owned::<nn::custom::Kept>();
    owned::<nn::MetricError>();
    owned::<nn::Metric>();
    owned::<nn::PointsError>();
}
