//! Circuits as circom compiles them. Format: iden3 `r1csfile`.

use ark_bn254::Fr;
use ark_ff::{Field, PrimeField, Zero};
use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};
use zkpool_verifiers::{
    binfile::{BinFile, BinFileError, read_exact, read_u32},
    groth16::points::{SCALAR_FIELD_PRIME_LE, int_from_le},
};

const HEADER: u32 = 1;
const CONSTRAINTS: u32 = 2;
const HEADER_LEN: u64 = 4 + 32 + 4 * 4 + 8 + 4;

/// Why a file is no circuit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum R1csError {
    /// The container.
    #[error(transparent)]
    File(#[from] BinFileError),
    /// It is over another field.
    #[error("the circuit is over another field than BN254's: compile it with circom's default prime")]
    Field,
    /// A number in it is out of range.
    #[error("constraint {row} of the circuit is unsound: {fault}")]
    Constraint {
        /// Which.
        row: usize,
        /// What is wrong.
        fault: &'static str,
    },
    /// It claims sizes that cannot be.
    #[error("the circuit has {wires} wires, of which {inputs} are public")]
    Wires {
        /// All wires.
        wires: u32,
        /// Public ones, without the constant.
        inputs: u32,
    },
}

impl From<std::io::Error> for R1csError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error.into())
    }
}

/// A matrix by rows: each has some wires, with factors.
#[derive(Clone, Debug, Default)]
pub(super) struct Matrix {
    /// Where each row ends in `entries`.
    ends: Vec<usize>,
    entries: Vec<(u32, Fr)>,
}

impl Matrix {
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = (u32, Fr)>) {
        self.entries.extend(row);
        self.ends.push(self.entries.len());
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[(u32, Fr)]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.entries[start..*end])
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }
}

/// A circuit: for each row, A·w times B·w is C·w, where w are the wires: 1, the public ones, the private ones.
#[derive(Clone, Debug)]
pub struct Circuit {
    pub(super) wires: usize,
    pub(super) inputs: usize,
    pub(super) matrices: [Matrix; 3],
}

impl Circuit {
    /// One with so many wires, of which `inputs` are public besides the constant 1; without constraints yet.
    pub fn new(wires: usize, inputs: usize) -> Self {
        Self { wires, inputs, matrices: Default::default() }
    }

    /// Adds a constraint: wires and their factors in A, B and C.
    ///
    /// # Panics
    ///
    /// If there is no such wire.
    pub fn constrain(&mut self, rows: [&[(u32, Fr)]; 3]) {
        for (matrix, row) in self.matrices.iter_mut().zip(rows) {
            assert!(row.iter().all(|(wire, _)| (*wire as usize) < self.wires), "the circuit has such a wire");
            matrix.push(row.iter().copied());
        }
    }

    /// Reads a `.r1cs` file.
    ///
    /// # Errors
    ///
    /// [`R1csError`], if it is none.
    pub fn open(path: &Path) -> Result<Self, R1csError> {
        Self::read(BufReader::with_capacity(1 << 16, File::open(path)?))
    }

    /// Reads a `.r1cs`.
    ///
    /// # Errors
    ///
    /// [`R1csError`], if it is none.
    pub fn read(reader: impl Read + Seek) -> Result<Self, R1csError> {
        let mut file = BinFile::open(reader, "r1cs", 1)?;
        let mut header = file.section_of_len(HEADER, HEADER_LEN)?;
        let mut prime = [0; 32];
        if read_u32(&mut header)? != 32 {
            return Err(R1csError::Field);
        }
        read_exact(&mut header, &mut prime)?;
        if prime != SCALAR_FIELD_PRIME_LE {
            return Err(R1csError::Field);
        }
        let mut word = || read_u32(&mut header);
        let (wires, outputs, public, _private) = (word()?, word()?, word()?, word()?);
        let (_labels, rows) = ((word()?, word()?), word()?);
        let inputs = outputs.checked_add(public).filter(|inputs| *inputs < wires);
        let inputs = inputs.ok_or(R1csError::Wires { wires, inputs: outputs.saturating_add(public) })?;

        let mut circuit = Self::new(wires as usize, inputs as usize);
        let length = file.len_of(CONSTRAINTS)?;
        let mut section = file.section_of_len(CONSTRAINTS, length)?;
        for row in 0..rows as usize {
            for matrix in &mut circuit.matrices {
                for _ in 0..read_u32(&mut section)? {
                    let wire = read_u32(&mut section)?;
                    if wire >= wires {
                        return Err(R1csError::Constraint { row, fault: "there is no such wire" });
                    }
                    let mut factor = [0; 32];
                    read_exact(&mut section, &mut factor)?;
                    let fault = R1csError::Constraint { row, fault: "a factor is not below the field's modulus" };
                    matrix.entries.push((wire, Fr::from_bigint(int_from_le(&factor)).ok_or(fault)?));
                }
                matrix.ends.push(matrix.entries.len());
            }
        }
        if section.limit() != 0 {
            return Err(BinFileError::TrailingBytes.into());
        }
        Ok(circuit)
    }

    /// How many wires there are, the constant 1 included.
    pub fn wires(&self) -> usize {
        self.wires
    }

    /// How many are public, without the constant.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many constraints there are.
    pub fn constraints(&self) -> usize {
        self.matrices[0].ends.len()
    }

    /// The first constraint that a witness, the values of all wires, does not satisfy.
    ///
    /// # Panics
    ///
    /// If the witness is of another length.
    pub fn violated_by(&self, witness: &[Fr]) -> Option<usize> {
        assert_eq!(witness.len(), self.wires, "a value for each wire");
        if witness[0] != Fr::ONE {
            return Some(0);
        }
        let value = |row: &[(u32, Fr)]| {
            row.iter().fold(Fr::zero(), |sum, (wire, factor)| sum + witness[*wire as usize] * factor)
        };
        let [a, b, c] = self.matrices.each_ref().map(Matrix::rows);
        a.zip(b).zip(c).position(|((a, b), c)| value(a) * value(b) != value(c))
    }
}
