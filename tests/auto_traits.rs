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
    owned::<nn::IndexMemory>();
    owned::<nn::IndexError>();
    owned::<nn::IndexFileError>();
    owned::<nn::Indexed>();
    owned::<nn::Hits>();
    owned::<nn::RadiusHits>();
    owned::<nn::QueryStats>();
    owned::<nn::Quantization>();
    owned::<nn::DiversifyMethod>();
    owned::<nn::SearchError>();
    owned::<nn::SearchScratch>();
    owned::<nn::Tuning>();
    borrowing::<nn::SearchOptions>();
    // Graphs.
    owned::<nn::KnnGraph>();
    owned::<nn::Neighbor>();
    borrowing::<nn::NnDescent>();
    owned::<nn::Built>();
    owned::<nn::BuildError>();
    owned::<nn::BuildReport>();
    owned::<nn::Progress>();
    // Points.
    owned::<nn::CsrMatrix>();
    owned::<nn::Metric>();
    owned::<nn::PointsError>();
}
