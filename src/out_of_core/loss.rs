//! Lines of a plan that say what values of the input lost.

use super::error::OutOfCoreError;
use super::file::Reader;
use crate::io::{Narrowing, PrecisionLoss};

const DTYPE: &str = "narrowed_from";
const LARGEST: &str = "largest_error";
const COARSEST: &str = "coarsest";
const SPREAD: &str = "spread";

pub(super) fn lines(loss: &PrecisionLoss) -> [(&'static str, String); 4] {
    let text = |worst: &Narrowing| format!("{} {} {} {}", worst.error, worst.row, worst.column, worst.value);
    [
        (DTYPE, loss.dtype.clone()),
        (LARGEST, text(&loss.largest)),
        (COARSEST, text(&loss.coarsest)),
        (SPREAD, loss.spread.to_string()),
    ]
}

/// What the lines of a plan say; none if it has no such lines.
pub(super) fn read(file: &Reader) -> Result<Option<PrecisionLoss>, OutOfCoreError> {
    let Some(dtype) = file.meta().get(DTYPE) else { return Ok(None) };
    let line = |name: &str| file.meta().get(name).map_or("", String::as_str);
    let damaged = |name: &str| file.damaged(format!("its line `{name}` is `{}`", line(name)));
    let worst = |name: &str| narrowing(line(name)).ok_or_else(|| damaged(name));
    let spread = line(SPREAD).parse().map_err(|_| damaged(SPREAD))?;
    Ok(Some(PrecisionLoss { dtype: dtype.clone(), largest: worst(LARGEST)?, coarsest: worst(COARSEST)?, spread }))
}

fn narrowing(line: &str) -> Option<Narrowing> {
    let mut words = line.split(' ');
    let error = words.next()?.parse().ok()?;
    let (row, column) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Narrowing { error, row, column, value: words.next()?.parse().ok()? })
}
