//! snarkjs' proving key, read as a prover needs it.
//!
//! A zkey is foreign. Its header and verifying key are checked by `zkpool-verifiers`; here every section must have
//! exactly the length that the header makes it, every index be in range, every number be canonical and every point be on
//! its curve. Points of G2 are not checked for the subgroup: a wrong one spoils the proof, which is verified.
//! Format: snarkjs `src/zkey_utils.js`; it lacks the matrix C, which only the proof's verification makes up for.

use super::{
    LOADED,
    matrix::{Entry, Matrix},
    msm::{Point, Scalar},
};
use crate::{
    BackendError, Control, Stage,
    program::{open, reserved},
};
use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine, g1, g2};
use ark_ec::{AffineRepr, CurveGroup, pairing::Pairing, short_weierstrass::SWCurveConfig};
use ark_ff::{Field, PrimeField, Zero};
use rayon::prelude::*;
use std::{fs::File, io::BufReader, path::Path};
use zkpool_protocol::{ErrorCode, WorkUnits};
use zkpool_verifiers::{
    binfile::{self, BinFileError},
    groth16::{
        Groth16Verifier, KeyError,
        points::{coordinate_from_zkey, int_from_le},
        zkey::{self, G1_LEN, G2_LEN, ZkeyFile, ZkeyHead, section},
    },
};

/// Bytes of an entry of a matrix: which matrix, row, wire, value.
const ENTRY_LEN: u64 = 4 + 4 + 4 + 32;
/// Items that are read and parsed at a time.
const BATCH: usize = 1 << 14;

/// Why a proving key is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZkeyError {
    /// The container, the header or the verifying key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A section claims another number of entries than it has room for.
    #[error("the proving key's matrix claims {claimed} entries, which is not what its section holds")]
    EntryCount {
        /// The claim.
        claimed: u32,
    },
    /// An entry is out of range.
    #[error("entry {index} of the proving key's matrix is unsound: {fault}")]
    Entry {
        /// Which.
        index: u64,
        /// What is wrong.
        fault: &'static str,
    },
    /// A point of a query is unsound.
    #[error(
        "a point among {first} to {last} of section {section} of the proving key is not canonical or not on the curve"
    )]
    Point {
        /// The section.
        section: u32,
        /// The first point of the batch.
        first: u64,
        /// The last point of the batch.
        last: u64,
    },
    /// Beta or delta differs between G1 and G2.
    #[error("beta or delta of the proving key differs between its two groups")]
    Twins,
}

impl ZkeyError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Key(error) => error.code(),
            _ => ErrorCode::BadProvingKey,
        }
    }
}

impl From<BinFileError> for ZkeyError {
    fn from(error: BinFileError) -> Self {
        Self::Key(error.into())
    }
}

/// A query: the points of a section that are not infinity, and the positions of the scalars that they go with.
pub(super) struct Query<F> {
    pub(super) points: Vec<Point<F>>,
    pub(super) positions: Vec<u32>,
}

impl<F> Query<F> {
    fn bytes(&self) -> u64 {
        (self.points.capacity() * size_of::<Point<F>>() + self.positions.capacity() * 4) as u64
    }

    /// This query, then another, the scalars of which follow the `scalars` of this one.
    fn and(mut self, other: Self, scalars: usize) -> Result<Self, BackendError> {
        let more = other.points.len();
        let room = self.points.try_reserve_exact(more).and_then(|()| self.positions.try_reserve_exact(more));
        room.map_err(|_| BackendError::OutOfMemory { bytes: (more * size_of::<Point<F>>()) as u64 })?;
        self.points.extend(other.points);
        self.positions.extend(other.positions.iter().map(|position| position + scalars as u32));
        Ok(self)
    }

    /// The scalars that go with the points.
    pub(super) fn gather(&self, scalars: &[Scalar]) -> Result<Vec<Scalar>, BackendError> {
        let mut gathered = reserved(self.positions.len())?;
        gathered.extend(self.positions.iter().map(|position| scalars[*position as usize]));
        Ok(gathered)
    }
}

/// A proving key in memory.
pub(super) struct ProvingKey {
    pub(super) wires: usize,
    pub(super) inputs: usize,
    pub(super) domain: usize,
    pub(super) beta_g1: G1Affine,
    pub(super) delta_g1: G1Affine,
    pub(super) verifier: Groth16Verifier,
    /// The matrices A and B.
    pub(super) matrices: [Matrix; 2],
    pub(super) a: Query<Fq>,
    pub(super) b1: Query<Fq>,
    pub(super) b2: Query<Fq2>,
    /// The queries C and H, as one multiplication is cheaper than two. The scalars are the private wires, then the
    /// quotient.
    pub(super) c_and_h: Query<Fq>,
    pub(super) sizes: Sizes,
}

impl ProvingKey {
    /// What it takes in memory, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let matrices: u64 = self.matrices.iter().map(Matrix::bytes).sum();
        matrices + self.a.bytes() + self.b1.bytes() + self.b2.bytes() + self.c_and_h.bytes()
    }

    /// Reads a zkey.
    pub(super) fn read(path: &Path, max: u64, control: &Control) -> Result<Self, BackendError> {
        let (mut file, head) = open_zkey(path, max)?;
        check_twins(&head)?;
        let (wires, domain) = (head.wires as usize, head.domain as usize);
        let inputs = head.key.inputs();
        let steps = Steps::new(&head, control);

        let mut entries = [Vec::new(), Vec::new()];
        let count = entry_count(&mut file)?;
        let sizes = read_entries(&mut file, &head, count, control, |matrix, entry| entries[matrix].push(entry))?;
        let [a, b] = entries.map(|entries| Matrix::new(entries, domain));
        let matrices = [a?, b?];

        let g1 = |file: &mut _, id, count| read_query::<g1::Config>(file, id, count, &steps);
        Ok(Self {
            a: g1(&mut file, section::A, wires)?,
            b1: g1(&mut file, section::B1, wires)?,
            b2: read_query::<g2::Config>(&mut file, section::B2, wires, &steps)?,
            c_and_h: {
                let c = g1(&mut file, section::C, wires - inputs - 1)?;
                c.and(g1(&mut file, section::H, domain)?, wires - inputs - 1)?
            },
            wires,
            inputs,
            domain,
            beta_g1: head.beta_g1,
            delta_g1: head.delta_g1,
            verifier: Groth16Verifier::new(head.key),
            matrices,
            sizes,
        })
    }
}

/// How large a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) wires: u64,
    pub(super) constraints: u64,
    domain: u64,
    entries: u64,
}

impl Sizes {
    pub(super) const fn new(wires: usize, constraints: usize, domain: usize, entries: usize) -> Self {
        Self { wires: wires as u64, constraints: constraints as u64, domain: domain as u64, entries: entries as u64 }
    }

    /// Constraints, for an ordinary key: it has about as many wires, and a domain of less than twice as many rows. A key
    /// that is larger in another way is paid by what makes it slow.
    pub(super) fn work(&self) -> WorkUnits {
        WorkUnits(self.constraints.max(self.wires / 2).max(self.domain / 4).max(self.entries / 256))
    }

    /// An upper bound of what proving takes, in bytes: the key, the witness in two forms, three vectors over the domain,
    /// and what the threads of a multiplication sort.
    pub(super) fn memory(&self) -> u64 {
        let key = self.wires * (3 * 68 + 132) + self.domain * (68 + 2 * 4) + self.entries * 40;
        let threads = rayon::current_num_threads() as u64;
        let chunk = self.wires.max(self.domain).min(1 << 18);
        key + 64 * self.wires + 4 * 32 * self.domain + threads * 136 * chunk + (16 << 20)
    }
}

/// Reads the head of a zkey and the sizes of the rest; the points are not read.
pub(super) fn inspect(path: &Path, max: u64, control: &Control) -> Result<(ZkeyHead, Sizes), BackendError> {
    let (mut file, head) = open_zkey(path, max)?;
    let wires = u64::from(head.wires);
    let sections = [
        (section::A, wires * G1_LEN),
        (section::B1, wires * G1_LEN),
        (section::B2, wires * G2_LEN),
        (section::C, (wires - head.key.inputs() as u64 - 1) * G1_LEN),
        (section::H, u64::from(head.domain) * G1_LEN),
    ];
    for (id, len) in sections {
        file.section_of_len(id, len).map_err(ZkeyError::from)?;
    }
    let count = entry_count(&mut file)?;
    let sizes = read_entries(&mut file, &head, count, control, |_, _| ())?;
    Ok((head, sizes))
}

fn open_zkey(path: &Path, max: u64) -> Result<(ZkeyFile<BufReader<File>>, ZkeyHead), BackendError> {
    let (file, _) = open(path, "proving key", max)?;
    let mut file = zkey::open(BufReader::with_capacity(1 << 16, file)).map_err(ZkeyError::from)?;
    let head = ZkeyHead::read(&mut file).map_err(ZkeyError::from)?;
    Ok((file, head))
}

/// How many entries the matrices have, held against the section's length.
fn entry_count(file: &mut ZkeyFile<BufReader<File>>) -> Result<u32, BackendError> {
    let len = file.len_of(section::COEFFICIENTS).map_err(ZkeyError::from)?;
    let mut reader = file.section_of_len(section::COEFFICIENTS, len).map_err(ZkeyError::from)?;
    let claimed = binfile::read_u32(&mut reader).map_err(ZkeyError::from)?;
    if len != 4 + u64::from(claimed) * ENTRY_LEN {
        return Err(ZkeyError::EntryCount { claimed }.into());
    }
    Ok(claimed)
}

/// Reads the entries of both matrices.
fn read_entries(
    file: &mut ZkeyFile<BufReader<File>>,
    head: &ZkeyHead,
    count: u32,
    control: &Control,
    mut take: impl FnMut(usize, Entry),
) -> Result<Sizes, BackendError> {
    let len = 4 + u64::from(count) * ENTRY_LEN;
    let mut reader = file.section_of_len(section::COEFFICIENTS, len).map_err(ZkeyError::from)?;
    binfile::read_u32(&mut reader).map_err(ZkeyError::from)?;
    let mut rows = 0;
    let mut bytes = [0; ENTRY_LEN as usize];
    for index in 0..u64::from(count) {
        if index % (BATCH as u64) == 0 {
            control.check()?;
        }
        binfile::read_exact(&mut reader, &mut bytes).map_err(ZkeyError::from)?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (matrix, row, wire) = (word(0), word(4), word(8));
        let mut value = [0; 32];
        value.copy_from_slice(&bytes[12..]);
        let value = int_from_le(&value);
        let fault = match () {
            () if matrix > 1 => "there is no such matrix",
            () if row >= head.domain => "its row is beyond the domain",
            () if wire >= head.wires => "there is no such wire",
            () if value >= Fr::MODULUS => "its value is not below the field's modulus",
            () => {
                rows = rows.max(row + 1);
                // snarkjs keeps value · R²; a division by R makes it the Montgomery form, value · R.
                let value = Fr::new_unchecked(Fr::new_unchecked(value).into_bigint());
                take(matrix as usize, Entry { row, wire, value });
                continue;
            }
        };
        return Err(ZkeyError::Entry { index, fault }.into());
    }
    // snarkjs appends a row for each public input, and one for the constant 1, which bind them to the proof.
    let bindings = head.key.inputs() as u64 + 1;
    Ok(Sizes {
        wires: head.wires.into(),
        constraints: u64::from(rows).saturating_sub(bindings),
        domain: head.domain.into(),
        entries: count.into(),
    })
}

/// e(β₁, G₂) = e(G₁, β₂), and so for delta: a key whose halves do not belong together proves nothing.
fn check_twins(head: &ZkeyHead) -> Result<(), BackendError> {
    // Both at once, by a random combination that whoever made the key cannot know.
    let factor = Fr::from(rand::random::<u128>());
    let one = (head.beta_g1 + head.delta_g1 * factor).into_affine();
    let two = (head.key.beta() + head.key.delta() * factor).into_affine();
    let generators = (G1Affine::generator(), G2Affine::generator());
    if !Bn254::multi_pairing([one, -generators.0], [generators.1, two]).is_zero() {
        return Err(ZkeyError::Twins.into());
    }
    Ok(())
}

/// Reports how much of the points has been read.
struct Steps<'a> {
    control: &'a Control,
    total: u64,
    read: std::cell::Cell<u64>,
}

impl<'a> Steps<'a> {
    fn new(head: &ZkeyHead, control: &'a Control) -> Self {
        let total = u64::from(head.wires) * (3 * G1_LEN + G2_LEN) + u64::from(head.domain) * G1_LEN;
        Self { control, total, read: 0.into() }
    }

    fn step(&self, bytes: u64) -> Result<(), BackendError> {
        self.read.set(self.read.get() + bytes);
        self.control.report(Stage::Load, LOADED * self.read.get() as f64 / self.total as f64);
        self.control.check()
    }
}

/// A curve whose points a zkey holds.
trait Curve: SWCurveConfig {
    /// Bytes of a point.
    const LEN: u64;
    /// A coordinate.
    fn coordinate(bytes: &[u8]) -> Option<Self::BaseField>;
}

impl Curve for g1::Config {
    const LEN: u64 = G1_LEN;
    fn coordinate(bytes: &[u8]) -> Option<Fq> {
        coordinate_from_zkey(bytes.first_chunk()?)
    }
}

impl Curve for g2::Config {
    const LEN: u64 = G2_LEN;
    fn coordinate(bytes: &[u8]) -> Option<Fq2> {
        Some(Fq2::new(g1::Config::coordinate(bytes)?, g1::Config::coordinate(&bytes[32..])?))
    }
}

/// Reads a section of points.
fn read_query<P: Curve>(
    file: &mut ZkeyFile<BufReader<File>>,
    id: u32,
    count: usize,
    steps: &Steps<'_>,
) -> Result<Query<P::BaseField>, BackendError> {
    let mut reader = file.section_of_len(id, count as u64 * P::LEN).map_err(ZkeyError::from)?;
    let mut query = Query { points: reserved(count)?, positions: reserved(count)? };
    let mut bytes = vec![0; BATCH.min(count) * P::LEN as usize];
    let mut first = 0;
    while first < count {
        let batch = BATCH.min(count - first);
        let bytes = &mut bytes[..batch * P::LEN as usize];
        binfile::read_exact(&mut reader, bytes).map_err(ZkeyError::from)?;
        let points: Option<Vec<_>> =
            bytes.par_chunks_exact(P::LEN as usize).with_min_len(256).map(point::<P>).collect();
        let points =
            points.ok_or(ZkeyError::Point { section: id, first: first as u64, last: (first + batch - 1) as u64 })?;
        for (position, point) in (first as u32..).zip(points) {
            if !point.is_infinity() {
                query.points.push(point);
                query.positions.push(position);
            }
        }
        first += batch;
        steps.step(bytes.len() as u64)?;
    }
    query.points.shrink_to_fit();
    query.positions.shrink_to_fit();
    Ok(query)
}

/// A point on the curve, or infinity.
fn point<P: Curve>(bytes: &[u8]) -> Option<Point<P::BaseField>> {
    let (x, y) = bytes.split_at(bytes.len() / 2);
    let point = Point { x: P::coordinate(x)?, y: P::coordinate(y)? };
    let on_curve = || point.y.square() == point.x.square() * point.x + P::COEFF_B;
    (point.is_infinity() || on_curve()).then_some(point)
}
