//! Custom distances: of strings, of dense rows, and of sparse rows.
//! `cargo run --release --no-default-features --example custom_metric`

use nndescent::custom::{self, Custom, Items};
use nndescent::{CsrMatrix, Metric, NnDescent, Points, SearchOptions};

/// Words by edit distance: no vectors at all.
fn strings() -> Result<(), Box<dyn std::error::Error>> {
    let stems = ["distance", "descent", "neighbour", "candidate", "forest"];
    let endings = ["", "s", "ed", "ing", "less", "like", "-wise"];
    let words: Vec<String> =
        stems.iter().flat_map(|stem| endings.iter().map(move |end| format!("{stem}{end}"))).collect();
    let by_edits = custom::items(&words, |a: &String, b: &String| edits(a, b) as f32);
    let graph = NnDescent::new(Metric::Custom).n_neighbors(4).graph(&Points::items(&by_edits)?)?.graph;
    let near: Vec<&str> = graph.ids(0).iter().map(|&id| &words[id as usize][..]).collect();
    println!("nearest to {}: {}", words[0], near.join(", "));
    Ok(())
}

/// An index of such words, queried with words that are not in it.
fn queries() -> Result<(), Box<dyn std::error::Error>> {
    let stems = ["distance", "descent", "neighbour", "candidate", "forest"];
    let words: Vec<String> =
        stems.iter().flat_map(|stem| ["", "s", "ed", "ing", "less"].map(|end| format!("{stem}{end}"))).collect();
    let kept = Custom::items(words, |a: &String, b: &String| edits(a, b) as f32);
    let mut index = NnDescent::new(Metric::Custom).index(&Points::items(&kept)?)?.index;
    index.add(&Points::items(&kept.others(vec!["neighborhood".into()]))?)?;
    let asked = kept.others(vec!["dissent".into(), "neighbor".into()]);
    let hits = index.query(&Points::items(&asked)?, 3, &SearchOptions::new())?;
    for (i, word) in asked.collection().iter().enumerate() {
        println!("nearest to {word}: ids {:?} at {:?}", hits.ids(i), hits.distances(i));
    }
    Ok(())
}

fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = (corner + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

/// Dense rows under a function of two slices: hours of the day, which wrap around.
fn rows() -> Result<(), Box<dyn std::error::Error>> {
    let hours: Vec<f32> =
        (0..1000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 % 24_000.0 / 1000.0).collect();
    let around = custom::rows(&hours, 1, |x, y| {
        let apart = (x[0] - y[0]).abs();
        apart.min(24.0 - apart)
    })?;
    let graph = NnDescent::new(Metric::Custom).n_neighbors(3).graph(&Points::items(&around)?)?.graph;
    let near: Vec<f32> = graph.ids(0).iter().map(|&id| hours[id as usize]).collect();
    println!("nearest to {} o'clock: {near:?}", hours[0]);
    Ok(())
}

/// Sparse rows under a custom metric: shared columns count by how rare they are.
struct RareColumns {
    rows: CsrMatrix,
    rarity: Vec<f32>,
}

impl Items for RareColumns {
    fn n(&self) -> usize {
        self.rows.view().n()
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (self.rows.view().row(a), self.rows.view().row(b));
        let weight = |columns: &mut dyn Iterator<Item = u32>| columns.map(|c| self.rarity[c as usize]).sum::<f32>();
        let both = weight(&mut a.indices.iter().copied().filter(|c| b.indices.binary_search(c).is_ok()));
        let all = weight(&mut a.indices.iter().chain(b.indices).copied()) - both;
        if all > 0.0 { 1.0 - both / all } else { 0.0 }
    }
}

fn sparse() -> Result<(), Box<dyn std::error::Error>> {
    let (n, dim) = (600, 50);
    let dense: Vec<f32> = (0..n * dim).map(|i| f32::from(u8::from((i * 7919 + i / dim % 12 * 31) % 11 == 0))).collect();
    let rows = CsrMatrix::from_dense(&dense, n, dim)?;
    let mut rarity = vec![0.0f32; dim];
    rows.view().indices().iter().for_each(|&column| rarity[column as usize] += 1.0);
    rarity.iter_mut().for_each(|count| *count = (n as f32 / count.max(1.0)).ln());
    let rare = RareColumns { rows, rarity };
    let graph = NnDescent::new(Metric::Custom).n_neighbors(3).graph(&Points::items(&rare)?)?.graph;
    println!("nearest to row 0: {:?} at {:?}", graph.ids(0), graph.distances(0));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    strings()?;
    queries()?;
    rows()?;
    sparse()
}
