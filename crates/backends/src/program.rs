//! What a backend is given and what it gives back.

use crate::BackendError;
use alloy_primitives::{B256, U256};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};
use zkpool_protocol::{BlobId, GuestRun, ProgramManifest, TaskInput, WitnessSource, WorkUnits};

/// A program, and where its blobs lie on this machine.
#[derive(Clone, Debug)]
pub struct ProgramFiles {
    /// The program.
    pub manifest: ProgramManifest,
    /// Where the blobs lie that it names. Whoever put them there has checked their hashes: caches trust the names.
    pub files: BTreeMap<BlobId, PathBuf>,
}

impl ProgramFiles {
    /// Where a blob lies.
    pub(crate) fn path(&self, id: &BlobId) -> Result<&Path, BackendError> {
        self.files.get(id).map(PathBuf::as_path).ok_or(BackendError::MissingFile(*id))
    }
}

/// What is to be proven.
#[derive(Clone)]
pub enum Input {
    /// Named signals, for the program's witness generator.
    Signals(Map<String, Value>),
    /// A ready witness: where the file lies.
    Witness(PathBuf),
    /// What a zkVM program reads.
    Guest {
        /// Its standard input: where the file lies.
        stdin: PathBuf,
        /// The receipts that it builds on: where the files lie.
        assumptions: Vec<PathBuf>,
    },
}

impl Input {
    /// From a task's envelope.
    ///
    /// # Errors
    ///
    /// [`BackendError::MissingFile`], if it names a blob that is not in `files`.
    pub fn from_envelope(envelope: TaskInput, files: &BTreeMap<BlobId, PathBuf>) -> Result<Self, BackendError> {
        let file = |id| files.get(&id).cloned().ok_or(BackendError::MissingFile(id));
        match envelope.source {
            WitnessSource::Inputs(signals) => Ok(Self::Signals(signals)),
            WitnessSource::Witness(id) => file(id).map(Self::Witness),
            WitnessSource::Guest(guest) => Ok(Self::Guest {
                stdin: file(guest.stdin)?,
                assumptions: guest.assumptions.into_iter().map(file).collect::<Result<_, _>>()?,
            }),
            // For an enclave, or for others to prove leg by leg.
            WitnessSource::Enclave(_) | WitnessSource::Legs(_) => Err(BackendError::OtherSystem),
        }
    }
}

/// Never shows the input: it can be a secret.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signals(_) => "Signals(..)",
            Self::Witness(_) => "Witness(..)",
            Self::Guest { .. } => "Guest(..)",
        })
    }
}

/// What a look at a program tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Constraints of the circuit; 0 for what is not a circuit.
    pub constraints: u64,
    /// Wires of the circuit; 0 for what is not a circuit.
    pub wires: u64,
    /// Public inputs that a proof carries.
    pub public_inputs: usize,
    /// What proving costs: for an ordinary key the constraints, for one that is large in another way more. For a zkVM
    /// program, whose cost the input decides, the least that there is.
    pub work: WorkUnits,
    /// An upper bound of the memory that proving takes, in bytes; for a zkVM program that of the least segment.
    pub memory: u64,
    /// The verifying key, as `zkpool_verifiers::verifier` takes it.
    pub verifying_key: Vec<u8>,
}

/// What a preflight found out about an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// About the program.
    pub program: ProgramInfo,
    /// The public inputs that the witness yields; none for a zkVM program.
    pub public_inputs: Vec<U256>,
    /// What a quote calls the statement.
    pub statement: B256,
    /// A proof, if one was asked for.
    pub trial: Option<Vec<u8>>,
    /// How a zkVM program ran.
    pub run: Option<GuestRun>,
}

/// What a machine proves in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throughput {
    /// What was proven.
    pub work: WorkUnits,
    /// In which wall-clock time.
    pub elapsed: Duration,
}

impl Throughput {
    /// Work units for each second.
    pub fn per_second(&self) -> f64 {
        self.work.0 as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Opens a foreign file of bounded length.
pub(crate) fn open(path: &Path, what: &'static str, max: u64) -> Result<(File, u64), BackendError> {
    let read = |source| BackendError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    if found > max {
        return Err(BackendError::TooLarge { what, found, max });
    }
    Ok((file, found))
}

/// Reads a foreign file of bounded length.
pub(crate) fn read(path: &Path, what: &'static str, max: u64) -> Result<Vec<u8>, BackendError> {
    use std::io::Read;
    let (file, len) = open(path, what, max)?;
    let mut bytes = reserved(len as usize)?;
    file.take(len).read_to_end(&mut bytes).map_err(|source| BackendError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// A vector with room for `count` items, or an error instead of an abort.
pub(crate) fn reserved<T>(count: usize) -> Result<Vec<T>, BackendError> {
    let mut items = Vec::new();
    items
        .try_reserve_exact(count)
        .map_err(|_| BackendError::OutOfMemory { bytes: (count as u64).saturating_mul(size_of::<T>() as u64) })?;
    Ok(items)
}
