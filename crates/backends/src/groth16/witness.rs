//! Witnesses, and the file that they come in ready-made. Format: snarkjs `src/wtns_utils.js`.

use super::msm::Scalar;
use crate::{
    BackendError, Control,
    program::{open, reserved},
};
use ark_bn254::Fr;
use ark_ff::PrimeField;
use rayon::prelude::*;
use std::{
    io::{BufReader, Read, Seek},
    path::Path,
};
use zkpool_protocol::ErrorCode;
use zkpool_verifiers::{
    binfile::{self, BinFile, BinFileError},
    groth16::{
        PublicInputs,
        points::{SCALAR_FIELD_PRIME_LE, int_from_le},
    },
};

const HEADER: u32 = 1;
const VALUES: u32 = 2;
const HEADER_LEN: u64 = 4 + 32 + 4;
const VALUE_LEN: u64 = 32;
/// Values that are read between looks at the control.
const BATCH: u64 = 1 << 16;

/// Why a witness is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessFileError {
    /// The container is unsound.
    #[error("cannot read the witness: {0}")]
    File(#[from] BinFileError),
    /// It is over another field.
    #[error("the witness is over another field than BN254's: compile the circuit with circom's default prime")]
    Field,
    /// It is of another circuit.
    #[error("the witness has {found} wires, but the proving key's circuit has {expected}: it is of another circuit")]
    Wires {
        /// The proving key's.
        expected: usize,
        /// The witness'.
        found: u64,
    },
    /// A value is not below r.
    #[error("value {wire} of the witness is not below the field's modulus")]
    Value {
        /// Which wire.
        wire: usize,
    },
    /// The first wire is the constant 1.
    #[error("the witness does not begin with 1")]
    Constant,
}

impl WitnessFileError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::File(BinFileError::Io(_)) => ErrorCode::Storage,
            _ => ErrorCode::BadInput,
        }
    }
}

/// The values of a circuit's wires: 1, the public inputs, the private ones. It can be a secret.
pub(super) struct Witness(Vec<Scalar>);

impl Witness {
    /// From values, of which there are as many as the circuit has wires.
    pub(super) fn new(values: Vec<Scalar>, wires: usize) -> Result<Self, WitnessFileError> {
        if values.len() != wires {
            return Err(WitnessFileError::Wires { expected: wires, found: values.len() as u64 });
        }
        if let Some(wire) = values.iter().position(|value| *value >= Fr::MODULUS) {
            return Err(WitnessFileError::Value { wire });
        }
        if values.first() != Some(&Scalar::one()) {
            return Err(WitnessFileError::Constant);
        }
        Ok(Self(values))
    }

    /// Reads a `.wtns` file for a circuit of `wires` wires.
    pub(super) fn read_file(path: &Path, wires: usize, control: &Control) -> Result<Self, BackendError> {
        // A header, two sections and the values.
        let (file, _) = open(path, "witness", 4096 + wires as u64 * VALUE_LEN)?;
        Self::read(BufReader::new(file), wires, control)
    }

    /// Reads a witness for a circuit of `wires` wires.
    pub(super) fn read(reader: impl Read + Seek, wires: usize, control: &Control) -> Result<Self, BackendError> {
        let mut file = BinFile::open(reader, "wtns", 2).map_err(WitnessFileError::from)?;
        let head = file.len_of(HEADER).map_err(WitnessFileError::from)?;
        if head != HEADER_LEN {
            return Err(WitnessFileError::Field.into());
        }
        let mut reader = file.section_of_len(HEADER, HEADER_LEN).map_err(WitnessFileError::from)?;
        let bytes_of_prime = binfile::read_u32(&mut reader).map_err(WitnessFileError::from)?;
        let mut prime = [0; 32];
        binfile::read_exact(&mut reader, &mut prime).map_err(WitnessFileError::from)?;
        if bytes_of_prime != 32 || prime != SCALAR_FIELD_PRIME_LE {
            return Err(WitnessFileError::Field.into());
        }
        let found = binfile::read_u32(&mut reader).map_err(WitnessFileError::from)?.into();
        if found != wires as u64 {
            return Err(WitnessFileError::Wires { expected: wires, found }.into());
        }

        let mut reader = file.section_of_len(VALUES, found * VALUE_LEN).map_err(WitnessFileError::from)?;
        let mut values = reserved(wires)?;
        for wire in 0..found {
            if wire % BATCH == 0 {
                control.check()?;
            }
            let mut bytes = [0; VALUE_LEN as usize];
            binfile::read_exact(&mut reader, &mut bytes).map_err(WitnessFileError::from)?;
            values.push(int_from_le(&bytes));
        }
        Ok(Self::new(values, wires)?)
    }

    /// The values as scalars.
    pub(super) fn scalars(&self) -> &[Scalar] {
        &self.0
    }

    /// The values as field elements.
    pub(super) fn elements(&self) -> Vec<Fr> {
        // In range: see `new`. In Montgomery form by one multiplication each.
        self.0.par_iter().with_min_len(1024).map(|value| Fr::new(*value)).collect()
    }

    /// The public inputs.
    pub(super) fn public_inputs(&self, inputs: usize) -> PublicInputs {
        PublicInputs::new(self.0[1..=inputs].iter().map(|value| Fr::new(*value)).collect())
    }
}
