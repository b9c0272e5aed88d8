//! What an instance signs.

use super::Domain;
use alloy_primitives::{Address, B256, Signature, U256, keccak256, uint};
use alloy_sol_types::{SolStruct, SolValue, sol};
use sha2::{Digest, Sha256};
use zkpool_protocol::ErrorCode;

/// `program ‖ output ‖ payee ‖ r ‖ s ‖ v`.
pub const PROOF_LEN: usize = 32 + 32 + 20 + 65;

/// Half of the curve's order, rounded down: the greatest `s` that is taken. For each signature there is another one of
/// the same message, with the order less `s`.
const HALF_ORDER: U256 = uint!(0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0_U256);

sol! {
    /// What is signed.
    struct Attestation {
        bytes32 program;
        bytes32 output;
        address payee;
    }
}

/// What a program put out: the SHA-256 of its journal.
pub fn output(journal: &[u8]) -> B256 {
    B256::new(Sha256::digest(journal).into())
}

/// The statement that the contract knows: `keccak256(abi.encode(program, output))`.
pub fn statement(program: B256, output: B256) -> B256 {
    keccak256((program, output).abi_encode())
}

/// A proof as the contract takes it, read but not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proof {
    /// The program, as the contract names it.
    pub program: B256,
    /// The SHA-256 of its journal.
    pub output: B256,
    /// Who made it, and is to be paid for it.
    pub payee: Address,
    /// `r ‖ s ‖ v`.
    pub signature: [u8; 65],
}

impl Proof {
    /// The bytes that the contract takes.
    pub fn encode(&self) -> [u8; PROOF_LEN] {
        let mut bytes = [0; PROOF_LEN];
        bytes[..32].copy_from_slice(self.program.as_slice());
        bytes[32..64].copy_from_slice(self.output.as_slice());
        bytes[64..84].copy_from_slice(self.payee.as_slice());
        bytes[84..].copy_from_slice(&self.signature);
        bytes
    }

    /// Reads a proof.
    ///
    /// # Errors
    ///
    /// [`ProofError::Length`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let length = || ProofError::Length { found: bytes.len() };
        let bytes: &[u8; PROOF_LEN] = bytes.try_into().map_err(|_| length())?;
        let mut signature = [0; 65];
        signature.copy_from_slice(&bytes[84..]);
        Ok(Self {
            program: B256::from_slice(&bytes[..32]),
            output: B256::from_slice(&bytes[32..64]),
            payee: Address::from_slice(&bytes[64..84]),
            signature,
        })
    }

    /// What the instance signs.
    pub fn digest(&self, domain: &Domain) -> B256 {
        let Self { program, output, payee, .. } = *self;
        Attestation { program, output, payee }.eip712_signing_hash(&domain.eip712())
    }

    /// What it states.
    pub fn statement(&self) -> B256 {
        statement(self.program, self.output)
    }

    /// Which instance signed it. Whether that is one of the program's, the contract knows.
    ///
    /// # Errors
    ///
    /// [`ProofError`], if the signature is none, or not in the one form that is taken.
    pub fn signer(&self, domain: &Domain) -> Result<Address, ProofError> {
        let [rs @ .., v] = &self.signature;
        let odd = match v {
            27 => false,
            28 => true,
            found => return Err(ProofError::Recovery { found: *found }),
        };
        let (r, s) = rs.split_at(32);
        let (r, s) = (U256::from_be_slice(r), U256::from_be_slice(s));
        if s > HALF_ORDER {
            return Err(ProofError::HighS);
        }
        let signature = Signature::new(r, s, odd);
        signature.recover_address_from_prehash(&self.digest(domain)).map_err(|_| ProofError::Signature)
    }

    /// Checks that `instance` signed `statement`, which is the program's.
    ///
    /// # Errors
    ///
    /// [`ProofError`].
    pub fn check(&self, domain: &Domain, program: B256, statement: B256, instance: Address) -> Result<(), ProofError> {
        if self.program != program {
            return Err(ProofError::Program { expected: program, found: self.program });
        }
        let found = self.statement();
        if found != statement {
            return Err(ProofError::Statement { expected: statement, found });
        }
        let found = self.signer(domain)?;
        if found != instance {
            return Err(ProofError::Instance { expected: instance, found });
        }
        Ok(())
    }
}

/// Why an enclave's signature proves nothing.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// Not as long as every proof is.
    #[error("an SGX proof is {PROOF_LEN} bytes long, this one {found}")]
    Length {
        /// Its length in bytes.
        found: usize,
    },
    /// A last byte that says nothing.
    #[error("the signature ends with {found}: 27 or 28 is taken")]
    Recovery {
        /// The last byte.
        found: u8,
    },
    /// The other signature of the same message.
    #[error("the signature's s is in the upper half of the order: sign with the lower one")]
    HighS,
    /// No key has made it.
    #[error("no key has made this signature: r or s is out of range, or r is of no point")]
    Signature,
    /// Of another program.
    #[error("the proof is of program {found}, but {expected} was asked for")]
    Program {
        /// What was asked for.
        expected: B256,
        /// What it is of.
        found: B256,
    },
    /// Of another output.
    #[error("the proof is of statement {found}, but {expected} was asked for")]
    Statement {
        /// What was asked for.
        expected: B256,
        /// What it states.
        found: B256,
    },
    /// Signed by another key, or for another chain, contract or payee: which, a signature does not tell.
    #[error(
        "the proof is signed by {found}, not by instance {expected}: by another enclave, or for another chain, verifier \
         contract, output or payee"
    )]
    Instance {
        /// Who was to sign.
        expected: Address,
        /// Who signed, if it is for this chain and contract.
        found: Address,
    },
}

impl ProofError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Statement { .. } => ErrorCode::WrongPublicInputs,
            _ => ErrorCode::ProofInvalid,
        }
    }
}
