//! The only loop: rounds of NN-Descent until few neighbours change.

use crate::error::BuildError;
use crate::executor::{Session, Tick};
use crate::params::Plan;
use crate::report::{RoundStats, StopReason};

/// Runs rounds and adds them to `rounds`. `tick` is told the number of the round (from 1), the updates of the one
/// before, and the share done.
pub(crate) fn descend(
    session: &mut dyn Session,
    plan: &Plan,
    n: usize,
    tick: &(dyn Fn(usize, u64, f32) -> Result<(), BuildError> + Sync),
    rounds: &mut Vec<RoundStats>,
) -> Result<StopReason, BuildError> {
    let enough = (f64::from(plan.delta) * n as f64 * plan.others() as f64) as u64;
    for round in 1..=plan.n_iters {
        let last = rounds.last().map_or(0, |r| r.updates);
        let tick: Tick = &|fraction| tick(round, last, fraction);
        let stats = session.round(tick)?;
        tracing::debug!(round, stats.updates, stats.distances, seconds = stats.elapsed.as_secs_f64(), "round");
        rounds.push(stats);
        if stats.updates <= enough {
            return Ok(StopReason::Converged);
        }
    }
    Ok(StopReason::MaxRounds)
}
