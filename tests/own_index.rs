//! The index over a user's own items, as users see it, against exact search and its own promises.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use nndescent::custom::{Custom, Items, Kept, KeptItems, items};
use nndescent::index::SearchScratch;
use nndescent::{
    CsrMatrix, Hits, Index, IndexError, KnnGraph, Metric, Neighbor, NnDescent, Points, SearchError, SearchOptions,
    SparseRow, exact, recall,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const K: usize = 10;

type Words = Custom<Vec<String>, fn(&String, &String) -> f32>;

/// Words that are a few edits from one of some hundred stems.
fn some_words(n: usize, seed: u64) -> Vec<String> {
    let mut stems = SmallRng::seed_from_u64(7);
    let letter = |rng: &mut SmallRng| char::from(b'a' + rng.random_range(0..12u8));
    let stems: Vec<Vec<char>> = (0..150).map(|_| (0..14).map(|_| letter(&mut stems)).collect()).collect();
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut word = || {
        let mut word = stems[rng.random_range(0..stems.len())].clone();
        for _ in 0..rng.random_range(1..5) {
            let at = rng.random_range(0..word.len());
            match rng.random_range(0..3) {
                0 => drop(word.remove(at)),
                1 => word.insert(at, letter(&mut rng)),
                _ => word[at] = letter(&mut rng),
            }
        }
        word.into_iter().collect()
    };
    (0..n).map(|_| word()).collect()
}

fn edits(a: &String, b: &String) -> f32 {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let cost = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()] as f32
}

fn words(n: usize, seed: u64) -> Words {
    Custom::items(some_words(n, seed), edits)
}

fn index_of(items: &dyn Items) -> Index {
    NnDescent::new(Metric::Custom).index(&Points::items(items).unwrap()).unwrap().index
}

fn nearest_to_row(index: &Index, queries: &Points, i: usize, k: usize) -> Result<Vec<Neighbor>, SearchError> {
    let mut scratch = SearchScratch::new();
    index.nearest_to_row(&mut scratch, queries, i, k, &SearchOptions::new()).map(<[Neighbor]>::to_vec)
}

/// Share of the distances found that are as small as those of the truth: edit distances tie.
fn recall(hits: &Hits, truth: &KnnGraph) -> f64 {
    recall::recall(hits.graph(), truth, hits.k()).unwrap()
}

#[test]
fn strings_are_found() {
    let base = words(3000, 1);
    let queries = base.others(some_words(300, 2));
    let (points, asked) = (Points::items(&base).unwrap(), Points::items(&queries).unwrap());
    let index = index_of(&base);
    assert_eq!((index.len(), index.metric()), (3000, &Metric::Custom));
    let hits = index.query(&asked, K, &SearchOptions::new()).unwrap();
    let truth = exact::query(&points, &asked, &Metric::Custom, K).unwrap();
    let recall = recall(&hits, &truth);
    assert!(recall >= 0.95, "recall {recall}");
    assert!(hits.total().distances < 300 * 3000 / 2, "{:?}", hits.total());
    for i in 0..300 {
        let row = hits.distances(i).iter().zip(hits.ids(i));
        let word = &queries.collection()[i];
        row.for_each(|(&d, &id)| assert_eq!(d, edits(word, &base.collection()[id as usize])));
    }
    let found = nearest_to_row(&index, &asked, 7, K).unwrap();
    assert!(found.into_iter().eq(hits.neighbors(7)));
    let of_ids = index.query_ids(&[5, 2999], K, &SearchOptions::new()).unwrap();
    assert!(!of_ids.ids(0).contains(&5) && !of_ids.ids(1).contains(&2999));
}

#[test]
fn dense_rows_under_a_metric_of_their_own_are_found() {
    const DIM: usize = 12;
    let canberra = |x: &[f32], y: &[f32]| {
        let term = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { (a - b).abs() / (a.abs() + b.abs()) };
        x.iter().zip(y).map(term).sum::<f32>()
    };
    let values = |n: usize, seed: u64| -> Vec<f32> {
        let mut rng = SmallRng::seed_from_u64(seed);
        (0..n * DIM).map(|i| (i / DIM % 40) as f32 / 8.0 + (i % DIM) as f32 + rng.random_range(0.0..2.0f32)).collect()
    };
    let (data, asked) = (values(3000, 3), values(200, 4));
    let rows = Custom::rows(data.clone(), DIM, canberra).unwrap();
    let queries = rows.others(asked.clone()).unwrap();
    let hits = index_of(&rows).query(&Points::items(&queries).unwrap(), K, &SearchOptions::new()).unwrap();
    let dense = |values: &'static [f32]| Points::dense(values, values.len() / DIM, DIM).unwrap();
    let truth = exact::query(&dense(data.leak()), &dense(asked.leak()), &Metric::Canberra, K).unwrap();
    let recall = recall(&hits, &truth);
    assert!(recall >= 0.95, "recall {recall}");
}

/// Shared columns, as a share of all.
fn jaccard(x: SparseRow, y: SparseRow) -> f32 {
    let both = x.indices.iter().filter(|&c| y.indices.binary_search(c).is_ok()).count();
    let all = x.indices.len() + y.indices.len() - both;
    if all > 0 { 1.0 - both as f32 / all as f32 } else { 0.0 }
}

#[test]
fn sparse_rows_under_a_metric_of_their_own_are_found() {
    const DIM: usize = 200;
    let matrix = |n: usize, seed: u64| {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut values = vec![0.0; n * DIM];
        for row in values.chunks_exact_mut(DIM) {
            let topic = rng.random_range(0..20usize);
            (0..12).for_each(|_| row[(topic * 10 + rng.random_range(0..25usize)) % DIM] = 1.0);
        }
        CsrMatrix::from_dense(&values, n, DIM).unwrap()
    };
    let (base, asked) = (matrix(2000, 5), matrix(200, 6));
    let rows = Custom::sparse(base.clone(), jaccard);
    let queries = rows.others(asked.clone());
    let hits = index_of(&rows).query(&Points::items(&queries).unwrap(), K, &SearchOptions::new()).unwrap();
    let sparse = |matrix: &'static CsrMatrix| Points::from(matrix.view());
    let (base, asked) = (sparse(Box::leak(Box::new(base))), sparse(Box::leak(Box::new(asked))));
    let truth = exact::query(&base, &asked, &Metric::Jaccard, K).unwrap();
    let recall = recall(&hits, &truth);
    assert!(recall >= 0.95, "recall {recall}");
    let narrow = Custom::sparse(CsrMatrix::from_dense(&[1.0, 2.0], 1, 2).unwrap(), jaccard);
    let error = index_of(&rows).query(&Points::items(&narrow).unwrap(), 1, &SearchOptions::new()).unwrap_err();
    assert_eq!(error, SearchError::OtherItems);
}

#[test]
fn the_number_of_threads_does_not_show() {
    let base = words(1500, 8);
    let (queries, more) = (base.others(some_words(400, 9)), base.others(some_words(300, 10)));
    let asked = Points::items(&queries).unwrap();
    let run = || {
        let mut index = index_of(&base);
        let before = index.query(&asked, K, &SearchOptions::new()).unwrap();
        index.add(&Points::items(&more).unwrap()).unwrap();
        index.remove(&(0..400).collect::<Vec<u32>>()).unwrap();
        (
            before,
            index.query(&asked, K, &SearchOptions::new()).unwrap(),
            index.query_radius(&asked, 4.0, &SearchOptions::new().epsilon(0.1)).unwrap(),
        )
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    assert_eq!(on(1), on(2));
}

#[test]
fn filters_and_radii_keep_to_what_is_asked() {
    let base = words(2000, 11);
    let queries = base.others(some_words(100, 12));
    let (points, asked) = (Points::items(&base).unwrap(), Points::items(&queries).unwrap());
    let index = index_of(&base);
    for modulus in [2, 50] {
        let hits = index.query(&asked, 5, &SearchOptions::new().filter(|id| id % modulus == 0)).unwrap();
        assert!(hits.all_ids().iter().all(|id| id % modulus == 0));
    }
    let truth = exact::query(&points, &asked, &Metric::Custom, 400).unwrap();
    let hits = index.query_radius(&asked, 5.0, &SearchOptions::new().epsilon(0.2)).unwrap();
    let within = |i: usize| truth.distances(i).iter().filter(|d| **d <= 5.0).count();
    let expected: usize = (0..100).map(within).sum();
    assert!(hits.all_distances().iter().all(|d| *d <= 5.0));
    assert!(hits.all_ids().len() * 100 >= expected * 98 && expected > 500, "{} of {expected}", hits.all_ids().len());
}

#[test]
fn items_are_added_replaced_and_removed() {
    let base = words(1500, 13);
    let more = base.others(some_words(700, 14));
    let mut index = index_of(&base);
    let ids = index.add(&Points::items(&more).unwrap()).unwrap();
    assert_eq!(ids, 1500..2200);
    index.update(&[3], &Points::items(&base.others(vec!["zzzzzzzzzzzz".into()])).unwrap()).unwrap();
    let z = base.others(vec!["zzzzzzzzzzzy".into()]);
    assert_eq!(index.query(&Points::items(&z).unwrap(), 1, &SearchOptions::new()).unwrap().all_ids(), [3]);
    index.remove(&(4..1400).collect::<Vec<u32>>()).unwrap();
    let left: BTreeSet<u32> = (0..4).chain(1400..2200).collect();
    let found = index.query(&Points::items(&more).unwrap(), 5, &SearchOptions::new()).unwrap();
    assert!(found.all_ids().iter().all(|id| left.contains(id)));
    let themselves = (0..700).filter(|&i| found.distances(i)[0] == 0.0).count();
    assert!(themselves >= 690, "{themselves}");
    let tuned = index.tune(0.95, 5, 100).unwrap();
    assert!(tuned.reached, "{tuned:?}");
    assert!(format!("{index:?}").contains("items") && index.memory().graph > 0);
}

/// |a - b|, but for one pair that has no distance.
fn with_a_hole(hole: [f32; 2]) -> impl Fn(&f32, &f32) -> f32 + Send + Sync + 'static {
    move |a: &f32, b: &f32| if [*a, *b] == hole || [*b, *a] == hole { f32::NAN } else { (a - b).abs() }
}

#[test]
fn a_distance_that_is_not_finite_is_named() {
    let base = Custom::items((0..600).map(|i| i as f32).collect(), with_a_hole([300.5, 301.0]));
    let points = Points::items(&base).unwrap();
    let mut index = index_of(&base);
    let queries = base.others((0..400).map(|i| i as f32 + 0.5).collect());
    let asked = Points::items(&queries).unwrap();
    let named = "the distance of query 300 and item 301 is not finite";
    assert_eq!(index.query(&asked, 3, &SearchOptions::new()).unwrap_err().to_string(), named);
    assert_eq!(index.query_radius(&asked, 3.0, &SearchOptions::new().epsilon(0.1)).unwrap_err().to_string(), named);
    assert_eq!(nearest_to_row(&index, &asked, 300, 3).unwrap_err().to_string(), named);
    assert_eq!(exact::query(&points, &asked, &Metric::Custom, 3).unwrap_err().to_string(), named);
    assert_eq!(nearest_to_row(&index, &asked, 301, 2).unwrap(), [301, 302].map(|id| Neighbor { id, distance: 0.5 }));
    let before = index.query(&points, 4, &SearchOptions::new()).unwrap();
    let error = index.add(&asked).unwrap_err().to_string();
    let pairs = [(301, 900), (900, 301)].map(|(a, b)| format!("the distance of items {a} and {b} is not finite"));
    assert!(pairs.contains(&error), "{error}");
    assert_eq!((index.len(), index.id_bound()), (600, 600));
    let after = index.query(&points, 4, &SearchOptions::new()).unwrap();
    assert_eq!(after.graph(), before.graph());
    let hole = base.others(vec![300.5]);
    assert!(index.update(&[3], &Points::items(&hole).unwrap()).unwrap_err().to_string().contains("not finite"));
    let three = base.others(vec![3.0]);
    assert_eq!(
        nearest_to_row(&index, &Points::items(&three).unwrap(), 0, 1).unwrap(),
        [Neighbor { id: 3, distance: 0.0 }]
    );
    let others = base.others(vec![1000.0]);
    assert_eq!(index.add(&Points::items(&others).unwrap()).unwrap(), 600..601);
    let base = Custom::items((0..600).map(|i| i as f32).collect(), with_a_hole([7.0, 9.0]));
    let error = NnDescent::new(Metric::Custom).index(&Points::items(&base).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "the distance of items 7 and 9 is not finite");
}

/// A distance that panics, or is not a number, after so many calls more.
fn failing_after(left: &'static AtomicUsize, panics: bool) -> impl Fn(&f32, &f32) -> f32 + Send + Sync + 'static {
    move |a: &f32, b: &f32| match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
        Ok(_) => (a - b).abs(),
        Err(_) if panics => panic!("no more distances"),
        Err(_) => f32::NAN,
    }
}

/// What an index answers, and holds.
fn state(index: &Index, points: &Points) -> (Hits, Vec<u32>, usize, usize, String) {
    let options = SearchOptions::new();
    let hits = index.query(points, 8, &options).unwrap();
    (hits, index.ids(), index.id_bound(), index.n_edges(), format!("{index:?} {:?}", index.memory()))
}

#[test]
fn changes_that_fail_leave_the_index_as_it_was() {
    static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
    let value = |i: usize| (i * 7919 % 10007) as f32;
    for panics in [true, false] {
        LEFT.store(usize::MAX, Ordering::Relaxed);
        let base = Custom::items((0..700).map(value).collect(), failing_after(&LEFT, panics));
        let more = base.others((700..1500).map(value).collect());
        let (points, more) = (Points::items(&base).unwrap(), Points::items(&more).unwrap());
        let mut index = index_of(&base);
        index.remove(&[1, 2, 3]).unwrap();
        let before = state(&index, &points);
        let updated = base.others((2000..2400).map(value).collect());
        let updated = Points::items(&updated).unwrap();
        let ids: Vec<u32> = (100..500).collect();
        type Change<'a> = &'a dyn Fn(&mut Index) -> Result<(), IndexError>;
        let changes: [(&str, Change); 4] = [
            ("add", &|index| index.add(&more).map(drop)),
            ("update", &|index| index.update(&ids, &updated)),
            ("remove", &|index| index.remove(&ids)),
            ("compact", &|index| index.compact()),
        ];
        for (name, change) in changes {
            // Calls that the change takes, on a copy.
            LEFT.store(usize::MAX, Ordering::Relaxed);
            change(&mut index.clone()).unwrap();
            let calls = usize::MAX - LEFT.load(Ordering::Relaxed);
            assert!(calls > 1000, "{name}: {calls} distances");
            for share in [0, 10, 50, 90, 99] {
                LEFT.store(calls * share / 100, Ordering::Relaxed);
                let attempt = std::panic::AssertUnwindSafe(|| change(&mut index));
                let failed = std::panic::catch_unwind(attempt).map_or(true, |result| result.is_err());
                LEFT.store(usize::MAX, Ordering::Relaxed);
                assert!(failed, "{name} after {share} %");
                assert!(state(&index, &points) == before, "{name} failed after {share} %, and left something behind");
            }
        }
        assert_eq!(index.add(&more).unwrap(), 700..1500);
    }
}

/// Words as a user's own type keeps them.
#[derive(Clone)]
struct Keeping(std::sync::Arc<Vec<String>>);

impl Items for Keeping {
    fn n(&self) -> usize {
        self.0.len()
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        self.distance_to(a, self, b)
    }

    fn keep(&self) -> Option<Kept> {
        Some(Kept::new(self.clone()))
    }
}

impl KeptItems for Keeping {
    fn distance_to(&self, a: usize, other: &Self, b: usize) -> f32 {
        edits(&self.0[a], &other.0[b])
    }
}

#[test]
fn a_type_of_the_users_own_is_kept() {
    let keeping = |n, seed| Keeping(std::sync::Arc::new(some_words(n, seed)));
    let (base, queries) = (keeping(800, 15), keeping(50, 16));
    let index = index_of(&base);
    drop(base);
    let hits = index.query(&Points::items(&queries).unwrap(), 5, &SearchOptions::new()).unwrap();
    let same =
        index_of(&words(800, 15)).query(&Points::items(&words(50, 16)).unwrap(), 5, &SearchOptions::new()).unwrap();
    assert_eq!(hits, same);
}

const DIM: usize = 8;

fn squared(x: &[f32], y: &[f32]) -> f32 {
    x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum()
}

/// `n` points on a few planes.
fn some_rows(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = SmallRng::seed_from_u64(seed);
    (0..n)
        .flat_map(|i| {
            let (a, b) = (rng.random_range(0.0..1.0f32), rng.random_range(0.0..1.0f32));
            (0..DIM).map(move |j| (i % 5 * j) as f32 + a * (j as f32).sin() + b * (j as f32).cos())
        })
        .collect()
}

/// Searches go by reduced distances: what is found is the same, and distances are computed of what is returned alone.
#[test]
fn searches_go_by_reduced_distances() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let root = |x: &[f32], y: &[f32]| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        squared(x, y).sqrt()
    };
    let plain = Custom::rows(some_rows(2000, 20), DIM, |x: &[f32], y: &[f32]| squared(x, y).sqrt()).unwrap();
    let reduced = Custom::rows(some_rows(2000, 20), DIM, root).unwrap().with_reduced(squared, |d| d * d.abs());
    let (asked, more) = (some_rows(100, 21), some_rows(300, 22));
    let queries = [plain.others(asked.clone()).unwrap(), plain.others(more.clone()).unwrap()];
    let reduced_queries = [reduced.others(asked).unwrap(), reduced.others(more).unwrap()];
    let [asked, more] = queries.each_ref().map(|q| Points::items(q).unwrap());
    let [reduced_asked, reduced_more] = reduced_queries.each_ref().map(|q| Points::items(q).unwrap());
    let (mut index, mut reduced_index) = (index_of(&plain), index_of(&reduced));
    let calls = || CALLS.swap(0, Ordering::Relaxed);
    // Of building: what is kept of the graph, and the sample that recall is estimated from.
    assert!(calls() < 2000 * 200, "distances of rows");
    index.add(&more).unwrap();
    reduced_index.add(&reduced_more).unwrap();
    assert!(calls() <= 300 * 100, "distances of rows that are added");
    let hits = reduced_index.query(&reduced_asked, K, &SearchOptions::new()).unwrap();
    assert_eq!(calls(), 100 * K, "one for each that is returned");
    let expected = index.query(&asked, K, &SearchOptions::new()).unwrap();
    let same = hits.all_ids().iter().zip(expected.all_ids()).filter(|(a, b)| a == b).count();
    assert!(same * 1000 >= hits.all_ids().len() * 995, "{same} of {}", hits.all_ids().len());
    hits.all_distances()
        .iter()
        .zip(expected.all_distances())
        .for_each(|(a, b)| assert!((a - b).abs() <= 0.05, "{a} not {b}"));
    for radius in [0.05, 0.3] {
        calls();
        let hits = reduced_index.query_radius(&reduced_asked, radius, &SearchOptions::new().epsilon(0.2)).unwrap();
        let (computed, found) = (calls(), hits.all_ids().len());
        assert!(computed <= found + 100 * 16, "within {radius}: {computed} for {found}");
        let expected = index.query_radius(&asked, radius, &SearchOptions::new().epsilon(0.2)).unwrap().all_ids().len();
        assert!(found.abs_diff(expected) * 200 <= expected && expected > 50, "{found}, not {expected}");
        assert!(hits.all_distances().iter().all(|d| *d <= radius));
    }
    let truth = exact::query(&Points::items(&reduced).unwrap(), &reduced_asked, &Metric::Custom, K).unwrap();
    assert!(calls() <= 100 * 2 * K, "exact search ranks by distances");
    let of_plain = exact::query(&Points::items(&plain).unwrap(), &asked, &Metric::Custom, K).unwrap();
    assert_eq!(truth, of_plain);
}

#[test]
fn what_cannot_be_is_said() {
    let list = some_words(300, 17);
    let borrowed = items(&list, edits);
    let points = Points::items(&borrowed).unwrap();
    let error = NnDescent::new(Metric::Custom).index(&points).unwrap_err();
    assert_eq!(error, IndexError::NoIndex { rows: "items" });
    assert!(error.to_string().contains("custom::Custom"), "{error}");
    let base = words(300, 17);
    let mut index = index_of(&base);
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = index.save(file.path()).unwrap_err().to_string();
    assert!(error.starts_with("an index of 300 custom items cannot be saved"), "{error}");
    let numbers = Custom::items(vec![1.0f32], |a: &f32, b: &f32| (a - b).abs());
    for wrong in [&numbers as &dyn Items, &borrowed] {
        let wrong = Points::items(wrong).unwrap();
        assert_eq!(index.query(&wrong, 1, &SearchOptions::new()).unwrap_err(), SearchError::OtherItems);
        assert_eq!(nearest_to_row(&index, &wrong, 0, 1).unwrap_err(), SearchError::OtherItems);
        assert_eq!(index.add(&wrong).unwrap_err(), IndexError::OtherItems);
    }
    let dense = Points::dense(&[1.0f32], 1, 1).unwrap();
    let wrong = SearchError::Type { found: "float32", expected: "items" };
    assert_eq!(index.query(&dense, 1, &SearchOptions::new()).unwrap_err(), wrong);
    assert!(index.nearest(&[1.0], 1).is_err());
    assert_eq!(index.len(), 300);
    assert!(Custom::rows(vec![1.0; 5], 2, |_, _| 0.0).is_err() && Custom::rows(vec![1.0], 0, |_, _| 0.0).is_err());
}
