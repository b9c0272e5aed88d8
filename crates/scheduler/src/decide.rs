//! The decision: who gets which job.

use crate::{Candidate, Holder, Millis, OpenJob, Rules, Snapshot, Standing};
use zkpool_protocol::JobId;

/// What is to be done. Each action stands for itself; whoever carries it out checks that it still fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The lease is over: take the job back.
    Expire {
        /// The job.
        job: JobId,
        /// The lease's fencing token.
        token: u64,
        /// Who held it, and how it stands now; absent if it has left.
        prover: Option<(usize, Standing)>,
    },
    /// Give the job to a prover.
    Lease {
        /// The job.
        job: JobId,
        /// Index in [`Snapshot::provers`].
        prover: usize,
        /// When the lease ends without a sign of life.
        until: Millis,
    },
}

/// One holder for every job (`assign`): the most urgent job first, each to the free prover that has it done soonest.
/// The one exception: when a job's only holder falls so far behind that its task would be late, a second prover that
/// would be on time, or at least sooner, gets a copy.
pub fn decide(snapshot: &Snapshot, now: Millis, rules: &Rules) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut free = free_places(snapshot, now);
    let mut wanting: Vec<Want<'_>> = Vec::new();
    for job in &snapshot.jobs {
        let (over, live): (Vec<&Holder>, Vec<&Holder>) =
            job.holders.iter().partition(|holder| holder.expires_at <= now);
        for holder in over {
            let prover = holder.prover.and_then(|index| {
                // A prover that has just missed gets nothing new in the same breath.
                *free.get_mut(index)? = 0;
                Some((index, snapshot.provers.get(index)?.standing.after_miss(now, rules)))
            });
            actions.push(Action::Expire { job: job.id, token: holder.token, prover });
        }
        match live[..] {
            [] => wanting.push(Want { job, beat: None, taken: None }),
            [holder] => {
                let done = expected_end(snapshot, job, holder, now);
                if done.saturating_add(rules.delivery) > job.proof_deadline {
                    wanting.push(Want { job, beat: Some(done), taken: holder.prover });
                }
            }
            _ => {}
        }
    }
    // Jobs without any holder come before copies; then what is due first, then what has waited longest.
    wanting.sort_by_key(|want| (want.beat.is_some(), want.job.proof_deadline, want.job.ready_at, want.job.id));
    for want in wanting {
        if want.job.liability_deadline <= now {
            continue;
        }
        let Some((prover, takes)) = best(snapshot, &free, &want, now) else { continue };
        free[prover] -= 1;
        let length = takes.saturating_mul(2).clamp(rules.min_lease, rules.max_lease);
        actions.push(Action::Lease { job: want.job.id, prover, until: now.saturating_add(length) });
    }
    actions
}

/// A job that wants a prover.
struct Want<'a> {
    job: &'a OpenJob,
    /// When its present holder will be done: a second one must be sooner.
    beat: Option<Millis>,
    /// Its present holder.
    taken: Option<usize>,
}

/// How many jobs each prover can be given now.
fn free_places(snapshot: &Snapshot, now: Millis) -> Vec<u32> {
    let mut held = vec![0_u32; snapshot.provers.len()];
    for holder in snapshot.jobs.iter().flat_map(|job| &job.holders).filter(|holder| holder.expires_at > now) {
        if let Some(count) = holder.prover.and_then(|index| held.get_mut(index)) {
            *count += 1;
        }
    }
    let places = |(prover, held): (&Candidate, u32)| match prover.is_in(now) {
        true => prover.waiting.min(prover.concurrency.saturating_sub(held)),
        false => 0,
    };
    snapshot.provers.iter().zip(held).map(places).collect()
}

/// The free prover that has the job done soonest; of equals the one with most places left, then the first.
fn best(snapshot: &Snapshot, free: &[u32], want: &Want<'_>, now: Millis) -> Option<(usize, Millis)> {
    let able = snapshot.provers.iter().enumerate().filter_map(|(index, prover)| {
        let same_owner = |taken: usize| snapshot.provers.get(taken).is_some_and(|t| t.address == prover.address);
        let open = free[index] > 0
            && !want.job.barred.contains(&prover.address)
            // A copy on the same owner's machine would likely share its fate.
            && !want.taken.is_some_and(same_owner);
        let takes = prover.estimate(want.job).filter(|_| open)?;
        let sooner = want.beat.is_none_or(|beat| now.saturating_add(takes) < beat);
        sooner.then_some((index, takes))
    });
    able.min_by_key(|(index, takes)| (*takes, u32::MAX - free[*index], *index))
}

/// When the holder will be done, by its own speed so far or, before it has reported any progress, by what is known of it.
fn expected_end(snapshot: &Snapshot, job: &OpenJob, holder: &Holder, now: Millis) -> Millis {
    let known = holder.prover.and_then(|index| snapshot.provers.get(index)?.estimate(job));
    let planned = known.map_or(Millis::MAX, |takes| holder.granted_at.saturating_add(takes));
    if holder.progress <= 0.0 {
        return planned.max(now);
    }
    let spent = now.saturating_sub(holder.granted_at) as f64;
    let left = spent * (1.0 - holder.progress.min(1.0)) / holder.progress;
    now.saturating_add(left.ceil() as Millis)
}
