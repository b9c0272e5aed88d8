//! How fast this machine proves: measured once, remembered for this machine.

use crate::{
    disk,
    engine::{Engine, EngineError},
    report::{Event, Observer},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use zkpool_api::KindSpeed;
use zkpool_backends::Control;
use zkpool_protocol::ProofKind;

/// A measurement is repeated after this time: machines age, and get other work to do.
const GOOD_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Measured {
    fingerprint: String,
    at: u64,
    units_per_second: BTreeMap<ProofKind, f64>,
}

/// The machine's speeds: from `file` if they were measured on this machine not long ago, or else by a real benchmark.
pub(crate) async fn speeds(
    engine: &Engine,
    fingerprint: &str,
    file: &Path,
    observer: &dyn Observer,
) -> Result<Vec<KindSpeed>, EngineError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut known = read(file, fingerprint, now);
    let mut speeds = Vec::new();
    for kind in engine.kinds() {
        let found = known.units_per_second.get(&kind).copied();
        let measured_now = found.is_none();
        let units_per_second = match found {
            Some(speed) => speed,
            None => {
                let measured = measure(engine, kind).await?;
                let found = measured.iter().find(|(other, _)| *other == kind).map(|(_, speed)| *speed);
                // One measurement of a backend can speak for several kinds.
                known.units_per_second.extend(measured);
                found.ok_or(zkpool_backends::BackendError::OtherSystem)?
            }
        };
        observer.on(&Event::Benchmarked { kind, units_per_second, measured_now });
        speeds.push(KindSpeed { kind, units_per_second });
        if measured_now {
            keep(file, &known);
        }
    }
    Ok(speeds)
}

/// Measures one kind, and what else the same backend does.
pub(crate) async fn measure(engine: &Engine, kind: ProofKind) -> Result<Vec<(ProofKind, f64)>, EngineError> {
    let Some(backend) = engine.backend(kind) else {
        return Err(zkpool_backends::BackendError::OtherSystem.into());
    };
    let measured = engine.run(Control::new(), (), move |control| backend.benchmark(control)).await?;
    Ok(measured.into_iter().map(|(kind, throughput)| (kind, throughput.per_second())).collect())
}

fn read(file: &Path, fingerprint: &str, now: u64) -> Measured {
    let fresh = || Measured { fingerprint: fingerprint.to_owned(), at: now, ..Measured::default() };
    let Ok(bytes) = fs::read(file) else { return fresh() };
    match serde_json::from_slice::<Measured>(&bytes) {
        Ok(known)
            if known.fingerprint == fingerprint
                && known.at <= now
                && now - known.at < GOOD_FOR.as_secs()
                && known.units_per_second.values().all(|speed| speed.is_finite() && *speed > 0.0) =>
        {
            known
        }
        _ => fresh(),
    }
}

/// Not being able to remember only costs another measurement.
fn keep(file: &Path, known: &Measured) {
    let written = serde_json::to_vec_pretty(known).map_err(std::io::Error::other);
    if let Err(error) = written.and_then(|bytes| disk::write_atomically(file, &bytes)) {
        tracing::warn!(%error, "cannot remember the benchmark");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recent_measurement_of_this_machine_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("benchmark.json");
        let known = Measured {
            fingerprint: "this".into(),
            at: 1000,
            units_per_second: [(ProofKind::Groth16Bn254, 5.0)].into(),
        };
        keep(&file, &known);
        let speeds = |fingerprint, now| read(&file, fingerprint, now).units_per_second.len();
        assert_eq!(speeds("this", 1000), 1);
        assert_eq!(speeds("other", 1000), 0, "another machine");
        assert_eq!(speeds("this", 1000 + GOOD_FOR.as_secs()), 0, "too old");
        assert_eq!(speeds("this", 999), 0, "from the future");
        fs::write(&file, "garbage").unwrap();
        assert_eq!(speeds("this", 1000), 0);
        keep(&file, &Measured { units_per_second: [(ProofKind::Groth16Bn254, 0.0)].into(), ..known });
        assert_eq!(speeds("this", 1000), 0, "no speed at all");
    }
}
